"""What the built-in voice may say: sentences of its passage word for word, or those it was taught about records.

All of its training answers are of these two kinds, so anything else is a slip of a small model: two values of one
passage swapped, half a word, the state of another order. Values cannot be invented anyway; this catches the rest.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from model.data.en_topics import EN
from model.data.grammar import Grammar
from model.data.topic import Script
from model.data.zh_topics import ZH
from model.types import Language

SHORT = 400
"""Characters up to which a passage is told to its end: the sentence left out might be the one that counts."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*")
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, as they stand."""
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def fields_of(record: str) -> dict[str, str]:
    """The fields of a record's text, `name: value; name: value` or `名：值；名：值`."""
    parts = (re.split(r":\s|：", part, maxsplit=1) for part in re.split(r";\s|；", record))
    return {part[0].strip(): part[1].strip() for part in parts if len(part) == 2}


def quotes(answer: str, passage: str) -> bool:
    """Whether an answer is nothing but whole sentences of a passage, each once."""
    said, known = sentences_of(answer), sentences_of(passage)
    return bool(said) and len(set(said)) == len(said) and set(said) <= set(known)


def told_to_the_end(answer: str, passage: str, language: Language) -> str:
    """The sentences of an answer first, then the rest of its passage if that is short."""
    if len(passage) > SHORT:
        return answer
    said = sentences_of(answer)
    rest = [sentence for sentence in sentences_of(passage) if sentence not in said]
    return ("" if language == "zh" else " ").join([*said, *rest])


_ALONGSIDE = ("arrives", "carrier", "tracking")


def with_delivery(answer: str, fields: Mapping[str, str], language: Language) -> str:
    """An answer on an order's state, and below it what the record says on its delivery and the answer does not."""
    names = _SCRIPTS[language].order_fields
    is_mark, field_mark, _ = _SCRIPTS[language].field_marks
    left = [(shown, fields.get(shown, "")) for shown in (names[name] for name in _ALONGSIDE)]
    line = field_mark.join(
        f"{shown}{is_mark}{value}" for shown, value in left if value and value not in answer
    )
    return f"{answer}\n{line}" if line else answer


def is_taught(
    question_type: str, title: str, fields: Mapping[str, str], answer: str, language: Language
) -> bool:
    """Whether an answer is a sentence that the voice was taught for this type and this very record.

    fields: the record's, by the names that the language shows; title: the order's id or the product's name.
    """
    return answer in _sentences(question_type, title, fields, _SCRIPTS[language])


_SCRIPTS: dict[Language, Script] = {"en": EN, "zh": ZH}


@cache
def _grammar(language: Language) -> Grammar:
    return Grammar(_SCRIPTS[language].lists)


def _sentences(question_type: str, title: str, fields: Mapping[str, str], script: Script) -> Iterator[str]:
    values = {"order": title, "product": title}
    for names in (script.order_fields, script.product_fields):
        values |= {name: fields[shown] for name, shown in names.items() if shown in fields}
    state, left = _state(values, script)
    values["left"] = left
    for reply in (*script.order_replies, *script.product_replies):
        if reply.name != question_type or (reply.states and state not in reply.states):
            continue
        for sentence in _grammar(script.language).expand(reply.text):
            if all(values.get(name) for name in _PLACEHOLDER.findall(sentence)):
                yield _PLACEHOLDER.sub(lambda match: values[match[1]], sentence)


def _state(values: Mapping[str, str], script: Script) -> tuple[str, str]:
    """The state that a record is in, and how many are left if it says so."""
    for state, shown in script.order_states.items():
        if values.get("status") == shown:
            return state, ""
    for state, shown in script.stock_states.items():
        pattern = re.escape(shown).replace(re.escape("{left}"), r"(\d+)")
        if match := re.fullmatch(pattern, values.get("stock", "")):
            return state, match[1] if match.groups() else ""
    return "", ""
