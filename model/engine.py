"""Continuous batching: many requests are generated together, each joining and leaving at any token.

Token ids in, token ids out: it knows no text, no shop and no queue. Everything happens in one asyncio loop, in
steps of a few milliseconds: requests that have ended leave, the next prompts are computed a chunk at a time,
and all that are generating get one token more. The rows of the cache in use stay side by side from 0 on, so that
a step reads them without gathering; the rows after them are where prompts are computed before they join, and the
rows behind those keep what was computed for later requests that begin alike (`model.prefixes`).
"""

import asyncio
import math
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from model.gpt import Piece
from model.graphs import Capture, Graphs
from model.prefixes import Prefixes, common_length

PREFILL_CHUNK = 256
"""Prompt tokens computed between two steps of the others: about twice as long as one full step takes."""

ENTERING = 4
"""How many prompts are computed together at most: short ones fill the chunk, which costs less than one after the other."""

WORTH_KEEPING = 16
"""Tokens from which on a computed prompt is kept: fewer are computed as fast as they are copied."""

_LINE_SWEPT_EVERY = 0.05

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


class Slots(Protocol):
    """What a network remembers, a row for each sequence."""

    def copy_row(self, source: int, target: int, length: int) -> None:
        """Make the first `length` tokens of one row those of another."""
        ...


class Network(Protocol):
    """What the engine asks of a language model; `model.gpt` and `model.transformer` are two."""

    @property
    def context(self) -> int: ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    def make_cache(self, rows: int) -> Slots:
        """Room for so many sequences of `context` tokens, allocated once."""
        ...

    def extend(
        self,
        ids: Tensor,
        starts: Sequence[int],
        cache: Slots,
        *,
        common: int = 0,
    ) -> Tensor:
        """Add ids (B, n) to the first B rows, which hold `starts` tokens; log-probabilities (B, vocab) of the next.

        common: how many tokens all these rows begin with alike, which a network may make use of. The caller may
        change what is returned.
        """
        ...

    def decode(self, ids: Tensor, starts: Tensor, cache: Slots, span: int) -> Tensor:
        """`extend` by one token, ids (B, 1), with starts (B,) on the device and `span` tokens looked at, more than any start.

        Shapes depend on B and `span` alone and the host waits for nothing, so that it can be recorded (`model.graphs`).
        """
        ...

    def extend_pieces(self, pieces: Sequence[Piece], cache: Slots) -> Tensor:
        """Add to each piece's row its tokens; log-probabilities (number of pieces, vocab) of the next."""
        ...


@dataclass(frozen=True, eq=False)
class Request:
    """What to generate. Temperature 0 takes the likeliest token; a seed makes sampling repeatable."""

    ids: Sequence[int]
    max_new_tokens: int
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    """Tokens less likely than this share of the likeliest are not drawn (arXiv 2407.01082)."""
    repetition_penalty: float = 1.0
    """The log-probability of each token that prompt or answer has already is multiplied by this (arXiv 1909.05858
    does so to logits)."""
    mask: Tensor | None = None
    """(vocab,), added to the log-probabilities of every step; -inf forbids."""
    seed: int | None = None
    stop_ids: frozenset[int] = frozenset()
    constraint: Constraint | None = None
    deadline: float | None = None
    """On the clock of `time.monotonic`."""
    chat: Hashable = None
    """Whose request it is: what was computed for a chat is found again by the same chat only, and chats take turns
    in the waiting line. None is somebody whom nothing is kept for."""
    shared: int = 0
    """How many tokens at the start are nobody's secret (a system prompt): all chats may find them computed."""

    def __post_init__(self) -> None:
        if not self.ids:
            raise ValueError("a request needs at least one token to start from")
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be at least 1, not {self.max_new_tokens}")
        if self.temperature < 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise ValueError("temperature and top_k must not be negative, and top_p must be in (0, 1]")
        if not 0 <= self.min_p <= 1 or self.repetition_penalty < 1:
            raise ValueError("min_p must be from 0 to 1, and repetition_penalty at least 1")
        if not 0 <= self.shared <= len(self.ids):
            raise ValueError("shared counts tokens of the prompt")


class _Row:
    """A request on its way: waiting, then in the prompt's row, then in a row of the batch. Ends exactly once."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.generated: list[int] = []
        self.place = -1  # the cache's row where its prompt is computed
        self.length = 0  # tokens in the cache
        self.submitted_at = time.monotonic()
        self.first_at = 0.0
        self.seen: Tensor | None = None  # (vocab,), bool: what prompt and answer have, for the penalty
        self.finish_reason = ""
        self.error: EngineError | None = None
        self.items: asyncio.Queue[Token | None] = asyncio.Queue()
        self.generator = None
        if request.temperature:
            self.generator = torch.Generator()
            self.generator.seed() if request.seed is None else self.generator.manual_seed(request.seed)

    @property
    def cached_ids(self) -> list[int]:
        """The tokens that the row of the cache holds."""
        return [*self.request.ids, *self.generated][: self.length]

    def push(self, token: Token) -> None:
        """Deliver a token, and end if it is the last."""
        if not self.generated:
            self.first_at = time.monotonic()
        if self.seen is not None:
            self.seen[token.id] = True
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
    replayed_steps: int = 0
    """The decoding steps that were replayed from a CUDA graph."""
    largest_batch: int = 0
    live: int = 0
    waiting: int = 0
    refused: int = 0
    lookups: int = 0
    """Prompts that were looked for among those computed before."""
    hits: int = 0
    cached_tokens: int = 0
    """Prompt tokens that were found, and so not computed; `prompt_tokens` were."""
    busy_seconds: float = 0.0
    forward_seconds: float = 0.0
    """The part of `busy_seconds` that the network took; the rest is scheduling, sampling and the readers."""
    finished: Counter[str] = field(default_factory=Counter)
    queue_times: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_TIMES))
    first_token_times: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_TIMES))
    token_times: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_TIMES))
    """Of each request that was complete, the mean time of a token after the first."""

    @property
    def batch_fill(self) -> float:
        """The mean share of the slots that a decoding step used."""
        return self.decode_rows / (self.decode_steps * self.slots) if self.decode_steps else 0.0

    @property
    def is_busy(self) -> bool:
        return bool(self.live or self.waiting)

    def figures(self) -> dict[str, float]:
        """What monitoring shows; the medians are of the latest requests, in seconds."""
        return {
            "queue_seconds": _median(self.queue_times),
            "first_token_seconds": _median(self.first_token_times),
            "token_seconds": _median(self.token_times),
            "batch_fill": self.batch_fill,
            "prefix_hits": self.hits / self.lookups if self.lookups else 0.0,
            "cached_tokens": float(self.cached_tokens),
            "prompt_tokens": float(self.prompt_tokens),
            "tokens": float(self.tokens),
            "refused": float(self.refused),
        }


class _Line:
    """The requests that wait. Chats take turns, each with its oldest, so that none fills the line for the others."""

    def __init__(self) -> None:
        self._chats: OrderedDict[Hashable, deque[_Row]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[_Row]:
        for rows in self._chats.values():
            yield from rows

    def of(self, chat: Hashable) -> int:
        """How many requests of a chat wait."""
        return len(self._chats.get(chat, ()))

    def add(self, row: _Row) -> None:
        chat = row.request.chat if row.request.chat is not None else row  # a stranger is a chat of their own
        self._chats.setdefault(chat, deque()).append(row)
        self._count += 1

    @property
    def next(self) -> _Row | None:
        """Whose turn is next."""
        return next(iter(self._chats.values()))[0] if self._chats else None

    def take(self) -> _Row:
        """The next one's turn; its chat goes to the end of the line."""
        chat, rows = self._chats.popitem(last=False)
        row = rows.popleft()
        if rows:
            self._chats[chat] = rows
        self._count -= 1
        return row

    def remove_ended(self) -> list[_Row]:
        """Take out those that need no answer any more."""
        ended = [row for row in self if row.finish_reason]
        if ended:
            for chat, rows in list(self._chats.items()):
                kept = deque(row for row in rows if not row.finish_reason)
                self._chats[chat] = kept
                if not kept:
                    del self._chats[chat]
            self._count -= len(ended)
        return ended


class Engine:
    """Generates for up to `slots` requests at once; `waiting_limit` more may wait, chats taking turns.

    kept: the rows that remember computed prompts (`model.prefixes`); 0 remembers nothing.
    chat_limit: how many requests of one chat may wait.
    capture: what records decoding steps for replay (`model.graphs`), for a network that has them; None: nothing.
    All memory is allocated here: a request that does not fit is refused, and nothing grows later.
    The work is done by a task in the caller's loop that lives while there is something to do.
    The caller sets torch's threads.
    """

    def __init__(
        self,
        model: Network,
        slots: int = 32,
        waiting_limit: int = 1024,
        kept: int | None = None,
        chat_limit: int = 64,
        capture: Capture | None = None,
    ) -> None:
        if slots < 1:
            raise ValueError(f"an engine needs at least one slot, not {slots}")
        self.model = model
        self.slots = slots
        self.waiting_limit = waiting_limit
        self.chat_limit = chat_limit
        self.stats = EngineStats(slots)
        kept = slots if kept is None else kept
        first_kept = slots + places_of(slots)
        self._cache = model.make_cache(first_kept + kept)
        self._graphs = Graphs(model, self._cache, slots, capture) if capture is not None else None
        self._prefixes = Prefixes(range(first_kept, first_kept + kept))
        self._places = list(range(slots, first_kept))  # where no prompt is being computed
        self._waiting = _Line()
        self._swept_at = 0.0
        self._entering: list[_Row] = []  # their prompts are being computed, the first one's first
        self._live: list[_Row] = []  # row i of the cache belongs to request i
        self._common, self._common_of = (
            0,
            list[_Row](),
        )  # what all that are live begin with alike, and who they were
        self._at_work: Sequence[_Row] = ()  # whose computing it is if a step fails
        self._failures = 0
        self._closed = ""
        self._task: asyncio.Task[None] | None = None

    def submit(self, request: Request) -> Stream:
        """Take a request in; call it inside a running loop.

        Raises ValueError for a request that can never run, EngineFull if too many wait, EngineError if closed.
        """
        if self._closed:
            raise EngineError(self._closed)
        needed, context = len(request.ids) + request.max_new_tokens, self.model.context
        if needed > context:
            raise ValueError(
                f"{len(request.ids)} prompt tokens and {request.max_new_tokens} new ones exceed "
                f"the model's context of {context}; shorten the prompt"
            )
        if min(request.ids) < 0 or max(request.ids) >= self.model.vocab_size:
            raise ValueError(f"token ids must be from 0 to {self.model.vocab_size - 1}")
        waiting, of_chat = len(self._waiting), self._waiting.of(request.chat)
        if waiting >= self.waiting_limit or of_chat >= self.chat_limit:
            self.stats.refused += 1
            whose = "" if waiting >= self.waiting_limit else " of this chat"
            raise EngineFull(
                f"{of_chat if whose else waiting} requests{whose} wait already; try again in a few seconds"
            )
        row = _Row(request)
        if request.repetition_penalty > 1:
            row.seen = torch.zeros(self.model.vocab_size, dtype=torch.bool, device=self.model.device)
            row.seen[list(request.ids)] = True
        self._waiting.add(row)
        self._count()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="engine")
        return Stream(row)

    async def idle(self) -> None:
        """Wait until there is nothing left to do."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    def forget(self, chat: Hashable) -> None:
        """Keep nothing that was computed for a chat."""
        self._prefixes.forget(chat)

    def forget_all(self) -> None:
        """Keep nothing that was computed for anybody."""
        self._prefixes.forget_all()

    def close(self, reason: str = "the engine was closed") -> None:
        """End every request with an EngineError and take no more."""
        self._closed = reason
        self._fail(self._requests(), reason)

    async def _run(self) -> None:
        try:
            while self._waiting or self._entering or self._live:
                begun = time.perf_counter()
                self.step()
                await asyncio.sleep(0)  # tokens reach their readers, and new requests come in
                self.stats.busy_seconds += time.perf_counter() - begun
        finally:
            self._fail(self._requests(), "the engine was stopped")
            self._swept_at = 0.0
            self._leave()

    @torch.inference_mode()
    def step(self) -> None:
        """Let the ended leave, compute a part of the next prompt, give every live request one token."""
        self._leave()
        failures = self._failures
        for part in (self._prefill, self._decode):
            try:
                part()
            except Exception as error:  # whatever torch raises must end these requests, not the worker
                self._failures += 1
                self._fail(self._at_work, f"the step failed: {error}")
                if self._failures >= FAILURES_UNTIL_BROKEN:
                    self.close(f"the engine is broken, its last {self._failures} steps failed: {error}")
        if self._failures == failures:
            self._failures = 0
        self._leave()
        self.stats.steps += 1

    def _prefill(self) -> None:
        """Compute prompts up to a chunk, the oldest first; those that are complete join the batch."""
        self._at_work = self._entering
        left, pieces = PREFILL_CHUNK, []
        for row in self._entering:
            left -= self._cut(row, left, pieces)
        while left > 0 and (row := self._enter()) is not None:
            left -= self._cut(row, left, pieces)
        if not pieces:
            return
        failed, error = [], None
        for row, piece, next_ in zip(list(self._entering), pieces, self._compute(pieces), strict=False):
            if isinstance(next_, Exception):
                failed, error = [*failed, row], next_
                continue
            row.length += len(piece.ids)
            self.stats.prompt_tokens += len(piece.ids)
            if row.length < len(row.request.ids):
                continue
            self._keep(row.place, row.request.ids[: row.request.shared], None)
            self._emit([row], next_[None])
            self.stats.first_token_times.append(time.monotonic() - row.submitted_at)
            if row.finish_reason:
                self._remember(row.place, row)
                self._gone([row])
            else:
                self._cache.copy_row(row.place, len(self._live), row.length)
                self._live.append(row)
            self._entering.remove(row)
            self._places.append(row.place)
        if error is not None:
            self._at_work = failed
            raise error

    @staticmethod
    def _cut(row: _Row, left: int, pieces: list[Piece]) -> int:
        """Put the next part of a prompt, `left` tokens at most, to the pieces; returns how many those are."""
        if left > 0:
            pieces.append(Piece(row.place, row.length, row.request.ids[row.length : row.length + left]))
        return len(pieces[-1].ids) if left > 0 else 0

    def _compute(self, pieces: list[Piece]) -> list[Tensor | Exception]:
        """The network's log-probabilities (vocab,) after each piece; what cannot be computed fails alone."""
        begun = time.perf_counter()
        try:
            return list(self.model.extend_pieces(pieces, self._cache))
        except Exception as error:
            if len(pieces) == 1:
                return [error]
        finally:
            self.stats.forward_seconds += time.perf_counter() - begun
        return [self._compute([piece])[0] for piece in pieces]

    def _enter(self) -> _Row | None:
        """Let the next request in line begin with what is known of its prompt, if there is room for it."""
        if len(self._live) + len(self._entering) >= self.slots or not self._places:
            return None
        while (row := self._waiting.next) is not None:
            if not row.finish_reason and self._comes_soon(row):
                return None
            self._waiting.take()
            if row.finish_reason:
                self.stats.finished[row.finish_reason] += 1
                continue
            row.place = self._places.pop()
            source, length = self._prefixes.find(row.request.ids, row.request.chat)
            if length:
                self._cache.copy_row(source, row.place, length)
                row.length = length
            self.stats.lookups += 1
            self.stats.hits += bool(length)
            self.stats.cached_tokens += length
            self.stats.queue_times.append(time.monotonic() - row.submitted_at)
            self._entering.append(row)
            return row
        return None

    def _comes_soon(self, row: _Row) -> bool:
        """Whether what this request shares with everybody is just being computed: then it waits for that."""
        shared = row.request.ids[: row.request.shared]
        if len(shared) < WORTH_KEEPING:
            return False
        known = self._prefixes.longest(row.request.ids, row.request.chat)
        return any(
            common_length(shared, other.request.ids[: other.request.shared]) > known
            for other in self._entering
        )

    def _decode(self) -> None:
        """One token more for every live request."""
        self._at_work = self._live
        if not self._live:
            return
        begun = time.perf_counter()
        log_probs = self._next_log_probs()
        self.stats.forward_seconds += time.perf_counter() - begun
        for row in self._live:
            row.length += 1
        self._emit(self._live, log_probs)
        self.stats.decode_steps += 1
        self.stats.decode_rows += len(self._live)
        self.stats.largest_batch = max(self.stats.largest_batch, len(self._live))

    def _next_log_probs(self) -> Tensor:
        """The network's log-probabilities (B, vocab) after the last token of every live request."""
        ids, starts = [row.generated[-1] for row in self._live], [row.length for row in self._live]
        log_probs = self._graphs.step(ids, starts) if self._graphs is not None else None
        if log_probs is None:
            if self._live != self._common_of:
                self._common_of, self._common = list(self._live), _common(self._live)
            rows = torch.tensor(ids, device=self.model.device)[:, None]
            log_probs = self.model.extend(rows, starts, self._cache, common=self._common)
        else:
            self.stats.replayed_steps += 1
        if (
            log_probs.is_cuda
        ):  # what the network takes is counted here, not where its result is first looked at
            torch.cuda.synchronize()
        return log_probs

    def _remember(self, index: int, row: _Row) -> None:
        """Keep what a request has computed for its chat's next one."""
        if row.request.chat is not None and row.finish_reason != "error":
            self._keep(index, row.cached_ids, row.request.chat)

    def _keep(self, index: int, ids: Sequence[int], chat: Hashable) -> None:
        if len(ids) >= WORTH_KEEPING and (target := self._prefixes.place(ids, chat)) is not None:
            self._cache.copy_row(index, target, len(ids))

    def _emit(self, rows: Sequence[_Row], log_probs: Tensor) -> None:
        """Choose and deliver the next token of each row; log_probs (B, vocab)."""
        listed: dict[int, list[int]] = {}
        is_constrained = False
        for i, row in enumerate(rows):
            if row.seen is not None:
                penalised = log_probs[i] * row.request.repetition_penalty
                log_probs[i] = torch.where(row.seen, penalised, log_probs[i])
                is_constrained = True
            if row.request.mask is not None:
                log_probs[i] += row.request.mask
                is_constrained = True
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
        inside = [*self._entering, *self._live]
        if now - self._swept_at > _LINE_SWEPT_EVERY or not inside:
            self._swept_at = now
            for row in self._waiting:
                _end_if_late(row, now)
            self._gone(self._waiting.remove_ended())
        for row in inside:
            _end_if_late(row, now)
        self._gone([row for row in inside if row.finish_reason])
        self._places += [row.place for row in self._entering if row.finish_reason]
        self._entering[:] = (row for row in self._entering if not row.finish_reason)
        for i in reversed(range(len(self._live))):
            if self._live[i].finish_reason:
                self._remember(i, self._live[i])
                last = self._live.pop()
                if i < len(self._live):
                    self._cache.copy_row(len(self._live), i, last.length)
                    self._live[i] = last
        self._count()

    def _gone(self, rows: Sequence[_Row]) -> None:
        for row in rows:
            self.stats.finished[row.finish_reason] += 1
            if row.finish_reason in ("stop", "length") and len(row.generated) > 1:
                seconds = (time.monotonic() - row.first_at) / (len(row.generated) - 1)
                self.stats.token_times.append(seconds)

    def _requests(self) -> list[_Row]:
        return [*self._waiting, *self._entering, *self._live]

    def _count(self) -> None:
        self.stats.waiting = len(self._waiting)
        self.stats.live = len(self._live) + len(self._entering)

    @staticmethod
    def _fail(rows: Sequence[_Row], reason: str) -> None:
        for row in rows:
            row.end("error", EngineError(reason))


def _common(rows: Sequence[_Row]) -> int:
    """How many tokens all requests begin with that are nobody's secret; what else is alike must not show in time."""
    heads = [row.request.ids[: row.request.shared] for row in rows]
    return min(common_length(heads[0], head) for head in heads)


def places_of(slots: int) -> int:
    """How many prompts an engine of so many slots computes together."""
    return max(1, min(ENTERING, slots // 2))


def sample(log_probs: Tensor, request: Request, generator: torch.Generator) -> int:
    """One id drawn from log_probs (vocab,) after temperature, then top-k, then top-p, then min-p."""
    scores = log_probs.cpu() / request.temperature
    count = min(request.top_k or len(scores), len(scores))
    scores, ids = scores.topk(count) if count < len(scores) else scores.sort(descending=True)
    probabilities = scores.softmax(-1)
    if request.top_p < 1:
        before = probabilities.cumsum(0) - probabilities
        probabilities = probabilities[before < request.top_p]
    if request.min_p:
        probabilities = probabilities[probabilities >= request.min_p * probabilities[0]]
    return int(ids[torch.multinomial(probabilities, 1, generator=generator)])


def _end_if_late(row: _Row, now: float) -> None:
    if row.request.deadline is not None and now > row.request.deadline:
        row.end("deadline", DeadlineExceeded("the deadline passed before the request was complete"))


def _median(times: Sequence[float]) -> float:
    ordered = sorted(times)
    return ordered[len(ordered) // 2] if ordered else 0.0
