"""The mailbox protocol: no message is lost, doubled or reordered, in the model and in the scripts (P1, P2)."""

import random
import time
from dataclasses import replace

import pytest
import rq
from redis import Redis
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.utils import now

from tests.workers import protocol_model as model
from tests.workers.protocol_model import Faults, Rules
from workers.channel import Channel
from workers.contracts import CustomerMessage, OutboxEntry, Reply
from workers.leases import Held, Leases
from workers.mailbox import Fenced, Handed, Mailbox, Work
from workers.settings import QUEUES

RULES = Rules(max_attempts=3, job_retries=1)
"""One retry of RQ's, so that a few faults use them up."""
SCENARIOS = [
    Faults(crashes=3),
    Faults(crashes=1, stalls=1),
    Faults(crashes=1, stalls=1, lost_replies=1),
    Faults(crashes=1, stalls=1, failures=1),
    Faults(crashes=1, repeated_updates=1, lost_replies=1),
    Faults(stalls=1, forgets=1),
]


@pytest.mark.parametrize("faults", SCENARIOS, ids=str)
def test_nothing_is_lost_doubled_or_stuck(faults: Faults) -> None:
    states, findings = model.explore(RULES, faults)
    assert findings == []
    assert states > 500


@pytest.mark.parametrize(
    ("safeguard", "faults", "breaks"),
    [
        ("seen_marker", Faults(repeated_updates=1), "doubled"),
        ("execution_fence", Faults(stalls=1), "doubled"),
        ("turn_number", Faults(lost_replies=1), "doubled"),
        ("finish_fence", Faults(stalls=1), "finished while it runs"),
        ("sweeper", Faults(crashes=2), "stuck"),
        ("exact_trim", Faults(), "lost"),
    ],
)
def test_every_safeguard_is_needed(safeguard: str, faults: Faults, breaks: str) -> None:
    assert model.explore(RULES, faults)[1] == []
    _, findings = model.explore(replace(RULES, **{safeguard: False}), faults)
    assert [finding.what for finding in findings] == [breaks]


class Scripts:
    """The real scripts for one chat, driven step by step; `state` is what they left in Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.channel = Channel(redis, 1, chat_limit=1000)
        self.mailbox = Mailbox(redis, 1)
        self.queues = [rq.Queue(name, connection=redis, serializer="json") for name in QUEUES]
        self.leases = Leases(redis, "walker", self.queues, seconds=15)
        self.worker = rq.SimpleWorker(self.queues, connection=redis, serializer="json", name="walker")
        self.jobs: list[str] = []
        self.held: list[Held] = []
        self.outcomes: list[tuple[str, tuple[int, ...]]] = []

    def execution(self, number: int) -> str:
        return str(self.held[number][2].composite_key)

    def accept(self, message: int) -> None:
        self.channel.accept(
            message,
            CustomerMessage(id=f"m{message}", chat_id=5, user_id=5, message_id=None, kind="text", text="?",
                            language="en", accepted_at=time.time() - 60),
        )  # fmt: skip

    def forget(self, update_id: int) -> None:
        self.channel.forget(update_id, 5, self.entry("notice"))

    def entry(self, kind: str, answers: tuple[str, ...] = ()) -> OutboxEntry:
        reply = Reply(kind=kind, language="en", text="!")
        return OutboxEntry(id="e", chat_id=5, reply=reply, answers=answers, created_at=0)

    def take(self) -> None:
        self.held += self.leases.take(1)()

    def commit(self, number: int, work: model.Work) -> Work | None:
        read = Work(work.turn, work.attempts, _messages(work))
        handed = Handed(self.entry("answer", read.ids), counter="answered")
        try:
            return self.mailbox.commit(5, self.execution(number), read, handed)()
        except Fenced:
            return None

    def let_go(self, number: int, work: model.Work) -> None:
        read = Work(work.turn, work.attempts, _messages(work))
        self.mailbox.let_go(5, self.execution(number), read)

    def finish(self, number: int, ok: bool) -> None:
        job, queue, execution = self.held[number]
        succeed = self.leases.succeed(self.held[number], self.worker.key)
        if ok and succeed and succeed() is not None:
            return
        if not self.leases.may_finish(self.held[number]):
            return
        job = RqJob.fetch(job.id, connection=self.redis, serializer="json")
        job.started_at = now()
        if ok:
            self.worker._finalize_success(job, queue, execution, None)
        else:
            self.worker._finalize_failure(job, queue, execution, (ValueError, ValueError(), None))

    def maintain(self, lapsed: frozenset[int]) -> None:
        for number in lapsed:
            _, queue, execution = self.held[number]
            self.redis.zadd(queue.started_job_registry.key, {execution.composite_key: 0}, xx=True)
        self.leases.maintain()

    def state(self) -> model.State:
        names, redis = self.channel.names, self.redis
        last = (redis.get(names.job(5)) or b"").decode()
        if last and last not in self.jobs:
            self.jobs.append(last)
        while raw := redis.lpop(names.outbox(5)):
            entry = OutboxEntry.model_validate_json(raw)
            self.outcomes.append((entry.reply.kind, tuple(int(i[1:]) for i in entry.answers)))
        executions = {self.execution(number): number for number in range(len(self.held))}
        claim = {k.decode(): v.decode() for k, v in redis.hgetall(names.claim(5)).items()}
        inbox = redis.lrange(names.inbox(5), 0, -1)
        leased = redis.zrange(self.queues[0].started_job_registry.key, 0, -1)
        return model.State(
            inbox=tuple(int(CustomerMessage.model_validate_json(m).id[1:]) for m in inbox),
            seen=frozenset(int(key.rpartition(b":")[2]) for key in redis.keys(names.seen(0)[:-1] + "*")),
            outcomes=tuple(self.outcomes),
            claim=model.Claim(executions[claim["execution"]], int(claim["turn"]), int(claim["attempts"]))
            if claim
            else None,
            waiting=redis.zscore(names.waiting, "5") is not None,
            queue=tuple(self.jobs.index(job.decode()) for job in redis.lrange(self.queues[0].key, 0, -1)),
            jobs=tuple(self.job(job_id) for job_id in self.jobs),
            job_of=tuple(self.jobs.index(job.id) for job, _, _ in self.held),
            leased=frozenset(executions[member.decode()] for member in leased),
            last_job=self.jobs.index(last) if last else None,
        )

    def job(self, job_id: str) -> model.Job:
        status, retries = self.redis.hmget(f"rq:job:{job_id}", "status", "retries_left")
        if status is None:
            return model.Job("gone", 0)
        known = {JobStatus.QUEUED: "queued", JobStatus.STARTED: "started", JobStatus.FAILED: "failed"}
        return model.Job(known[JobStatus(status.decode())], int(retries or 0))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_scripts_make_the_transitions_of_the_model(seed: int, redis: Redis) -> None:
    choose = random.Random(seed)
    rules = Rules(job_retries=10)
    scripts, state = Scripts(redis), model.State()
    works: dict[int, model.Work] = {}
    arrived, walk = 0, []
    for step in range(50):
        action = choose.choice(
            ["update", "again", "take", "take", "claim", "claim", "commit", "commit", "finish", "fail"]
            + ["let go", "give back", "lapse", "sweep", "forget"]
        )
        number = choose.randrange(len(state.job_of)) if state.job_of else None
        walk.append((action, number))
        if action == "update":
            arrived += 1
            state = model.accept(state, rules, arrived)
            scripts.accept(arrived)
        elif action == "again" and arrived:
            state = model.accept(state, rules, 1)
            scripts.accept(1)
        elif action == "take":
            state, _ = model.take(state)
            scripts.take()
        elif action == "sweep":
            state = model.sweep(state, rules)
            scripts.mailbox.sweep(age=0)
        elif action == "forget" and choose.random() < 0.3:
            state = model.forget(state)
            state = replace(state, seen=state.seen | {1000 + step})
            scripts.forget(1000 + step)
        elif number is None:
            continue
        elif action == "claim":
            state, expected = model.claim(state, number)
            work = scripts.mailbox.claim(5, scripts.execution(number))()
            assert _same(work, expected), walk
            if expected:
                works[number] = expected
        elif action == "commit" and number in works:
            work_read = works[number]
            state, expected = model.commit(state, rules, number, work_read.turn, work_read.read)
            assert _same(scripts.commit(number, work_read), expected), walk
            if expected and choose.random() < 0.7:  # else the reply was lost, and the commit may come again
                works[number] = expected
        elif action == "let go" and number in works:
            state = model.let_go(state, rules, number)
            scripts.let_go(number, works[number])
        elif action in ("finish", "fail"):
            state = model.finish(state, rules, number, ok=action == "finish")
            scripts.finish(number, ok=action == "finish")
        elif action == "give back":
            state = model.give_back(state, number)
            scripts.leases.give_back(scripts.held[number])
        elif action == "lapse":
            lapsed = frozenset({number}) & state.leased
            state = model.maintain(state, lapsed)
            scripts.maintain(lapsed)
        assert scripts.state() == state, walk


def _messages(work: model.Work) -> tuple[CustomerMessage, ...]:
    return tuple(
        CustomerMessage(id=f"m{m}", chat_id=5, user_id=5, message_id=None, kind="text", text="?", language="en", accepted_at=0)
        for m in work.read
    )  # fmt: skip


def _same(real: Work | None, expected: model.Work | None) -> bool:
    if real is None or expected is None:
        return real is expected
    read = tuple(int(i[1:]) for i in real.ids)
    return (real.turn, real.attempts, read) == (expected.turn, expected.attempts, expected.read)
