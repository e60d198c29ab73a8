"""The bot's own HTTP server: `/health` for supervisors, `/metrics` for Prometheus, and room for dashboard and webhook.

Shows counts and times, never a chat or a text.
"""

import errno
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.errors import StartError
from workers.channel import Names


@dataclass(frozen=True)
class Snapshot:
    """What Redis says about one bot just now."""

    waiting: int
    oldest_wait: float
    outbox_chats: int
    counters: dict[str, int]


async def take_snapshot(redis: Redis, names: Names) -> Snapshot:
    """Read the figures. Raises RedisError."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zcard(names.waiting)
        pipe.zrange(names.waiting, 0, 0, withscores=True)
        pipe.scard(names.outbox_chats)
        pipe.hgetall(names.stats)
        waiting, oldest, outbox_chats, counters = await pipe.execute()
    since = oldest[0][1] / 1000 if oldest else time.time()
    return Snapshot(
        waiting=waiting,
        oldest_wait=round(max(0.0, time.time() - since), 3),
        outbox_chats=outbox_chats,
        counters={name: int(value) for name, value in counters.items()},
    )


def make_app(redis: Redis, names: Names, is_leader: Callable[[], bool]) -> web.Application:
    """The server without a webhook."""

    async def health(request: web.Request) -> web.Response:
        try:
            snapshot = await take_snapshot(redis, names)
        except RedisError:
            return web.json_response({"redis": False, "leader": False}, status=503)
        return web.json_response(
            {
                "redis": True,
                "leader": is_leader(),
                "waiting": snapshot.waiting,
                "lag": snapshot.oldest_wait,
                "outbox_chats": snapshot.outbox_chats,
            }
        )

    async def metrics(request: web.Request) -> web.Response:
        try:
            snapshot = await take_snapshot(redis, names)
        except RedisError:
            return web.Response(status=503)
        registry = CollectorRegistry()
        registry.register(_Figures(snapshot, is_leader()))
        ProcessCollector(registry=registry)
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/metrics", metrics)])
    return app


@asynccontextmanager
async def serve(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve on one address; gives the port, which with 0 is any free one. Raises StartError if it cannot be had."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            reasons = {
                errno.EADDRINUSE: "in use by another program",
                errno.EACCES: "not allowed for this user",
            }
            reason = reasons.get(error.errno or 0, f"not to be had on {host} ({error.strerror})")
            raise StartError(
                f"port {port} is {reason}. Set KEFU_HTTP_PORT to another one, or to 0 for any; "
                "KEFU_HTTP_HOST is the address."
            ) from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class _Figures(Collector):
    def __init__(self, snapshot: Snapshot, is_leader: bool) -> None:
        self._snapshot = snapshot
        self._is_leader = is_leader

    def collect(self) -> Iterator[Metric]:
        """The metrics of one scrape."""
        events = CounterMetricFamily("kefu_events", "What happened to messages and replies", labels=["event"])
        for name, count in sorted(self._snapshot.counters.items()):
            events.add_metric([name], count)
        yield events
        yield GaugeMetricFamily("kefu_waiting_chats", "Chats that wait for an answer", self._snapshot.waiting)
        yield GaugeMetricFamily(
            "kefu_oldest_wait_seconds", "Longest wait of a chat", self._snapshot.oldest_wait
        )
        yield GaugeMetricFamily(
            "kefu_outbox_chats", "Chats with replies to send", self._snapshot.outbox_chats
        )
        yield GaugeMetricFamily("kefu_delivery_leader", "1 if this process delivers", int(self._is_leader))
