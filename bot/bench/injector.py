"""Breaks the running system on purpose: processes, Redis, the network between them, and Telegram.

What happens when is planned from a seed before the run. Points inside a process are reached from outside, by what it
is about to say to Redis or to Telegram, so the program that is tested has no hook for it.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Literal

from bot.bench.parts import BOT, Parts
from bot.bench.redis_server import RedisServer
from bot.bench.tcp_proxy import Trap
from bot.sandbox.faults import REFUSALS, WEBHOOK, Fault, Mode
from bot.sandbox.server import Sandbox
from bot.sandbox.telegram import User

LONG_STOPS = 5
"""How often in one run a process is stopped or cut off for longer than a lease, so that another has its work by then."""
_STOPS = ("stop", "away", "silent")

Family = Literal["bot", "worker", "redis", "network", "telegram"]

_POINT_SECONDS = 8.0
_RECENT_UPDATES = 20
_BLOCKING_USERS = 800_000


def _script(name: str) -> bytes:
    """How a script is called on the wire."""
    return sha1(files("workers").joinpath("lua", f"{name}.lua").read_bytes()).hexdigest().encode()


_SENT = b"\r\nsent\r\n"

WIRE_POINTS = {
    "kill before intake": (_script("accept"), False),
    "kill after intake": (_script("accept"), True),
    "kill before settling": (_SENT, False),
    "kill after settling": (_SENT, True),
    "kill after take": (_script("claim"), False),
    "kill after claim": (_script("claim"), True),
    "kill before commit": (_script("commit"), False),
    "kill after commit": (_script("commit"), True),
    "kill before finish": (_script("succeed"), False),
}
"""Points in a process, by the request to Redis that marks them and whether that still arrives."""

CALL_POINTS: dict[str, Mode] = {"kill before send": "hang", "kill after send": "deliver_then_hang"}
"""Points in the bot, by what becomes of the call to Telegram that marks them."""

CALLS: dict[str, Mode] = {
    "too many requests": "error",
    "server error": "error",
    "markup refused": "error",
    "blocked": "error",
    "chat not found": "error",
    "thread not found": "error",
    "hang": "hang",
    "drop": "drop",
    "deliver then drop": "deliver_then_drop",
    "deliver then hang": "deliver_then_hang",
    "slow updates": "slow",
    "shuffled updates": "shuffle",
    "webhook repeated": "deliver_then_hang",
    "webhook lost": "drop",
}
"""What single calls to Telegram run into, and Telegram's own calls to a webhook."""

_OF_POLLING = ("slow updates", "shuffled updates")
_OF_WEBHOOKS = ("webhook repeated", "webhook lost")

_SIGNALS = ("kill", "terminate", "stop")
_BOT_POINTS = [point for point in WIRE_POINTS if point.endswith(("intake", "settling"))]
KINDS: dict[Family, tuple[str, ...]] = {
    "bot": (*_SIGNALS, *_BOT_POINTS, *CALL_POINTS),
    "worker": (*_SIGNALS, *(point for point in WIRE_POINTS if point not in _BOT_POINTS)),
    "redis": ("kill", "clients killed", "clients paused"),
    "network": ("cut", "replies lost", "away", "silent"),
    "telegram": (*CALLS, "repeated updates", "customer blocks", "refuses connections"),
}


@dataclass(frozen=True)
class Planned:
    """A fault that is to come `at` seconds after the start and, if it lasts, to last for `seconds`."""

    at: float
    family: Family
    kind: str
    target: str
    seconds: float
    seed: int

    @property
    def name(self) -> str:
        """How reports call it."""
        return f"{self.family}: {self.kind}"


@dataclass(frozen=True)
class Injected:
    """A fault that came; `began` and `over` in seconds since the epoch."""

    planned: Planned
    began: float
    over: float

    @property
    def is_outage(self) -> bool:
        """Whether the system had to recover from it; a single call that Telegram spoils is no outage."""
        return self.planned.family != "telegram" or self.planned.kind == "refuses connections"


def kinds_for(bots: Sequence[str]) -> list[tuple[Family, str]]:
    """Every kind of fault that a run can have: one bot polls, several have a webhook."""
    absent = _OF_WEBHOOKS if len(bots) == 1 else _OF_POLLING
    return [(family, kind) for family, kinds in KINDS.items() for kind in kinds if kind not in absent]


def plan_faults(
    count: int, seconds: float, workers: Sequence[str], seed: int, bots: Sequence[str] = (BOT,)
) -> list[Planned]:
    """`count` faults spread over a run of `seconds`; every kind comes once before any comes again."""
    chance = random.Random(f"faults {seed}")
    every = kinds_for(bots)
    deck: list[tuple[Family, str]] = []
    while len(deck) < count:
        deck += chance.sample(every, len(every))
    planned, long_stops = [], 0
    for number, (family, kind) in enumerate(deck[:count]):
        is_long = kind in _STOPS and long_stops < LONG_STOPS and chance.random() < 0.4
        long_stops += is_long
        target = {
            "bot": chance.choice(bots),
            "worker": chance.choice(workers),
            "network": chance.choice(("all", *bots, *workers)),
        }
        planned.append(
            Planned(
                at=round(seconds * (number + chance.random()) / count, 2),
                family=family,
                kind=kind,
                target=target.get(family, family),
                seconds=round(chance.uniform(16, 26) if is_long else chance.uniform(0.5, 7), 2),
                seed=chance.randrange(2**31),
            )
        )
    return planned


class Injector:
    """Carries a plan out. `updates`: ids of the updates so far, for those that Telegram repeats."""

    def __init__(self, parts: Parts, server: RedisServer, sandbox: Sandbox, updates: Sequence[int]) -> None:
        self.injected: list[Injected] = []
        self._parts = parts
        self._server = server
        self._sandbox = sandbox
        self._updates = updates
        self._busy = {name: asyncio.Lock() for name in (*KINDS, *parts.proxies)}
        self._blocked = 0

    async def run(self, planned: Sequence[Planned]) -> None:
        """Carry out all faults; they may overlap, but not on the same target."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in planned:
                await asyncio.sleep(max(0.0, started + fault.at - time.monotonic()))
                group.create_task(self._inject(fault))

    def heal(self) -> None:
        """Take back whatever still waits to happen."""
        self._sandbox.faults.clear()

    async def _inject(self, fault: Planned) -> None:
        break_it = {
            "bot": self._break_process,
            "worker": self._break_process,
            "redis": self._break_redis,
            "network": self._break_network,
            "telegram": self._break_telegram,
        }[fault.family]
        async with self._busy["network" if fault.family == "network" else fault.target]:
            began = time.time()
            await break_it(fault)
            self.injected.append(Injected(fault, began, time.time()))

    async def _break_process(self, fault: Planned) -> None:
        name = fault.target
        if fault.kind == "stop":
            self._parts.signal(name, signal.SIGSTOP)
            await asyncio.sleep(fault.seconds)
            self._parts.signal(name, signal.SIGCONT)
        elif fault.kind == "terminate":
            self._parts.signal(name, signal.SIGTERM)
        else:
            if fault.kind in WIRE_POINTS:
                await self._reach_request(name, *WIRE_POINTS[fault.kind])
            elif fault.kind in CALL_POINTS:
                await self._reach_call(CALL_POINTS[fault.kind])
                name = await self._parts.find_sender() if len(self._parts.bots) > 1 else name
            self._parts.signal(name, signal.SIGKILL)

    async def _reach_request(self, name: str, pattern: bytes, forward: bool) -> None:
        """Kill a process when it says something to Redis; return then, or after a while if it never does."""
        reached = asyncio.Event()

        def spring() -> None:
            self._parts.signal(name, signal.SIGKILL)
            reached.set()

        proxy = self._parts.proxies[name]
        proxy.set_trap(Trap(pattern, forward, spring))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POINT_SECONDS):
                await reached.wait()
        proxy.set_trap(None)

    async def _reach_call(self, mode: Mode) -> None:
        """Return when the bot waits for Telegram's response to a reply, or sends none for a while."""
        order = Fault("sendMessage", mode)
        self._sandbox.faults.order(order)
        for _ in range(int(_POINT_SECONDS / 0.01)):
            if order.count == 0:
                return
            await asyncio.sleep(0.01)
        order.count = 0

    async def _break_redis(self, fault: Planned) -> None:
        match fault.kind:
            case "kill":
                await self._server.kill()
                await asyncio.sleep(min(fault.seconds, 4.0))
                await self._server.start()
            case "clients killed":
                async with self._server.client() as redis:
                    await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                    await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            case "clients paused":
                async with self._server.client() as redis:
                    await redis.execute_command("CLIENT", "PAUSE", str(int(1000 * fault.seconds)))
                await asyncio.sleep(fault.seconds)

    async def _break_network(self, fault: Planned) -> None:
        proxies = [proxy for name, proxy in self._parts.proxies.items() if fault.target in (name, "all")]
        match fault.kind:
            case "cut":
                for proxy in proxies:
                    proxy.cut()
            case "replies lost":
                for proxy in proxies:
                    proxy.lose_replies()
            case "away":
                await asyncio.gather(*(proxy.be_away(fault.seconds) for proxy in proxies))
            case "silent":
                await asyncio.gather(*(proxy.be_silent(fault.seconds) for proxy in proxies))

    async def _break_telegram(self, fault: Planned) -> None:
        chance = random.Random(fault.seed)
        match fault.kind:
            case "repeated updates":
                recent = self._updates[-_RECENT_UPDATES:]
                for update_id in chance.sample(recent, min(3, len(recent))):
                    self._sandbox.telegram.updates.repeat(update_id)
            case "customer blocks":
                self._block_after_a_question()
            case "refuses connections":
                self._sandbox.refuse_connections(fault.seconds)
                await asyncio.sleep(fault.seconds + 0.1)
            case kind:
                order = Fault("sendMessage", CALLS[kind], probability=0.5, seed=fault.seed)
                order.error_code, order.description = REFUSALS.get(kind, REFUSALS["server error"])
                match kind:
                    case "too many requests":
                        order.count, order.retry_after = 3, chance.randint(1, 4)
                        order.description = f"Too Many Requests: retry after {order.retry_after}"
                    case "markup refused":
                        order.parameter = "entities"
                    case "slow updates":
                        order.method, order.count, order.seconds = "getUpdates", 3, fault.seconds
                    case "shuffled updates":
                        order.method, order.count = "getUpdates", 5
                    case "webhook repeated" | "webhook lost":
                        order.method, order.count, order.seconds = WEBHOOK, 2, fault.seconds
                self._sandbox.faults.order(order)

    def _block_after_a_question(self) -> None:
        """A customer beside those who are counted, whom no reply can reach."""
        telegram = self._sandbox.telegram
        self._blocked += 1
        user = telegram.add_user(User(_BLOCKING_USERS + self._blocked, "Gone"))
        telegram.write(user, telegram.place(user, None), "is anybody there")
        telegram.block(user, True)
