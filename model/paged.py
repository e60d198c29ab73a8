"""A chat model over transformers' continuous batching, which keeps its keys and values in pages.

It is the faster way where flash attention on a GPU reads those pages; elsewhere our slots are (docs/engine/), and it
serves only if it is asked for. The work is done by a thread of transformers' that belongs to this decoder. Pages are not
shared between requests: theirs know no owners, and what one chat wrote must not show in how fast another is answered.
"""

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from model.decoders import GREEDY, Message, ModelError, Options, PromptTooLong, TextStops
from model.engine import DeadlineExceeded, EngineError, EngineFull
from model.memory import NoMemory, fitting_slots
from model.transformer import Template, TransformersNetwork

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PAGE = 256
"""Tokens of a page: transformers' own choice. Smaller ones would serve the sharing of pages, which is off."""

MOST_TOKENS = 512
"""Tokens of prompts and answers that one step computes at most, unless there are more slots."""

WAITING_LIMIT = 1024
_LOOKED_AFTER = 1.0
_END_WAITED_FOR = 10.0


def has_flash_attention() -> bool:
    """Whether a package with flash attention for CUDA is installed; none is fetched from a hub."""
    from transformers.utils import is_flash_attn_2_available, is_flash_attn_3_available

    return bool(is_flash_attn_2_available() or is_flash_attn_3_available())


def is_faster(model: "PreTrainedModel") -> bool:
    """Whether transformers' batching is taken by itself: a half-precision model of full attention that flash attention runs."""
    return (
        model.device.type == "cuda"
        and model.dtype in (torch.bfloat16, torch.float16)
        and bool(getattr(model, "_supports_flash_attn", False))
        and not TransformersNetwork(model).window
        and has_flash_attention()
    )


class PagedDecoder:
    """A chat model of transformers over transformers' own batching.

    samples: whether requests may ask for a temperature, top-k and top-p; every step then sorts the vocabulary, also for
    greedy requests. Raises ModelError for a model that transformers' batching cannot run here, which then is as before.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: Any,
        slots: int = 32,
        threads: int | None = None,
        samples: bool = False,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        network = TransformersNetwork(model)
        try:
            slots, _ = fitting_slots(network.row_bytes(), slots, network.device)
        except NoMemory as error:
            raise ModelError(str(error)) from None
        self._template = Template(tokenizer, model)
        self._context, self._vocab_size, self._samples = network.context, network.vocab_size, samples
        self._limit = slots + WAITING_LIMIT
        attention = model.config._attn_implementation
        try:
            self._manager = self._prepare(model, slots)
        except Exception as error:  # memory, a kernel, an architecture: each raises what it likes
            model.set_attn_implementation(attention)
            reason = " ".join(str(error).split())[:300]
            raise ModelError(
                f"transformers' batching cannot run this model here ({reason}); set KEFU_BATCHING=own"
            ) from None
        # A thread inherits from its maker that the process may end without it.
        starter = threading.Thread(target=self._manager.start, daemon=True)
        starter.start()
        starter.join()
        self._is_closed = False
        self._names = map(str, itertools.count())
        self._running = 0
        self.steps = 0
        self._answers = self._failed = 0
        self._error = ""  # the latest that a request was told; the thread's own record of it comes later
        self._first_token_seconds = 0.0

    def _prepare(self, model: "PreTrainedModel", slots: int) -> Any:
        """A manager of transformers' with its memory, after a first run of the model."""
        from transformers import GenerationConfig
        from transformers.generation import ContinuousBatchingConfig

        # A value that is the default would leave its processor out, and requests could not set it.
        sampling = {"temperature": 0.7, "top_k": 50, "top_p": 0.95} if self._samples else {}
        manager = model.init_continuous_batching(
            generation_config=GenerationConfig(
                do_sample=self._samples,
                eos_token_id=sorted(self._template.stop_ids) or [-1],
                pad_token_id=0,
                **sampling,
            ),
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=PAGE,
                num_blocks=slots * -(-self._context // PAGE),
                max_batch_tokens=max(MOST_TOKENS, slots),
                max_requests_per_batch=slots,
                allow_block_sharing=False,
                auto_switch_to_flash=has_flash_attention(),
                per_request_processors=self._samples,
            ),
        )
        manager.warmup()
        return manager

    def forget(self, chat: str) -> None:
        """Nothing is kept once an answer has ended."""

    def figures(self) -> dict[str, float]:
        """Counters for monitoring; `first_token_seconds` is of the latest answer."""
        return {
            "first_token_seconds": self._first_token_seconds,
            "tokens": float(self.steps),
            "answers": float(self._answers),
            "failed": float(self._failed),
        }

    async def chat(
        self, messages: Sequence[Message], options: Options = GREEDY, chat: str = ""
    ) -> AsyncIterator[str]:
        """The model's reply to a conversation, in pieces of whole characters.

        Raises PromptTooLong, ValueError for options that this batching does not have, and EngineError.
        """
        sampling = self._sampling(options)
        ids, stops = self._template.encode(messages)
        room = self._context - len(ids)
        if room < min(16, options.max_new_tokens):
            raise PromptTooLong(f"the prompt has {len(ids)} tokens of {self._context}")
        if self._running >= self._limit:
            raise EngineFull(f"{self._running} requests wait already; try again in a few seconds")
        text, until = self._template.words(), TextStops((*stops, *options.stop))
        tokens = self._tokens(ids, min(options.max_new_tokens, room), sampling, options.deadline)
        self._running += 1
        try:
            async for id in tokens:
                piece = until.push("" if id in self._template.stop_ids else text.push(id))
                if piece:
                    yield piece
                if until.is_over:
                    break
            else:
                if piece := until.finish():
                    yield piece
            self._answers += 1
        except EngineError:
            self._failed += 1
            raise
        finally:
            self._running -= 1
            await tokens.aclose()

    async def close(self) -> None:
        """End every answer that is under way, and the thread."""
        if not self._is_closed:
            self._is_closed = True
            await asyncio.to_thread(self._manager.stop, block=True, timeout=_END_WAITED_FOR, hard_stop=True)
            self._manager.destroy()

    async def _tokens(
        self, ids: list[int], count: int, sampling: dict[str, float], deadline: float | None
    ) -> AsyncGenerator[int]:
        """The ids of one reply; leaving before its end takes the request out of the batch."""
        name, said, begun = next(self._names), 0, time.monotonic()
        outputs: asyncio.Queue[Any] = asyncio.Queue()
        self._manager.register_result_handler(name, outputs.put_nowait)
        is_over = False
        try:
            if self._manager.add_request(
                ids, request_id=name, max_new_tokens=count, streaming=True, **sampling
            ) is None:  # fmt: skip
                raise EngineError(self._why_it_ended())
            while not is_over:
                output = await self._next(outputs, deadline)
                is_over = output.is_finished()
                if output.error:
                    self._error = str(output.error)
                    raise EngineError(
                        self._why_it_ended()
                        if self._is_closed
                        else f"transformers' batching failed: {output.error}"
                    )
                if not said:
                    self._first_token_seconds = time.monotonic() - begun
                for id in output.generated_tokens[said:]:
                    said += 1
                    self.steps += 1
                    yield id
        finally:
            if not is_over:
                self._manager.cancel_request(name)
            self._manager.output_router.result_handlers.pop(name, None)
            while self._manager.get_result(timeout=0) is not None:
                pass  # what still came for requests that nobody waits for

    async def _next(self, outputs: asyncio.Queue[Any], deadline: float | None) -> Any:
        """What comes next for a request. Raises DeadlineExceeded, and EngineError if nothing can come any more."""
        while True:
            left = _LOOKED_AFTER if deadline is None else min(_LOOKED_AFTER, deadline - time.monotonic())
            if left <= 0:
                raise DeadlineExceeded("the deadline passed before the answer was complete")
            try:
                async with asyncio.timeout(left):
                    return await outputs.get()
            except TimeoutError:
                if not self._manager.is_running() and outputs.empty():
                    raise EngineError(self._why_it_ended()) from None

    def _why_it_ended(self) -> str:
        if self._is_closed:
            return "the decoder was closed"
        error = self._manager.background_thread_status.fatal_error or self._error or "for no reason known"
        return f"transformers' batching has ended ({error}); restart the worker, or set KEFU_BATCHING=own"

    def _sampling(self, options: Options) -> dict[str, float]:
        """A request's options as transformers' batching takes them. Raises ValueError for those that it does not have."""
        asked = {
            "temperature": options.temperature > 0 and not self._samples,
            "min_p": options.temperature > 0 and options.min_p > 0,
            "repetition_penalty": options.repetition_penalty > 1,
            "seed": options.temperature > 0 and options.seed is not None,
        }
        if missing := [name for name, is_asked in asked.items() if is_asked]:
            raise ValueError(
                f"transformers' batching does not serve {', '.join(missing)} here; kefu's own engine does "
                "(KEFU_BATCHING=own)"
            )
        if not self._samples:
            return {}
        if not options.temperature:
            return {"temperature": 1.0, "top_k": 1, "top_p": 1.0}
        top_k = options.top_k or self._vocab_size
        return {"temperature": float(options.temperature), "top_k": top_k, "top_p": float(options.top_p)}
