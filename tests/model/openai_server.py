"""A small OpenAI-compatible server over real HTTP: what it says and how it fails is set by the test."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Say = Callable[[str], str]


def first_facts(prompt: str) -> str:
    """What a diligent model would answer: the facts that it was given, after a friendly word."""
    facts = prompt.partition("Facts: ")[2] or prompt.partition("信息: ")[2]
    return "Sure! " + facts.partition("\n")[0].partition(". ")[2]


class OpenAIServer:
    """Streams `say(prompt)` word by word. `failures` are statuses that come first; `pause` lies between words."""

    def __init__(self, say: Say = first_facts, failures: tuple[int, ...] = (), pause: float = 0.0) -> None:
        self.say, self.failures, self.pause = say, list(failures), pause
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.left = asyncio.Event()
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(body := await request.json())
        self.keys.append(request.headers.get("Authorization", ""))
        if self.failures:
            return web.Response(status=self.failures.pop(0), headers={"Retry-After": "0"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            for word in self.say(body["messages"][-1]["content"]).split(" "):
                chunk = {"choices": [{"delta": {"content": word + " "}}]}
                await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
                await asyncio.sleep(self.pause)
            await response.write(b"data: [DONE]\n\n")
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise
        return response


@asynccontextmanager
async def serving(server: OpenAIServer) -> AsyncIterator[OpenAIServer]:
    """Run it on a port of its own; its address is `server.url`."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()
