"""Whether an answer about a record says what the record says: the field that was asked for, and the right state.

`model.check` sees to numbers, dates and names; a state such as "shipped" is a word, and a fluent sentence with
another one would pass there. Works on finished text, whoever wrote it.
"""

import re
from collections.abc import Mapping

from model.types import Language

ASKED_FIELDS: dict[str, tuple[str, ...]] = {
    "order_total": ("total", "合计"),
    "order_contents": ("items", "商品"),
    "product_price": ("price", "价格"),
}
"""The field whose value an answer to this question type must repeat."""

_STATES: dict[Language, dict[str, str]] = {
    "en": {
        "placed": r"placed|received",
        "paid": r"\bpaid|placed",
        "packed": r"packed",
        "shipped": r"shipped|on its way|sent|dispatched",
        "delivered": r"delivered",
        "cancelled": r"cancel",
        "returned": r"return",
        "refunded": r"refund",
        "in stock": r"\bin stock",
        "out of stock": r"out of stock|not in stock|sold out",
    },
    "zh": {
        "已下单": "下单|收到",
        "已付款": "付款|下单",
        "已打包": "打包",
        "已发货": "发货|发出|路上|运输|派送",
        "已送达": "送达|签收",
        "已取消": "取消",
        "已退货": "退货|退回",
        "已退款": "退款",
        "有货": "有货|有现货",
        "缺货": "缺货|售罄|没货|无货",
    },
}
_PROMISES = re.compile(
    r"预计[^。；]{0,30}送达|(?:很快|马上)[^。；]{0,8}(?:打包|发出)|(?:will be|to be|should be) \w+"
)
"""What is still to come is no claim about the present state."""


def fields_of(record: str) -> dict[str, str]:
    """The fields of a record's text, `name: value; name: value` or `名：值；名：值`."""
    parts = (re.split(r":\s|：", part, maxsplit=1) for part in re.split(r";\s|；", record))
    return {part[0].strip(): part[1].strip() for part in parts if len(part) == 2}


def contradicts(question_type: str, fields: Mapping[str, str], answer: str, language: Language) -> bool:
    """Whether an answer leaves out what was asked for or names a state that the record is not in."""
    for name in ASKED_FIELDS.get(question_type, ()):
        if name in fields and fields[name] not in answer:
            return True
    if question_type not in ("order_status", "product_stock"):
        return False
    state = fields.get("status") or fields.get("状态") or fields.get("stock") or fields.get("库存") or ""
    states = _STATES[language]
    text = _PROMISES.sub("", answer).lower()
    said = {name for name, words in states.items() if re.search(words, text)}
    if state not in states:  # "only 3 left"
        return "out of stock" in said or "缺货" in said
    own = {name for name in said if re.search(states[state], text) and _alike(states[state], states[name])}
    return state not in said or bool(said - own)


def _alike(one: str, other: str) -> bool:
    """Whether two states share a word: a paid order was placed as well."""
    return bool(set(one.split("|")) & set(other.split("|")))
