"""`kefu bench engine` and `kefu bench soak`: the engine beside its rivals, and the engine under everything at once."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from typer.exceptions import TyperException

bench = typer.Typer(rich_markup_mode=None, help="Measure the engine.")


@bench.command("engine")
def bench_engine(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; each runs every engine in turn.")] = 3,
    chats: Annotated[str, typer.Option(help="Requests of a workload, with commas.")] = "1,8,32",
    prefixes: Annotated[str, typer.Option(help="Shared part of the prompts: half, none.")] = "half,none",
    arrivals: Annotated[str, typer.Option(help="How requests come: together, poisson.")] = "together,poisson",
    engines: Annotated[str, typer.Option(help="Which engines; empty for all.")] = "",
    shape: Annotated[Literal["31m", "0.6b", "tiny"], typer.Option(help="Size of the network.")] = "31m",
    prompt: Annotated[int, typer.Option(min=2, max=400, help="Tokens of a prompt.")] = 200,
    new: Annotated[int, typer.Option(min=2, max=100, help="Tokens of an answer.")] = 64,
    threads: Annotated[int, typer.Option(min=1, help="torch's threads.")] = 1,
    naive_most: Annotated[
        int, typer.Option(min=1, help="Requests that the naive worker generates for real.")
    ] = 8,
    seed: Annotated[int, typer.Option()] = 1,
    clock: Annotated[
        Literal["wall", "cpu"], typer.Option(help="cpu: CPU seconds, for a machine that others use.")
    ] = "wall",
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="cuda: everything in bf16.")] = "cpu",
    minutes: Annotated[float, typer.Option(min=0, help="Begin nothing new after so long; 0: no limit.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="One short round of the tiny shape.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Write a picture of the figures here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")] = False,
) -> None:
    """Measure the engine beside one job at a time, static batches and transformers' continuous batching.

    Example: kefu bench engine --rounds 2 --chats 1,32 --arrivals together --json
    On a GPU: kefu bench engine --device cuda --shape 0.6b --chats 1,64,256 --json
    """
    try:
        import torch

        from model.bench.engine import ENGINES, LEFT_OUT, Options, draw, run_engine_bench
    except ImportError as error:
        raise TyperException(
            f'{error.name} is missing; install it with: pip install "kefu[worker]"'
        ) from None
    measured = tuple(name for name in ENGINES if name != LEFT_OUT[device])
    options = Options(
        shape="tiny" if quick else shape,
        chats=_numbers("--chats", chats) if not quick else (1, 4),
        rounds=1 if quick else rounds,
        prefixes=_words("--prefixes", prefixes, ("half", "none")),
        arrivals=_words("--arrivals", arrivals, ("together", "poisson")),
        engines=_words("--engines", engines, ENGINES) if engines else measured,
        prompt=40 if quick else prompt,
        new=8 if quick else new,
        threads=threads,
        naive_most=naive_most,
        seed=seed,
        clock=clock,
        device=device,
        minutes=minutes,
    )
    if device == "cuda" and not torch.cuda.is_available():
        raise TyperException("--device cuda: torch sees no GPU here; leave the option out to measure the CPU")
    if device == "cuda" and clock == "cpu":
        raise TyperException("--clock cpu goes with --device cpu only")
    if clock == "cpu" and (threads > 1 or "poisson" in options.arrivals):
        raise TyperException("--clock cpu goes with --threads 1 and --arrivals together only")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting")
        result = run_engine_bench(
            options,
            lambda what, done, total: progress.update(task, description=what, completed=done, total=total),
        )
    if picture is not None:
        try:
            draw(result, picture)
        except ImportError:
            raise TyperException('a picture needs matplotlib: pip install "kefu[train]"') from None
    if as_json:
        print(json.dumps(result))
        return
    names = [name for name in result["engines"][0] if name not in ("overhead", "replayed", "round")]
    table = Table(*names)
    for row in result["engines"]:
        table.add_row(*(str(row[name]) for name in names))
    Console().print(table)
    for case, ratios in result["ratios"].items():
        for rival, by_chats in ratios.items():
            for count, found in by_chats.items():
                low, high = found["range"]
                print(f"{case}, {count} chats: {found['median']:.2f}x {rival} ({low:.2f}-{high:.2f})")
    for count, share in result["overhead"].items():
        print(f"everything but the network, {count} chats: {share:.1%} of our engine's time")
    for name, held in result["standing_mb"].items():
        if held:
            print(f"{name} holds {held:.0f} MB between the workloads")
    print(f"ours ran in {result['precision']}; transformers' attention: {result['transformers_attention']}")


@bench.command("soak")
def bench_soak(
    requests: Annotated[int, typer.Option(min=10, help="How many requests.")] = 10_000,
    slots: Annotated[int, typer.Option(min=1, max=256)] = 32,
    seed: Annotated[int, typer.Option()] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")] = False,
) -> None:
    """Send requests of every fate through a small network with a pointer head, and account for each.

    Exit code 1 if a slot was lost, a stream did not end once, or an answer was wrong.

    Example: kefu bench soak --requests 10000 --json
    """
    import torch

    from model.bench.soak import soak
    from model.gpt import GPT, GPTConfig

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    shape = GPTConfig(200, context=128, layers=2, heads=2, kv_heads=1, width=32, hidden=48, pointer_width=16)
    model = GPT(shape).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    report = asyncio.run(soak(model, requests, slots, seed))
    if as_json:
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name:14} {value}")
    is_kept = report["ended_once"] == requests and not report["slots_lost"] and not report["wrong"]
    raise typer.Exit(0 if is_kept else 1)


def _numbers(option: str, given: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in given.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1 or max(numbers) > 1000:
        raise typer.BadParameter(f"{option}: whole numbers from 1 to 1000, with commas between them")
    return numbers


def _words(option: str, given: str, known: tuple[str, ...]) -> tuple[str, ...]:
    words = tuple(word.strip() for word in given.split(","))
    if not set(words) <= set(known):
        raise typer.BadParameter(f"{option}: one or more of {', '.join(known)}")
    return words
