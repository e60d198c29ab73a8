"""The outbox: an explicit-state exploration of its protocol, and the scripts in Redis against the same functions."""

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from tests.bot.outbox_protocol import Box, begin, settle
from workers.channel import Names
from workers.connection import connect_async
from workers.contracts import OutboxEntry, Reply
from workers.outbox import Outbox

NAMES = Names(7)
CHAT = 5
PARTS = {1: 2, 2: 1}
"""The explored chat: entry 1 has two parts, entry 2 has one."""


@dataclass(frozen=True)
class Process:
    """A bot process: idle, about to send, waiting for the reply, or dead; and what its attempt is about."""

    phase: str = "idle"
    attempt: str = ""
    sends: tuple[int, int] = (0, 0)
    asleep: bool = False


@dataclass(frozen=True)
class World:
    """Two processes, one chat, and what Telegram has got so far."""

    box: Box = Box(entries=(1, 2))
    leader: int | None = None
    processes: tuple[Process, Process] = (Process(), Process())
    telegram: tuple[tuple[int, int], ...] = ()
    faults: int = 2
    attempts: int = 0

    def put(self, which: int, process: Process) -> "World":
        return replace(
            self, processes=tuple(process if i == which else old for i, old in enumerate(self.processes))
        )


@dataclass(frozen=True)
class Rules:
    """The protocol's three guards; the tests take each away."""

    fence_begin: bool = True
    fence_settle: bool = True
    check_lease: bool = True


def following(world: World, rules: Rules) -> list[World]:
    """Every world that one step of one process, or one fault, leads to.

    Checking the lease and sending is one step: Telegram cannot fence, so a process that stops in between for as
    long as a lease lasts is beyond any protocol.
    """
    worlds: list[World] = []
    for which, process in enumerate(world.processes):
        if process.phase == "dead":
            worlds.append(world.put(which, Process()))
            continue
        if process.asleep:
            worlds.append(world.put(which, replace(process, asleep=False)))
            continue
        holder = None if world.leader is None else world.processes[world.leader]
        if world.leader != which and (holder is None or holder.asleep or holder.phase == "dead"):
            worlds.append(replace(world, leader=which))
        if world.faults:
            faulty = replace(world, faults=world.faults - 1)
            worlds.append(faulty.put(which, Process("dead")))
            worlds.append(faulty.put(which, replace(process, asleep=True)))
        if process.phase in ("idle", "probed") and (world.leader == which or not rules.fence_begin):
            worlds.append(_begin(world, which))
        elif process.phase == "send" and world.leader != which and rules.check_lease:
            worlds.append(_settle(world, which, "unsent", rules))
        elif process.phase == "send":
            sent = replace(world, telegram=(*world.telegram, process.sends))
            worlds.append(sent.put(which, replace(process, phase="reply")))
        elif process.phase == "reply":
            worlds.append(_settle(world, which, "sent", rules))
            if world.faults:
                faulty = replace(world, faults=world.faults - 1)
                worlds.append(_settle(faulty, which, "unknown", rules))
    return worlds


def _begin(world: World, which: int) -> World:
    process = world.processes[which]
    attempt = str(world.attempts)
    box, step = begin(world.box, attempt, probed=process.phase == "probed")
    begun = replace(world, box=box, attempts=world.attempts + 1)
    if step == "send":
        return begun.put(which, Process("send", attempt, (box.entries[0], box.part)))
    if step == "probe":
        return begun.put(which, Process("probed"))
    if step == "spent":
        last = box.part + 1 == PARTS[box.entries[0]]
        return replace(begun, box=settle(box, attempt, "spent", last)).put(which, Process())
    return world


def _settle(world: World, which: int, outcome: str, rules: Rules) -> World:
    process = world.processes[which]
    entry, part = process.sends
    box = settle(world.box, process.attempt, outcome, part + 1 == PARTS[entry], rules.fence_settle)
    return replace(world, box=box).put(which, Process())


def broken_promises(world: World) -> set[str]:
    """What must never be seen, whatever happened before."""
    sends, box = world.telegram, world.box
    first = [sent for index, sent in enumerate(sends) if sent not in sends[:index]]
    broken = set()
    if first != sorted(first):
        broken.add("reordered")
    if len(sends) - len(first) > box.sends_unknown:
        broken.add("doubled and not counted")
    if any(sends.count(sent) > 2 for sent in first):
        broken.add("sent three times")
    for entry, result in zip(PARTS, box.results, strict=False):
        if result == "sent" and any((entry, part) not in sends for part in range(PARTS[entry])):
            broken.add("struck off unsent")
    if world.faults == World.faults and box.sends_unknown:
        broken.add("unknown without a fault")
    return broken


def explore(rules: Rules) -> tuple[set[str], bool]:
    """Walk every reachable world; what was broken, and whether everything could be delivered."""
    todo, known = deque([World()]), {World()}
    broken: set[str] = set()
    delivered = False
    while todo:
        world = todo.popleft()
        broken |= broken_promises(world)
        delivered |= world.box.results == ("sent", "sent")
        for after in following(world, rules):
            if after.attempts <= 7 and after not in known:
                known.add(after)
                todo.append(after)
    return broken, delivered


def test_the_protocol_keeps_its_promises_in_every_reachable_state() -> None:
    assert explore(Rules()) == (set(), True)


def test_sending_without_the_leaders_fence_doubles() -> None:
    broken, _ = explore(Rules(fence_begin=False, check_lease=False))
    assert "unknown without a fault" in broken


def test_settling_without_comparing_the_attempt_loses() -> None:
    broken, _ = explore(Rules(fence_settle=False))
    assert "struck off unsent" in broken


def test_sending_after_the_lease_has_ended_reorders() -> None:
    broken, _ = explore(Rules(check_lease=False))
    assert broken == {"reordered"}


def entry(number: int, kind: str = "answer") -> OutboxEntry:
    reply = Reply(kind=kind, language="en", text=f"answer {number}")
    return OutboxEntry(id=f"e{number}", chat_id=CHAT, reply=reply, created_at=time.time())


def fill(redis: Redis, *entries: OutboxEntry) -> None:
    redis.rpush(NAMES.outbox(CHAT), *(item.model_dump_json() for item in entries))
    redis.sadd(NAMES.outbox_chats, str(CHAT))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.sampled_from("abc"), st.booleans()),
        st.tuples(
            st.just("settle"),
            st.sampled_from("abc"),
            st.sampled_from(["sent", "unsent", "unknown", "refused"]),
        ),
    ),
    max_size=25,
)


@given(steps=steps)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_scripts_make_the_transitions_of_the_model(
    steps: list[tuple[str, str, object]], redis: Redis, redis_url: str
) -> None:
    async def run() -> None:
        redis.flushdb()
        fill(redis, entry(1), entry(2))
        box = Box(entries=(1, 2))
        async with connect_async(redis_url) as client:
            outbox = Outbox(client, NAMES, "leader")
            assert await outbox.lead()
            for kind, attempt, detail in steps:
                last = not box.entries or box.part + 1 == PARTS[box.entries[0]]
                if kind == "begin":
                    box, expected = begin(box, attempt, bool(detail))
                    turn = await outbox.begin(CHAT, attempt, probed=bool(detail))
                    assert turn.step == expected
                    if turn.step == "send":
                        assert (turn.entry and turn.entry.id, turn.part) == (f"e{box.entries[0]}", box.part)
                elif box.attempt == attempt and box.state == "sending":
                    box = settle(box, attempt, str(detail), last)
                    await outbox.settle(CHAT, attempt, detail, last=last)
                elif box.state != "unknown":
                    await outbox.settle(CHAT, attempt + "-stale", "sent", last=last)
                elif box.attempt:
                    box = settle(box, box.attempt, "spent", last)
                    await outbox.settle(
                        CHAT, redis.hget(NAMES.sending(CHAT), "attempt").decode(), "spent", last=last
                    )
        counted = {key.decode(): int(value) for key, value in redis.hgetall(NAMES.stats).items()}
        assert counted.pop("sends_unknown", 0) == box.sends_unknown
        assert counted == {name: box.results.count(name) for name in set(box.results)}
        assert redis.llen(NAMES.outbox(CHAT)) == len(box.entries)

    asyncio.run(run())


@pytest.fixture
def outbox(redis_async: AsyncRedis) -> Outbox:
    return Outbox(redis_async, NAMES, "one")


async def test_one_process_leads_until_its_lease_ends(redis_async: AsyncRedis) -> None:
    outbox, other = (Outbox(redis_async, NAMES, token, lease_ms=2000) for token in ("one", "two"))
    assert await outbox.lead() and await outbox.lead()
    assert not await other.lead()
    await asyncio.sleep(2.1)
    assert await other.lead()
    assert not await outbox.lead()
    await outbox.release()
    assert not await outbox.lead()
    await other.release()
    assert await outbox.lead()


async def test_who_does_not_lead_begins_nothing(outbox: Outbox, redis: Redis) -> None:
    fill(redis, entry(1))
    assert (await outbox.begin(CHAT, "a")).step == "fenced"
    assert not redis.exists(NAMES.sending(CHAT))


async def test_the_bot_is_silent_while_a_person_has_the_conversation(outbox: Outbox, redis: Redis) -> None:
    redis.hset(NAMES.session(CHAT), "owner", "person")
    fill(redis, entry(1), entry(2, "apology"), entry(3, "suggestions"), entry(4, "handover"))
    await outbox.lead()
    assert [(await outbox.begin(CHAT, "a")).step for _ in range(4)] == [
        "silenced",
        "silenced",
        "silenced",
        "send",
    ]
    assert redis.hget(NAMES.stats, "silenced") == b"3"


async def test_an_emptied_outbox_leaves_no_key(outbox: Outbox, redis: Redis) -> None:
    fill(redis, entry(1))
    await outbox.lead()
    await outbox.begin(CHAT, "a")
    assert not await outbox.settle(CHAT, "a", "sent", last=True)
    assert redis.keys(f"kefu:7:chat:{CHAT}:*") == []
    assert await outbox.chats() == set()


async def test_alerts_are_bounded_and_newest_first(outbox: Outbox, redis: Redis) -> None:
    for number in range(205):
        await outbox.lead()  # each time: all of it may take longer than a lease
        fill(redis, entry(number))
        await outbox.begin(CHAT, "a")
        await outbox.settle(CHAT, "a", "refused", last=True, alert={"number": number})
    assert redis.llen(NAMES.alerts) == 200
    assert redis.lindex(NAMES.alerts, 0) == b'{"number": 204}'


async def test_a_send_that_a_dead_process_left_behind_alerts_once(outbox: Outbox, redis: Redis) -> None:
    fill(redis, entry(1))
    await outbox.lead()
    await outbox.begin(CHAT, "of the dead")
    assert [(await outbox.begin(CHAT, "a")).step for _ in range(2)] == ["probe", "probe"]
    (alert,) = redis.lrange(NAMES.alerts, 0, -1)
    assert json.loads(alert) == {"at": json.loads(alert)["at"], "kind": "unknown", "entry": entry(1).id}
    assert redis.hget(NAMES.stats, "sends_unknown") == b"1"


@pytest.mark.parametrize("head", ["null", "not JSON", "[1]", '{"id": 5}', '{"id": "e1", "reply": 1}'])
async def test_a_head_that_is_no_record_does_not_stay_for_ever(
    head: str, outbox: Outbox, redis: Redis
) -> None:
    redis.rpush(NAMES.outbox(CHAT), head)
    fill(redis, entry(2))
    await outbox.lead()
    with pytest.raises(ValidationError):
        await outbox.begin(CHAT, "a")
    assert await outbox.settle(CHAT, "a", "refused", last=True)
    turn = await outbox.begin(CHAT, "b")
    assert turn.entry and turn.entry.id == "e2"
