"""A newcomer's suggestions, from choosing a category to asking why, through the whole system."""

import asyncio

from tests.end_to_end.running import Running, run, until

NEWCOMER = 5000


def buttons(message: dict[str, object]) -> list[str]:
    """The data of all buttons under a message."""
    rows: list[list[dict[str, str]]] = message.get("buttons") or []  # type: ignore[assignment]
    return [button.get("data", "") for row in rows for button in row]


async def after(
    kefu: Running, act: "asyncio.Future[object] | asyncio.Task[object]", known: int
) -> list[dict]:
    """The bot's messages from the `known`-th on, once the reply to an act is complete."""
    await act
    await until(lambda: kefu.redis.zcard(kefu.names.waiting) == 0 and kefu.count("answered") > 0)
    for _ in range(600):
        messages = (await kefu.client.messages(NEWCOMER))[known:]
        if messages and not kefu.redis.exists(kefu.names.outbox(NEWCOMER)):
            return messages
        await asyncio.sleep(0.1)
    raise AssertionError("no reply came")


async def press(kefu: Running, messages: list[dict], data: str) -> None:
    """Press the first button whose data begins so."""
    for message in messages:
        for found in buttons(message):
            if found.startswith(data):
                await kefu.client.press(NEWCOMER, message["message_id"], found)
                return
    raise AssertionError(f"there is no button {data}")


async def test_a_newcomer_chooses_judges_and_asks_why() -> None:
    async with run() as kefu:
        await kefu.client.add_user(NEWCOMER)
        seen: list[dict] = []

        async def step(act: object) -> list[dict]:
            new = await after(kefu, asyncio.ensure_future(act), len(seen))  # type: ignore[call-overload]
            seen.extend(new)
            return new

        first = await step(kefu.client.send(NEWCOMER, "/suggest"))
        to_judge = await step(press(kefu, first, "cat:lighting"))
        liked = next(data for message in to_judge for data in buttons(message) if data.startswith("like:"))
        await press(kefu, to_judge, liked)
        await until(lambda: kefu.redis.llen(kefu.names.events(NEWCOMER)) == 2)

        suggested = await step(press(kefu, to_judge, "next"))
        offered = [data for message in suggested for data in buttons(message) if data.startswith("less:")]
        assert offered and liked.partition(":")[2] not in {data.partition(":")[2] for data in offered}
        assert any("Because you like" in message["text"] for message in suggested)

        await step(press(kefu, suggested, offered[0]))
        again = await step(kefu.client.send(NEWCOMER, "/suggest"))
        disliked = offered[0].partition(":")[2]
        assert all(disliked not in data for message in again for data in buttons(message))

        (why,) = await step(kefu.client.send(NEWCOMER, "/why"))
        assert "because of what you did here" in why["text"]
