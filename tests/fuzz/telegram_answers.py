"""Whatever comes back for a call, the bot knows what it means for the message, and never takes sent for unsent."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, get_args

from aiogram import Bot
from aiogram.exceptions import AiogramError
from hypothesis import strategies as st

from bot.delivery import _is_gone, _send_message, judge
from bot.polling import GetRawUpdates
from bot.render import Part
from bot.telegram import _Session
from tests.fuzz.inputs import anything, nearly, short_texts
from tests.fuzz.properties import Check, Property
from workers.outbox import Outcome


class _Wire:
    """An HTTP session whose every response is the same."""

    closed = False

    def __init__(self, status: int, body: str) -> None:
        self.status = status
        self._body = body

    def post(self, url: str, **options: object) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def text(self) -> str:
        return self._body


class _Answered(_Session):
    wire: _Wire

    async def create_session(self) -> Any:
        return self.wire


_bodies = st.one_of(
    nearly(
        st.fixed_dictionaries(
            {"ok": st.booleans(), "result": anything},
            optional={
                "error_code": st.sampled_from([400, 401, 403, 404, 409, 413, 429, 500, 502]),
                "description": short_texts,
                "parameters": nearly(
                    st.fixed_dictionaries(
                        {}, optional={"retry_after": anything, "migrate_to_chat_id": anything}
                    )
                ),
            },
        )
    ).map(json.dumps),
    anything.map(json.dumps),
    short_texts,
    st.sampled_from(
        ["", "null", "[]", "<html>502</html>", "[" * 5000, '{"ok":true}', '{"ok":true,"result":1e999}']
    ),
)
_statuses = st.sampled_from([200, 200, 200, 201, 301, 400, 401, 403, 404, 409, 413, 429, 500, 502, 504])


@contextmanager
def _judged() -> Iterator[Check]:
    session = _Answered()
    bot = Bot("7:sandbox", session=session)
    loop = asyncio.new_event_loop()

    def outcome_of(method: Any) -> tuple[Outcome, Exception | None]:
        try:
            loop.run_until_complete(bot(method))
        except AiogramError as error:
            _is_gone(error)
            return judge(error), error
        return "sent", None

    def check(given: tuple[int, str]) -> None:
        status, body = given
        session.wire = _Wire(status, body)
        outcome, error = outcome_of(_send_message(5, Part("hello")))
        assert outcome in get_args(Outcome)
        if status == 200 and _says_ok(body):
            assert outcome in ("sent", "unknown"), (outcome, error)
        outcome_of(GetRawUpdates())

    try:
        yield check
    finally:
        loop.close()


def _says_ok(body: str) -> bool:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(answer, dict) and answer.get("ok") is True


PROPERTIES = [Property("every answer of Telegram has a meaning", 8, st.tuples(_statuses, _bodies), _judged)]
