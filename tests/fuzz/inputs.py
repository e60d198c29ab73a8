"""What may come from outside: texts with every oddity of Unicode, and JSON that is nearly what was meant."""

from typing import Any

from hypothesis import strategies as st

ODDITIES = (
    "\ud800", "\udfff", "\ud83d\ude00",  # halves of surrogate pairs, and a pair that is still in halves
    "\u202e", "\u200f", "\u2067שלום\u2069", "ﷺ",  # right to left
    "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇨", "👍🏽", "\u200d", "\ufe0f", "1\ufe0f\u20e3",  # joined emoji, flags, tones
    "e\u0301", "\u0301" * 40, "ก็็็็", "각",  # combining marks
    "\0", "\x1b[31m", "\x7f", "\u2028", "\ufeff", "\u200b", "\u2800", "\u3164", "\ufffc", "\xad", "\u3000",
    "<b>", "</b>", "&lt;", "<v3>", "*_[`", "@kefu_bot", "/forget", "#1", "https://a.example/?q=1", "tg://x",
    " ", "\n", "\n\n", "\r\n", "\t", "。", "！", ". ", "，",
    "Where is my order KF-1042?", "配送需要多久", "49,90 €", "ß", "İ", "ǆ",
)  # fmt: skip

pieces = st.one_of(st.sampled_from(ODDITIES), st.text(max_size=12), st.characters(exclude_categories=()))
short_texts = st.lists(pieces, max_size=8).map("".join)
long_texts = st.builds(
    lambda parts, times, end: ("".join(parts) * times)[:9000] + end,
    st.lists(pieces, min_size=1, max_size=5),
    st.sampled_from([1, 50, 700, 4096, 5000]),
    short_texts,
)
texts = st.one_of(short_texts, short_texts, short_texts, long_texts)


def is_encodable(text: str) -> bool:
    """Whether a text is one at all: half a surrogate pair is none in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


good_texts = texts.filter(is_encodable)
good_short_texts = short_texts.filter(is_encodable)

numbers = st.one_of(
    st.integers(-5, 5), st.sampled_from([2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**30]), st.integers()
)
scalars = st.one_of(st.none(), st.booleans(), numbers, st.floats(), short_texts)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def nearly(draw: st.DrawFn, meant: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """An object as it is meant, or with some fields missing, strange or unknown."""
    record = dict(draw(meant))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        name = draw(st.sampled_from([*record, "unheard_of"]))
        if draw(st.booleans()):
            record.pop(name, None)
        else:
            record[name] = draw(anything)
    return record
