"""Which of the two languages a text is written in."""

import re

from model.types import Language

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_LATIN_WORD = re.compile(r"[^\W\d_\u3400-\u9fff]*[A-Za-z][^\W\d_\u3400-\u9fff]*")


def language_of(text: str, default: Language) -> Language:
    """The language a text is written in, where its script tells; else the customer's own."""
    chinese, latin = len(_CHINESE.findall(text)), len(_LATIN_WORD.findall(text))
    if chinese > latin:
        return "zh"
    return "en" if latin >= 2 and not chinese else default
