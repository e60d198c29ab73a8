"""Questions with their types, from a file of JSON lines, and ways to divide them for learning and testing.

A line has `text` or `instruction`, and `intent`; other fields are passed over. A file that ends in .gz is
unpacked. It knows no model.
"""

import gzip
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

OUT_OF_SCOPE = frozenset({"oos", "out_of_scope"})
"""Labels of questions that belong to no type."""

Split = Literal["rows", "families"]

_COMMON = 20
_WORD = re.compile(r"[a-z']+|[\u3400-\u9fff]")
_ASIDE = frozenset(
    """a about an and any are assist assistance at be by can could d did do does don't dont for from gotta had has
    have help how i i'm if in is it ll m me my need not of on or our please pls r s some t that the there there's
    this to u ur us want wanna what when where who will with would you your know""".split()
)
"""Words that two wordings of one family may differ in."""


class IntentsError(ValueError):
    """A file that cannot be used; the text names it, the line, and what to do."""


@dataclass(frozen=True)
class Example:
    """One question and its type."""

    text: str
    intent: str


def read_examples(path: Path) -> list[Example]:
    """Read a file. Raises IntentsError with the first line that cannot be used."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise IntentsError(
            f"{path} cannot be read ({error}); give JSON lines, packed with gzip or not"
        ) from None
    examples = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            words, intent = row["text"] if "text" in row else row["instruction"], row["intent"]
        except (ValueError, KeyError, TypeError):
            words = intent = None
        if not isinstance(words, str) or not isinstance(intent, str) or not words.strip() or not intent:
            raise IntentsError(
                f'{path}, line {number}: expected {{"text": "…", "intent": "…"}} (or "instruction" for "text")'
            )
        examples.append(Example(words.strip(), intent))
    if not examples:
        raise IntentsError(f"{path} has no questions; give JSON lines with text and intent")
    return examples


def fingerprint(examples: Sequence[Example]) -> str:
    """A hash of the questions and types in their order, which tells two files apart by what they say."""
    told = json.dumps([[example.text, example.intent] for example in examples], ensure_ascii=False)
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:16]


def divide(
    examples: Sequence[Example], share: float, seed: int, split: Split = "rows"
) -> tuple[list[Example], list[Example]]:
    """Two parts of a file, the second with about `share` of each type's questions.

    rows: by chance within each type, the same text (in any case and spacing) always on one side.
    families: by whole families of wordings, see `family_of`.
    Types with too few families to divide stay in the first part.
    """
    key = family_of(examples) if split == "families" else _same_text
    by_intent: dict[str, dict[Hashable, list[Example]]] = defaultdict(lambda: defaultdict(list))
    for example in examples:
        by_intent[example.intent][key(example)].append(example)
    first: list[Example] = []
    second: list[Example] = []
    for intent, families in sorted(by_intent.items()):
        names = sorted(families, key=repr)
        Random(f"{seed}:{intent}").shuffle(names)
        wanted = share * sum(len(rows) for rows in families.values())
        taken = 0
        for name in names:
            rows = families[name]
            if len(families) > 1 and taken + len(rows) / 2 <= wanted:
                second += rows
                taken += len(rows)
            else:
                first += rows
    Random(seed).shuffle(first)
    Random(seed).shuffle(second)
    return first, second


def family_of(examples: Sequence[Example]) -> Callable[[Example], Hashable]:
    """Names the family of a wording: the set of its telling word stems, whatever their order and dress.

    Placeholders, politeness, function words and rare words (typos above all) do not count. So "pls help me to
    cancel {{Order Number}}" and "i want to cancel order" differ in "order" alone and are two families; "cancel
    order", "how do I cancel an order" and "oorder cancel ur order?" are one.
    """
    count = Counter(stem for example in examples for stem in _stems(example.text))
    return lambda example: tuple(sorted(stem for stem in _stems(example.text) if count[stem] >= _COMMON))


def _stems(text: str) -> frozenset[str]:
    plain = re.sub(r"\{\{[^}]*\}\}", " ", text.lower())
    return frozenset(word[:5] for word in _WORD.findall(plain) if word not in _ASIDE)


def _same_text(example: Example) -> str:
    return " ".join(example.text.casefold().split())
