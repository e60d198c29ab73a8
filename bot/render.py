"""Turns a reply into what Telegram can show: parts of at most 4096 UTF-16 units with entities and buttons.

Pure: no network, no Redis, no clock. Formatting is entities only, so nothing in an answer is ever read as markup.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiogram.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    MessageEntity,
    WebAppInfo,
)
from aiogram.utils.formatting import Bold, Italic, Text, sizeof

from bot.texts import texts_in
from workers.contracts import Button, Language, ProductCard, Reply

TEXT_LIMIT = 4096
"""UTF-16 units in one message (Bot API, sendMessage)."""

CALLBACK_LIMIT = 64
"""Bytes of a button's callback data (Bot API, InlineKeyboardButton)."""

_BORDERS = tuple(
    re.compile(pattern) for pattern in (r"\n\s*\n", r"\n", r"[.!?…]+[\"'”’)]*\s|[。！？；]+[”’）」]*", r"\s+")
)
"""Where a text may be cut, best first: paragraph, line, sentence, word."""

_BUTTONS_IN_ROW, _BUTTONS = 8, 100
"""What Telegram draws; more is refused together with the message."""

_VISIBLE = re.compile(
    r"[^\x00-\x20\xa0\u030a\u0333\u033f\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f\u2800\u3000\ufeff\ufffc]"
)
"""A character that Telegram does not take for nothing: a message without any is refused as empty, however long."""

_JOINERS = "\u200d\ufe0e\ufe0f\u20e3"


@dataclass(frozen=True)
class Part:
    """One message of a reply."""

    text: str
    entities: tuple[MessageEntity, ...] = ()
    keyboard: InlineKeyboardMarkup | None = None
    preview: LinkPreviewOptions | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing is left that Telegram could refuse but the text itself."""
        return not self.entities and self.keyboard is None and self.preview is None

    def plain(self) -> "Part":
        """The same words without anything else."""
        return Part(self.text)


def render_reply(reply: Reply, *, private: bool) -> list[Part]:
    """The messages that show a reply, in order; empty if there is nothing to see.

    Buttons that call back work in private chats only: in a group anybody could press them.
    """
    words = Text(reply.text)
    if reply.source:
        source = texts_in(reply.language).source.format(title=reply.source)
        words = Text(reply.text, "\n\n", Italic(source)) if reply.text else Text(Italic(source))
    parts = [Part(text, tuple(entities)) for text, entities in split_text(*words.render())]
    for card in reply.cards:
        parts.extend(_render_card(card, reply.language, private))
    rows = _keyboard_rows(reply.buttons, private)
    if parts and rows:
        last = parts[-1]
        above = last.keyboard.inline_keyboard if last.keyboard else []
        keyboard = InlineKeyboardMarkup(inline_keyboard=_within_limit([*above, *rows]))
        parts[-1] = Part(last.text, last.entities, keyboard, last.preview)
    return parts


def draft_text(text: str) -> str:
    """A growing answer as one draft can show it: its first message's worth."""
    return next(_pieces(text, TEXT_LIMIT), "")


def split_text(
    text: str, entities: Sequence[MessageEntity] = (), limit: int = TEXT_LIMIT
) -> Iterator[tuple[str, list[MessageEntity]]]:
    """Cut a text into messages at the best border there is; an entity across a cut goes on in the next one.

    Joined, the pieces are the text again, but for those in which there is nothing to see, which Telegram refuses.
    """
    start = 0
    for piece in _pieces(text, limit):
        end = start + sizeof(piece)
        if _is_visible(piece):
            yield piece, [part for entity in entities if (part := _part_of_entity(entity, start, end))]
        start = end


def _part_of_entity(entity: MessageEntity, start: int, end: int) -> MessageEntity | None:
    first, last = max(entity.offset, start), min(entity.offset + entity.length, end)
    if first >= last:
        return None
    return entity.model_copy(update={"offset": first - start, "length": last - first})


def _pieces(text: str, limit: int) -> Iterator[str]:
    while sizeof(text) > limit:
        cut = _cut(text, _longest_prefix(text, limit))
        yield text[:cut]
        text = text[cut:]
    if text:
        yield text


def _longest_prefix(text: str, limit: int) -> int:
    """How many characters of `text` fit into `limit` UTF-16 units."""
    units = 0
    for count, character in enumerate(text):
        units += 2 if ord(character) > 0xFFFF else 1
        if units > limit:
            return count
    return len(text)


def _cut(text: str, longest: int) -> int:
    """The best place to cut within the first `longest` characters, not in the first third of them."""
    for border in _BORDERS:
        ends = [match.end() for match in border.finditer(text, 0, longest) if match.end() > longest // 3]
        if ends:
            return ends[-1]
    cut = longest
    while cut > longest // 2 and _belongs_together(text, cut):
        cut -= 1
    return cut if cut > longest // 2 else longest


def _belongs_together(text: str, cut: int) -> bool:
    """Whether a reader sees the characters around `cut` as one: an accent, a joined emoji, a flag."""
    before, after = text[cut - 1], text[cut]
    return (
        unicodedata.combining(after) != 0
        or after in _JOINERS
        or before == "\u200d"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or (_is_regional(after) and len(re.findall("[\U0001f1e6-\U0001f1ff]*$", text[:cut])[0]) % 2 == 1)
    )


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _render_card(card: ProductCard, language: Language, private: bool) -> Iterator[Part]:
    texts = texts_in(language)
    stock = texts.in_stock if card.in_stock else texts.out_of_stock
    body = [f"{card.price} · {stock}"]
    if card.description:
        body.append(card.description)
    lines: list[str | Text] = [Bold(" ".join(card.title.split())), "\n" + "\n".join(body)]
    if card.reason:
        lines += ["\n\n", Italic(card.reason)]

    def button(text: str, choice: str) -> Button:
        return Button(text=text, data=f"{choice}:{card.product_id}")

    buttons: tuple[tuple[Button, ...], ...] = (
        (button(texts.more_like, "more"), button(texts.not_for_me, "less")),
        (button(texts.cheaper, "cheaper"), button(texts.why, "why"), button(texts.details, "info")),
    )
    if card.is_question:
        buttons = ((button(texts.like, "like"), button(texts.not_for_me, "dislike")),)
    rows = _keyboard_rows(buttons, private)
    keyboard = InlineKeyboardMarkup(inline_keyboard=rows) if rows else None
    preview = None
    if card.image_url and _is_link(card.image_url):
        preview = LinkPreviewOptions(url=card.image_url, show_above_text=True)
    pieces = list(split_text(*Text(*lines).render()))
    for text, entities in pieces[:-1]:
        yield Part(text, tuple(entities), preview=preview)
    for text, entities in pieces[-1:]:
        yield Part(text, tuple(entities), keyboard, preview)


def _keyboard_rows(rows: Sequence[Sequence[Button]], private: bool) -> list[list[InlineKeyboardButton]]:
    """Rows without the buttons that Telegram would refuse the whole message for."""
    drawn = []
    for row in rows:
        usable = [button for button in row if _is_usable(button, private)]
        for start in range(0, len(usable), _BUTTONS_IN_ROW):
            drawn.append([_draw_button(button) for button in usable[start : start + _BUTTONS_IN_ROW]])
    return drawn


def _within_limit(rows: Sequence[list[InlineKeyboardButton]]) -> list[list[InlineKeyboardButton]]:
    """The first rows, as many as one keyboard may have buttons."""
    sizes = itertools.accumulate(map(len, rows))
    return [row for row, size in zip(rows, sizes, strict=True) if size <= _BUTTONS]


def _draw_button(button: Button) -> InlineKeyboardButton:
    return InlineKeyboardButton(
        text=button.text,
        url=button.url,
        callback_data=button.data,
        web_app=WebAppInfo(url=button.app) if button.app is not None else None,
    )


def _is_usable(button: Button, private: bool) -> bool:
    """Whether it does exactly one thing, and may do it here: only a link works in a group."""
    if not _is_visible(button.text):
        return False
    match button.url, button.data, button.app:
        case str(url), None, None:
            return _is_link(url)
        case None, str(data), None:
            return private and 0 < len(data.encode()) <= CALLBACK_LIMIT
        case None, None, str():
            return private
        case _:
            return False


def _is_link(url: str) -> bool:
    """Whether Telegram opens the address; without a dot in its host it opens none."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and "." in host.strip(".") and not re.search(r"\s", url)


def _is_visible(text: str) -> bool:
    return _VISIBLE.search(text) is not None
