"""The splitter and the markup code with inputs that atheris steers to what no input has reached yet.

    python -m tests.fuzz.guided split --seconds 60       needs the extra: pip install atheris

It ends by itself if nothing breaks; an input that breaks something is written to a file whose name it prints.
"""

import argparse
import sys

TARGETS = {"split": "the parts of a text are the text", "markup": "markup is read or refused"}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    try:
        import atheris
    except ImportError:
        parser.error("atheris is not installed: pip install atheris")
    with atheris.instrument_imports(include=["bot.render", "bot.sandbox.markup"]):
        from tests.fuzz import replies
    from tests.fuzz.properties import make_test

    (tried,) = [item for item in replies.PROPERTIES if item.name == TARGETS[options.target]]
    with tried.bench() as check:
        test = make_test(tried, check, 1, None, lambda: None)
        atheris.Setup([sys.argv[0], f"-max_total_time={options.seconds}"], test.hypothesis.fuzz_one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
