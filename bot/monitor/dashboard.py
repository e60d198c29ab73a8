"""The dashboard over HTTP: the page, the figures it asks for, and what an admin may do to a queue.

    GET  /dashboard             the page, for a session; with `?app` the same page, empty, for Telegram's Mini App
    GET  /dashboard/enter?pass= a link of the bot's becomes a session
    GET  /dashboard/figures     everything that the page shows, as JSON; `since=` leaves out older points of the charts
    POST /dashboard/act         {act, queue}
    POST /dashboard/leave       end the session
    GET  /dashboard/page/NAME   script, style, icon

Every answer with a figure in it is for admins only (`access.py`). Shows counts and times, never a chat, a text or a name.
"""

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.alerts import Alerts
from bot.monitor.access import LINK_SECONDS, SESSION_SECONDS, Access
from bot.monitor.series import Series
from workers.channel import Names
from workers.contracts import Contract
from workers.operations import Act, Operations, Overview
from workers.settings import QUEUES, Settings

log = logging.getLogger(__name__)

SEAL_HEADER = "X-Kefu-Seal"
APP_SCHEME = "tma "
"""Before the Mini App's initData in the header Authorization, as others do it."""

_PAGE = Path(__file__).with_name("page")
_SHARED = Path(__file__).parents[1] / "sandbox" / "page"
"""What both pages share, the icon and the maker of elements are the chat page's."""
_FILES = {
    "dashboard.css": _PAGE,
    "dashboard.js": _PAGE,
    "chart.js": _PAGE,
    "words.js": _PAGE,
    "house.css": _SHARED,
    "dom.js": _SHARED,
    "icon.svg": _SHARED,
}
_LOOK_SECONDS = 1.0
_ALERTS_SHOWN = 12
_ACTS_SHOWN = 8
_MOMENT = re.compile(r"[0-9]{1,15}")
"""Seconds since the epoch in an address."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY + "'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_IN_TELEGRAM = {**_HEADERS, "Content-Security-Policy": _POLICY + "https://web.telegram.org"}


class _Order(Contract):
    act: Act
    queue: str


@dataclass(frozen=True)
class _Visitor:
    user_id: int
    credential: str
    has_cookie: bool


class Dashboard:
    """The dashboard of one bot. `redis` returns text; `base` is its public address, if it has one."""

    def __init__(
        self,
        redis: Redis,
        names: Names,
        operations: Operations,
        alerts: Alerts,
        series: Series,
        access: Access,
        base: str = "",
    ) -> None:
        self._redis = redis
        self._names = names
        self._operations = operations
        self._alerts = alerts
        self._series = series
        self._access = access
        self._public = urlsplit(base)
        # Cookies know no ports: two bots on one host must not take each other's.
        self._cookie = f"kefu_{names.bot_id}"
        self._looking = asyncio.Lock()
        self._seen: tuple[float, Overview] | None = None

    def routes(self) -> list[web.RouteDef]:
        """To be added to the bot's server."""
        return [
            web.get("/dashboard", self._show),
            web.get("/dashboard/", _without_slash),
            # Whoever looks at a link before it is opened must not use it up.
            web.get("/dashboard/enter", self._enter, allow_head=False),
            web.get("/dashboard/figures", self._figures),
            web.post("/dashboard/act", self._act),
            web.post("/dashboard/leave", self._leave),
            web.get("/dashboard/page/{name}", self._file),
        ]

    async def look(self) -> Overview:
        """The figures of now, at most a second old: many open pages ask Redis no more than one."""
        async with self._looking:
            now = time.monotonic()
            if self._seen is None or now - self._seen[0] >= _LOOK_SECONDS:
                self._seen = now, await self._operations.overview_async()
            return self._seen[1]

    # --- who asks -------------------------------------------------------------------------------------------

    def _visitor(self, request: web.Request) -> _Visitor | None:
        header = request.headers.get("Authorization", "")
        if header.startswith(APP_SCHEME):
            init_data = header.removeprefix(APP_SCHEME)
            user_id = self._access.read_app(init_data)
            return _Visitor(user_id, init_data, False) if user_id is not None else None
        session = request.cookies.get(self._cookie, "")
        found = self._access.read("session", session)
        return _Visitor(found.user_id, session, True) if found else None

    def _acting_visitor(self, request: web.Request) -> _Visitor | None:
        visitor = self._visitor(request)
        shown = request.headers.get(SEAL_HEADER, "")
        return visitor if visitor and self._access.is_sealed(visitor.credential, shown) else None

    async def _enter(self, request: web.Request) -> web.Response:
        """The session's cookie is strict, and a browser that comes from another site's link sends no such cookie
        along a redirect: the page that sets it leads on to the dashboard by itself.
        """
        if self._visitor(request) is not None:
            return _page(request, "entering.html")
        link = self._access.read("link", request.query.get("pass", ""))
        if link is None:
            return _page(request, "refused.html", status=403)
        used = self._names.ticket(link.nonce)
        try:
            is_first = await self._redis.set(used, 1, nx=True, ex=LINK_SECONDS)
        except RedisError:
            return web.Response(status=503, text="Redis does not answer; try again in a moment.\n")
        if not is_first:
            return _page(request, "refused.html", status=403)
        response = _page(request, "entering.html")
        self._set_cookie(request, response, self._access.issue("session", link.user_id))
        log.info("an admin has opened the dashboard")
        return response

    def _set_cookie(self, request: web.Request, response: web.Response, value: str) -> None:
        response.set_cookie(
            self._cookie,
            value,
            max_age=SESSION_SECONDS if value else 0,
            # No path: the folder of the address that was asked for, whatever a proxy has put in front of it.
            path="",
            httponly=True,
            samesite="Strict",
            secure=self._is_encrypted(request),
        )

    def _is_encrypted(self, request: web.Request) -> bool:
        if request.headers.get("X-Forwarded-Proto", request.scheme) == "https":
            return True
        return self._public.scheme == "https" and request.host == self._public.netloc

    async def _leave(self, request: web.Request) -> web.Response:
        if self._acting_visitor(request) is None:
            return _refusal()
        response = web.Response(status=204)
        self._set_cookie(request, response, "")
        return response

    # --- what is shown --------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        if "app" in request.query:
            return _page(request, "index.html", headers=_IN_TELEGRAM)
        if self._visitor(request) is None:
            return _page(request, "refused.html", status=403)
        return _page(request, "index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in _FILES:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        return web.FileResponse(_FILES[name] / name, headers=headers)

    async def _figures(self, request: web.Request) -> web.Response:
        visitor = self._visitor(request)
        if visitor is None:
            return _refusal()
        since = request.query.get("since", "")
        try:
            return web.json_response(
                await self._collect(visitor, int(since) if _MOMENT.fullmatch(since) else 0), headers=_HEADERS
            )
        except RedisError:
            return web.json_response({"problem": "redis"}, status=503, headers=_HEADERS)

    async def _collect(self, visitor: _Visitor, since: int) -> dict[str, Any]:
        overview = await self.look()
        now = time.time()
        return {
            "now": now,
            "seal": self._access.seal(visitor.credential),
            "can_leave": visitor.has_cookie,
            "is_delivered": overview.is_delivered,
            "waiting": overview.waiting_chats,
            "oldest": round(overview.oldest_wait, 1),
            "depth": overview.depth,
            "fill": round(overview.fill, 4),
            "queues": [queue.model_dump() for queue in overview.queues],
            "workers": [worker.model_dump() for worker in overview.workers],
            "counts": overview.stats,
            "points": await self._series.points(now, since),
            "alerts": await self._alerts.newest(_ALERTS_SHOWN),
            "acts": [
                record.model_dump() for record in await asyncio.to_thread(self._operations.acts, _ACTS_SHOWN)
            ],
        }

    # --- what an admin may do -------------------------------------------------------------------------------

    async def _act(self, request: web.Request) -> web.Response:
        visitor = self._acting_visitor(request)
        if visitor is None:
            return _refusal()
        try:
            order = _Order.model_validate_json(await request.text())
        except (ValidationError, UnicodeDecodeError):
            order = None
        if order is None or order.queue not in QUEUES:
            return web.json_response({"problem": "order"}, status=400, headers=_HEADERS)
        try:
            await asyncio.to_thread(self._operations.act, order.act, order.queue, visitor.user_id)
        except RedisError:
            return web.json_response({"problem": "redis"}, status=503, headers=_HEADERS)
        self._seen = None
        log.info("an admin acted on a queue", extra={"act": order.act, "queue": order.queue})
        return web.json_response({}, headers=_HEADERS)


def base_address(settings: Settings, port: int) -> str:
    """Where admins reach the bot's server, without a slash at the end: the address that they were given for it, else
    the webhook's host, else this machine.
    """
    if settings.http_public_url:
        return settings.http_public_url.rstrip("/")
    if settings.webhook_url:
        webhook = urlsplit(settings.webhook_url)
        return f"{webhook.scheme}://{webhook.netloc}"
    return f"http://127.0.0.1:{port}"


def _page(
    request: web.Request, name: str, *, status: int = 200, headers: dict[str, str] = _HEADERS
) -> web.Response:
    """A page; its links are relative, so that a proxy may put a folder in front of ours."""
    files = "page" if request.path.startswith("/dashboard/") else "dashboard/page"
    text = (_PAGE / name).read_text(encoding="utf-8").replace("{files}", files)
    return web.Response(status=status, text=text, content_type="text/html", charset="utf-8", headers=headers)


def _refusal() -> web.Response:
    return web.json_response({"problem": "access"}, status=403, headers=_HEADERS)


async def _without_slash(request: web.Request) -> web.Response:
    raise web.HTTPPermanentRedirect("../dashboard")
