"""An explicit-state model of one chat's mailbox: the transitions of the scripts as pure functions, and a search.

Each transition is one atomic step, like the script or transaction of the same name. `explore` walks through every
order of steps and faults breadth first and says what breaks. `Rules` switches a safeguard off, to show that the
search would notice. `test_protocol.py` also drives the real scripts through random walks beside these functions.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Rules:
    """The safeguards of the protocol, and the two limits that matter to it."""

    seen_marker: bool = True
    execution_fence: bool = True
    turn_number: bool = True
    finish_fence: bool = True
    sweeper: bool = True
    exact_trim: bool = True
    max_attempts: int = 3
    job_retries: int = 10


@dataclass(frozen=True)
class Job:
    status: Literal["queued", "started", "failed", "gone"]
    retries: int


@dataclass(frozen=True)
class Claim:
    execution: int
    turn: int
    attempts: int


@dataclass(frozen=True)
class State:
    """What Redis holds. Jobs and executions are numbered in order of their making."""

    inbox: tuple[int, ...] = ()
    seen: frozenset[int] = frozenset()
    outcomes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    claim: Claim | None = None
    waiting: bool = False
    queue: tuple[int, ...] = ()
    jobs: tuple[Job, ...] = ()
    job_of: tuple[int, ...] = ()
    """The job of each execution."""
    leased: frozenset[int] = frozenset()
    """Executions in the started registry."""
    last_job: int | None = None


@dataclass(frozen=True)
class Work:
    """What a claim or a commit gives an execution."""

    turn: int
    attempts: int
    read: tuple[int, ...]


def _set_job(state: State, number: int, job: Job) -> State:
    return replace(state, jobs=(*state.jobs[:number], job, *state.jobs[number + 1 :]))


def _enqueue(state: State, rules: Rules) -> State:
    number = len(state.jobs)
    jobs = (*state.jobs, Job("queued", rules.job_retries))
    return replace(state, jobs=jobs, queue=(*state.queue, number), last_job=number)


# --- the steps -------------------------------------------------------------------------------------------------


def accept(state: State, rules: Rules, message: int) -> State:
    """The intake of one update."""
    if rules.seen_marker and message in state.seen:
        return state
    state = replace(state, inbox=(*state.inbox, message), seen=state.seen | {message}, waiting=True)
    return _enqueue(state, rules)


def forget(state: State) -> State:
    """/forget: everything of the chat goes, the confirmation is the outcome of what waited."""
    outcome = ("notice", state.inbox)
    return replace(
        state, inbox=(), claim=None, waiting=False, last_job=None, outcomes=(*state.outcomes, outcome)
    )


def take(state: State) -> tuple[State, int | None]:
    """TAKE: the first queued job gets an execution and a lease."""
    while state.queue:
        number, state = state.queue[0], replace(state, queue=state.queue[1:])
        job = state.jobs[number]
        if job.status == "queued":
            execution = len(state.job_of)
            state = _set_job(state, number, replace(job, status="started"))
            leased, job_of = state.leased | {execution}, (*state.job_of, number)
            return replace(state, leased=leased, job_of=job_of), execution
    return state, None


def claim(state: State, execution: int) -> tuple[State, Work | None]:
    """CLAIM."""
    if execution not in state.leased:
        return state, None
    holder = state.claim
    if holder and holder.execution != execution and holder.execution in state.leased:
        return state, None
    if not state.inbox:
        return replace(state, claim=None, waiting=False), None
    if holder is None or holder.execution != execution:
        turn, attempts = (holder.turn, holder.attempts) if holder else (0, 0)
        holder = Claim(execution, turn, attempts + 1)
    return replace(state, claim=holder), Work(holder.turn, holder.attempts, state.inbox)


def commit(
    state: State, rules: Rules, execution: int, turn: int, read: tuple[int, ...], kind: str = "answer"
) -> tuple[State, Work | None]:
    """COMMIT."""
    holder = state.claim
    if holder is None or (rules.execution_fence and holder.execution != execution):
        return state, None
    if holder.turn == turn or not rules.turn_number:
        left = tuple(m for m in state.inbox if m not in read) if rules.exact_trim else ()
        holder = Claim(holder.execution, holder.turn + 1, 0)
        state = replace(state, inbox=left, claim=holder, outcomes=(*state.outcomes, (kind, read)))
    if not state.inbox:
        return replace(state, claim=None, waiting=False), None
    return replace(state, claim=holder), Work(holder.turn, 0, state.inbox)


def let_go(state: State, rules: Rules, execution: int) -> State:
    """LET GO, after some turns: others come first, and the chat goes on with a job of its own."""
    if state.claim is None or state.claim.execution != execution:
        return state
    return _enqueue(replace(state, claim=None), rules)


def finish(state: State, rules: Rules, execution: int, ok: bool = True) -> State:
    """FINISH, and RQ's record of the end behind it."""
    if rules.finish_fence and execution not in state.leased:
        return state
    number = state.job_of[execution]
    state = replace(state, leased=state.leased - {execution})
    return _end_job(state, number, "gone") if ok else _retry(state, number)


def give_back(state: State, execution: int) -> State:
    """GIVE BACK: a stopping worker's job is the next to be taken."""
    if execution not in state.leased:
        return state
    number = state.job_of[execution]
    state = replace(state, leased=state.leased - {execution})
    if state.jobs[number].status != "started":
        return state
    state = _set_job(state, number, replace(state.jobs[number], status="queued"))
    return replace(state, queue=(number, *state.queue))


def maintain(state: State, lapsed: frozenset[int]) -> State:
    """RQ's clean-up of the started registry, for executions whose lease has lapsed."""
    for execution in sorted(lapsed & state.leased):
        number = state.job_of[execution]
        if state.jobs[number].status == "started":
            state = _retry(state, number)
    return replace(state, leased=state.leased - lapsed)


def sweep(state: State, rules: Rules) -> State:
    """SWEEP, for a chat that has waited long enough."""
    if not state.waiting or (state.claim and state.claim.execution in state.leased):
        return state
    if state.last_job is not None:
        job = state.jobs[state.last_job]
        running = any(state.job_of[execution] == state.last_job for execution in state.leased)
        if (job.status == "queued" and state.last_job in state.queue) or (
            job.status == "started" and running
        ):
            return state
    return _enqueue(state, rules) if state.inbox else replace(state, waiting=False)


def _end_job(state: State, number: int, status: Literal["gone", "failed"]) -> State:
    return _set_job(state, number, Job(status, 0))


def _retry(state: State, number: int) -> State:
    job = state.jobs[number]
    if job.retries == 0:
        return _end_job(state, number, "failed")
    state = _set_job(state, number, Job("queued", job.retries - 1))
    return replace(state, queue=(*state.queue, number))


# --- the search ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Faults:
    """How often each fault may strike in one run."""

    crashes: int = 0
    stalls: int = 0
    repeated_updates: int = 0
    lost_replies: int = 0
    forgets: int = 0
    failures: int = 0


@dataclass(frozen=True)
class Slot:
    """One slot of a worker: an execution and how far it has come."""

    phase: Literal["taken", "writing", "ending"]
    execution: int
    work: Work | None = None
    stalled: bool = False


@dataclass(frozen=True)
class World:
    state: State
    faults: Faults
    arrived: int = 0
    slots: tuple[Slot | None, ...] = (None, None)


@dataclass(frozen=True)
class Finding:
    """What broke, and the steps that lead to it."""

    what: str
    steps: tuple[str, ...]


def explore(rules: Rules, faults: Faults, messages: int = 2) -> tuple[int, list[Finding]]:
    """Walk through everything that can happen; the number of states and one shortest finding of each kind."""
    start = World(State(), faults)
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    before: dict[World, list[World]] = {start: []}
    findings: dict[str, World] = {}
    good: list[World] = []
    todo = deque([start])
    while todo:
        world = todo.popleft()
        fault = _broken(world)
        if fault:
            findings.setdefault(fault, world)
            continue
        steps = 0
        for label, raw in _steps(world, rules, messages):
            following = _canonical(raw)
            if following == world:
                continue
            steps += 1
            if following not in came_from:
                came_from[following] = (world, label)
                before[following] = []
                todo.append(following)
            before[following].append(world)
        if steps == 0 and not world.state.inbox and world.state.claim is None:
            good.append(world)
            if {m for _, read in world.state.outcomes for m in read} != set(range(1, messages + 1)):
                findings.setdefault("lost", world)
    ends_well = set(good)
    todo = deque(good)
    while todo:
        for earlier in before[todo.popleft()]:
            if earlier not in ends_well:
                ends_well.add(earlier)
                todo.append(earlier)
    if not findings:
        stuck = next((world for world in came_from if world not in ends_well), None)
        if stuck is not None:
            findings["stuck"] = stuck
    return len(came_from), [Finding(what, _path(came_from, world)) for what, world in findings.items()]


def _steps(world: World, rules: Rules, messages: int) -> Iterator[tuple[str, World]]:
    state, faults = world.state, world.faults
    if world.arrived < messages:
        new = world.arrived + 1
        yield f"update {new}", replace(world, state=accept(state, rules, new), arrived=new)
    if faults.repeated_updates and world.arrived:
        left = replace(faults, repeated_updates=faults.repeated_updates - 1)
        yield "update 1 again", replace(world, state=accept(state, rules, 1), faults=left)
    if faults.forgets and world.arrived:
        left = replace(faults, forgets=faults.forgets - 1)
        yield "forget", replace(world, state=forget(state), faults=left)
    beating = {slot.execution for slot in world.slots if slot and not slot.stalled}
    for execution in state.leased - beating:
        yield f"lease of e{execution} ends", replace(world, state=maintain(state, frozenset({execution})))
    if rules.sweeper:
        yield "sweep", replace(world, state=sweep(state, rules))
    for number, slot in enumerate(world.slots):
        for label, following in _slot_steps(world, number, slot, rules):
            yield f"w{number} {label}", following


def _slot_steps(world: World, number: int, slot: Slot | None, rules: Rules) -> Iterator[tuple[str, World]]:
    state, faults = world.state, world.faults

    def become(slot: Slot | None, **changes: object) -> World:
        slots = tuple(slot if index == number else other for index, other in enumerate(world.slots))
        return replace(world, slots=slots, **changes)  # type: ignore[arg-type]

    if slot is None:
        after, execution = take(state)
        yield "takes", become(None if execution is None else Slot("taken", execution), state=after)
        return
    if slot.stalled:
        yield "wakes", become(replace(slot, stalled=False))
        return
    if faults.stalls:
        yield "stalls", become(replace(slot, stalled=True), faults=replace(faults, stalls=faults.stalls - 1))
    if faults.crashes:
        yield f"is killed ({slot.phase})", become(None, faults=replace(faults, crashes=faults.crashes - 1))
    if slot.phase == "taken":
        after, work = claim(state, slot.execution)
        yield "claims", become(_next(slot, work), state=after)
    elif slot.phase == "writing":
        assert slot.work
        kind = "apology" if slot.work.attempts > rules.max_attempts else "answer"
        after, work = commit(state, rules, slot.execution, slot.work.turn, slot.work.read, kind)
        yield "commits", become(_next(slot, work), state=after)
        if faults.lost_replies:
            left = replace(faults, lost_replies=faults.lost_replies - 1)
            yield "commits, the reply is lost", become(slot, state=after, faults=left)
        if slot.work.turn:  # after some turns in a row; here the first will do
            after = let_go(state, rules, slot.execution)
            yield "lets go", become(_next(slot, None), state=after)
            if faults.lost_replies:
                left = replace(faults, lost_replies=faults.lost_replies - 1)
                yield "lets go, the reply is lost", become(slot, state=after, faults=left)
        if faults.failures:
            left = replace(faults, failures=faults.failures - 1)
            yield "fails", become(None, state=finish(state, rules, slot.execution, ok=False), faults=left)
    else:
        yield "finishes", become(None, state=finish(state, rules, slot.execution))


def _next(slot: Slot, work: Work | None) -> Slot:
    return replace(slot, phase="writing" if work else "ending", work=work)


def _broken(world: World) -> str | None:
    answered = [m for kind, read in world.state.outcomes if kind != "notice" for m in read]
    if len(answered) != len(set(answered)):
        return "doubled"
    if answered != sorted(answered):
        return "reordered"
    state = world.state
    alive = {slot.execution for slot in world.slots if slot and not slot.stalled} & state.leased
    if any(state.jobs[state.job_of[execution]].status in ("gone", "failed") for execution in alive):
        return "finished while it runs"
    return None


def _canonical(world: World) -> World:
    """The same world with executions and jobs that matter renumbered, so that equal worlds are equal."""
    state = world.state
    held = {slot.execution for slot in world.slots if slot} | (
        {state.claim.execution} if state.claim else set()
    )
    executions = sorted(state.leased | held)
    wanted = {state.job_of[execution] for execution in executions} | set(state.queue)
    if state.last_job is not None:
        wanted.add(state.last_job)
    jobs = sorted(wanted)
    execution_of: Callable[[int], int] = executions.index
    job_of: Callable[[int], int] = jobs.index
    slots = [slot and replace(slot, execution=execution_of(slot.execution)) for slot in world.slots]
    return replace(
        world,
        # Slots are interchangeable.
        slots=tuple(sorted(slots, key=repr)),
        state=replace(
            state,
            claim=state.claim and replace(state.claim, execution=execution_of(state.claim.execution)),
            queue=tuple(map(job_of, state.queue)),
            jobs=tuple(state.jobs[number] for number in jobs),
            job_of=tuple(job_of(state.job_of[execution]) for execution in executions),
            leased=frozenset(map(execution_of, state.leased)),
            last_job=None if state.last_job is None else job_of(state.last_job),
        ),
    )


def _path(came_from: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    steps: list[str] = []
    while (step := came_from[world]) is not None:
        world, label = step
        steps.append(label)
    return tuple(reversed(steps))
