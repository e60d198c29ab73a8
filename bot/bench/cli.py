"""`kefu bench`: measure it, and break it on purpose."""

import asyncio
import json
import sys
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

app = typer.Typer(add_completion=False, rich_markup_mode=None)
bench = typer.Typer(rich_markup_mode=None)
app.add_typer(bench, name="bench")


@bench.callback()
def _bench() -> None:
    """Measure it, and break it on purpose. `engine` and `soak`, which need the model, have their own --help."""


@bench.command()
def chaos(
    messages: Annotated[int, typer.Option(min=1, help="Messages that customers write.")] = 1000,
    chats: Annotated[int, typer.Option(min=1, help="Customers.")] = 100,
    faults: Annotated[int, typer.Option(min=0, help="Faults, spread over the time they write.")] = 40,
    seed: Annotated[int, typer.Option(help="The same seed plans the same messages and faults.")] = 1,
    workers: Annotated[int, typer.Option(min=1)] = 2,
    bots: Annotated[
        int, typer.Option(min=1, max=8, help="With more than one they share a webhook behind a balancer.")
    ] = 1,
    fsync: Annotated[
        Literal["always", "everysec"], typer.Option(help="How Redis writes its append-only file.")
    ] = "always",
    rate: Annotated[float, typer.Option(min=0.1, max=25, help="Messages a second, all chats together.")] = 10,
    model: Annotated[str, typer.Option(help="Who answers; only the echo says what it answers.")] = "echo",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")] = False,
) -> None:
    """Kill, stop and cut off every part while customers write; then account for each message.

    Exit code 1 if a promise was broken; the history of the message is printed then.

    Example: kefu bench chaos --messages 300 --chats 30 --faults 15 --seed 7
    """
    from bot.bench.chaos import Options, run_chaos
    from bot.stack import StackError

    options = Options(messages, chats, faults, seed, workers, bots, fsync, model, rate)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=messages)

        def show(stage: str, sent: int, answered: int, injected: int) -> None:
            text = f"{stage}: {sent} sent, {injected} faults, answered"
            progress.update(task, description=text, completed=answered)

        try:
            report = asyncio.run(run_chaos(options, show))
        except StackError as error:
            print(f"kefu bench chaos: {error}", file=sys.stderr)
            raise typer.Exit(1) from None
    if report.history:
        print(report.history, file=sys.stderr)
    if as_json:
        print(json.dumps(report.figures, ensure_ascii=False))
    else:
        for name, value in report.figures.items():
            print(f"{name:24} {value if not isinstance(value, dict) else json.dumps(value)}")
        print("Every promise was kept." if report.is_kept else "A promise was broken.")
    raise typer.Exit(0 if report.is_kept else 1)


@bench.command()
def pipeline(
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of one measurement.")] = 5,
    rates: Annotated[
        str, typer.Option(help="Percentages of saturation at which messages arrive.")
    ] = "25,50,75",
    chats: Annotated[str, typer.Option(help="Numbers of customers; up to 10000.")] = "10,100,1000",
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds of each measurement, the two stacks in turn.")
    ] = 2,
    always: Annotated[
        bool, typer.Option("--always/--no-always", help="Measure Redis with appendfsync always too.")
    ] = True,
    soak: Annotated[
        float,
        typer.Option(
            min=0, metavar="MINUTES", help="Instead, chat for so long and see whether memory stays flat."
        ),
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")] = False,
) -> None:
    """Measure what everything but the generation costs, beside an aiogram bot on stock RQ.

    Example: kefu bench pipeline --seconds 3 --chats 10,1000 --rates 50 --no-always
    """
    if soak:
        _soak(soak, as_json)
    from bot.bench.pipeline import Options, run_pipeline
    from bot.bench.table import show_pipeline
    from bot.stack import StackError

    options = Options(
        seconds=seconds,
        rates=tuple(_numbers("--rates", rates, 1, 95)),
        chats=tuple(int(count) for count in _numbers("--chats", chats, 1, 10_000)),
        rounds=rounds,
        always=always,
    )
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting")

        def show(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        try:
            figures = asyncio.run(run_pipeline(options, show))
        except StackError as error:
            print(f"kefu bench pipeline: {error}", file=sys.stderr)
            raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(figures))
    else:
        show_pipeline(figures, Console())


def _soak(minutes: float, as_json: bool) -> NoReturn:
    from bot.bench.soak import run_soak
    from bot.bench.table import show_soak
    from bot.stack import StackError

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=1.0)
        try:
            figures = asyncio.run(
                run_soak(minutes, lambda what, done: progress.update(task, description=what, completed=done))
            )
        except StackError as error:
            print(f"kefu bench pipeline: {error}", file=sys.stderr)
            raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(figures))
    else:
        show_soak(figures, Console())
    raise typer.Exit(0 if figures["flat"] and not figures["unanswered"] else 1)


@bench.command()
def broadcast(
    recipients: Annotated[int, typer.Option(min=1, max=50_000, help="Customers who get it.")] = 10_000,
    rate: Annotated[
        float, typer.Option(min=0.1, max=8, help="Messages a second that customers write meanwhile.")
    ] = 2,
    calm: Annotated[float, typer.Option(min=1, help="Seconds of that before it begins.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed plans the same messages.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")] = False,
) -> None:
    """Write to thousands within Telegram's limits while customers chat; about nine minutes for ten thousand.

    Exit code 1 if anybody missed it, got it twice, or had no answer.

    Example: kefu bench broadcast --recipients 300 --calm 5
    """
    from bot.bench.broadcast import Options, run_broadcast
    from bot.stack import StackError

    columns = (TextColumn("recipients"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=recipients)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        try:
            figures = asyncio.run(run_broadcast(Options(recipients, rate, calm, seed), show))
        except StackError as error:
            print(f"kefu bench broadcast: {error}", file=sys.stderr)
            raise typer.Exit(1) from None
    if as_json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:24} {value if not isinstance(value, dict) else json.dumps(value)}")
    raise typer.Exit(1 if figures["missed"] or figures["doubled"] or figures["unanswered"] else 0)


def _numbers(option: str, given: str, least: float, most: float) -> list[float]:
    try:
        numbers = [float(part) for part in given.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(least <= number <= most for number in numbers):
        raise typer.BadParameter(f"{option}: numbers from {least:g} to {most:g}, with commas between them")
    return numbers
