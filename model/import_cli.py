"""The command `kefu import`: a shop's folder from a public data set that the user has. Needs the extra `worker`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer.exceptions import TyperException

from model.shop_import import EVENTS, ITEMS, ImportProblem, Kind, import_shop

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
imports = typer.Typer(no_args_is_help=True, help="Make a shop's folder from files that you have.")
app.add_typer(imports, name="import")

Source = Annotated[Path, typer.Argument(help="The file, its folder, or the .zip as downloaded.")]
Out = Annotated[Path, typer.Option(help="The shop's folder to write.")]
Minutes = Annotated[float, typer.Option(min=0.0, help="How long to train its recommender; 0: not at all.")]


@app.callback()
def _commands() -> None:
    """Keeps the command's name in front of its options."""


@imports.command("movielens")
def movielens(source: Source, out: Out, minutes: Minutes = 5.0) -> None:
    """Films and ratings of a MovieLens data set (100K, 1M, latest-small, …) as a shop with a trained recommender.

    Example: kefu import movielens ml-latest-small.zip --out films, then kefu demo --shop films
    """
    _import("movielens", source, out, minutes)


@imports.command("online-retail")
def online_retail(source: Source, out: Out, minutes: Minutes = 5.0) -> None:
    """The gift shop of UCI's Online Retail (I or II; .csv, .xlsx, .zip) as a shop with a trained recommender.

    Example: kefu import online-retail "Online Retail.xlsx" --out gifts, then kefu demo --shop gifts
    """
    _import("online-retail", source, out, minutes)


def _import(kind: Kind, source: Path, out: Path, minutes: float) -> None:
    from model.interactions import DataError
    from model.train_behaviour import Settings, TrainingError, train_behaviour

    console = Console(stderr=True)
    try:
        done = import_shop(kind, source, out)
        console.print(
            f"{done.products:,} products ({done.in_stock:,} in stock), {done.events:,} events of {done.users:,} "
            f"customers in {out}; {done.left_out:,} rows left out"
        )
        if minutes:
            settings = Settings(minutes=minutes)
            train_behaviour(out / EVENTS, out / ITEMS, out / "behaviour", settings, console)
    except (ImportProblem, DataError, TrainingError) as error:
        raise TyperException(str(error)) from None
    console.print(f"Try it: kefu demo --shop {out}")
    print(json.dumps({"out": str(out), **asdict(done)}))
