"""Continuous batching: many requests are generated together, each joining and leaving at any token.

Token ids in, token ids out: it knows no text, no shop and no queue. Everything happens in one asyncio loop, in
steps of a few milliseconds: requests that have ended leave, the next one's prompt is computed a chunk at a time,
and all that are generating get one token more. The rows of the cache in use stay side by side from 0 on, so that
a step reads them without gathering; the last row is where prompts are computed before they join.
"""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from model.gpt import GPT, Cache

PREFILL_CHUNK = 256
"""Prompt tokens computed between two steps of the others: about as long as one full step takes."""

FAILURES_UNTIL_BROKEN = 3
_REMEMBERED_TIMES = 1024


class EngineError(RuntimeError):
    """A request that could not be completed."""


class EngineFull(EngineError):
    """A request refused at once because too many wait already."""


class DeadlineExceeded(EngineError):
    """A request that was not complete at its deadline."""


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token with the model's probability for it, under the constraint but before temperature.

    `choices` are the probabilities of all ids that a constraint listed, in its order.
    """

    id: int
    probability: float
    choices: tuple[float, ...] = ()


Constraint = Callable[[Sequence[int]], Sequence[int] | Tensor | None]
"""Called before each token with those generated so far. Returns the ids that are allowed, or a tensor (vocab,)
that is added to the log-probabilities (-inf forbids), or None if everything is allowed."""


@dataclass(frozen=True)
class Request:
    """What to generate. Temperature 0 takes the likeliest token; a seed makes sampling repeatable."""

    ids: Sequence[int]
    max_new_tokens: int
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    stop_ids: frozenset[int] = frozenset()
    constraint: Constraint | None = None
    deadline: float | None = None
    """On the clock of `time.monotonic`."""

    def __post_init__(self) -> None:
        if not self.ids:
            raise ValueError("a request needs at least one token to start from")
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be at least 1, not {self.max_new_tokens}")
        if self.temperature < 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise ValueError("temperature and top_k must not be negative, and top_p must be in (0, 1]")


class _Row:
    """A request on its way: waiting, then in the prompt's row, then in a row of the batch. Ends exactly once."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.generated: list[int] = []
        self.length = 0  # tokens in the cache
        self.submitted_at = time.monotonic()
        self.finish_reason = ""
        self.error: EngineError | None = None
        self.items: asyncio.Queue[Token | None] = asyncio.Queue()
        self.generator = None
        if request.temperature:
            self.generator = torch.Generator()
            self.generator.seed() if request.seed is None else self.generator.manual_seed(request.seed)

    def push(self, token: Token) -> None:
        """Deliver a token, and end if it is the last."""
        self.generated.append(token.id)
        self.items.put_nowait(token)
        if token.id in self.request.stop_ids:
            self.end("stop")
        elif len(self.generated) == self.request.max_new_tokens:
            self.end("length")

    def end(self, reason: str, error: EngineError | None = None) -> None:
        """End after what was delivered; nothing happens to a row that has ended."""
        if not self.finish_reason:
            self.finish_reason, self.error = reason, error
            self.items.put_nowait(None)


class Stream:
    """The tokens of one request as they are generated, the stop token included.

    Leaving the `with` block, cancelling the task that waits, or dropping the stream frees the slot at the next
    step. Raises EngineError if the request failed.
    """

    def __init__(self, row: _Row) -> None:
        self._row = row

    @property
    def finish_reason(self) -> str:
        """Empty while it runs, then "stop", "length", "cancelled", "deadline" or "error"."""
        return self._row.finish_reason

    def close(self) -> None:
        """Say that no more tokens are wanted."""
        self._row.end("cancelled")

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Token:
        try:
            token = await self._row.items.get()
        except asyncio.CancelledError:
            self.close()
            raise
        if token is not None:
            return token
        self._row.items.put_nowait(None)  # for whoever asks again
        if self._row.error is not None:
            raise self._row.error
        raise StopAsyncIteration


@dataclass
class EngineStats:
    """Counters since the start, plain numbers that another thread may read; times in seconds, the latest only.

    An engine that is busy while `steps` stands still hangs.
    """

    slots: int
    steps: int = 0
    prompt_tokens: int = 0
    tokens: int = 0
    decode_steps: int = 0
    decode_rows: int = 0
    largest_batch: int = 0
    live: int = 0
    waiting: int = 0
    refused: int = 0
    finished: Counter[str] = field(default_factory=Counter)
    queue_times: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_TIMES))
    first_token_times: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_TIMES))

    @property
    def batch_fill(self) -> float:
        """The mean share of the slots that a decoding step used."""
        return self.decode_rows / (self.decode_steps * self.slots) if self.decode_steps else 0.0

    @property
    def is_busy(self) -> bool:
        return bool(self.live or self.waiting)


class Engine:
    """Generates for up to `slots` requests at once; `waiting_limit` more may wait, in order of arrival.

    The work is done by a task in the caller's loop that lives while there is something to do.
    The caller sets torch's threads.
    """

    def __init__(self, model: GPT, slots: int = 32, waiting_limit: int = 1024) -> None:
        if slots < 1:
            raise ValueError(f"an engine needs at least one slot, not {slots}")
        self.model = model
        self.slots = slots
        self.waiting_limit = waiting_limit
        self.stats = EngineStats(slots)
        self._cache = Cache(model.config, slots + 1, model.device)
        self._waiting: deque[_Row] = deque()
        self._entering: list[_Row] = []  # at most one: its prompt is being computed in the cache's last row
        self._live: list[_Row] = []  # row i of the cache belongs to request i
        self._failures = 0
        self._closed = ""
        self._task: asyncio.Task[None] | None = None

    def submit(self, request: Request) -> Stream:
        """Take a request in; call it inside a running loop.

        Raises ValueError for a request that can never run, EngineFull if too many wait, EngineError if closed.
        """
        if self._closed:
            raise EngineError(self._closed)
        needed, context = len(request.ids) + request.max_new_tokens, self.model.config.context
        if needed > context:
            raise ValueError(
                f"{len(request.ids)} prompt tokens and {request.max_new_tokens} new ones exceed "
                f"the model's context of {context}; shorten the prompt"
            )
        if min(request.ids) < 0 or max(request.ids) >= self.model.config.vocab_size:
            raise ValueError(f"token ids must be from 0 to {self.model.config.vocab_size - 1}")
        if len(self._waiting) >= self.waiting_limit:
            self.stats.refused += 1
            raise EngineFull(f"{len(self._waiting)} requests wait already; try again in a few seconds")
        row = _Row(request)
        self._waiting.append(row)
        self._count()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="engine")
        return Stream(row)

    def close(self, reason: str = "the engine was closed") -> None:
        """End every request with an EngineError and take no more."""
        self._closed = reason
        self._fail(self._requests(), reason)

    async def _run(self) -> None:
        try:
            while self._requests():
                self.step()
                await asyncio.sleep(0)  # tokens reach their readers, and new requests come in
        finally:
            self._fail(self._requests(), "the engine was stopped")
            self._leave()

    @torch.inference_mode()
    def step(self) -> None:
        """Let the ended leave, compute a part of the next prompt, give every live request one token."""
        self._leave()
        failures = self._failures
        for part, rows in ((self._prefill, self._entering), (self._decode, self._live)):
            try:
                part()
            except Exception as error:  # whatever torch raises must end these requests, not the worker
                self._failures += 1
                self._fail(rows, f"the step failed: {error}")
                if self._failures >= FAILURES_UNTIL_BROKEN:
                    self.close(f"the engine is broken, its last {self._failures} steps failed: {error}")
        if self._failures == failures:
            self._failures = 0
        self._leave()
        self.stats.steps += 1

    def _prefill(self) -> None:
        """Compute one chunk of the prompt that is entering; at its end the request joins the batch."""
        if not self._entering:
            if not self._waiting or len(self._live) == self.slots:
                return
            self._entering.append(self._waiting.popleft())
            self.stats.queue_times.append(time.monotonic() - self._entering[0].submitted_at)
        row = self._entering[0]
        chunk = list(row.request.ids[row.length : row.length + PREFILL_CHUNK])
        is_last = row.length + len(chunk) == len(row.request.ids)
        ids = torch.tensor([chunk], device=self.model.device)
        log_probs = self.model.extend(ids, [row.length], self._cache, self.slots, predict=is_last)
        row.length += len(chunk)
        self.stats.prompt_tokens += len(chunk)
        if log_probs is not None:
            self._emit([row], log_probs)
            self.stats.first_token_times.append(time.monotonic() - row.submitted_at)
            if not row.finish_reason:
                self._cache.copy_row(self.slots, len(self._live), row.length)
                self._live.append(self._entering.pop())

    def _decode(self) -> None:
        """One token more for every live request."""
        if not self._live:
            return
        ids = torch.tensor([[row.generated[-1]] for row in self._live], device=self.model.device)
        log_probs = self.model.extend(ids, [row.length for row in self._live], self._cache)
        for row in self._live:
            row.length += 1
        self._emit(self._live, log_probs)
        self.stats.decode_steps += 1
        self.stats.decode_rows += len(self._live)
        self.stats.largest_batch = max(self.stats.largest_batch, len(self._live))

    def _emit(self, rows: Sequence[_Row], log_probs: Tensor) -> None:
        """Choose and deliver the next token of each row; log_probs (B, vocab)."""
        listed: dict[int, list[int]] = {}
        is_constrained = False
        for i, row in enumerate(rows):
            if row.request.constraint is None:
                continue
            try:
                allowed = row.request.constraint(row.generated)
            except Exception as error:  # the caller's code: its own request fails, the others go on
                row.end("error", EngineError(f"the constraint failed: {error!r}"))
                continue
            if allowed is None:
                continue
            is_constrained = True
            if isinstance(allowed, Tensor):
                log_probs[i] += allowed
            else:
                listed[i] = list(allowed)
                kept = log_probs[i, listed[i]]
                log_probs[i] = float("-inf")
                log_probs[i, listed[i]] = kept
        if is_constrained:
            log_probs = log_probs.log_softmax(-1)
        best = log_probs.max(dim=-1)
        for i, (row, log_prob, id) in enumerate(
            zip(rows, best.values.tolist(), best.indices.tolist(), strict=True)
        ):
            if row.finish_reason:
                continue
            if not math.isfinite(log_prob):
                row.end("error", EngineError("no token can be chosen: the constraint forbids all of them"))
                continue
            if row.generator is not None:
                id = sample(log_probs[i], row.request, row.generator)
                log_prob = log_probs[i, id].item()
            choices = tuple(log_probs[i, listed[i]].exp().tolist()) if i in listed else ()
            row.push(Token(id, math.exp(log_prob), choices))
            self.stats.tokens += 1

    def _leave(self) -> None:
        """Take out every request that has ended or is late; the last live rows fill the gaps."""
        now = time.monotonic()
        for row in self._requests():
            if row.request.deadline is not None and now > row.request.deadline:
                row.end("deadline", DeadlineExceeded("the deadline passed before the request was complete"))
            if row.finish_reason:
                self.stats.finished[row.finish_reason] += 1
        self._waiting = deque(row for row in self._waiting if not row.finish_reason)
        self._entering[:] = (row for row in self._entering if not row.finish_reason)
        for i in reversed(range(len(self._live))):
            if self._live[i].finish_reason:
                last = self._live.pop()
                if i < len(self._live):
                    self._cache.copy_row(len(self._live), i, last.length)
                    self._live[i] = last
        self._count()

    def _requests(self) -> list[_Row]:
        return [*self._waiting, *self._entering, *self._live]

    def _count(self) -> None:
        self.stats.waiting = len(self._waiting)
        self.stats.live = len(self._live) + len(self._entering)

    @staticmethod
    def _fail(rows: Sequence[_Row], reason: str) -> None:
        for row in rows:
            row.end("error", EngineError(reason))


def sample(log_probs: Tensor, request: Request, generator: torch.Generator) -> int:
    """One id drawn from log_probs (vocab,) after temperature, then top-k, then top-p."""
    probabilities, ids = (log_probs.cpu() / request.temperature).softmax(-1).sort(descending=True)
    if request.top_k:
        probabilities = probabilities[: request.top_k]
    before = probabilities.cumsum(0) - probabilities
    probabilities = probabilities[before < request.top_p * probabilities.sum()]
    return int(ids[torch.multinomial(probabilities, 1, generator=generator)])
