"""Both languages say the same things."""

import string
from dataclasses import asdict, fields

from bot.render import sizeof
from bot.texts import LANGUAGE_NAMES, Texts, language_of, texts_in


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_text_has_the_same_placeholders_in_every_language() -> None:
    english, others = asdict(texts_in("en")), [asdict(texts_in(code)) for code in LANGUAGE_NAMES]
    for field in fields(Texts):
        for other in others:
            assert other[field.name].strip()
            assert placeholders(other[field.name]) == placeholders(english[field.name]), field.name


def test_telegrams_limits_for_menus_are_kept() -> None:
    for code in LANGUAGE_NAMES:
        texts = asdict(texts_in(code))
        for name, text in texts.items():
            limit = 256 if name.startswith("command_") else 4096
            assert sizeof(text) <= {"description": 512, "short_description": 120}.get(name, limit)


def test_a_phones_language_decides() -> None:
    assert [language_of(code) for code in ("zh", "zh-hant", "ZH-CN", "en", "de", None)] == ["zh"] * 3 + [
        "en"
    ] * 3
