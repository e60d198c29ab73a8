"""Calls arrive as browsers, scripts and libraries send them: in the address, as forms, as JSON."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, FormData

from bot.sandbox.client import SandboxClient
from bot.sandbox.server import MAX_UPLOAD, Sandbox
from tests.sandbox.conftest import MIA, TOKEN


@pytest.fixture
async def session(sandbox: Sandbox, people: SandboxClient) -> AsyncIterator[ClientSession]:
    await people.send(MIA, "hello")
    async with ClientSession(f"{sandbox.url}/bot{TOKEN}/") as session:
        yield session


async def test_address_forms_and_json_mean_the_same(session: ClientSession, people: SandboxClient) -> None:
    params = {"chat_id": "1", "text": "hi"}
    multipart = FormData(params, default_to_multipart=True)
    for request in (
        session.get("sendMessage", params=params),
        session.post("sendmessage", data=params),
        session.post("sendMessage", data=multipart),
        session.post("sendMessage", json={"chat_id": 1, "text": "hi"}),
    ):
        async with request as response:
            assert (await response.json())["result"]["text"] == "hi"
    assert len(await people.messages(MIA)) == 4


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        ("{", "application/json", "can't parse the request's JSON"),
        ("[]", "application/json", "must be an object"),
        ("hello", "text/plain", "unsupported content type"),
    ],
)
async def test_unreadable_body_is_refused(
    session: ClientSession, body: str, content_type: str, reason: str
) -> None:
    async with session.post("sendMessage", data=body, headers={"Content-Type": content_type}) as response:
        assert response.status == 400
        assert reason in (await response.json())["description"]


async def test_too_large_upload_is_refused_before_it_is_read(session: ClientSession) -> None:
    headers = {"Content-Length": str(MAX_UPLOAD + 1), "Content-Type": "application/json"}
    async with session.post("sendMessage", data=b"{}", headers=headers, expect100=False) as response:
        assert (await response.json())["error_code"] == 413
