"""The control API: people, transcripts, streams, and no door for foreign web pages."""

import asyncio
import json
from typing import Any

import pytest
from aiogram import Bot
from aiohttp import ClientSession

from bot.sandbox.client import SandboxClient, SandboxError
from bot.sandbox.main import run
from bot.sandbox.server import Sandbox
from bot.sandbox.telegram import split_text
from bot.sandbox.validate import utf16_units
from tests.sandbox.conftest import MIA, TOKEN, WEI
from workers.settings import SettingsError


async def test_state_names_bot_users_and_commands(bot: Bot, people: SandboxClient) -> None:
    state = await people.get("state")
    assert state["bots"] == [{"id": 42, "username": "kefu_sandbox_bot", "name": "kefu", "token_set": True}]
    users = {user["id"]: (user["name"], user["language_code"], user["is_admin"]) for user in state["users"]}
    assert users[MIA] == ("Mia", "en", False)
    assert users[WEI] == ("陈伟", "zh", False)
    assert users[9][2] is True
    assert TOKEN not in json.dumps(state)


async def test_user_can_be_added_and_renamed(people: SandboxClient) -> None:
    await people.add_user(7, "Lena", "de")
    await people.post("users", id=7, name="Lena M.")
    [lena] = [user for user in (await people.get("state"))["users"] if user["id"] == 7]
    assert (lena["name"], lena["language_code"]) == ("Lena M.", "de")


async def test_transcript_waits_for_the_next_event_of_its_chat(people: SandboxClient) -> None:
    first = await people.send(MIA, "one")
    waiting = asyncio.create_task(people.transcript(MIA, after=first["seq"], wait=5))
    await people.send(WEI, "not yours")
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await people.send(MIA, "two")
    assert [event["text"] for event in await waiting] == ["two"]
    assert await people.transcript(MIA, after=first["seq"] + 2, wait=0.1) == []
    assert len((await people.get("transcript"))["events"]) == 3


@pytest.mark.parametrize(
    ("path", "texts"), [("users/1/events", ["one", "three"]), ("events", ["one", "two", "three"])]
)
async def test_events_are_streamed(
    sandbox: Sandbox, people: SandboxClient, path: str, texts: list[str]
) -> None:
    await people.send(MIA, "one")
    async with ClientSession() as session, session.get(f"{sandbox.url}/control/{path}") as stream:
        assert stream.content_type == "text/event-stream"
        await people.send(WEI, "two")
        await people.send(MIA, "three")
        events: list[dict[str, Any]] = []
        while len(events) < len(texts):
            line = (await asyncio.wait_for(stream.content.readline(), 2)).decode()
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
    assert [event["text"] for event in events] == texts


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("users/1/messages", {}, '"text" is required'),
        ("users/1/messages", {"text": " "}, "no empty message"),
        ("users/1/messages", {"text": 5}, "must be of type str"),
        ("users/77/messages", {"text": "x"}, "there is no user 77"),
        ("users/1/edits", {"message_id": 5, "text": "x"}, "has no message 5"),
        ("users/1/stop", {"draft_id": 5}, "no draft 5"),
        ("users", {"id": -1}, "positive id"),
        ("users", {"id": True}, "must be of type int"),
        ("faults", {"method": "getMe", "mode": "explode"}, "mode is one of"),
    ],
)
async def test_what_nobody_can_do_is_refused_with_a_reason(
    people: SandboxClient, path: str, body: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SandboxError, match=reason):
        await people.post(path, **body)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example:80", "Origin": "http://evil.example:80"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_foreign_web_pages_are_kept_out(sandbox: Sandbox, headers: dict[str, str]) -> None:
    async with ClientSession(headers=headers) as session:
        for path in ("control/users/1/messages", f"bot{TOKEN}/getMe"):
            async with session.post(f"{sandbox.url}/{path}", data='{"text": "x"}') as response:
                assert response.status == 403
    assert sandbox.telegram.transcript.seq == 0


async def test_own_page_may_call(sandbox: Sandbox) -> None:
    async with ClientSession(headers={"Origin": sandbox.url, "Sec-Fetch-Site": "same-origin"}) as session:
        async with session.post(f"{sandbox.url}/control/users/1/messages", json={"text": "x"}) as response:
            assert response.status == 200


async def test_port_in_use_and_bad_token_are_named(sandbox: Sandbox) -> None:
    with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{sandbox.port}.*another --port"):
        await run(port=sandbox.port)
    with pytest.raises(SettingsError, match="a bot token looks like"):
        await run(port=0, token="nonsense")


@pytest.mark.parametrize("text", ["x" * 10_000, "😀" * 5000, "word " * 2000, "line\n" * 2000])
def test_long_text_is_split_without_losing_a_word(text: str) -> None:
    parts = split_text(text)
    assert all(0 < utf16_units(part) <= 4096 for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert len(parts) == -(-utf16_units(text) // 4096)
