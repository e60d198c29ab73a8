"""Whatever a reply says, Telegram takes each of its parts, and the parts are the reply."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

from aiogram import Bot
from aiogram.methods import SendMessageDraft
from hypothesis import strategies as st

from bot.delivery import _send_message
from bot.render import draft_text, render_reply, split_text
from bot.sandbox.errors import ApiError
from bot.sandbox.facts import load_facts
from bot.sandbox.markup import _HAS_CONTENT, parse_html
from bot.sandbox.methods import perform
from bot.sandbox.telegram import Telegram, User
from bot.sandbox.validate import check_call
from bot.telegram import _Session
from tests.fuzz.inputs import anything, good_short_texts, good_texts
from tests.fuzz.properties import Check, Property
from workers.contracts import Button, ProductCard, Reply

CUSTOMER = 5
_KEPT = 200

buttons = st.builds(
    Button,
    text=good_short_texts,
    data=st.one_of(st.none(), good_short_texts, st.text("a", min_size=60, max_size=70)),
    url=st.one_of(
        st.none(), st.sampled_from(["https://shop.example/a", "http://localhost", "x", ""]), good_short_texts
    ),
)
cards = st.builds(
    ProductCard,
    product_id=st.one_of(st.text("aé", max_size=70), good_short_texts),
    title=good_short_texts,
    description=good_texts,
    price=good_short_texts,
    in_stock=st.booleans(),
    reason=good_short_texts,
    image_url=st.one_of(st.none(), st.just("https://shop.example/a.jpg"), good_short_texts),
)
replies = st.builds(
    Reply,
    kind=st.sampled_from(["answer", "suggestions", "notice"]),
    language=st.sampled_from(["en", "zh"]),
    text=good_texts,
    source=good_short_texts,
    cards=st.lists(cards, max_size=2).map(tuple),
    buttons=st.lists(st.lists(buttons, max_size=10).map(tuple), max_size=3).map(tuple),
)


class Counter:
    """Telegram's side of the counter: takes what the bot sends exactly as it comes over the wire."""

    def __init__(self) -> None:
        self._facts = load_facts()
        self._session = _Session()
        self._bot = Bot("7:sandbox", session=self._session)
        self._taken = 0

    def take(self, method: Any) -> None:
        """Raises ApiError if Telegram refuses."""
        if self._taken % _KEPT == 0:
            self._telegram = Telegram("7:sandbox", [], lambda: 0.0)
            self._telegram.add_user(User(CUSTOMER, "Customer")).started = True
        self._taken += 1
        form = self._session.build_form_data(self._bot, method)
        given: dict[str, object] = dict(parse_qsl(form.decode(), keep_blank_values=True, strict_parsing=True))
        given["chat_id"] = str(CUSTOMER)
        perform(self._telegram, method.__api_method__, check_call(self._facts, method.__api_method__, given))


@contextmanager
def _sends() -> Iterator[Check]:
    counter = Counter()

    def check(given: tuple[Reply, bool]) -> None:
        reply, private = given
        for part in render_reply(reply, private=private):
            counter.take(_send_message(CUSTOMER, part))
            counter.take(_send_message(CUSTOMER, part.plain()))
        if draft := draft_text(reply.text):
            counter.take(SendMessageDraft(chat_id=CUSTOMER, draft_id=1, text=draft, parse_mode=None))

    yield check


@contextmanager
def _splits() -> Iterator[Check]:
    def check(given: tuple[str, int]) -> None:
        text, limit = given
        rest, shown = text, ""
        for piece, _ in split_text(text, (), limit):
            assert len(piece.encode("utf-16-le")) // 2 <= limit
            before, found, rest = rest.partition(piece)
            assert found and _is_blank(before), (before, piece)
            shown += piece
        assert _is_blank(rest), rest
        assert _visible(shown) == _visible(text)

    yield check


def _is_blank(text: str) -> bool:
    return not _visible(text)


def _visible(text: str) -> str:
    """What Telegram takes for content."""
    return "".join(_HAS_CONTENT.findall(text))


@contextmanager
def _markup() -> Iterator[Check]:
    def check(source: str) -> None:
        try:
            parse_html(source)
        except ApiError as refusal:
            assert refusal.code == 400

    yield check


@contextmanager
def _calls() -> Iterator[Check]:
    facts = load_facts()

    def check(given: tuple[str, dict[str, Any]]) -> None:
        method, params = given
        try:
            check_call(facts, method, {name: json.dumps(value) for name, value in params.items()})
            check_call(facts, method, params)
        except ApiError as refusal:
            assert refusal.code == 400

    yield check


_TAGS = (
    "<b>",
    "</b>",
    '<a href="',
    '">',
    "</a>",
    "<pre>",
    "<span class='tg-spoiler'>",
    "&#x1F600;",
    "&bad;",
    "<",
    ">",
)
_PARAMETERS = ("chat_id", "text", "entities", "reply_markup", "link_preview_options", "draft_id")

PROPERTIES = [
    Property("every part of a reply is taken", 16, st.tuples(replies, st.booleans()), _sends),
    Property(
        "the parts of a text are the text",
        24,
        st.tuples(good_texts, st.integers(2, 60) | st.just(4096)),
        _splits,
    ),
    Property(
        "markup is read or refused",
        10,
        st.lists(st.one_of(st.sampled_from(_TAGS), good_texts), max_size=6).map("".join),
        _markup,
    ),
    Property(
        "calls are checked or refused",
        8,
        st.tuples(
            st.sampled_from(["sendMessage", "sendMessageDraft"]),
            st.dictionaries(st.sampled_from(_PARAMETERS), anything, max_size=4),
        ),
        _calls,
    ),
]
