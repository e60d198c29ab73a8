"""Whatever update comes, the bot lives on, confirms it, and has done, told or noted something about it."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiogram import Dispatcher
from aiogram.types import Update
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from redis import Redis

from bot.alerts import Alerts
from bot.courtesies import Courtesies
from bot.delivery import _send_message
from bot.handlers import make_routers
from bot.intake import Intake
from bot.limits import Limits
from bot.middlewares.intake import IntakeMiddleware
from bot.polling import Polling
from bot.quarantine import Quarantine
from bot.render import render_reply
from bot.telegram import make_bot
from tests.fuzz.inputs import anything, good_short_texts, good_texts, nearly, numbers, short_texts, texts
from tests.fuzz.properties import Check, Property
from tests.fuzz.replies import CUSTOMER, Counter
from workers.broadcasts import Broadcasts
from workers.channel import Channel, Names
from workers.connection import connect, connect_async
from workers.contracts import OutboxEntry, read_message
from workers.embedded_redis import private_redis
from workers.operations import Operations
from workers.sessions import SessionReader
from workers.settings import Settings
from workers.trips import Trips
from workers.writings import Writings

BOT_ID, ADMIN = 7, 9

_times = st.one_of(st.just(1_700_000_000), st.just(1_700_000_000), st.just(1_700_000_000), numbers)
_users = st.fixed_dictionaries(
    {"id": st.sampled_from([CUSTOMER, ADMIN]), "is_bot": st.booleans(), "first_name": good_short_texts},
    optional={"language_code": st.sampled_from(["en", "zh-hans", "x", ""]), "username": good_short_texts},
)
_chats = st.one_of(
    st.fixed_dictionaries({"id": st.sampled_from([CUSTOMER, ADMIN]), "type": st.just("private")}),
    st.fixed_dictionaries(
        {
            "id": st.just(-100),
            "type": st.sampled_from(["group", "supergroup", "channel"]),
            "title": good_short_texts,
        }
    ),
)
_entities = st.lists(
    nearly(
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(["bold", "mention", "bot_command", "text_link", "new"]),
                "offset": numbers,
                "length": numbers,
            }
        )
    ),
    max_size=2,
)
_words = st.one_of(
    texts,
    good_texts,
    good_texts,
    st.sampled_from(
        [
            "/start",
            "/help",
            "/news",
            "/language zh",
            "/language\0",
            "/suggest tea",
            "/reset",
            "/forget",
            "/queues",
            "/broadcast",
        ]
    )
    | st.sampled_from(
        [
            "/stats",
            "/",
            "/suggest",
            "/unknown@kefu_bot x",
            "@kefu_bot hello",
            "/start " + "x" * 4000,
            "/broadcast Sale! <b>\u202e",
        ]
    ),
)
_message = st.fixed_dictionaries(
    {"message_id": numbers, "date": _times, "chat": _chats},
    optional={
        "from": nearly(_users),
        "text": _words,
        "entities": _entities,
        "photo": st.just([]),
        "caption": short_texts,
        "reply_to_message": nearly(
            st.fixed_dictionaries({"message_id": numbers, "date": _times, "chat": _chats})
        ),
    },
)
_data = st.one_of(
    short_texts,
    st.sampled_from(
        [
            "lang:en",
            "lang:zh\n",
            "lang:xx",
            "forget:yes",
            "forget:no",
            "more:p1",
            "less:p1",
            "info:p1",
            "info:",
            "more:../x",
            "news:on",
            "bc:go:0123456789abcdef",
            "bc:no:x",
        ]
    ),
)
_query = st.fixed_dictionaries(
    {"id": good_short_texts, "from": _users, "chat_instance": good_short_texts},
    optional={"data": _data, "message": nearly(_message), "inline_message_id": short_texts},
)
_asked = st.fixed_dictionaries(
    {
        "message_id": st.integers(1, 2**31),
        "date": st.just(1_700_000_000),
        "chat": st.just({"id": CUSTOMER, "type": "private"}),
        "from": st.just({"id": CUSTOMER, "is_bot": False, "first_name": "Customer"}),
        "text": _words,
    },
    optional={"entities": _entities},
)
_kinds = st.one_of(
    st.fixed_dictionaries({"message": nearly(_message)}),
    st.fixed_dictionaries({"message": _message}),
    st.fixed_dictionaries({"message": _asked}),
    st.fixed_dictionaries({"message": _asked}),
    st.fixed_dictionaries({"edited_message": nearly(_message)}),
    st.fixed_dictionaries({"callback_query": nearly(_query)}),
    st.fixed_dictionaries({"callback_query": _query}),
    st.dictionaries(
        st.sampled_from(["my_chat_member", "poll", "inline_query", "channel_post", "new_kind"]), anything
    ),
    nearly(st.just({})),
)
batches = st.lists(_kinds, min_size=1, max_size=4)


class Front:
    """The bot from an update on, as far as Redis; nothing goes to Telegram."""

    def __init__(self, url: str, redis: Redis) -> None:
        self.redis = redis
        self.names = Names(BOT_ID)
        self.answered: list[str] = []
        self._client = connect_async(url)
        self._sync = connect(url)
        trips, self._channel = (
            Trips(self._client),
            Channel(self._sync, BOT_ID, customer_limit=0, chat_limit=3),
        )
        bot = make_bot(Settings(_env_file=None, bot_token=SecretStr(f"{BOT_ID}:sandbox")))
        sessions = SessionReader(self._client, BOT_ID, trips=trips)
        alerts = Alerts(self._client, self.names)
        courtesies = Courtesies(bot, self._client, self.names, Limits(), lambda chat: True)
        courtesies.answer_callback = lambda chat_id, query_id, text=None: self.answered.append(query_id)  # type: ignore[method-assign]
        self._intake = Intake(self._channel, trips)
        quarantine = Quarantine(alerts, sessions, self._intake)
        dispatcher = Dispatcher(
            disable_fsm=True,
            intake=self._intake,
            courtesies=courtesies,
            operations=Operations(self._sync, BOT_ID),
            alerts=alerts,
            broadcasts=Broadcasts(self._channel, self._sync),
            writings=Writings(self._channel, self._sync),
        )
        dispatcher.update.outer_middleware(IntakeMiddleware(sessions))
        dispatcher.include_routers(*make_routers([ADMIN], BOT_ID, "kefu_bot"))
        self.polling = Polling(bot, dispatcher, quarantine)

    async def close(self) -> None:
        self._intake.close()
        self._sync.close()
        await self._client.aclose()


@contextmanager
def _taken() -> Iterator[Check]:
    logging.disable(logging.CRITICAL)
    counter = Counter()
    with private_redis() as url, connect(url) as redis, asyncio.Runner() as runner:

        async def start() -> Front:
            return Front(url, redis)

        front = runner.run(start())
        number = 0

        def check(batch: list[dict[str, Any]]) -> None:
            nonlocal number
            redis.flushdb()
            front.answered.clear()
            raw = []
            for update in batch:
                number += 1
                # As it comes off the wire: a number too large for a float is none in JSON.
                raw.append(json.loads(json.dumps({**update, "update_id": number})))
            runner.run(front.polling._take_all(raw))
            assert front.polling._offset == number + 1
            for update in raw:
                _was_noticed(front, update)
            _is_readable(front, counter)

        try:
            yield check
        finally:
            runner.run(front.close())
            logging.disable(logging.NOTSET)


def _was_noticed(front: Front, raw: dict[str, Any]) -> None:
    """Whether something is known of an update that a person could expect an answer to."""
    try:
        update = Update.model_validate(raw)
    except ValidationError:
        alerts = [json.loads(alert) for alert in front.redis.lrange(front.names.alerts, 0, -1)]
        assert raw["update_id"] in [alert["update_id"] for alert in alerts]
        return
    message = update.message
    if message is not None and message.chat.type == "private":
        assert front.redis.exists(front.names.seen(update.update_id)), "a message left no trace"
    query = update.callback_query
    if query is not None:
        known = front.redis.exists(front.names.seen(update.update_id))
        assert known or query.id in front.answered or query.message is None, "a pressed button left no trace"


def _is_readable(front: Front, counter: Counter) -> None:
    """Workers can read what was taken in, and Telegram takes what is to be said."""
    for key in front.redis.keys("kefu:7:chat:*:inbox"):
        for row in front.redis.lrange(key, 0, -1):
            assert read_message(row).kind != "unreadable"
    for key in front.redis.keys("kefu:7:chat:*:outbox"):
        for row in front.redis.lrange(key, 0, -1):
            entry = OutboxEntry.read(row)
            parts = render_reply(entry.reply, private=entry.chat_id > 0)
            assert parts, "a reply without anything to see"
            for part in parts:
                counter.take(_send_message(CUSTOMER, part))


PROPERTIES = [Property("every update is taken and noticed", 5, batches, _taken)]
