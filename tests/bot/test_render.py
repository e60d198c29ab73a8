"""Replies as Telegram messages: nothing lost, nothing too long, no entity out of range."""

import pytest
from aiogram.types import MessageEntity
from aiogram.utils.formatting import sizeof
from hypothesis import example, given
from hypothesis import strategies as st

from bot.render import TEXT_LIMIT, Part, draft_text, render_reply, split_text
from workers.contracts import Button, ProductCard, Reply

CARD = ProductCard(
    product_id="p-17", title="Ceramic teapot", description="Holds one litre.", price="24.90 EUR", in_stock=True,
    reason="Because you asked for tea things.",
)  # fmt: skip

characters = st.sampled_from("ab  \n\n.。！é\u0301😀👩\u200d👧🇩🇪𝔘茶")
texts = st.text(characters, max_size=300)


def visible(text: str) -> str:
    """What there is to see in a text of `characters`."""
    return "".join(text.split()).replace("\u200d", "")


def bold(offset: int, length: int) -> MessageEntity:
    return MessageEntity(type="bold", offset=offset, length=length)


@example(text="   aa𝔘𝔘", limit=8, spans=[(0, 1)])
@given(
    text=texts,
    limit=st.integers(8, 60),
    spans=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 300)), max_size=4),
)
def test_pieces_are_the_text_and_keep_its_entities(
    text: str, limit: int, spans: list[tuple[int, int]]
) -> None:
    size = sizeof(text)
    entities = [bold(start, min(length, size - start)) for start, length in spans if start < size]
    pieces = list(split_text(text, entities, limit))
    assert visible("".join(piece for piece, _ in pieces)) == visible(text)
    covered = 0
    for piece, parts in pieces:
        assert 0 < sizeof(piece) <= limit and visible(piece)
        assert all(
            0 <= part.offset and part.length > 0 and part.offset + part.length <= sizeof(piece)
            for part in parts
        )
        covered += sum(part.length for part in parts)
    if (
        "".join(piece for piece, _ in pieces) == text
    ):  # else an entity may have been on a piece with nothing to see
        assert covered == sum(entity.length for entity in entities)


@given(text=texts.filter(lambda text: not text.isspace()), limit=st.integers(8, 60))
def test_without_white_space_pieces_join_exactly(text: str, limit: int) -> None:
    dense = "x".join(text.split()) + "x"
    if not visible(dense[:-1]):
        return
    pieces = [piece for piece, _ in split_text(dense, (), limit)]
    # Only a piece without anything to see, which Telegram refuses, is left out.
    assert visible("".join(pieces)) == visible(dense)
    assert "".join(pieces) == dense or "\u200d" * 8 in dense


def test_an_entity_over_a_cut_covers_the_same_words() -> None:
    text = "one two three four five six"
    pieces = list(split_text(text, [bold(4, 14)], 14))
    shown = [part.extract_from(piece) for piece, parts in pieces for part in parts]
    assert "".join(shown) == "two three four"


def test_a_text_is_cut_at_the_best_border() -> None:
    paragraphs = "First paragraph.\n\nSecond one, longer.\nIts line. Its end"
    assert [piece for piece, _ in split_text(paragraphs, (), 30)][0] == "First paragraph.\n\n"
    assert [piece for piece, _ in split_text("A sentence. And another one", (), 20)][0] == "A sentence. "
    assert [piece for piece, _ in split_text("先说一句话。再说另一句很长的话", (), 10)][0] == "先说一句话。"
    assert [piece for piece, _ in split_text("several words here", (), 15)][0] == "several words "


def test_what_a_reader_sees_as_one_character_is_not_cut() -> None:
    family = "👩\u200d👩\u200d👧"
    pieces = [piece for piece, _ in split_text("x" * 9 + family + "y" * 9, (), 12)]
    assert pieces[0] == "x" * 9
    flags = [piece for piece, _ in split_text("🇩🇪" * 5, (), 10)]
    assert flags == ["🇩🇪" * 2, "🇩🇪" * 2, "🇩🇪"]


def test_an_answer_names_its_source_in_italics() -> None:
    reply = Reply(kind="answer", language="zh", text="三天 *左右*。", source="配送说明")
    (part,) = render_reply(reply, private=True)
    assert part.text == "三天 *左右*。\n\n来源：配送说明"
    (entity,) = part.entities
    assert (entity.type, entity.extract_from(part.text)) == ("italic", "来源：配送说明")


def test_a_card_is_a_message_with_its_title_first_and_its_buttons() -> None:
    reply = Reply(kind="suggestions", language="en", text="Two ideas:", cards=(CARD, CARD))
    intro, first, second = render_reply(reply, private=True)
    assert intro == Part("Two ideas:")
    assert (
        first.text
        == "Ceramic teapot\n24.90 EUR · In stock\nHolds one litre.\n\nBecause you asked for tea things."
    )
    assert [(entity.type, entity.extract_from(first.text)) for entity in first.entities] == [
        ("bold", "Ceramic teapot"),
        ("italic", "Because you asked for tea things."),
    ]
    assert first.keyboard is not None and second.keyboard is not None
    data = [button.callback_data for row in first.keyboard.inline_keyboard for button in row]
    assert data == [f"{choice}:p-17" for choice in ("more", "less", "cheaper", "why", "info")]


def test_in_a_group_no_button_calls_back() -> None:
    rows = ((Button(text="Pay", url="https://shop.example"), Button(text="x", data="y")),)
    reply = Reply(kind="suggestions", language="en", text="", cards=(CARD,), buttons=rows)
    (part,) = render_reply(reply, private=False)
    assert part.keyboard is not None
    assert [[button.text for button in row] for row in part.keyboard.inline_keyboard] == [["Pay"]]


def test_a_button_that_telegram_would_refuse_is_left_out() -> None:
    rows = ((Button(text="long", data="é" * 33), Button(text="fits", data="é" * 32), Button(text="nothing")),)
    (part,) = render_reply(Reply(kind="notice", language="en", text="?", buttons=rows), private=True)
    assert part.keyboard is not None
    assert [button.text for button in part.keyboard.inline_keyboard[0]] == ["fits"]


def test_buttons_stand_under_the_last_part() -> None:
    reply = Reply(
        kind="answer", language="en", text="word " * 2000, buttons=((Button(text="ok", data="ok"),),)
    )
    *others, last = render_reply(reply, private=True)
    assert len(others) == 2 and all(part.keyboard is None for part in others)
    assert last.keyboard is not None


def test_a_reply_without_words_has_no_parts() -> None:
    assert render_reply(Reply(kind="answer", language="en", text=" \n "), private=True) == []


def test_a_draft_is_one_message_long() -> None:
    assert draft_text("") == ""
    assert sizeof(draft_text("😀" * 5000)) <= TEXT_LIMIT


@pytest.mark.parametrize("text", ["\u200b", "\0\n\0", "\u200d\u2800", "\ufeff \u202e"])
def test_a_text_of_invisible_characters_is_nothing_to_send(text: str) -> None:
    assert render_reply(Reply(kind="answer", language="en", text=text), private=True) == []
    seen = render_reply(Reply(kind="answer", language="en", text=text, source="FAQ"), private=True)
    assert [part.text.strip() for part in seen] == [f"{text}\n\nSource: FAQ".strip()]


def test_a_button_without_words_or_with_a_wrong_address_spoils_no_reply() -> None:
    wrong = [
        Button(text=" ", url="https://a.example"),
        Button(text="go", url="localhost"),
        Button(text="\u200b", data="x"),
    ]
    right = Button(text="go", url="https://a.example")
    (part,) = render_reply(
        Reply(kind="answer", language="en", text="x", buttons=((*wrong, right),)), private=True
    )
    assert part.keyboard and [[button.url for button in row] for row in part.keyboard.inline_keyboard] == [
        [right.url]
    ]


def test_a_ninth_button_goes_to_the_next_row_and_a_hundred_and_first_nowhere() -> None:
    rows = tuple(tuple(Button(text=str(number), data="x") for number in range(9)) for _ in range(12))
    (part,) = render_reply(Reply(kind="answer", language="en", text="x", buttons=rows), private=True)
    assert part.keyboard
    sizes = [len(row) for row in part.keyboard.inline_keyboard]
    assert sizes[:3] == [8, 1, 8] and sum(sizes) <= 100


def test_a_picture_without_a_web_address_is_left_out() -> None:
    card = CARD.model_copy(update={"image_url": "teapot.jpg"})
    (part,) = render_reply(Reply(kind="suggestions", language="en", text="", cards=(card,)), private=True)
    assert part.preview is None
