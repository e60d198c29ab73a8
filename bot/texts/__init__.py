"""What the bot says by itself, in every language that it speaks.

A language is one module with one `Texts`: the type checker finds a missing text, a test compares the
placeholders. Answers come from the workers in the customer's language and are not here.
"""

from bot.texts.en import EN
from bot.texts.form import Texts
from bot.texts.zh import ZH
from workers.contracts import Language

__all__ = ["LANGUAGE_NAMES", "Texts", "language_of", "texts_in"]

_TEXTS: dict[Language, Texts] = {"en": EN, "zh": ZH}

LANGUAGE_NAMES: dict[Language, str] = {"en": "English", "zh": "中文"}


def texts_in(language: Language) -> Texts:
    """The texts of one language."""
    return _TEXTS[language]


def language_of(code: str | None) -> Language:
    """The language we speak to somebody whose Telegram is set to `code` (an IETF tag, or nothing)."""
    return "zh" if (code or "").lower().startswith("zh") else "en"
