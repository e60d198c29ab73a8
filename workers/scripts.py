"""Loads the Lua scripts: each is one atomic step of a protocol and says at its top what it takes and returns."""

from importlib.resources import files

import redis
from redis.commands.core import Script


def load_script(connection: redis.Redis, name: str) -> Script:
    """The script `lua/<name>.lua`, bound to a connection; it loads itself again if Redis has forgotten it."""
    return connection.register_script(files("workers").joinpath("lua", f"{name}.lua").read_text())
