"""Telegram's HTML becomes text and entities, or is refused as Telegram refuses it."""

import html
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.errors import ApiError
from bot.sandbox.facts import Limit
from bot.sandbox.markup import check_entities, find_entities, format_text, parse_html
from bot.sandbox.validate import utf16_units

LIMIT = Limit(1, 4096, "parsed")


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("<b>a<i>b</i></b>", "ab", [("bold", 0, 2), ("italic", 1, 1)]),
        ("😀<b>a</b>", "😀a", [("bold", 2, 1)]),
        ("1 &lt; 2 &amp;&#38; &copy;", "1 < 2 && &copy;", []),
        ("<a href='https://a.b/?x=1&amp;y'>go</a>", "go", [("text_link", 0, 2, "url", "https://a.b/?x=1&y")]),
        ("<a href='javascript:x'>go</a>", "go", []),
        ('<pre><code class="language-py">x</code></pre>', "x", [("pre", 0, 1, "language", "py")]),
        ('<span class="tg-spoiler">s</span>', "s", [("spoiler", 0, 1)]),
        ("<blockquote expandable>q</blockquote>", "q", [("expandable_blockquote", 0, 1)]),
        ("<b></b>x", "x", []),
        ("<B>x</>", "x", [("bold", 0, 1)]),
    ],
)
def test_html_is_parsed(source: str, text: str, entities: list[tuple[Any, ...]]) -> None:
    found_text, found = parse_html(source)
    assert found_text == text
    expected = [
        {"type": kind, "offset": offset, "length": length, **dict(zip(more[::2], more[1::2], strict=True))}
        for kind, offset, length, *more in entities
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("é<b>x</i>", 'Unmatched end tag at byte offset 6, expected "</b>", found "</i>"'),
        ("<p>x</p>", 'Unsupported start tag "p" at byte offset 0'),
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler"'),
    ],
)
def test_bad_html_is_refused_as_telegram_does(source: str, reason: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_html(source)
    assert refusal.value.description.startswith(f"Bad Request: can't parse entities: {reason}")


@pytest.mark.parametrize(
    ("entities", "reason"),
    [
        ([("bold", 0, 20)], "ends after the end of the text"),
        ([("bold", 1, 1)], "middle of a UTF-16 symbol"),
        ([("bold", -1, 2)], "has length"),
        ([("bold", 0, 0)], "has length"),
        ([("bold", 0, 4), ("italic", 2, 4)], "overlap partially"),
        ([("pre", 0, 4), ("bold", 2, 1)], "can't be nested"),
        ([("text_link", 0, 2)], 'needs the field "url"'),
    ],
)
def test_bad_entities_are_refused(entities: list[tuple[str, int, int]], reason: str) -> None:
    given = [{"type": kind, "offset": offset, "length": length} for kind, offset, length in entities]
    with pytest.raises(ApiError, match=reason):
        check_entities("😀abcdefgh", given)


def test_white_space_around_a_text_is_cut_off_with_its_entities() -> None:
    entities = [{"type": "bold", "offset": 0, "length": 4}]
    assert format_text("  ab  ", None, entities, LIMIT) == (
        "ab",
        [{"type": "bold", "offset": 0, "length": 2}],
    )


def test_links_commands_and_mentions_are_found_outside_code() -> None:
    text = "😀 see https://shop.example/x, /help, @kefu_bot or mail@shop.example #sale"
    kinds = [entity["type"] for entity in find_entities(text)]
    assert kinds == ["url", "bot_command", "mention", "email", "hashtag"]
    assert find_entities(text)[0]["offset"] == 7
    _, entities = format_text("<code>/help</code> /start", "HTML", [], LIMIT)
    assert [(entity["type"], entity["offset"]) for entity in entities] == [("code", 0), ("bot_command", 6)]


@given(st.text(max_size=60))
def test_escaped_text_comes_back_unchanged(text: str) -> None:
    assert parse_html(html.escape(text)) == (text, [])


@given(
    st.lists(
        st.sampled_from(["<b>", "</b>", "<i>", "</i>", "<pre>", "</pre>", "😀", "a ", "&lt;", "<", "/help"])
    )
)
def test_whatever_parses_has_entities_inside_its_text(parts: list[str]) -> None:
    try:
        text, entities = format_text("".join(parts), "HTML", [], LIMIT)
    except ApiError as refusal:
        assert refusal.code == 400
    else:
        assert all(0 <= e["offset"] < e["offset"] + e["length"] <= utf16_units(text) for e in entities)


def test_an_address_ends_where_chinese_text_begins() -> None:
    (found,) = find_entities("也可以发邮件到a.b@shop.example，或打电话")
    assert (found["type"], found["offset"], found["length"]) == ("email", 7, 16)


@pytest.mark.parametrize("text", ["\u200b", "\0", "\u200f\u2800\n", "\ufeff"])
def test_a_text_without_anything_to_see_is_empty(text: str) -> None:
    with pytest.raises(ApiError, match="text is empty"):
        format_text(text, None, [], LIMIT)
