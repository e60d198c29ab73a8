"""Any causal language model of transformers behind our engine: its forward, our slots.

A Hugging Face id, a local folder or a GGUF file. transformers is imported when such a model is opened, not before.
Full and sliding attention are served; a model with other layers (recurrent ones) is refused, an endpoint can serve it.
"""

import inspect
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from model.checkpoint import shipped
from model.decoders import GREEDY, Message, ModelError, Options, PromptTooLong, TextStops, transcript
from model.engine import Engine, Request
from model.gguf import load_gguf
from model.gpt import SPAN_STEP, Piece
from model.graphs import capture_for
from model.int8 import quantise_linears
from model.memory import NoMemory, fitting_slots
from model.prefixes import common_length
from model.second_voice import GEMMA, VOICE, VoiceError, gemma_file, merged

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from model.paged import PagedDecoder

MOST_CONTEXT = 2048
"""Tokens of a slot: a prompt of facts, some history and a question has a few hundred."""

_ATTENTION = {"full_attention", "sliding_attention"}


class TransformersNetwork:
    """A transformers model as the engine's `Network`."""

    def __init__(self, model: "PreTrainedModel", context: int = MOST_CONTEXT) -> None:
        self.model = model.eval().requires_grad_(False)
        config = model.config.get_text_config()
        self.context = min(context, getattr(config, "max_position_embeddings", None) or context)
        self.vocab_size = int(config.vocab_size)
        self.device = model.device
        kinds = set(getattr(config, "layer_types", None) or ())
        if kinds - _ATTENTION:
            raise ModelError(
                f"{config.model_type} has {', '.join(sorted(kinds - _ATTENTION))} layers, which this engine does "
                "not serve; run it in vLLM or llama-server and give KEFU_MODEL that address"
            )
        self.window = (
            getattr(config, "sliding_window", None) if "sliding_attention" in kinds or not kinds else None
        )
        self._is_mixed = "sliding_attention" in kinds
        known = inspect.signature(model.forward).parameters
        self._cache_name = "cache" if "cache" in known else "past_key_values"  # renamed within version 5

    def make_cache(self, rows: int) -> "SlotCache":
        """Slots of `context` tokens, allocated by a first call of the network."""
        cache = SlotCache(rows, self.context, self.device)
        with torch.inference_mode():
            self.extend(torch.zeros(1, 1, dtype=torch.long, device=self.device), [0], cache)
        return cache

    def row_bytes(self) -> int:
        """Memory of one slot."""
        return self.make_cache(1).bytes

    def extend(
        self,
        ids: Tensor,
        starts: Sequence[int],
        cache: "SlotCache",
        first_row: int = 0,
        common: int = 0,
    ) -> Tensor:
        """See `model.engine.Network`; nothing is spared for what rows have in common."""
        longest = max(starts) + ids.shape[1]
        assert first_row + len(starts) <= cache.rows and longest <= cache.length
        span = min(-(-longest // SPAN_STEP) * SPAN_STEP, cache.length)
        return self._extend(ids, cache, first_row, torch.tensor(starts, device=self.device), span)

    def decode(self, ids: Tensor, starts: Tensor, cache: "SlotCache", span: int) -> Tensor:
        """See `model.engine.Network`; whether an architecture's forward waits for nothing, only a recording tells."""
        return self._extend(ids, cache, 0, starts, span)

    def _extend(self, ids: Tensor, cache: "SlotCache", first_row: int, starts: Tensor, span: int) -> Tensor:
        positions = cache.open(first_row, ids.shape[1], starts, span)  # (B, n)
        at = torch.arange(span, device=self.device)
        distance = positions[:, :, None] - at  # (B, n, S)
        full = self._mask(distance < 0)
        masks: Any = full
        if self.window:
            sliding = self._mask((distance < 0) | (distance >= self.window))
            masks = {"full_attention": full, "sliding_attention": sliding} if self._is_mixed else sliding
        output = self.model(
            input_ids=ids,
            attention_mask=masks,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **{self._cache_name: cache.layers},
        )
        return output.logits[:, -1].float().log_softmax(-1)

    def extend_pieces(self, pieces: Sequence[Piece], cache: "SlotCache") -> Tensor:
        """See `model.engine.Network`; one piece after the other, because their architectures take no other batch."""
        found = []
        for piece in pieces:
            ids = torch.tensor([list(piece.ids)], device=self.device)
            found.append(self.extend(ids, [piece.start], cache, piece.row))
        return torch.cat(found)

    def _mask(self, hidden: Tensor) -> Tensor:
        mask = torch.zeros(hidden.shape, device=self.device, dtype=self.model.dtype)
        return mask.masked_fill_(hidden, torch.finfo(self.model.dtype).min)[:, None]  # (B, 1, n, S)


class SlotCache:
    """Keys and values of every layer in slots of equal size; transformers writes to the window that is open."""

    def __init__(self, rows: int, length: int, device: torch.device) -> None:
        from transformers.cache_utils import Cache, CacheLayerMixin

        self.rows, self.length, self.device = rows, length, device
        self.span = 0
        self.window = slice(0, 0)
        self.row = self.positions = torch.empty(0)
        slots = self

        class Layer(CacheLayerMixin):
            """One layer: (rows, kv_heads, context, D), allocated when the first token shows its shape."""

            def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
                self.keys, self.values = (
                    torch.zeros(rows, x.shape[1], length, x.shape[3], dtype=x.dtype, device=x.device)
                    for x in (key_states, value_states)
                )
                self.is_initialized = True

            def update(
                self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
            ) -> tuple[Tensor, Tensor]:
                if not self.is_initialized:
                    self.lazy_initialization(key_states, value_states)
                shown = []
                for kept, new in ((self.keys, key_states), (self.values, value_states)):
                    rows_of = kept[slots.window]  # (B, kv_heads, T, D)
                    rows_of.transpose(1, 2)[slots.row, slots.positions] = new.transpose(1, 2)
                    shown.append(rows_of[:, :, : slots.span])
                return shown[0], shown[1]

            def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
                return slots.span, 0

            def get_seq_length(self) -> int:
                return slots.span - slots.positions.shape[-1]

            def get_max_length(self) -> int:
                return length

        self.layers = Cache(layer_class_to_replicate=Layer)

    @property
    def bytes(self) -> int:
        return sum(
            x.numel() * x.element_size() for layer in self.layers.layers for x in (layer.keys, layer.values)
        )

    def open(self, first_row: int, n: int, starts: Tensor, span: int) -> Tensor:
        """Choose the rows and positions (B, n) that the next call writes to, and how many tokens it looks at."""
        self.span = span
        self.window = slice(first_row, first_row + len(starts))
        self.row = torch.arange(len(starts), device=self.device)[:, None]
        self.positions = starts[:, None] + torch.arange(n, device=self.device)
        return self.positions

    def copy_row(self, source: int, target: int, length: int) -> None:
        """Make the first `length` tokens of one row those of another."""
        for layer in self.layers.layers:
            for kept in (layer.keys, layer.values):
                kept[target, :, :length] = kept[source, :, :length]


class TransformersDecoder:
    """A chat model of transformers over our engine."""

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: Any,
        slots: int = 32,
        threads: int | None = None,
        cuda_graphs: str = "auto",
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._template = Template(tokenizer, model)
        network = TransformersNetwork(model)
        try:
            slots, kept = fitting_slots(network.row_bytes(), slots, network.device)
        except NoMemory as error:
            raise ModelError(str(error)) from None
        capture = capture_for(network.device, cuda_graphs)
        self.engine = Engine(network, slots, kept=kept, capture=capture)
        self._heads: dict[str, list[int]] = {}

    @property
    def steps(self) -> int:
        return self.engine.stats.steps

    def figures(self) -> dict[str, float]:
        return self.engine.stats.figures()

    def forget(self, chat: str) -> None:
        self.engine.forget(chat)

    async def chat(
        self, messages: Sequence[Message], options: Options = GREEDY, chat: str = ""
    ) -> AsyncIterator[str]:
        """The model's reply to a conversation, in pieces of whole characters. Raises PromptTooLong, EngineError."""
        ids, stops = self._template.encode(messages)
        room = self.engine.model.context - len(ids)
        if room < min(16, options.max_new_tokens):
            raise PromptTooLong(f"the prompt has {len(ids)} tokens of {self.engine.model.context}")
        if (fixed := messages[0].fixed) and fixed not in self._heads:
            self._heads[fixed] = self._template.encode([Message(messages[0].role, fixed)])[0]
        request = Request(
            ids,
            min(options.max_new_tokens, room),
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            min_p=options.min_p,
            repetition_penalty=options.repetition_penalty,
            seed=options.seed,
            stop_ids=self._template.stop_ids,
            deadline=options.deadline,
            chat=chat or None,
            shared=common_length(ids, self._heads[fixed]) if fixed else 0,
        )
        text, until = self._template.words(), TextStops((*stops, *options.stop))
        with self.engine.submit(request) as stream:
            async for token in stream:
                piece = until.push("" if token.id in request.stop_ids else text.push(token.id))
                if piece:
                    yield piece
                if until.is_over:
                    return
        if piece := until.finish():
            yield piece

    async def close(self) -> None:
        """End every answer that is under way."""
        self.engine.close()


class Template:
    """How conversations are written for a model, and the ids at which its replies end."""

    def __init__(self, tokenizer: Any, model: "PreTrainedModel") -> None:
        self._tokenizer = tokenizer
        stop = [tokenizer.eos_token_id, getattr(model.generation_config, "eos_token_id", None)]
        flat = {id for entry in stop for id in (entry if isinstance(entry, list) else [entry])}
        ends = [
            tokenizer.convert_tokens_to_ids(word) for word in ("<end_of_turn>", "<|im_end|>", "<|eot_id|>")
        ]
        unknown = tokenizer.unk_token_id
        self.stop_ids = frozenset(flat | {id for id in ends if id != unknown}) - {None}

    def encode(self, messages: Sequence[Message]) -> tuple[list[int], tuple[str, ...]]:
        """A conversation in the model's own template, or as a plain transcript for a model that has none."""
        if getattr(self._tokenizer, "chat_template", None):
            turns = [{"role": message.role, "content": message.text} for message in messages]
            ids = self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
            return list(ids), ()
        text, stops = transcript(messages)
        return list(self._tokenizer(text)["input_ids"]), stops

    def words(self) -> "_Words":
        """What turns a reply's ids into text."""
        return _Words(self._tokenizer)


class _Words:
    """Ids to text as they come; a character that is not complete is held back."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._said = ""

    def push(self, id: int) -> str:
        self._ids.append(id)
        text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        if text.endswith("\ufffd"):
            return ""
        piece, self._said = text[len(self._said) :], text
        return piece


def open_transformers(
    name: str,
    device: str = "cpu",
    slots: int = 32,
    threads: int | None = None,
    precision: str = "auto",
    cuda_graphs: str = "auto",
    batching: str = "auto",
) -> "TransformersDecoder | PagedDecoder":
    """Load a Hugging Face id, a folder or a `.gguf` file, or `gemma` with the adapter that ships.

    batching: "own", "transformers" (`model.paged`), or "auto": theirs where flash attention on a GPU makes it fast.
    Raises ModelError in one line.
    """
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging as transformers_logging
    except ImportError:
        raise ModelError('this model needs transformers: pip install "kefu[worker]"') from None
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        path = gemma_file() if name == GEMMA else Path(name)
    except VoiceError as error:
        raise ModelError(str(error)) from None
    if path.suffix == ".gguf" and not path.is_file():
        raise ModelError(f"{path} is no file; give the path of a GGUF file")
    dtype = (
        torch.bfloat16 if precision == "bf16" or (precision == "auto" and device != "cpu") else torch.float32
    )
    try:
        if path.suffix == ".gguf":
            model, tokenizer = load_gguf(path, dtype)
            if name == GEMMA:
                model = merged(model, shipped(VOICE), name)
        else:
            tokenizer = AutoTokenizer.from_pretrained(name)
            model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, attn_implementation="sdpa")
    except VoiceError as error:
        raise ModelError(str(error)) from None
    except Exception as error:  # a hub, a parser and a hundred architectures: each raises what it likes
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{name} cannot be loaded by transformers ({type(error).__name__}: {reason})"
        ) from None
    if precision == "int8":
        if device != "cpu":
            raise ModelError("int8 is for a CPU; take bf16 on a GPU")
        quantise_linears(model)
    model = model.to(device)
    from model.paged import PagedDecoder, is_faster

    if batching == "transformers" or (batching == "auto" and is_faster(model)):
        try:
            return PagedDecoder(model, tokenizer, slots, threads)
        except ModelError as error:
            if batching == "transformers":
                raise
            logger.warning("%s runs over our own engine instead: %s", name, error)
    return TransformersDecoder(model, tokenizer, slots, threads, cuda_graphs)
