"""A person at the other end of the sandbox, for tests, the demo and load: sends, presses, waits for replies."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientSession, ClientTimeout

from bot.sandbox.errors import Json


class SandboxError(RuntimeError):
    """The sandbox refused; the text says why."""


class SandboxClient:
    """Speaks the control API. Waiting starts after what was last sent or waited for, per user."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/control"
        self._seen: dict[int, int] = {}

    async def __aenter__(self) -> Self:
        self._session = ClientSession(timeout=ClientTimeout(total=90))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, **query: str | float) -> Any:
        """GET `/control/<path>`."""
        return await self._request("GET", path, query, None)

    async def post(self, path: str, **body: object) -> Json:
        """POST `/control/<path>`."""
        answer: Json = await self._request("POST", path, {}, body)
        return answer

    async def clear_faults(self) -> None:
        """Forget all ordered failures."""
        await self._request("DELETE", "faults", {}, None)

    async def commands(self, user: int) -> list[Json]:
        """The command menu that a user sees."""
        menu: list[Json] = await self.get(f"users/{user}/commands")
        return menu

    async def add_user(self, user: int, name: str = "", language_code: str = "en") -> Json:
        """Create a user."""
        return await self.post("users", id=user, name=name or f"User {user}", language_code=language_code)

    async def send(self, user: int, text: str) -> Json:
        """Write to the bot; returns message_id, update_id and seq."""
        return await self.send_any(user, text=text)

    async def send_any(self, user: int, **content: object) -> Json:
        """Send a sticker=True, voice=True or photo=True with caption, or a text with reply_to."""
        sent = await self.post(f"users/{user}/messages", **content)
        self._seen[user] = sent["seq"]
        return sent

    async def edit(self, user: int, message_id: int, text: str) -> Json:
        """Change an own message."""
        return await self.post(f"users/{user}/edits", message_id=message_id, text=text)

    async def press(self, user: int, message_id: int, data: str) -> str:
        """Press a button; returns the callback query's id."""
        pressed = await self.post(f"users/{user}/presses", message_id=message_id, data=data)
        return str(pressed["callback_query_id"])

    async def react(self, user: int, message_id: int, emoji: str | None) -> Json:
        """Put a reaction on a message or take it away."""
        return await self.post(f"users/{user}/reactions", message_id=message_id, emoji=emoji)

    async def stop(self, user: int, draft_id: int) -> Json:
        """Press Stop under a draft."""
        return await self.post(f"users/{user}/stop", draft_id=draft_id)

    async def block(self, user: int, blocked: bool = True) -> Json:
        """Block the bot or start it again."""
        return await self.post(f"users/{user}/block", blocked=blocked)

    async def hold(self, held: bool) -> None:
        """Keep updates back, or let them go in one batch."""
        await self.post("hold", held=held)

    async def fault(self, method: str, *, mode: str = "error", count: int = 1, **details: object) -> None:
        """Order a failure of the next calls of a method."""
        await self.post("faults", method=method, mode=mode, count=count, **details)

    async def calls(self, method: str | None = None) -> list[Json]:
        """The bot's latest calls."""
        calls: list[Json] = (await self.get("calls", **({"method": method} if method else {})))["calls"]
        return calls

    async def transcript(self, user: int, *, after: int = 0, wait: float = 0) -> list[Json]:
        """The chat's events after `after`; waits for the first of them if there is none yet."""
        events: list[Json] = (await self.get(f"users/{user}/transcript", after=after, wait=wait))["events"]
        return events

    async def messages(self, user: int) -> list[Json]:
        """What the bot has written in the chat, oldest first; without edits."""
        return [event for event in await self.transcript(user) if is_reply(event)]

    async def wait_for(
        self,
        user: int,
        predicate: Callable[[Json], bool],
        timeout: float = 30,  # noqa: ASYNC109 - it names how long the person waits, as in unittest and Playwright
        *,
        after: int | None = None,
    ) -> Json:
        """The first event after `after` that fits; TimeoutError says how much else came."""
        seq = self._seen.get(user, 0) if after is None else after
        deadline = asyncio.get_running_loop().time() + timeout
        passed = 0
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            for event in await self.transcript(user, after=seq, wait=left):
                seq = event["seq"]
                if predicate(event):
                    self._seen[user] = seq
                    return event
                passed += 1
        raise TimeoutError(f"user {user} waited {timeout:g} s in vain; {passed} other events came")

    async def wait_for_reply(self, user: int, timeout: float = 30) -> Json:  # noqa: ASYNC109
        """The bot's next message."""
        return await self.wait_for(user, is_reply, timeout)

    async def _request(self, verb: str, path: str, query: dict[str, str | float], body: Json | None) -> Any:
        async with self._session.request(verb, f"{self._url}/{path}", params=query, json=body) as response:
            answer = await response.json(content_type=None) if response.status in (200, 400) else {}
            if response.status != 200:
                raise SandboxError(answer.get("error", f"{verb} {path}: HTTP {response.status}"))
            return answer


def is_reply(event: Json) -> bool:
    """Whether an event is a message of the bot."""
    return bool(event["type"] == "message" and event["from"] == "bot")
