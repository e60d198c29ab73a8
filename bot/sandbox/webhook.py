"""Delivery of updates to the bot's webhook: in order, one at a time, again after growing pauses until it is taken.

Telegram delivers several at once; one at a time is the order that a bot may rely on least to be broken here.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlsplit

from aiohttp import BodyPartReader, ClientError, ClientResponse, ClientSession, ClientTimeout, MultipartReader

from bot.sandbox.errors import ApiError, Json, bad_request
from bot.sandbox.faults import WEBHOOK, Faults
from bot.sandbox.guard import is_local
from bot.sandbox.updates import Updates

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
ANSWER_SECONDS = 60.0

Perform = Callable[[str, Json], Awaitable[object]]


class Webhook:
    """One setting of the webhook, from setWebhook until it is deleted or replaced."""

    def __init__(self, updates: Updates, perform: Perform, params: Json, faults: Faults) -> None:
        self.url: str = params["url"]
        self._secret: str | None = params.get("secret_token")
        self._max_connections: int = params.get("max_connections", 40)
        self._updates = updates
        self._perform = perform
        self._faults = faults
        self._error: tuple[int, str] | None = None
        self._task = asyncio.create_task(self._deliver())

    @staticmethod
    def check(params: Json) -> None:
        """Raise ApiError 400 for a setting that Telegram refuses. Plain HTTP is for local names only."""
        for name in ("certificate", "ip_address"):
            if name in params:
                raise bad_request(f'parameter "{name}" of setWebhook is not simulated by the sandbox')
        url = urlsplit(params["url"])
        if not url.hostname:
            raise bad_request("bad webhook: invalid URL")
        if url.scheme != "https" and not (url.scheme == "http" and is_local(url.hostname)):
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        if not re.fullmatch(r"[A-Za-z0-9_-]*", params.get("secret_token", "")):
            raise bad_request("secret token contains unallowed characters")

    def info(self) -> Json:
        """The part of WebhookInfo that belongs to this setting."""
        info: Json = {"url": self.url, "max_connections": self._max_connections}
        if self._error:
            info["last_error_date"], info["last_error_message"] = self._error
        return info

    async def close(self) -> None:
        """Stop delivering; what is pending stays pending."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _deliver(self) -> None:
        headers = {"X-Telegram-Bot-Api-Secret-Token": self._secret} if self._secret else {}
        pause = FIRST_PAUSE
        async with ClientSession(timeout=ClientTimeout(total=ANSWER_SECONDS), headers=headers) as session:
            while True:
                update = await self._updates.first()
                fault = self._faults.take(WEBHOOK)
                if fault is not None and fault.mode == "shuffle":
                    update = await self._updates.first(skip=True)
                elif fault is not None:
                    if fault.mode.startswith("deliver"):
                        await self._post(session, update)
                    self._error = int(time.time()), "Read timeout expired"
                    await asyncio.sleep(fault.seconds)
                    continue
                if (error := await self._post(session, update)) is None:
                    self._updates.delivered(update)
                    pause = FIRST_PAUSE
                else:
                    self._error = int(time.time()), error
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)

    async def _post(self, session: ClientSession, update: Json) -> str | None:
        """Deliver once; returns what went wrong."""
        try:
            async with session.post(self.url, json=update, allow_redirects=False) as response:
                if not 200 <= response.status < 300:
                    return f"Wrong response from the webhook: {response.status} {response.reason}"
                call = await _call_in(response)
        except TimeoutError:
            return "Read timeout expired"
        except ClientError as error:
            return f"Connection failed: {type(error).__name__}"
        if method := call.pop("method", None):
            try:
                await self._perform(str(method), call)
            except ApiError as refusal:
                self._error = int(time.time()), refusal.description
        return None


async def _call_in(response: ClientResponse) -> Json:
    """The call that a webhook may answer with; empty if it has none. Uploads are not taken."""
    if response.content_type == "multipart/form-data":
        call: Json = {}
        reader = MultipartReader.from_response(response)
        while isinstance(part := await reader.next(), BodyPartReader):
            call[part.name or ""] = await part.text()
        return call
    text = await response.text()
    if response.content_type == "application/x-www-form-urlencoded":
        return dict(parse_qsl(text))
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
