"""How customers ask for one passage of a topic: patterns by question type and aspect, one text file a language.

    # delivery_time/cutoff
    (until when|what time) must i order so it leaves today
    ~ is three in the afternoon too late for the van

A head names a type of `prompt.py`, or one aspect of it: the passages of a topic answer different questions, and the
aspect tells which one is meant. A line is a pattern of `grammar.py`; `~` marks a family that is set aside for
measuring and never trained on. A shop writes its own questions in the same form (`questions_en.txt` in its folder).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from model.data.grammar import parse
from model.types import Language


class AsksError(ValueError):
    """A file of patterns that cannot be used; the text names the line and what to do."""


@dataclass(frozen=True)
class Asks:
    """The patterns of one label."""

    patterns: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()


def type_of(label: str) -> str:
    """The question type of a label, which is a type or `type/aspect`."""
    return label.partition("/")[0]


def read_asks(path: Path) -> dict[str, Asks]:
    """The patterns of a file by their labels, in its order. Raises AsksError."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    label = ""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AsksError(f"{path} cannot be read ({error})") from None
    for number, line in enumerate(map(str.strip, lines), 1):
        if line.startswith("# "):
            label = line[2:].strip()
            found.setdefault(label, ([], []))
        elif line and not label:
            raise AsksError(
                f"{path}, line {number}: a question before the first '# type' line; add one above it"
            )
        elif line:
            pattern = line.removeprefix("~ ")
            try:
                parse(pattern)
            except ValueError as error:
                raise AsksError(f"{path}, line {number}: {error}") from None
            found[label][pattern != line].append(pattern)
    return {label: Asks(tuple(kept), tuple(aside)) for label, (kept, aside) in found.items()}


@cache
def shipped_asks(language: Language) -> Mapping[str, Asks]:
    """The project's own patterns."""
    return read_asks(Path(__file__).parent / f"asks_{language}.txt")
