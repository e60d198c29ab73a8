"""The address of a Redis that Sentinel watches: several sentinels, the name of the service, and who we are to each.

    sentinel://USER:PASSWORD@host1:26379,host2:26379,host3:26379/SERVICE/0?sentinel_password=…

`sentinels://` is the same with TLS, to the sentinels and to Redis. Every new connection asks the sentinels where the
master is, so after a fail-over a client goes on with the new one. Knows no key and no command.
"""

import re
from dataclasses import dataclass
from typing import Any

import redis.sentinel
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.connection import parse_url

_ADDRESS = re.compile(
    r"sentinel(?P<tls>s?)://(?:(?P<user>[^@/]*)@)?(?P<hosts>[^@/?#]+)/(?P<service>[^/?#]+)(?:/(?P<db>\d+))?"
    r"(?P<query>\?[^#]*)?"
)
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^\[\]:\s]+)(?::(?P<port>\d{1,5}))?")
_PORT = 26379
_SECONDS = 2.0
"""How long one sentinel may take to answer before the next is asked."""


@dataclass(frozen=True)
class Service:
    """Where the sentinels are, which service they are asked for, and the options of both kinds of connection."""

    sentinels: tuple[tuple[str, int], ...]
    name: str
    options: dict[str, Any]
    sentinel_options: dict[str, Any]

    def client(self, **options: Any) -> redis.Redis:
        """A client of whatever is the master when a connection is made."""
        sentinel = redis.sentinel.Sentinel(list(self.sentinels), sentinel_kwargs=self._to_sentinels(options))
        client: redis.Redis = sentinel.master_for(self.name, **{**options, **self.options})
        return client

    def client_async(self, **options: Any) -> redis.asyncio.Redis:
        """The same for asyncio."""
        sentinel = AsyncSentinel(list(self.sentinels), sentinel_kwargs=self._to_sentinels(options))
        client: redis.asyncio.Redis = sentinel.master_for(self.name, **{**options, **self.options})
        return client

    def _to_sentinels(self, options: dict[str, Any]) -> dict[str, Any]:
        quick = {"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS, "retry": options["retry"]}
        return {**quick, **self.sentinel_options}


def is_sentinel(url: str) -> bool:
    """Whether an address is one of sentinels."""
    return url.startswith(("sentinel://", "sentinels://"))


def parse_service(url: str) -> Service:
    """Read such an address. Raises ValueError, without any part of it in the text."""
    if not (match := _ADDRESS.fullmatch(url)):
        raise ValueError("not an address of sentinels")
    hosts = [_HOST.fullmatch(host) for host in match["hosts"].split(",")]
    user = f"{match['user']}@" if match["user"] else ""
    options = parse_url(f"redis://{user}localhost/{match['db'] or 0}{match['query'] or ''}")
    tls = {"ssl": True} | {name: options[name] for name in options if name.startswith("ssl_")}
    own = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    del options["host"]
    return Service(
        sentinels=tuple(_place(host) for host in hosts),
        name=match["service"],
        options=options | (tls if match["tls"] else {}),
        sentinel_options={name: value for name, value in own.items() if value is not None}
        | (tls if match["tls"] else {}),
    )


def _place(host: "re.Match[str] | None") -> tuple[str, int]:
    if host is None or not 0 < int(host["port"] or _PORT) < 65536:
        raise ValueError("a sentinel is host:port")
    return host["name"].strip("[]"), int(host["port"] or _PORT)
