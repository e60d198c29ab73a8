"""The command `kefu worker`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from workers.settings import SettingsError, load_settings

app = typer.Typer(add_completion=False, rich_markup_mode=None)
export = typer.Typer(no_args_is_help=True, help="Write what Redis holds into a file.")
app.add_typer(export, name="export")


train = typer.Typer(no_args_is_help=True, help="Train on what Redis holds.")
app.add_typer(train, name="train")


@app.callback()
def _commands() -> None:
    """Keeps the command's name in front of its options."""


@app.command()
def worker(
    slots: Annotated[int | None, typer.Option(min=1, max=1024, help="Answers written at once.")] = None,
    device: Annotated[
        Literal["cpu", "cuda", "auto"] | None, typer.Option(help="Where the model runs.")
    ] = None,
    burst: Annotated[bool, typer.Option("--burst", help="Stop when the queues are empty.")] = False,
) -> None:
    """Run a worker that answers customers; start as many as you like, on any machine.

    Example: KEFU_REDIS_URL=redis://localhost:6379/0 kefu worker --slots 32
    """
    from workers.main import run_worker

    run_worker(load_settings(slots=slots, device=device), burst=burst)


@export.command("events")
def events(
    out: Annotated[Path, typer.Option(help="The file: .csv or .csv.gz.")],
) -> None:
    """Write what customers did with suggestions as CSV, without anybody's id, to train on.

    Example: kefu export events --out events.csv.gz, then kefu train behaviour --interactions events.csv.gz --out runs/shop
    """
    import contextlib

    import redis

    from workers.connection import connect
    from workers.embedded_redis import private_redis
    from workers.exports import export_events

    settings = load_settings()
    with contextlib.ExitStack() as stack:
        url = settings.redis_url or stack.enter_context(private_redis(settings.data_dir))
        try:
            chats, number = export_events(stack.enter_context(connect(url)), out)
        except redis.RedisError as error:
            raise SettingsError(f"Redis does not answer ({error}); check KEFU_REDIS_URL.") from None
        except OSError as error:
            raise SettingsError(f"--out: {out} cannot be written ({error.strerror}).") from None
    print(f"{number} events of {chats} chats in {out}")


@train.command("nightly")
def nightly() -> None:
    """Train the shop's recommender on what customers did, and take it over if it is not worse: what KEFU_RETRAIN_AT
    has a worker do every night.

    Example: KEFU_SHOP=./shop KEFU_REDIS_URL=redis://localhost:6379/0 kefu train nightly
    """
    import contextlib
    import json

    import redis

    from workers.embedded_redis import private_redis
    from workers.retraining import run_retraining

    settings = load_settings()
    with contextlib.ExitStack() as stack:
        url = settings.redis_url or stack.enter_context(private_redis(settings.data_dir))
        try:
            print(json.dumps(run_retraining(settings, url)))
        except redis.RedisError as error:
            raise SettingsError(f"Redis does not answer ({error}); check KEFU_REDIS_URL.") from None
