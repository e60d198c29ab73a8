"""Telegram's Bot API over HTTP on localhost, with the control API and the chat page beside it.

Joins the parts: a call is read, checked, perhaps made to fail on order, limited, carried out and logged. The rules
are in `validate`, `limits`, `methods` and `telegram`; people act through `control`.
"""

import asyncio
import contextlib
import hmac
import json
import time
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.web_request import FileField

from bot.sandbox.control import Control
from bot.sandbox.errors import ApiError, Json, bad_request
from bot.sandbox.facts import load_facts
from bot.sandbox.faults import Fault, Faults
from bot.sandbox.guard import guard
from bot.sandbox.limits import FloodLimits, Rates
from bot.sandbox.methods import FLOOD_LIMITED, perform
from bot.sandbox.telegram import DEMO_USERS, Telegram, User
from bot.sandbox.validate import check_call
from bot.sandbox.webhook import Webhook

CALLS_KEPT = 10_000
MAX_UPLOAD = 50 * 2**20
LONGEST_POLL = 50
HANG_SECONDS = 600.0
TICK_SECONDS = 0.5
PAGE = Path(__file__).with_name("page")


class Sandbox:
    """One bot's Telegram. Serves from entering to leaving the context.

    limits: True for Telegram's flood limits, False for none (load tests), or other rates.
    port:   0 takes a free one; see `url`.
    """

    def __init__(
        self,
        token: str,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: bool | Rates = True,
        users: Iterable[User] = DEMO_USERS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not token.partition(":")[0].isdigit() or not token.partition(":")[2] or "/" in token:
            raise ValueError("a bot token looks like 123456:letters; Telegram's @BotFather hands them out")
        self.token = token
        self.host = host
        self.port = port
        self.clock = clock
        self.telegram = Telegram(token, users, clock)
        self.faults = Faults()
        self.calls: deque[Json] = deque(maxlen=CALLS_KEPT)
        self._limits = FloodLimits(clock, limits if isinstance(limits, Rates) else None) if limits else None
        self._facts = load_facts()
        self._webhook: Webhook | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        self._runner = web.AppRunner(
            self._app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        try:
            await self._listen()
        except OSError:
            await self._runner.cleanup()
            raise
        self._in_background(self._keep_time())

    async def stop(self) -> None:
        """Stop listening and end every open connection."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._webhook:
            await self._webhook.close()
        if self._runner:
            await self._runner.cleanup()

    def refuse_connections(self, seconds: float) -> None:
        """End all connections and let nobody connect for a while."""
        self._in_background(self._be_unreachable(seconds))

    async def call(self, name: str, given: Json, files: Collection[str] = ()) -> object:
        """Carry out a call as it came; returns its result or raises ApiError."""
        method = self._facts.method(name)
        if method is None:
            raise ApiError(404, "Not Found")
        return await self._carry_out(method, check_call(self._facts, method, given, files))

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[guard(self.host)], client_max_size=MAX_UPLOAD)
        app.router.add_route("*", "/bot{token:[^/]+}/{method}", self._answer)
        app.add_routes(Control(self).routes())
        app.router.add_get("/", self._index)
        if PAGE.is_dir():
            app.router.add_static("/page/", PAGE)
            app.on_response_prepare.append(_revalidate)
        return app

    async def _listen(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, self.host, self.port)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def _be_unreachable(self, seconds: float) -> None:
        assert self._site is not None and self._runner is not None and self._runner.server is not None
        await self._site.stop()
        await asyncio.sleep(0.05)  # The response to whoever ordered this is still on its way.
        for connection in self._runner.server.connections:
            if connection.transport:
                connection.transport.abort()
        await asyncio.sleep(seconds)
        await self._listen()

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.telegram.expire()

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Handle `/bot<token>/<method>`."""
        name = request.match_info["method"]
        called: Json = {
            "at": round(self.clock(), 3),
            "method": self._facts.method(name) or name,
            "chat_id": None,
            "ok": False,
            "error_code": None,
        }
        try:
            if not hmac.compare_digest(request.match_info["token"].encode(), self.token.encode()):
                raise ApiError(401, "Unauthorized")
            if self._facts.method(name) is None:
                raise ApiError(404, "Not Found")
            result = await self._call_with_faults(request, called)
        except ApiError as refusal:
            called |= {"error_code": refusal.code, "description": refusal.description}
            return web.json_response(refusal.response(), status=refusal.code)
        except _Dropped:
            if request.transport:
                request.transport.abort()
            return web.Response()
        finally:
            self.calls.append(called)
        called["ok"] = True
        return web.json_response({"ok": True, "result": result})

    async def _call_with_faults(self, request: web.Request, called: Json) -> object:
        method: str = called["method"]
        given, files = await _parameters(request)
        params = check_call(self._facts, method, given, files)
        called["chat_id"] = params.get("chat_id")
        fault = self.faults.take(method, params)
        if fault is None:
            return await self._carry_out(method, params)
        called["description"] = fault.mode
        if fault.mode == "shuffle":
            return _shuffled(await self._carry_out(method, params), fault)
        if fault.mode == "slow":
            await asyncio.sleep(fault.seconds)
            return await self._carry_out(method, params)
        if fault.mode == "error":
            raise ApiError(fault.error_code, fault.description, retry_after=fault.retry_after)
        if fault.mode.startswith("deliver"):
            await self._carry_out(method, params)
        if fault.mode.endswith("hang"):
            await asyncio.sleep(HANG_SECONDS)
        raise _Dropped

    async def _carry_out(self, method: str, params: Json) -> object:
        match method:
            case "getUpdates":
                return await self._get_updates(params)
            case "setWebhook":
                return await self._set_webhook(params)
            case "deleteWebhook":
                return await self._set_webhook({**params, "url": ""})
            case "getWebhookInfo":
                return self._webhook_info()
        if self._limits and method in FLOOD_LIMITED and isinstance(params.get("chat_id"), int):
            chat_id: int = params["chat_id"]
            self._limits.spend(chat_id, is_group=chat_id < 0, is_draft=method == "sendMessageDraft")
        return perform(self.telegram, method, params)

    async def _get_updates(self, params: Json) -> list[Json]:
        if self._webhook:
            raise ApiError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the "
                "webhook first",
            )
        self._set_allowed(params)
        seconds = min(max(params.get("timeout", 0), 0), LONGEST_POLL)
        return await self.telegram.updates.poll(params.get("offset", 0), params.get("limit", 100), seconds)

    async def _set_webhook(self, params: Json) -> bool:
        if params["url"]:
            Webhook.check(params)
        self._set_allowed(params)
        if self._webhook:
            await self._webhook.close()
            self._webhook = None
        if params.get("drop_pending_updates"):
            self.telegram.updates.clear()
        if params["url"]:
            self.telegram.updates.interrupt("terminated by setWebhook request")
            self._webhook = Webhook(self.telegram.updates, self.call, params, self.faults)
        return True

    def _webhook_info(self) -> Json:
        info: Json = {"url": "", "has_custom_certificate": False}
        info["pending_update_count"] = len(self.telegram.updates)
        if self.telegram.updates.allowed:
            info["allowed_updates"] = self.telegram.updates.allowed
        return info | (self._webhook.info() if self._webhook else {})

    def _set_allowed(self, params: Json) -> None:
        if "allowed_updates" in params:
            if unknown := set(params["allowed_updates"]) - set(self._facts.update_types):
                raise bad_request(f'allowed_updates names an unknown kind of update: "{min(unknown)}"')
            self.telegram.updates.allowed = params["allowed_updates"]

    async def _index(self, request: web.Request) -> web.StreamResponse:
        if not (index := PAGE / "index.html").is_file():
            raise web.HTTPNotFound(text="This installation has no chat page; /control/state answers.\n")
        return web.FileResponse(index, headers={"Cache-Control": "no-cache", "X-Frame-Options": "DENY"})


async def _revalidate(request: web.Request, response: web.StreamResponse) -> None:
    """After an upgrade no browser may go on with a part of the old page."""
    if request.path.startswith("/page/"):
        response.headers["Cache-Control"] = "no-cache"


def _shuffled(result: object, fault: Fault) -> object:
    """A batch of updates out of order."""
    return fault.chance.sample(result, len(result)) if isinstance(result, list) else result


class _Dropped(Exception):
    """The connection is to end without a response."""


async def _parameters(request: web.Request) -> tuple[Json, set[str]]:
    """The parameters of a call, from its query and its body, and the names of its uploads."""
    given: Json = dict(request.query)
    files: set[str] = set()
    if not request.can_read_body:
        return given, files
    if (request.content_length or 0) > MAX_UPLOAD:
        raise ApiError(413, "Request Entity Too Large")
    match request.content_type:
        case "application/json":
            try:
                body = json.loads(await request.text())
            except (ValueError, RecursionError):
                raise bad_request("can't parse the request's JSON") from None
            if not isinstance(body, dict):
                raise bad_request("the request's JSON must be an object")
            given |= body
        case "application/x-www-form-urlencoded" | "multipart/form-data":
            with contextlib.ExitStack() as opened:
                try:
                    form = await request.post()
                except ValueError:
                    raise bad_request("can't parse the request's form") from None
                for name, value in form.items():
                    if isinstance(value, FileField):
                        opened.callback(value.file.close)
                        files.add(name)
                    else:
                        given[name] = (
                            value if isinstance(value, str) else bytes(value).decode(errors="replace")
                        )
        case _:
            if await request.read():
                raise bad_request(f"unsupported content type {request.content_type}")
    return given, files
