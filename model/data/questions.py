"""Questions with their labels, without facts: what a classifier of question types learns from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from model.data.asks import Asks, shipped_asks
from model.data.corpus import Corpus
from model.data.dialogues import DialogueMaker
from model.data.en_topics import EN
from model.data.zh_topics import ZH
from model.prompt import QUESTION_TYPES
from model.router import PRODUCT
from model.types import Language

_OTHERS = 5
"""How many times more questions of the type "other" there are: it is everything else in the world."""


def labels_of(*asks: Mapping[str, Asks]) -> tuple[str, ...]:
    """What a router tells apart: each type that has no aspects, and each aspect of the others."""
    named = list(dict.fromkeys(label for some in asks for label in some))
    with_aspects = {label.partition("/")[0] for label in named if "/" in label}
    types = [label for label in (*QUESTION_TYPES, *named) if "/" not in label and label not in with_aspects]
    return tuple(dict.fromkeys([*types, *(label for label in named if "/" in label)]))


def made_up_questions(
    corpus: Corpus,
    count: int,
    seed: int,
    *,
    held_out: bool = False,
    languages: Sequence[Language] = ("en", "zh"),
    own: Mapping[Language, Mapping[str, Asks]] | None = None,
) -> list[tuple[str, str]]:
    """`count` questions of each type, and of each aspect, and language with their labels, most of them dressed up
    as people type.

    held_out: only wordings of the families that training never sees, as they stand; own: a shop's own questions.
    """
    rng = Random(seed)
    rows = []
    for script in (EN, ZH):
        if script.language not in languages:
            continue
        maker = DialogueMaker(script, corpus, held_out=held_out)
        for label in QUESTION_TYPES:
            for number in range(count * (_OTHERS if label == "other" and not held_out else 1)):
                rows.append((maker.question(label, rng, dressed=number % 2 == 0 and not held_out), label))
        for asks in (shipped_asks(script.language), (own or {}).get(script.language, {})):
            for label, some in asks.items():
                patterns = some.held_out if held_out else some.patterns
                times = _OTHERS if label == "other" and not held_out else 1
                for number in range(count * times if patterns else 0):
                    dressed = number % 2 == 0 and not held_out
                    values = {"product": PRODUCT} if number % 4 < 2 else {}  # a title found, or not
                    rows.append((maker.worded(rng.choice(patterns), rng, dressed, values), label))
    return rows


@dataclass(frozen=True)
class Asked:
    """A question with its label and the pattern that it was made by, which is its family; "" if it has none."""

    text: str
    label: str
    language: Language
    family: str = ""
    held_out: bool = False


def questions_by_family(
    each: int,
    typical: int,
    seed: int,
    corpus: Corpus | None = None,
    own: Mapping[Language, Mapping[str, Asks]] | None = None,
) -> list[Asked]:
    """`each` questions of every pattern of the files, those set aside too, and `typical` of every type without family.

    own: a shop's own patterns.
    """
    rng = Random(seed)
    rows = []
    for script in (EN, ZH):
        maker = DialogueMaker(script, corpus or Corpus())
        for label in QUESTION_TYPES:
            for number in range(typical * (_OTHERS if label == "other" else 1)):
                rows.append(
                    Asked(maker.question(label, rng, dressed=number % 2 == 0), label, script.language)
                )
        for asks in (shipped_asks(script.language), (own or {}).get(script.language, {})):
            for label, some in asks.items():
                for pattern in (*some.patterns, *some.held_out):
                    for number in range(each):
                        values = {"product": PRODUCT} if number % 4 < 2 else {}
                        text = maker.worded(pattern, rng, number % 3 == 2, values)
                        rows.append(Asked(text, label, script.language, pattern, pattern in some.held_out))
    return rows
