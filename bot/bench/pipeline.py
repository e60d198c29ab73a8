"""`kefu bench pipeline`: what everything but the generation costs, beside the naive stack in the same run.

Both answer by echo, without Telegram's limits, each with a Redis of its own; their turns at the load alternate.
Figures are comparisons within one run: how fast the machine is, and what else it does, is in both.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from redis.asyncio import Redis
from redis.asyncio.client import Monitor

from bot.bench.checker import percentile
from bot.bench.load import Load, Waits
from bot.bench.naive import QUEUE
from bot.bench.redis_server import Fsync, RedisServer
from bot.stack import Stack, StackError
from workers.channel import Names

START_SECONDS = 60.0
WARM_UP_SECONDS = 1.0
MONITORED_RATE = 20.0
_MONITORED_MESSAGES = 40
_FIRST_CHAT = 10_000
_SAMPLED_CHATS = 100

Show = Callable[[str, int, int], None]
"""Told before each measurement: what it is, how many are done, how many there are."""


@dataclass(frozen=True)
class Options:
    """What is measured.

    seconds: length of one measurement; there are `rounds` of each.
    rates:   percentages of each stack's own saturation at which messages arrive for the latencies.
    chats:   how many customers take part, one saturation for each; latencies are taken with the middle one.
    window:  messages that wait at once at saturation.
    """

    seconds: float = 5.0
    rates: tuple[float, ...] = (25, 50, 75)
    chats: tuple[int, ...] = (10, 100, 1000)
    rounds: int = 2
    window: int = 64
    always: bool = True

    @property
    def middle(self) -> int:
        return sorted(self.chats)[len(self.chats) // 2]


@dataclass
class Cost:
    """What some seconds of load took; two of the same stack can be added."""

    seconds: float = 0.0
    answered: int = 0
    replies: int = 0
    commands: int = 0
    reads: int = 0
    cpu: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: "Cost") -> "Cost":
        return self._with(other, 1)

    def __sub__(self, other: "Cost") -> "Cost":
        return self._with(other, -1)

    def _with(self, other: "Cost", sign: int) -> "Cost":
        return Cost(
            self.seconds + sign * other.seconds,
            self.answered + sign * other.answered,
            self.replies + sign * other.replies,
            self.commands + sign * other.commands,
            self.reads + sign * other.reads,
            {
                name: self.cpu.get(name, 0.0) + sign * other.cpu.get(name, 0.0)
                for name in self.cpu | other.cpu
            },
        )

    def figures(self) -> dict[str, object]:
        """Per second and per message."""
        each = max(self.answered, 1)
        return {
            "messages_per_s": round(self.answered / self.seconds, 1) if self.seconds else 0.0,
            "messages_per_reply": round(self.answered / max(self.replies, 1), 2),
            "redis_commands": round(self.commands / each, 1),
            "redis_reads": round(self.reads / each, 1),
            "cpu_ms": {name: round(1000 * seconds / each, 2) for name, seconds in self.cpu.items()},
        }


class Rival:
    """One stack under load: its processes, its Redis, its customers."""

    def __init__(self, name: str, stack: Stack, redis: Redis, redis_pid: int) -> None:
        self.name = name
        self.load = Load(stack.sandbox.telegram, stack.check)
        self.redis = redis
        self.names = Names(stack.sandbox.telegram.id)
        self._stack = stack
        self._redis_pid = redis_pid

    async def warm_up(self) -> None:
        """Wait until a first message has been answered. Raises StackError."""
        self.load.use_chats(_FIRST_CHAT - 1, 1)
        try:
            await self.load.first_reply(START_SECONDS)
        except TimeoutError:
            tails = (self._stack.log_tail(name) for name in self._stack.processes)
            raise StackError(f"the {self.name} stack does not answer\n" + "\n".join(tails)) from None
        await self.load.drain()

    async def saturate(self, seconds: float, window: int) -> Cost:
        """The most it can do."""
        await self.load.saturate(WARM_UP_SECONDS, window)
        before = await self._spent()
        await self.load.saturate(seconds, window)
        cost = await self._spent() - before
        await self.load.drain()
        return cost

    async def arrive(self, rate: float, seconds: float) -> tuple[Waits, Cost]:
        """What customers wait while messages arrive at this rate."""
        before = await self._spent()
        await self.load.arrive(rate, seconds)
        waits = await self.load.drain()
        return waits, await self._spent() - before

    async def commands_sent(self, messages: int) -> float:
        """Commands that clients send for a message, without those that scripts call, counted one by one."""
        sent, before = 0, self.load.answered

        async def count(monitor: Monitor) -> None:
            nonlocal sent
            while True:
                sent += (await monitor.next_command())["client_type"] != "lua"

        async with self.redis.monitor() as monitor:
            counting = asyncio.create_task(count(monitor))
            await self.load.arrive(MONITORED_RATE, messages / MONITORED_RATE)
            await self.load.drain()
            await asyncio.sleep(0.2)
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)
        return sent / max(self.load.answered - before, 1)

    @property
    def pids(self) -> dict[str, int]:
        """Its processes."""
        running = {name: process.pid for name, process in self._stack.processes.items()}
        return running | {"redis": self._redis_pid}

    async def _spent(self) -> Cost:
        info = await self.redis.info("everything")
        calls = (v["calls"] for name, v in info.items() if name.startswith("cmdstat_"))
        pids = {**self.pids, "telegram": os.getpid()}
        return Cost(
            time.monotonic(),
            self.load.answered,
            self.load.replies,
            sum(calls),
            info["total_reads_processed"],
            {name: seconds for name, pid in pids.items() if (seconds := cpu_seconds(pid)) is not None},
        )


async def run_pipeline(options: Options, show: Show = lambda *_: None) -> dict[str, object]:
    """Measure both stacks. Raises StackError if one of them does not start or dies."""
    fsyncs: tuple[Fsync, ...] = ("everysec", "always") if options.always else ("everysec",)
    per_round = 2 * (len(options.chats) + len(options.rates))
    total = options.rounds * (per_round + (4 if options.always else 0))
    done, other_load = 0, round(os.getloadavg()[0], 1)

    def next_is(what: str) -> None:
        nonlocal done
        show(what, done, total)
        done += 1

    measured: dict[str, dict[str, object]] = {}
    for fsync in fsyncs:
        chats, rates = options.chats, options.rates
        if fsync == "always":
            chats, rates = (options.middle,), (50.0,)
        async with _both(fsync) as rivals:
            measured[fsync] = await _compare(rivals, options, chats, rates, next_is)
    show("done", total, total)
    return {
        **measured["everysec"],
        "always": measured.get("always"),
        "cores": os.cpu_count(),
        "other_load": other_load,
        "options": asdict(options),
    }


async def _compare(
    rivals: Sequence[Rival],
    options: Options,
    chats: Sequence[int],
    rates: Sequence[float],
    next_is: Callable[[str], None],
) -> dict[str, object]:
    """Alternate the rivals through every load; the figures of each load."""
    first = _FIRST_CHAT
    by_chats: dict[str, dict[str, object]] = {}
    throughput: dict[str, float] = {}
    for count in chats:
        costs: dict[str, list[Cost]] = {rival.name: [] for rival in rivals}
        for _ in range(options.rounds):
            for rival in rivals:
                next_is(f"{rival.name}: saturation, {count} chats")
                rival.load.use_chats(first, count)
                costs[rival.name].append(await rival.saturate(options.seconds, options.window))
        first += count
        by_chats[str(count)] = {name: sum(every, Cost()).figures() for name, every in costs.items()}
        if count == options.middle:
            throughput = {
                name: median(c.answered / c.seconds for c in every) for name, every in costs.items()
            }
    by_load: dict[str, dict[str, object]] = {}
    for percent in rates:
        gathered = {rival.name: (Waits(), Cost()) for rival in rivals}
        for _ in range(options.rounds):
            for rival in rivals:
                rate = throughput[rival.name] * percent / 100
                next_is(f"{rival.name}: {rate:.0f} messages/s")
                rival.load.use_chats(first, options.middle)
                waits, cost = await rival.arrive(rate, options.seconds)
                gathered[rival.name] = (gathered[rival.name][0] + waits, gathered[rival.name][1] + cost)
        by_load[f"{percent:g}"] = {
            name: {
                "arriving_per_s": round(throughput[name] * percent / 100, 1),
                "to_reply_ms": _in_ms(waits.to_reply),
                "to_draft_ms": _in_ms(waits.to_draft),
                "unanswered": waits.unanswered,
                **cost.figures(),
            }
            for name, (waits, cost) in gathered.items()
        }
    half = by_load.get("50") or by_load[f"{rates[0]:g}"]
    ours = half["kefu"]
    assert isinstance(ours, dict)
    return {
        "messages_per_s": {name: round(rate, 1) for name, rate in throughput.items()},
        "ratio": round(throughput["kefu"] / throughput["naive"], 2),
        "added_latency_ms": ours["to_reply_ms"],
        "commands_sent": {
            rival.name: round(await rival.commands_sent(_MONITORED_MESSAGES), 1) for rival in rivals
        },
        "redis_bytes": await _memory(rivals[0]),
        "by_chats": by_chats,
        "by_load_percent": by_load,
    }


@contextlib.asynccontextmanager
async def _both(fsync: Fsync) -> AsyncIterator[list[Rival]]:
    async with contextlib.AsyncExitStack() as exits:
        yield [await exits.enter_async_context(one_rival(name, fsync)) for name in ("kefu", "naive")]


@contextlib.asynccontextmanager
async def one_rival(name: str, fsync: Fsync) -> AsyncIterator[Rival]:
    """A stack of its own: `kefu` or `naive`. Raises StackError."""
    with tempfile.TemporaryDirectory(prefix="kefu-", dir="/tmp") as folder:
        async with RedisServer(Path(folder), fsync) as server, server.client() as redis:
            stack = Stack(
                workers=0,
                run_bot=name == "kefu",
                limits=False,
                environment={
                    "KEFU_MODEL": "echo",
                    "KEFU_FLOOD_LIMITS": "false",
                    "KEFU_QUEUE_LIMIT": "100000",
                    "KEFU_CUSTOMER_LIMIT": "0",
                },
                redis_url=server.url,
            )
            async with stack:
                if name == "kefu":
                    await stack.start("worker")
                else:
                    await stack.run("bot.bench.naive", name="bot")
                    options = ("--url", server.url, "--worker-class", "rq.worker.SimpleWorker", QUEUE)
                    await stack.run("rq.cli", "worker", *options, name="worker")
                rival = Rival(name, stack, redis, (await redis.info("server"))["process_id"])
                async with rival.load.listening():
                    await rival.warm_up()
                    yield rival


async def _memory(rival: Rival) -> dict[str, object]:
    """What a chat takes in Redis: its keys, with as many turns as it has had, and one marker for each update."""
    redis, names = rival.redis, rival.names
    chats = rival.load.chats[-_SAMPLED_CHATS:]
    sizes = [sum([await redis.memory_usage(key) or 0 for key in names.of_chat(chat_id)]) for chat_id in chats]
    turns = [await redis.llen(names.history(chat_id)) for chat_id in chats]
    update_id = rival.load.last_update
    return {
        "per_chat": round(sum(sizes) / max(len(chats), 1)),
        "turns_in_it": round(sum(turns) / max(len(chats), 1), 1),
        "per_update_for_48_h": await redis.memory_usage(names.seen(update_id)) or 0,
    }


def _in_ms(seconds: Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    return {
        name: round(1000 * percentile(seconds, share), 1) for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def cpu_seconds(pid: int) -> float | None:
    """User and system time of a process, all its threads together; None where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
