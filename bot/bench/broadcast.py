"""`kefu bench broadcast`: a broadcast to thousands while customers chat, within Telegram's limits.

The real programs, and Telegram on localhost with its flood limits. Customers chat first without the broadcast and then
beside it, so what it costs them is in one run. The recipients are put into Redis as if each had written before;
those who chat are recipients too.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass

from redis.asyncio import Redis

from bot.bench.checker import percentile
from bot.bench.load import Load, Waits
from bot.sandbox.errors import Json
from bot.sandbox.telegram import User
from bot.stack import ADMIN_ID, Stack, StackError
from workers.broadcasts import Figures, read_figures
from workers.channel import Names
from workers.connection import connect_async

START_SECONDS = 90.0
TEXT = "The shop is closed on Monday."

_FIRST_RECIPIENT, _FIRST_CUSTOMER = 1_000_000, 10_000
_CUSTOMERS = 50
_ROUND_SECONDS = 5.0

Show = Callable[[int, int], None]
"""Told every now and then: how many have got it, how many are to."""


@dataclass(frozen=True)
class Options:
    """What is run. `rate`: messages a second that customers write meanwhile; `calm`: seconds of that without it."""

    recipients: int = 10_000
    rate: float = 2.0
    calm: float = 20.0
    seed: int = 1


async def run_broadcast(options: Options, show: Show = lambda *_: None) -> dict[str, object]:
    """Run it and count. Raises StackError if the system does not start or the broadcast does not end."""
    async with Stack(environment={"KEFU_MODEL": "echo", "KEFU_CUSTOMER_LIMIT": "0"}) as stack:
        stack.sandbox.calls.clear()
        load = Load(stack.sandbox.telegram, stack.check, options.seed)
        load.use_chats(_FIRST_CUSTOMER, _CUSTOMERS)
        async with connect_async(stack.redis_url) as redis, load.listening():
            try:
                await load.first_reply(START_SECONDS)
            except TimeoutError:
                raise StackError("nobody answers:\n" + stack.log_tail("bot")) from None
            recipients = await _add_recipients(stack, redis, options.recipients)
            await load.drain()
            await load.arrive(options.rate, options.calm)
            before = await load.drain()
            began = time.time()
            await _order(stack)
            beside, figures = await _watch(stack, redis, load, options, show)
            return _report(stack, options, recipients, before, beside, figures, began)


async def _add_recipients(stack: Stack, redis: Redis, count: int) -> list[int]:
    recipients = list(range(_FIRST_RECIPIENT, _FIRST_RECIPIENT + count))
    for recipient in recipients:
        stack.sandbox.telegram.add_user(User(recipient, "Recipient", started=True))
    names = Names(stack.sandbox.telegram.id)
    await redis.delete(names.audience)
    await redis.zadd(names.audience, dict.fromkeys(map(str, recipients), time.time()))
    return recipients


async def _order(stack: Stack) -> None:
    """The admin writes and confirms."""
    telegram = stack.sandbox.telegram
    admin = telegram.person(ADMIN_ID)
    seq = telegram.transcript.seq
    telegram.write(admin, telegram.place(admin, ADMIN_ID), f"/broadcast {TEXT}")
    async with asyncio.timeout(30):
        while True:
            for event in await telegram.transcript.wait_after(ADMIN_ID, seq, 1.0):
                seq = event["seq"]
                if event["from"] == "bot" and event["type"] == "message" and event["buttons"]:
                    data = event["buttons"][0][0]["data"]
                    telegram.press(admin, telegram.place(admin, ADMIN_ID), event["message_id"], data)
                    return


async def _watch(
    stack: Stack, redis: Redis, load: Load, options: Options, show: Show
) -> tuple[Waits, Figures]:
    """Let customers chat until the broadcast is over; their waits and its figures."""
    names = Names(stack.sandbox.telegram.id)
    deadline = time.monotonic() + 60 + options.recipients
    while time.monotonic() < deadline:
        await load.arrive(options.rate, _ROUND_SECONDS)
        figures = read_figures(await redis.hgetall(names.broadcast))
        if figures is not None:
            show(figures.settled, figures.total)
            if figures.state == "done":
                return await load.drain(), figures
    raise StackError("the broadcast did not end:\n" + stack.log_tail("bot"))


def _report(
    stack: Stack,
    options: Options,
    recipients: list[int],
    before: Waits,
    beside: Waits,
    figures: Figures,
    began: float,
) -> dict[str, object]:
    calls: list[Json] = [call for call in stack.sandbox.calls if call["method"] == "sendMessage"]
    received: Counter[int] = Counter()
    last = began
    for recipient in recipients:
        for event in stack.sandbox.telegram.transcript.after(recipient, 0):
            if event["type"] == "message" and event["from"] == "bot":
                received[recipient] += 1
                last = max(last, event["at"])
    seconds = last - began
    return {
        "recipients": figures.total,
        "sent": figures.sent,
        "missed": sum(received[recipient] == 0 for recipient in recipients),
        "doubled": sum(count > 1 for count in received.values()),
        "seconds": round(seconds, 1),
        "per_second": round(len(received) / seconds, 1) if seconds else 0.0,
        "too_many_requests": sum(call["error_code"] == 429 for call in calls),
        "reply_ms_before": _milliseconds(before),
        "reply_ms_beside": _milliseconds(beside),
        "unanswered": before.unanswered + beside.unanswered,
        "options": asdict(options),
    }


def _milliseconds(waits: Waits) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    times = {name: round(1000 * percentile(waits.to_reply, share), 1) for name, share in shares.items()}
    return {"replies": len(waits.to_reply), **times}
