"""Questions with their types, without facts: what a classifier of question types learns from."""

from collections.abc import Sequence
from random import Random

from model.data.corpus import Corpus
from model.data.dialogues import DialogueMaker
from model.data.en_topics import EN
from model.data.zh_topics import ZH
from model.prompt import QUESTION_TYPES
from model.types import Language

_OTHERS = 2
"""How many times more questions of the type "other" there are: it is everything else in the world."""


def made_up_questions(
    corpus: Corpus,
    count: int,
    seed: int,
    *,
    held_out: bool = False,
    languages: Sequence[Language] = ("en", "zh"),
) -> list[tuple[str, str]]:
    """`count` questions of each type and language with their labels, half of them dressed up as people type.

    held_out: only wordings of the families that training never sees, as they stand.
    """
    rng = Random(seed)
    rows = []
    for script in (EN, ZH):
        if script.language in languages:
            maker = DialogueMaker(script, corpus, held_out=held_out)
            for label in QUESTION_TYPES:
                for number in range(count * (_OTHERS if label == "other" and not held_out else 1)):
                    rows.append((maker.question(label, rng, dressed=number % 2 == 0 and not held_out), label))
    return rows
