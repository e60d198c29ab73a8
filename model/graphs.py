"""Decoding steps as CUDA graphs: what a step has a GPU do is recorded once for each shape and then replayed whole.

A small network's step takes longer to ask for, hundreds of operations one after the other, than to compute. It
can be replayed if it only reads and writes memory that stays, so ids and lengths go into buffers, and the numbers of
rows and of visible tokens are rounded up to a few. Nothing rests on trust: every recorded shape is compared with the
plain step before it serves, and where it differs or fails, the plain step is taken.
"""

import bisect
import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from model.gpt import SPAN_STEP, Piece

if TYPE_CHECKING:
    from model.engine import Network, Slots

logger = logging.getLogger(__name__)

TOLERANCE = 0.1
"""How far a replayed step's log-probabilities may be from the plain step's, in shares of their spread: rounding to bf16
makes up to 0.03 in our networks, a wrong token or a wrong place 0.26 and more (docs/decisions.md)."""

MEMORY_SHARE = 0.1
"""Of the memory that is free before the first recording, the part that all recordings may take."""

FAILURES_UNTIL_ENOUGH = 3
"""Recordings that may fail before the rest are not tried: what a network's step does wrong, it does at every shape."""

_COMPARISONS = 3
_PROMPT_PART = 256


class NoRoom(RuntimeError):
    """There is no memory left for another recording."""


class Capture(Protocol):
    """What records steps."""

    def record(self, step: Callable[[], None]) -> Callable[[], object]:
        """Run a step that only reads and writes memory that stays; returns what repeats it. Raises NoRoom."""
        ...


class CudaCapture:
    """Records steps as CUDA graphs, which share their working memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._free = 0  # bytes, before the first recording

    def record(self, step: Callable[[], None]) -> Callable[[], object]:
        """See `Capture`. Runs the step once before, because libraries prepare themselves at their first call."""
        free = int(torch.cuda.mem_get_info(self._device)[0])
        self._free = self._free or free
        if free < (1 - MEMORY_SHARE) * self._free:
            raise NoRoom
        graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self._device)
        self._stream.wait_stream(before)
        try:
            with torch.cuda.stream(self._stream):  # left again even if a failed capture does not leave it
                step()
                with torch.cuda.graph(
                    graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
                ):
                    step()
        finally:
            before.wait_stream(self._stream)
        return graph.replay


def capture_for(device: torch.device, setting: str = "auto") -> Capture | None:
    """What records a network's steps on a device: nothing but on CUDA, and nothing if the setting is "off"."""
    return CudaCapture(device) if device.type == "cuda" and setting != "off" else None


class Graphs:
    """The recorded steps of one network over one cache, whose first `slots` rows are free when this is made.

    Rows of the cache that are rounded up to, and so are not in use, get one token written at their start.
    """

    def __init__(self, model: "Network", cache: "Slots", slots: int, capture: Capture) -> None:
        self._model = model
        self._cache = cache
        self._batches, self._spans = batch_sizes(slots), visible_lengths(model.context)
        self._inputs = torch.zeros(2, slots, dtype=torch.long, device=model.device)  # ids and starts
        self._log_probs = torch.zeros(slots, model.vocab_size, device=model.device)
        self._replays: dict[tuple[int, int], Callable[[], object]] = {}
        self._record(capture)

    def __len__(self) -> int:
        return len(self._replays)

    def step(self, ids: Sequence[int], starts: Sequence[int]) -> Tensor | None:
        """Log-probabilities (B, vocab) after one token more for each of the first B rows, valid until the next step.

        None if the plain step has to be taken; nothing has happened then that it would not do again.
        """
        batch = self._batches[bisect.bisect_left(self._batches, len(ids))]
        span = self._spans[bisect.bisect_left(self._spans, max(starts) + 1)]
        replay = self._replays.get((batch, span))
        if replay is None:
            return None
        self._put(ids, starts, batch)
        try:
            replay()
        except Exception as error:  # whatever a driver says: there is another way to do the same
            del self._replays[batch, span]
            logger.warning("decoding %d rows runs without its CUDA graph from now on: %s", batch, error)
            return None
        return self._log_probs[: len(ids)]

    def _put(self, ids: Sequence[int], starts: Sequence[int], batch: int) -> None:
        rest = [0] * (batch - len(ids))
        self._inputs[:, :batch].copy_(torch.tensor([[*ids, *rest], [*starts, *rest]]))

    def _run(self, batch: int, span: int) -> None:
        """The step of one shape, from buffers to a buffer."""
        ids, starts = self._inputs[0, :batch, None], self._inputs[1, :batch]
        self._log_probs[:batch] = self._model.decode(ids, starts, self._cache, span)

    @torch.inference_mode()
    def _record(self, capture: Capture) -> None:
        """Record every shape, the largest first, whose memory the others then share; keep those that are right."""
        begun, wrong = time.monotonic(), list[str]()
        shapes = [(batch, span) for batch in reversed(self._batches) for span in reversed(self._spans)]
        for shape in shapes:
            try:
                self._replays[shape] = capture.record(partial(self._run, *shape))
            except NoRoom:
                logger.info("memory has room for the CUDA graphs of %d of %d shapes", len(self), len(shapes))
                break
            except Exception as error:  # a step that waits for the GPU, a driver that is too old, …
                wrong.append(str(error))
                if len(wrong) == FAILURES_UNTIL_ENOUGH:
                    break
        try:
            wrong += self._compare()
        except Exception as error:
            wrong.append(str(error))
            self._replays.clear()
        if wrong:
            logger.warning(
                "CUDA graphs serve %d of %d shapes of a decoding step, the plain step the others: %s",
                len(self),
                len(shapes),
                " ".join(wrong[0].split())[:300],
            )
        logger.info("%d CUDA graphs in %.1f s", len(self), time.monotonic() - begun)

    def _compare(self) -> list[str]:
        """Give up every recording whose first replays differ from the plain step; says how they differ."""
        if not self._replays:
            return []
        random, wrong = torch.Generator().manual_seed(0), []
        self._fill_rows(random)
        for batch, span in list(self._replays):
            try:
                apart = max(self._distance(batch, span, number, random) for number in range(_COMPARISONS))
                if apart <= TOLERANCE:
                    continue
                wrong.append(
                    f"{batch} rows and {span} tokens, replayed, are {apart:.2g} away from the plain step"
                )
            except Exception as error:
                wrong.append(str(error))
            del self._replays[batch, span]
        return wrong

    def _distance(self, batch: int, span: int, number: int, random: torch.Generator) -> float:
        """How far one replay is from the plain step; the replay first, because it has to write what the step reads."""
        ids = torch.randint(self._model.vocab_size, (batch, 1), generator=random)
        starts = [(span - 1 - 37 * row - 11 * number) % span for row in range(batch)]
        self._put(ids[:, 0].tolist(), starts, batch)
        self._replays[batch, span]()
        found = self._log_probs[:batch].clone()
        return difference(found, self._model.extend(ids.to(self._model.device), starts, self._cache))

    def _fill_rows(self, random: torch.Generator) -> None:
        """Put a text into the rows, without which nothing that is read wrongly would show."""
        text = torch.randint(self._model.vocab_size, (self._model.context - 1,), generator=random).tolist()
        for at in range(0, len(text), _PROMPT_PART):
            self._model.extend_pieces([Piece(0, at, text[at : at + _PROMPT_PART])], self._cache)
        for row in range(1, self._batches[-1]):
            self._cache.copy_row(0, row, len(text))


def batch_sizes(slots: int) -> list[int]:
    """The numbers of rows that are recorded: 1, 2, 4, … 32, 48, 64, 96, 128, … and last `slots` itself."""
    sizes, size = list[int](), 1
    while size < slots:
        sizes.append(size)
        power = 1 << size.bit_length() - 1
        size += power if size < 32 else power // 2
    return [*sizes, slots]


def visible_lengths(context: int) -> list[int]:
    """The visible tokens that are recorded: at most a quarter, or 63, more than are there; last the context itself."""
    sizes, size = list[int](), SPAN_STEP
    while size < context:
        sizes.append(size)
        size += max(SPAN_STEP, (1 << size.bit_length() - 1) // 4)
    return [*sizes, context]


def difference(found: Tensor, expected: Tensor) -> float:
    """How far log-probabilities (B, vocab) are from those expected: root mean square by the row's spread, the worst row."""
    apart = (found - expected).square().mean(-1).sqrt()
    worst = float((apart / expected.std(-1).clamp_min(1e-6)).max())
    return worst if math.isfinite(worst) else math.inf
