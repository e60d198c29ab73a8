"""`kefu bench chaos`: customers write while everything breaks; afterwards each message is accounted for.

Runs the real programs: Redis with an append-only file, the bot, workers, and Telegram on localhost in this process.
The schedule of messages and faults comes from a seed; how the processes interleave does not.
"""

import asyncio
import contextlib
import json
import tempfile
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from redis.asyncio import Redis

from bot.bench.checker import Evidence, Finding, Outage, Recovery, judge, percentile, recoveries
from bot.bench.customers import Customers
from bot.bench.injector import Injector, plan_faults
from bot.bench.leftovers import find_leftovers, find_pending, is_at_rest
from bot.bench.parts import Parts
from bot.bench.redis_server import Fsync, RedisServer
from bot.delivery import UNKNOWN_REPEATED
from bot.sandbox.errors import Json
from bot.sandbox.faults import REFUSALS
from bot.stack import Stack, StackError
from workers.channel import Names

START_SECONDS = 90.0
REST_SECONDS = 180.0
"""How long after the last fault everything may take to come to rest."""
CALM_SECONDS = 3.0
"""How long it must stay at rest, so that whatever comes twice has come."""

_HISTORY_BEFORE, _HISTORY_AFTER = 10.0, 60.0
_LOG_LINES = 40
_REFUSED = tuple(REFUSALS[name][1] for name in ("blocked", "chat not found", "thread not found"))

Show = Callable[[str, int, int, int], None]
"""Told every now and then: the stage, messages sent, messages answered, faults so far."""


@dataclass(frozen=True)
class Options:
    """What is run. `rate`: messages a second, all chats together. Several bots share a webhook."""

    messages: int = 1000
    chats: int = 100
    faults: int = 40
    seed: int = 1
    workers: int = 2
    bots: int = 1
    fsync: Fsync = "always"
    model: str = "echo"
    rate: float = 10.0


@dataclass(frozen=True)
class Report:
    """A finished run. `history` tells of the first messages that broke."""

    figures: dict[str, object]
    is_kept: bool
    history: str


async def run_chaos(options: Options, show: Show = lambda *_: None) -> Report:
    """Run it and judge it. Raises StackError if the system does not even start."""
    async with _prepared(options, show) as run:
        await run.start()
        await run.break_everything()
        await run.come_to_rest()
        return await run.report()


@contextlib.asynccontextmanager
async def _prepared(options: Options, show: Show) -> "AsyncIterator[_Run]":
    with tempfile.TemporaryDirectory(prefix="kefu-", dir="/tmp") as folder:
        async with RedisServer(Path(folder), options.fsync) as server:
            environment = {"KEFU_MODEL": options.model, "KEFU_ECHO_DELAY": "0.1", "KEFU_CUSTOMER_LIMIT": "0"}
            stack = Stack(workers=0, run_bot=False, environment=environment, redis_url=server.url)
            stack.sandbox.calls = deque()  # all of them: what the bot cannot know is counted from here
            async with stack, Parts(stack, str(server.socket), options.workers, options.bots) as parts:
                customers = Customers(
                    stack.sandbox.telegram, options.chats, options.seed, echoes=options.model == "echo"
                )
                injector = Injector(parts, server, stack.sandbox, customers.updates)
                run = _Run(options, server, stack, parts, customers, injector)
                showing = asyncio.create_task(run.keep_showing(show))
                try:
                    yield run
                finally:
                    showing.cancel()


class _Run:
    """One run, step by step."""

    def __init__(
        self,
        options: Options,
        server: RedisServer,
        stack: Stack,
        parts: Parts,
        customers: Customers,
        injector: Injector,
    ) -> None:
        self._options = options
        self._server = server
        self._stack = stack
        self._parts = parts
        self._customers = customers
        self._injector = injector
        self._names = Names(stack.sandbox.telegram.id)
        self._stage = "starting"
        self._started = self._healed = self._rested = 0.0
        self._is_rested = False

    async def start(self) -> None:
        """Wait until the bot delivers and every worker has signed on."""
        async with self._server.client() as redis:

            async def is_up() -> bool:
                workers = await redis.scard("rq:workers")
                return bool(
                    workers >= self._options.workers and await redis.exists(self._names.outbox_leader)
                )

            if not await _wait(is_up, START_SECONDS):
                tails = (f"{name}:\n{self._stack.log_tail(name)}" for name in self._parts.proxies)
                raise StackError("the parts did not come up\n" + "\n".join(tails))

    async def break_everything(self) -> None:
        """Let customers write while faults are injected."""
        options = self._options
        self._stage, self._started = "breaking", time.time()
        planned = plan_faults(
            options.faults,
            options.messages / options.rate,
            self._parts.workers,
            options.seed,
            self._parts.bots,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._customers.write(options.messages, options.rate))
            group.create_task(self._injector.run(planned))
        self._injector.heal()

    async def come_to_rest(self) -> None:
        """Wait until nothing is under way any more, and has not been for a while."""
        self._stage, self._healed = "coming to rest", time.time()
        updates = self._stack.sandbox.telegram.updates
        async with self._server.client() as redis:

            async def is_calm() -> bool:
                return not len(updates) and await is_at_rest(redis, self._names)

            self._is_rested = await _wait(is_calm, REST_SECONDS, CALM_SECONDS)
        self._rested = time.time()

    async def report(self) -> Report:
        """Account for every message."""
        calls = [call for call in self._stack.sandbox.calls if call["method"] == "sendMessage"]
        async with self._server.client() as redis:
            evidence = await self._evidence(redis, calls)
            leftovers = await find_leftovers(redis, self._names)
            stats = {name: int(value) for name, value in (await redis.hgetall(self._names.stats)).items()}
        conversations, injected = self._customers.conversations(), self._injector.injected
        verdict = judge(conversations, evidence)
        outages = [Outage(fault.planned.name, fault.over) for fault in injected if fault.is_outage]
        recovered = recoveries(conversations, outages, _failed_sends(calls))
        figures: dict[str, object] = {
            "messages": len(self._customers.updates),
            "faults": len(injected),
            "lost": len(verdict.lost),
            "doubled": len(verdict.doubled),
            "reordered": len(verdict.reordered),
            "unknown_outcome": evidence.sends_unknown,
            "recovery_s": _percentiles([recovery.seconds for recovery in recovered]),
            "wrong_chat": len(verdict.wrong_chat),
            "strange": len(verdict.strange),
            "unanswered": len(verdict.unanswered),
            "leftover_keys": len(leftovers),
            "resent": len(verdict.resent),
            "given_up": len(verdict.given_up),
            "refused": len(verdict.refused),
            "apologized": len(verdict.apologized),
            "recovery_of_last_chat_s": _percentiles(list(_slowest(recovered, by_kind=False).values())),
            "slowest_recovery_s": _slowest(recovered, by_kind=True),
            "rest_s": round(self._rested - self._healed, 1) if self._is_rested else None,
            "seconds": round(self._rested - self._started, 1),
            "options": asdict(self._options),
            "faults_by_kind": dict(sorted(Counter(fault.planned.name for fault in injected).items())),
            "leftovers": leftovers[:20],
            "leases_lost": len(self._stack.log_lines("its lease is lost")),
            "restarts": dict(self._parts.restarts),
            "crashes": self._parts.crashes,
            "stats": stats,
        }
        # With everysec Redis may forget what it has acknowledged: that is counted, but it is no promise.
        broken = [*verdict.broken, *(verdict.forgotten if self._options.fsync == "always" else ())]
        history = "\n\n".join(self._tell(finding) for finding in broken[:3])
        return Report(figures, not broken and not leftovers and self._is_rested, history)

    async def _evidence(self, redis: Redis, sends: Sequence[Json]) -> Evidence:
        """What the bot has counted and said of unknown outcomes, beside what the sandbox knows."""
        names_of = {update: message for message, update in self._customers.update_of.items()}
        repeated, given_up, refused = _named_unknown(self._stack.log_lines('"answers"'))
        swallowed = [
            call for call in sends if call.get("description") in ("hang", "drop") or _code(call) >= 500
        ]
        return Evidence(
            sends_unknown=int(await redis.hget(self._names.stats, "sends_unknown") or 0),
            undelivered=len(swallowed),
            repeated={names_of[update] for update in repeated & names_of.keys()},
            given_up={names_of[update] for update in given_up & names_of.keys()},
            refused={names_of[update] for update in refused & names_of.keys()},
            refusals=sum(call.get("description") in _REFUSED for call in sends),
            pending=await find_pending(redis, self._names),
        )

    async def keep_showing(self, show: Show) -> None:
        """Tell how far it has come, until cancelled."""
        while True:
            answered = sum(len(conversation.answered) for conversation in self._customers.conversations())
            show(self._stage, len(self._customers.updates), answered, len(self._injector.injected))
            await asyncio.sleep(2.0)

    def _tell(self, finding: Finding) -> str:
        """The history of a message: what its chat showed, what broke meanwhile, what the logs say of it."""
        since, until = finding.at - _HISTORY_BEFORE, finding.at + _HISTORY_AFTER
        update = self._customers.update_of.get((finding.chat, finding.number))
        lines: list[tuple[float, str]] = [
            (event.at, f"{'customer' if event.is_customers else 'bot     '}  {event.text!r}")
            for event in self._customers.messages(finding.chat)
        ]
        lines += [
            (call["at"], f"call      sendMessage, {'ok' if call['ok'] else call.get('description')}")
            for call in self._stack.sandbox.calls
            if call["method"] == "sendMessage" and call["chat_id"] == finding.chat
        ]
        for fault in self._injector.injected:
            what = f"{fault.planned.name} ({fault.planned.target})"
            lines += [(fault.began, f"fault     {what} begins"), (fault.over, f"fault     {what} is over")]
        shown = [f"  {_clock(at)}  {text}" for at, text in sorted(lines) if since <= at <= until]
        logs = self._stack.log_lines(str(update))[:_LOG_LINES] if update else []
        title = f"{finding.kind}: message {finding.number} of chat {finding.chat}, update {update}"
        return "\n".join([title, *shown, *(f"  {line}" for line in logs)])


async def _wait(holds: Callable[[], Awaitable[bool]], seconds: float, calm: float = 0.0) -> bool:
    """Wait until something holds, and goes on to hold for `calm` seconds; False if it does not in time."""
    deadline, since = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        since = (since or time.monotonic()) if await holds() else None
        if since is not None and time.monotonic() >= since + calm:
            return True
        await asyncio.sleep(0.1)
    return False


def _named_unknown(lines: Sequence[str]) -> tuple[set[int], set[int], set[int]]:
    """Updates whose replies the bot's log says it repeats, those whose it gives up, those whose Telegram refuses."""
    repeated, given_up, refused = set(), set(), set()
    for line in lines:
        entry = json.loads(line.partition(": ")[2])
        updates = {int(message.removeprefix("m")) for message in entry["answers"]}
        if entry["event"] == UNKNOWN_REPEATED:
            repeated |= updates
        elif entry.get("outcome") == "refused":
            refused |= updates
        elif "outcome" not in entry:
            continue
        elif entry["outcome"] == "spent" or (entry["outcome"] == "unknown" and entry["attempt"] > 1):
            given_up |= updates
    return repeated, given_up, refused


def _failed_sends(sends: Sequence[Json]) -> Mapping[int, list[float]]:
    failed: dict[int, list[float]] = {}
    for call in sends:
        if not call["ok"]:
            failed.setdefault(call["chat_id"], []).append(call["at"])
    return failed


def _slowest(recovered: Sequence[Recovery], *, by_kind: bool) -> dict[object, float]:
    """The longest recovery of each kind of fault, or of each fault."""
    slowest: dict[object, float] = {}
    for recovery in recovered:
        key = recovery.outage.kind if by_kind else recovery.outage
        slowest[key] = max(slowest.get(key, 0.0), round(recovery.seconds, 2))
    return slowest


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {name: round(percentile(seconds, share), 2) for name, share in shares.items()}


def _code(call: Json) -> int:
    return call["error_code"] or 0


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
