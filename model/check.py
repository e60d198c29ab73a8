"""The check that an answer states nothing which its sources do not state (promise P5).

Works on finished text and knows nothing of how it was written, so that it judges every voice alike: the
built-in one, whose values can only come from slots, and any other model, which writes digits freely.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from model.slots import CURRENCY, MONTH, find_values

_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
_WORD_NUMBERS = {word: number for number, word in enumerate(_WORDS)} | {
    "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "hundred": 100,
}  # fmt: skip
_ENGLISH_NUMBER = re.compile(
    rf"\b({'|'.join(_WORD_NUMBERS)})\b(?=[ -](?:working |business |calendar )?"
    r"(?:hour|day|week|month|year|euro|dollar|pound|percent|piece|point|item|%))",
    re.IGNORECASE,
)
_CHINESE_DIGITS = {
    "零": 0,
    "〇": 0,
    "一": 1,
    "二": 2,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
}
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10000}
_NUMERAL = "[零〇一二两三四五六七八九十百千万]"
_CHINESE_NUMBER = re.compile(  # the look-behind: a run is read once, not again from each of its characters
    rf"(?<!{_NUMERAL}){_NUMERAL}+"
    r"(?=\s?(?:个工作日|个小时|小时|分钟|天|日|周|个月|月|年|元|块|欧元|折|件|积分|％|%))"
)
_NUMBER = re.compile(
    rf"\b({'|'.join(_WORD_NUMBERS)})\b(?=[ -](?:working |business |calendar )?"
    r"(?:hour|day|week|month|year|euro|dollar|pound|percent|piece|point|item|%))",
    re.IGNORECASE,
)
_CHINESE_DIGITS = {
    "零": 0,
    "〇": 0,
    "一": 1,
    "二": 2,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
}
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10000}
_CHINESE_NUMBER = re.compile(
    r"(?<![零〇一二两三四五六七八九十百千万])[零〇一二两三四五六七八九十百千万]+(?=\s?(?:个工作日|个小时|小时|分钟|天|日|周|个月|月|年|元|块|欧元|折|件|积分|％|%))"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WHOLE = re.compile(rf"@|//|www\.|^(?!{CURRENCY})[A-Z]+-?\d", re.IGNORECASE)
_DATE = re.compile(rf"[年月]|\b{MONTH}", re.IGNORECASE)
_UNITS = {  # the longer name of a currency before one that it ends with
    "EUR": "EUR", "€": "EUR", "欧元": "EUR", "USD": "USD", "$": "USD", "美元": "USD", "GBP": "GBP", "£": "GBP",
    "英镑": "GBP", "CHF": "CHF", "瑞士法郎": "CHF", "JPY": "JPY", "日元": "JPY", "港元": "HKD", "CNY": "CNY",
    "RMB": "CNY", "¥": "CNY", "元": "CNY", "块": "CNY", "%": "%",
}  # fmt: skip


def unsupported(answer: str, sources: Iterable[str], names: Iterable[str] = ()) -> list[str]:
    """What an answer states without a source, in reading order; empty if all is supported.

    answer:  the finished text, values filled in.
    sources: passages, records and the conversation, as text.
    names:   names that may only be used if a source uses them (the catalogue's product titles).
    """
    source = _normal("\n".join(sources))
    wholes = {_normal_whole(value) for value in find_values(source)}
    amounts = {amount for value in find_values(source) for amount in _amounts(value)}
    amounts |= {(str(number), "") for number in _written_numbers(source)}
    text = _normal(answer)
    missing = [value for value in find_values(text) if not _is_supported(value, wholes, amounts)]
    numbers = {number for number, _ in amounts}
    missing += [str(number) for number in _written_numbers(text) if str(number) not in numbers]
    folded_source, folded_text = source.casefold(), text.casefold()
    missing += [
        name
        for name in names
        if (low := _normal(name).casefold()) in folded_text and low not in folded_source
    ]
    return missing


def faithfulness(answer: str, source: str, common: Sequence[str] = ()) -> float:
    """Share of the answer's content words that its source uses, from 0 to 1; 1 for an answer without any.

    A word is a run of four letters or more, or a pair of neighbouring Chinese characters. `common` are texts
    whose words are always allowed, such as courtesies.
    """
    words = _content_words(answer)
    known = _content_words(source).union(*(_content_words(text) for text in common))
    return len(words & known) / len(words) if words else 1.0


def shared_words(answer: str, source: str) -> int:
    """How many content words an answer has in common with its source: without any it says nothing of it."""
    return len(_content_words(answer) & _content_words(source))


def _content_words(text: str) -> set[str]:
    text = _normal(text).casefold()
    words = set(re.findall(r"[^\W\d_\u4e00-\u9fff]{4,}", text))
    for run in re.findall(r"[\u4e00-\u9fff]+", text):
        words.update(run[i : i + 2] for i in range(len(run) - 1))
    return words


def _is_supported(value: str, wholes: set[str], amounts: set[tuple[str, str]]) -> bool:
    """A link, an address, a date or an id must stand in a source as a whole, an amount with its number and its unit."""
    whole = _normal_whole(value)
    if whole in wholes:
        return True
    if _DATE.search(value):  # a date may be given without its year
        return any(known.startswith(whole) or known.endswith(f"年{whole}") for known in wholes)
    if _WHOLE.search(value):
        return False
    known = {number for number, _ in amounts}
    return all(
        (number, unit) in amounts or (number, "") in amounts or (not unit and number in known)
        for number, unit in _amounts(value)
    )


def _amounts(value: str) -> list[tuple[str, str]]:
    """The numbers of a value, each with its currency or percent sign, or '' where it has none."""
    unit = next((name for sign, name in _UNITS.items() if sign in value.upper()), "")
    return [(_normal_number(number), unit) for number in _NUMBER.findall(value)]


def _normal(text: str) -> str:
    return re.sub(r"[–—~～]", "-", unicodedata.normalize("NFKC", text))


def _normal_whole(value: str) -> str:
    return _normal(value).replace(" ", "").casefold().rstrip(".")


def _normal_number(number: str) -> str:
    """A number without thousands separators and trailing zeros of its decimals: '1,299.00' and '1299' are equal."""
    number = re.sub(r",(?=\d{3}\b)", "", number).replace(",", ".")
    return number.rstrip("0").rstrip(".") if number.count(".") == 1 else number


def _written_numbers(text: str) -> list[int]:
    english = [_WORD_NUMBERS[match.group(1).lower()] for match in _ENGLISH_NUMBER.finditer(text)]
    return english + [_chinese_number(match.group()) for match in _CHINESE_NUMBER.finditer(text)]


def _chinese_number(numeral: str) -> int:
    total, digit = 0, 0
    for character in numeral:
        if character in _CHINESE_DIGITS:
            digit = _CHINESE_DIGITS[character]
        else:
            total += (digit or 1) * _CHINESE_UNITS[character]
            digit = 0
    return total + digit
