"""The command `kefu worker`."""

from typing import Annotated, Literal

import typer

from workers.settings import load_settings

app = typer.Typer(add_completion=False, rich_markup_mode=None)


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
