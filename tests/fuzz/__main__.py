"""Tries every property with many inputs and shows how far it is: `make fuzz`, or python -m tests.fuzz --inputs 100000.

Exit code 1 if an input broke something; the smallest such input is printed. The same seed tries the same inputs.
"""

import argparse
import json
import sys
import time
import traceback
import warnings
from collections import Counter

from hypothesis.errors import HypothesisWarning
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.fuzz.properties import all_properties, try_inputs


def main() -> int:
    """Run from the command line."""
    options = _options()
    warnings.simplefilter("ignore", HypothesisWarning)
    broken: dict[str, str] = {}
    tried: Counter[str] = Counter()
    began = time.monotonic()
    properties = [item for item in all_properties() if options.only.lower() in item.name.lower()]
    whole = sum(item.share for item in properties)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=options.inputs)
        for item in properties:
            progress.update(task, description=item.name)

            def count(name: str = item.name) -> None:
                tried[name] += 1
                progress.advance(task)

            try:
                try_inputs(item, max(1, options.inputs * item.share // whole), options.seed, count)
            except Exception as error:
                broken[item.name] = "".join(traceback.format_exception(error)[-3:])
    for name, history in broken.items():
        print(f"{name}: broken\n{history}", file=sys.stderr)
    figures = {
        "inputs": tried.total(),
        "seed": options.seed,
        "seconds": round(time.monotonic() - began, 1),
        "broken": sorted(broken),
        "properties": dict(tried),
    }
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))
    else:
        for name, number in tried.items():
            print(f"{name:40} {number:7}  {'broken' if name in broken else 'holds'}")
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--inputs", type=_positive, default=100_000, help="of all properties together (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="TEXT", help="properties whose name contains it")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("a number from 1 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
