"""Keeps foreign web pages out: a page in the user's browser must not reach a server that listens on localhost.

A request is refused if its Origin is not this server, or if its Host is a name that somebody else may own (DNS
rebinding). Programs send no Origin and pass.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guard(own_host: str) -> Middleware:
    """A middleware for a server that was told to listen on `own_host`."""

    @web.middleware
    async def refuse_foreign_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = urlsplit(f"//{request.host}").hostname or ""
        if host != own_host and not is_local(host):
            raise web.HTTPForbidden(text=f"The sandbox is not known as {host!r}.\n")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden(text="The sandbox answers its own pages only.\n")
        # A link from anywhere may lead to the chat page itself.
        if request.path != "/" and request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            raise web.HTTPForbidden(text="The sandbox answers its own pages only.\n")
        return await handler(request)

    return refuse_foreign_pages


def is_local(host: str) -> bool:
    """Whether nobody can register this name: an address, localhost, or a name without a dot."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(".localhost"))
    return True
