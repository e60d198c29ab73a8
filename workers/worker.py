"""An RQ worker that keeps many jobs in flight: RQ 3.0 allows several executions, this is the worker for it.

The main thread makes every Redis write that decides a job's fate, one after the other; the engine's thread runs
one asyncio task per job and never touches Redis. Registration, commands, retries and the record of a job's end
are RQ's own, so `rq info` and dashboards work beside it. Knows nothing of chats and nothing of the model.
"""

import asyncio
import contextlib
import inspect
import itertools
import json
import logging
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any, TypeVar, cast

import redis
import rq
from redis.client import PubSub
from rq import worker_registration
from rq.executions import Execution
from rq.job import Job, JobStatus, _current_job
from rq.timeouts import JobTimeoutException
from rq.worker import BaseWorker
from rq.worker.base import WorkerStatus

from workers.channel import WORK_PATTERN
from workers.connection import is_outage
from workers.leases import Held, Leases
from workers.scripts import Call, make_calls

logger = logging.getLogger(__name__)

T = TypeVar("T")
Step = Callable[[], T]
"""Something that the main thread does with Redis. It may be repeated when Redis was away."""

current_execution: ContextVar[Execution] = ContextVar("current_execution")
"""The execution in which a job's code runs."""


class NoRetry(Exception):
    """A job that raises it has failed for good, whatever retries it has left."""


@dataclass(frozen=True)
class Timing:
    """Seconds. A dead worker's jobs run again after `lease` + `maintain_every` at the latest."""

    lease: int = 15
    beat_every: float = 4.0
    maintain_every: float = 5.0
    sweep_every: float = 5.0
    sweep_age: float = 20.0
    poll_every: float = 1.0
    warm_stop: float = 20.0
    stall: float = 60.0


@dataclass
class Chore:
    """Something the main thread does every so often; after an error it is due again at once."""

    every: float
    run: Callable[[], object]
    due_at: float = 0.0


@dataclass(eq=False)
class _Running:
    """One job in flight. `cut` says why its task was cancelled, if it was."""

    job: Job
    queue: rq.Queue
    execution: Execution
    task: "asyncio.Task[BaseException | None] | None" = None
    cut: str = ""

    @property
    def held(self) -> Held:
        return self.job, self.queue, self.execution


@dataclass(frozen=True)
class _Errand:
    """A call that the main thread makes together with others, and what is done with its result or its own error.

    One that `may_be_lost` is not made again after an outage.
    """

    call: Call[Any]
    done: Callable[[Any], None]
    may_be_lost: bool = False


@dataclass
class Load:
    """How busy the worker has been: slot-seconds used, for the fill of its batches."""

    since: float = field(default_factory=time.monotonic)
    slot_seconds: float = 0.0
    jobs: int = 0


class BatchingWorker(BaseWorker):
    """Takes up to `slots` jobs from `queues`, the first queue's first, and runs their coroutines side by side.

    `functions`: what jobs may name; None for whatever can be imported. `close` runs on the engine's loop at the end,
    and so does each of `listeners` with what is said on the channels of its pattern; it may miss something.
    """

    log_job_description = False
    log_result_lifespan = False

    def __init__(
        self,
        queues: Sequence[str],
        *,
        connection: redis.Redis,
        name: str | None = None,
        slots: int = 32,
        timing: Timing | None = None,
        functions: Collection[str] | None = None,
        close: Callable[[], Awaitable[None]] | None = None,
        listeners: Mapping[str, Callable[[str], None]] | None = None,
    ) -> None:
        timing = timing or Timing()
        super().__init__(list(queues), name=name, connection=connection, serializer="json", worker_ttl=30)
        self.slots = slots
        self.load = Load()
        self._timing = timing
        self._leases = Leases(connection, self.name, self.queues, timing.lease)
        self._chores = [
            Chore(timing.beat_every, self._renew),
            Chore(timing.maintain_every, self._maintain),
        ]
        self._close = close
        self._listeners = listeners or {}
        self._functions = functions
        self._running: dict[str, _Running] = {}
        self._mail: queue.SimpleQueue[Step[object] | _Errand] = queue.SimpleQueue()
        self._todo: deque[Step[object] | _Errand] = deque()
        self._settled: list[tuple[asyncio.Future[Any], object]] = []
        self._hungry = True
        self._is_burst = False
        self._poll_at = 0.0
        self._away = False
        self._retry_at = 0.0
        self._stop_at = 0.0
        self._cold = False
        self._calls = 0
        self._away_from_here = 0
        self._load_at = time.monotonic()
        self.loop = asyncio.new_event_loop()

    # --- what the world asks of it ------------------------------------------------------------------------

    def work(self, burst: bool = False, **options: Any) -> bool:  # type: ignore[override]
        """Work until stopped; with `burst` until the queues are empty. True if any job came to its end."""
        self._is_burst = burst
        self.register_birth()  # type: ignore[no-untyped-call]
        self.subscribe()
        if threading.current_thread() is threading.main_thread():
            self._install_signal_handlers()
        engine = threading.Thread(target=self._run_loop, name="engine", daemon=True)
        engine.start()
        logger.info("worker %s takes up to %d jobs at once", self.name, self.slots)
        try:
            while True:
                self._keep_house()
                if self._is_over(burst):
                    break
                self._do_mail()
            self._give_back_all()
        finally:
            self._leave(engine)
        return self.load.jobs > 0

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """First signal: take nothing more and finish what runs, for a while. Second: give it all back at once."""
        if self._stop_requested:
            self._cold = time.monotonic() - self._stop_at + self._timing.warm_stop > 1.0
        else:
            self._stop_requested = True
            self._stop_at = time.monotonic() + self._timing.warm_stop
        self._mail.put(_nothing)

    @property
    def in_flight(self) -> int:
        """Jobs that this worker runs now."""
        return len(self._running)

    @property
    def is_asking(self) -> bool:
        """Whether any job waits for something else than the main thread."""
        return len(self._running) > self._calls + self._away_from_here

    @contextlib.contextmanager
    def elsewhere(self) -> Iterator[None]:
        """While a job waits for another process: it does not count as one that this one should get on with."""
        self._away_from_here += 1
        try:
            yield
        finally:
            self._away_from_here -= 1

    # --- what jobs use, on the engine's thread ------------------------------------------------------------

    async def on_main(self, step: Step[T]) -> T:
        """Have the main thread do a step that may be repeated, and wait for its result.

        Calls of scripts are made together with those of other jobs.
        """
        future: asyncio.Future[Any] = self.loop.create_future()

        def done(result: object) -> None:
            self._settled.append((future, result))

        def run() -> None:
            try:
                done(step())
            except Exception as error:
                if is_outage(error):
                    raise
                done(error)

        self._calls += 1
        try:
            if isinstance(step, Call):
                self._mail.put(_Errand(step, done))
                return cast(T, step.read(await future))
            self._mail.put(run)
            return cast(T, await future)
        finally:
            self._calls -= 1

    def post(self, call: Call[Any]) -> None:
        """Have the main thread make a call whose loss does not matter; in order with `on_main`."""
        self._mail.put(_Errand(call, _ignore, may_be_lost=True))

    def add_chore(self, chore: Chore) -> None:
        """Have the main thread do something every so often."""
        self._chores.append(chore)

    # --- the main thread's loop ---------------------------------------------------------------------------

    def _is_over(self, burst: bool) -> bool:
        if self._cold:
            return True
        if self._stop_requested:
            return not self._running or time.monotonic() > self._stop_at
        return burst and not (self._running or self._hungry or self._todo or self._away)

    def _keep_house(self) -> None:
        if time.monotonic() < self._retry_at:
            return
        try:
            if self._away:
                self.connection.ping()
            for chore in self._chores:
                if chore.due_at <= time.monotonic():
                    chore.run()
                    chore.due_at = time.monotonic() + chore.every
            self._take()
            if self._running and self.get_state() != WorkerStatus.BUSY:
                self.set_state(WorkerStatus.BUSY)
        except redis.RedisError as error:
            self._note_away(error)
        else:
            self._note_back()

    def _do_mail(self) -> None:
        """Wait for messages of the other threads, at most until something is due, and do them in order."""
        wait = self._next_at() - time.monotonic()
        with contextlib.suppress(queue.Empty):
            self._todo.append(self._mail.get(timeout=max(wait, 0.0)) if wait > 0 else self._mail.get_nowait())
            while True:
                self._todo.append(self._mail.get_nowait())
        try:
            while self._todo and time.monotonic() >= self._retry_at:
                self._do_next()
        finally:
            if self._settled:
                settled, self._settled = self._settled, []
                self.loop.call_soon_threadsafe(_settle, settled)

    def _do_next(self) -> None:
        """Do what is due first: one step, or all the errands in a row in one round trip."""
        first = self._todo[0]
        try:
            if not isinstance(first, _Errand):
                first()
                self._todo.popleft()
                return
            errands = list(itertools.takewhile(lambda item: isinstance(item, _Errand), self._todo))
            self._run_errands(errands)
        except redis.RedisError as error:
            if not is_outage(error):
                raise
            self._note_away(error)

    def _run_errands(self, errands: Sequence[Any]) -> None:
        """Make calls together. Those that ran into an outage wait for its end, unless they may be lost."""
        try:
            results = make_calls(self.connection, [errand.call for errand in errands])
        except redis.RedisError as error:
            results = [error] * len(errands)
        outage = None
        again = []
        for errand, result in zip(errands, results, strict=True):
            self._todo.popleft()
            if isinstance(result, Exception) and is_outage(result):
                outage = result
                if not errand.may_be_lost:
                    again.append(errand)
            else:
                errand.done(result)
        self._todo.extendleft(reversed(again))
        if outage is not None:
            raise outage

    def _next_at(self) -> float:
        """When the main thread has something to do even if nobody tells it."""
        if self._away:
            at = self._retry_at
        elif self._todo or (self._hungry and self._free):
            at = 0.0
        else:
            at = min(chore.due_at for chore in self._chores)
            if self._free:
                at = min(at, self._poll_at)
        return min(at, self._stop_at) if self._stop_requested else at

    def _note_away(self, error: redis.RedisError) -> None:
        if not self._away:
            logger.warning("Redis is away (%s); this worker waits for it", error)
        self._away = True
        self._retry_at = time.monotonic() + 0.5

    def _note_back(self) -> None:
        if self._away:
            logger.warning("Redis is back")
            self._hungry = True
        self._away = False

    # --- jobs ---------------------------------------------------------------------------------------------

    @property
    def _free(self) -> int:
        return 0 if self._stop_requested else self.slots - len(self._running)

    def _take(self) -> None:
        """Fill the free slots, if a wake-up, an ended job or the slow poll says that it is worth asking."""
        now = time.monotonic()
        if not self._free or not (self._hungry or now >= self._poll_at):
            return
        self._poll_at = now + self._timing.poll_every
        wanted = self._free
        taken = self._leases.take(wanted)()
        self._hungry = len(taken) == wanted
        for job, origin, execution in taken:
            job.redis_server_version = self.get_redis_server_version()  # type: ignore[no-untyped-call]
            running = _Running(job, origin, execution)
            self._weigh()
            self._running[execution.id] = running
            self.executions[execution.id] = execution
            self.loop.call_soon_threadsafe(self._begin, running)

    def _renew(self) -> None:
        """Prolong this worker's own registration and its leases; notice what was lost or cancelled."""
        if not self.connection.exists(self.key):
            self._register_again()
        self.heartbeat()
        if not self._running and self.get_state() != WorkerStatus.IDLE:
            self.set_state(WorkerStatus.IDLE)
        everything = list(self._running.values())
        for running, status in zip(
            everything, self._leases.renew([item.held for item in everything]), strict=True
        ):
            if status == "lost":
                self._cut(running, "lost")
            elif status in ("", JobStatus.CANCELED):
                self._cut(running, "cancelled")

    def _register_again(self) -> None:
        """Redis has forgotten this worker, after a long stall or a loss of data."""
        with self.connection.pipeline() as pipe:
            pipe.hset(self.key, mapping={**self.serialize(), "state": self.get_state()})
            worker_registration.register(self, pipe)
            pipe.execute()

    def _maintain(self) -> None:
        self._leases.maintain()
        self._hungry = True

    def _stop(self, is_meant: Callable[[_Running], bool]) -> None:
        for running in list(self._running.values()):
            if is_meant(running):
                self._cut(running, "stopped")

    def _cut(self, running: _Running, reason: str) -> None:
        if not running.cut:
            running.cut = reason
            logger.info("job %s: %s", running.job.id, reason)
            self.loop.call_soon_threadsafe(_cancel, running)

    def _finish(self, running: _Running, error: BaseException | None) -> None:
        """Record how a job ended, if its execution still has its lease."""
        if running.execution.id not in self._running:
            return
        well = error is None and not running.cut
        succeed = self._leases.succeed(running.held, self.key) if well else None
        if succeed is not None:
            self._todo.append(_Errand(succeed, partial(self._note_success, running, succeed)))
        else:
            self._finish_with_rq(running, error)

    def _note_success(self, running: _Running, succeed: Call[bool | None], result: object) -> None:
        if isinstance(result, Exception):
            raise result
        recorded = succeed.read(result)
        if recorded is None:
            self._todo.append(partial(self._finish_with_rq, running, None))
            return
        if recorded:
            logger.debug("job %s: done", running.job.id)
        else:
            self._say_lost(running)
        self._let_go(running)
        if self._is_burst or not recorded:
            self._hungry = True

    def _finish_with_rq(self, running: _Running, error: BaseException | None) -> None:
        self._end_with_rq(running, error)
        self._let_go(running)
        self._hungry = True

    def _let_go(self, running: _Running) -> None:
        self._weigh()
        self._running.pop(running.execution.id, None)
        self.executions.pop(running.execution.id, None)
        self.load.jobs += 1

    def _end_with_rq(self, running: _Running, error: BaseException | None) -> None:
        if not self._leases.may_finish(running.held):
            self._say_lost(running)
        elif running.cut in ("cancelled", "lost") or not Job.exists(running.job.id, self.connection):
            self._leases.give_back(running.held)
        else:
            self._record(running, error)

    def _say_lost(self, running: _Running) -> None:
        logger.info("job %s: its lease is lost, its end is not recorded", running.job.id)

    def _record(self, running: _Running, error: BaseException | None) -> None:
        job = running.job
        if error is None:
            self._finalize_success(job, running.queue, running.execution, None)
            return
        if running.cut == "stopped":
            self._stopped_job_id = job.id
        if isinstance(error, NoRetry):
            job.retries_left = 0
        self._finalize_failure(
            job, running.queue, running.execution, (type(error), error, error.__traceback__)
        )

    def _give_back_all(self) -> None:
        for running in list(self._running.values()):
            with contextlib.suppress(redis.RedisError):
                self._leases.give_back(running.held)
            self._cut(running, "given back")
        self._running.clear()

    def _leave(self, engine: threading.Thread) -> None:
        if self._close is not None:
            closing = asyncio.run_coroutine_threadsafe(_awaited(self._close), self.loop)
            with contextlib.suppress(TimeoutError):
                closing.result(timeout=5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        engine.join(timeout=2)
        if not engine.is_alive():
            self.loop.close()
        try:
            self.teardown()  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            logger.warning("worker %s could not sign off (%s)", self.name, error)
        logger.info("worker %s has stopped", self.name)

    def _weigh(self) -> None:
        now = time.monotonic()
        self.load.slot_seconds += (now - self._load_at) * len(self._running)
        self._load_at = now

    def take_load(self) -> Load:
        """The load since the last call."""
        self._weigh()
        load, self.load = self.load, Load(jobs=self.load.jobs)
        return load

    # --- the engine's thread ------------------------------------------------------------------------------

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

    def _begin(self, running: _Running) -> None:
        running.task = self.loop.create_task(self._perform(running))
        running.task.add_done_callback(partial(self._report_end, running))

    def _report_end(self, running: _Running, task: "asyncio.Task[BaseException | None]") -> None:
        """Tell the main thread how a job ended. A task that is cancelled before its first step cannot do so itself."""
        error = asyncio.CancelledError() if task.cancelled() else task.result()
        self._mail.put(partial(self._finish, running, error))

    async def _perform(self, running: _Running) -> BaseException | None:
        """Run one job; returns what ended it, None if it ended well."""
        job = running.job
        _current_job.set(job)
        current_execution.set(running.execution)
        seconds = job.timeout or rq.Queue.DEFAULT_TIMEOUT
        try:
            if self._functions is not None and job.func_name not in self._functions:
                raise NoRetry("this worker runs no such function")
            async with asyncio.timeout(seconds if seconds > 0 else None):
                if inspect.iscoroutinefunction(job.func):
                    await job.func(*job.args, **job.kwargs)
                else:
                    await asyncio.to_thread(job.func, *job.args, **job.kwargs)
        except TimeoutError:
            return JobTimeoutException(f"the job took longer than {seconds} seconds")
        except (asyncio.CancelledError, Exception) as error:
            return error
        return None

    # --- RQ's hooks, on its pub/sub thread ----------------------------------------------------------------

    def subscribe(self) -> None:
        """Hear RQ's commands for this worker, and that there may be work."""
        pubsub = self.connection.pubsub()
        pubsub.subscribe(**{self.pubsub_channel_name: self.handle_payload})
        hear = {pattern: partial(self._hear, listener) for pattern, listener in self._listeners.items()}
        pubsub.psubscribe(**{WORK_PATTERN: self._wake, **hear})
        self.pubsub = pubsub
        self.pubsub_thread = pubsub.run_in_thread(
            sleep_time=5, daemon=True, exception_handler=self._pubsub_exception_handler
        )

    def unsubscribe(self) -> None:
        """Stop the thread first: told only afterwards, it would wait for another message."""
        if self.pubsub_thread is not None and self.pubsub is not None:
            self.pubsub_thread.stop()
            self.pubsub.unsubscribe()
            self.pubsub_thread.join(timeout=1)
            self.pubsub.close()

    def handle_payload(self, message: dict[str, Any]) -> None:
        """A command of RQ's. Stops are for any execution, not only the one that RQ would call the current."""
        command = json.loads(message["data"])
        if command.get("command") == "stop-job":
            job_id = command.get("job_id")
            self._mail.put(partial(self._stop, lambda running: running.job.id == job_id))
        else:
            super().handle_payload(message)  # type: ignore[no-untyped-call]

    def request_stop_execution(self, execution_id: str) -> None:
        """RQ's stop-execution command. The main thread sees it after it has registered what it took."""
        self._mail.put(partial(self._stop, lambda running: running.execution.id == execution_id))

    def _hear(self, listener: Callable[[str], None], message: dict[str, Any]) -> None:
        self.loop.call_soon_threadsafe(listener, message["data"].decode())

    def _wake(self, message: object) -> None:
        self._mail.put(self._set_hungry)

    def _set_hungry(self) -> None:
        self._hungry = True

    def _pubsub_exception_handler(self, error: BaseException, pubsub: PubSub, thread: Any) -> None:
        """Keep the thread alive; the main thread says that Redis is away, and polls while nobody wakes it."""
        if not isinstance(error, redis.RedisError | OSError):
            logger.error("a command could not be handled: %r", error)
        time.sleep(0.5)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """RQ asks how long an execution may go without a sign of life."""
        return self._timing.lease

    def _set_connection(self, connection: redis.Redis) -> redis.Redis:
        """RQ would raise the socket's timeout above a lease, for a blocking pop that this worker does not use."""
        return connection

    def _install_signal_handlers(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.request_stop)


def _settle(settled: "Sequence[tuple[asyncio.Future[Any], object]]") -> None:
    for future, result in settled:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)


def _cancel(running: _Running) -> None:
    if running.task is not None:
        running.task.cancel()


async def _awaited(close: Callable[[], Awaitable[None]]) -> None:
    await close()


def _nothing() -> None:
    """Wakes the main thread."""


def _ignore(result: object) -> None:
    """What becomes of a call whose loss does not matter."""
