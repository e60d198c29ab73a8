"""The behaviour GPT: a small decoder that reads what a customer did and says what comes next.

A token is an event: item, action and the time since the event before, added up. A recurrent layer reads them in their
order before attention looks back over all of them, which learns sooner than attention alone (docs/decisions.md). An
item's vector is learned, plus what its words say, so that an item nobody has used yet is not a stranger. The softmax is
the catalogue: nothing that does not exist can be suggested. Read from top to bottom: shape, network, loss, and the
trained recommender as it is asked and kept on disk. Knows no shop, no chat and no data file.

B: histories, T: events of one, C: width, n: items.
"""

import hashlib
import json
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load as deserialize
from safetensors.torch import save as serialize
from scipy import sparse
from torch import Tensor, nn

from model.checkpoint import CheckpointError
from model.gpt import rotate
from model.interactions import NEGATIVE_ACTIONS, Events
from model.neighbours import Neighbours
from model.transitions import Transitions

FULL_SOFTMAX = 50_000
"""Up to so many items training computes the whole softmax, above a sample of it."""

FULL_SOFTMAX_CPU = 3_000
"""The same on a CPU, where the whole softmax would take most of a step (docs/decisions.md)."""

DRAWN = 1024
"""How many items that sample has."""

GAPS = 30
"""Buckets of time between events: the power of two of the seconds, the last for unknown."""

_NO_GAP = GAPS - 1
_FORMAT = 1
_FILES = ("model.safetensors", "config.json", "run.json")


@dataclass(frozen=True)
class BehaviourConfig:
    """The shape of a network. `words`: buckets for hashed words of items, 0 for none."""

    items: int
    actions: int
    words: int = 4096
    context: int = 50
    layers: int = 2
    heads: int = 2
    width: int = 64
    hidden: int = 128
    dropout: float = 0.3
    recurrent: int = 0
    """Layers of an LSTM that reads the events before attention does; 0 for none, as in checkpoints that lack the word."""
    item_dropout: float = 0.1
    """How often in training an item has to do with its words alone."""

    def __post_init__(self) -> None:
        for name in ("items", "actions", "context", "layers", "heads", "width", "hidden"):
            if not isinstance(value := getattr(self, name), int) or value < 1:
                raise ValueError(f"{name} must be a whole number from 1 on, not {value!r}")
        if not isinstance(self.recurrent, int) or self.recurrent < 0:
            raise ValueError(f"recurrent must be a whole number from 0 on, not {self.recurrent!r}")
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of twice the {self.heads} heads")


class Batch(NamedTuple):
    """Histories padded on the right, which nothing before the padding sees; (B, T) each."""

    items: Tensor
    actions: Tensor
    gaps: Tensor
    ends: Tensor
    """1 where what is asked for is in the next basket, not in this one."""
    lengths: Tensor
    """(B,)"""


class _Attention(nn.Module):
    """Causal self-attention with rotary positions. No dropout in it: that costs a third of a step on a CPU."""

    def __init__(self, config: BehaviourConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, C // self.heads).unbind(2)  # (B, T, heads, D)
        q, k = rotate(q, rotation), rotate(k, rotation)
        y = F.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True
        )  # (B, heads, T, D)
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    """Attention and SwiGLU, each on a normalised input and let into the stream by a gate (LiGR, arXiv 2502.03417)."""

    def __init__(self, config: BehaviourConfig) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.width, eps=1e-6)
        self.attention = _Attention(config)
        self.attention_gate = nn.Linear(config.width, config.width)
        self.forward_norm = nn.RMSNorm(config.width, eps=1e-6)
        self.gate_up = nn.Linear(config.width, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)
        self.forward_gate = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        h = self.attention_norm(x)
        x = x + self.dropout(self.attention(h, rotation)) * torch.sigmoid(self.attention_gate(h))
        h = self.forward_norm(x)
        gate, up = self.gate_up(h).chunk(2, dim=-1)
        return x + self.dropout(self.down(F.silu(gate) * up)) * torch.sigmoid(self.forward_gate(h))


class BehaviourGPT(nn.Module):
    """The network. `words` are the hashed words of each item, see `hash_words`."""

    def __init__(self, config: BehaviourConfig, words: Sequence[Sequence[int]] = ()) -> None:
        super().__init__()
        self.config = config
        self.item = nn.Embedding(config.items, config.width)
        self.action = nn.Embedding(config.actions, config.width)
        self.gap = nn.Embedding(GAPS, config.width)
        self.end = nn.Embedding(2, config.width)
        self.word = nn.EmbeddingBag(config.words, config.width, mode="mean") if config.words else None
        self.recurrent: nn.LSTM | None = None
        if config.recurrent:
            self.recurrent_norm = nn.RMSNorm(config.width, eps=1e-6)
            self.recurrent = nn.LSTM(config.width, config.width, config.recurrent, batch_first=True)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=1e-6)
        self.dropout = nn.Dropout(config.dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding | nn.EmbeddingBag):
                nn.init.normal_(module.weight, std=0.02)
        for block in self.blocks:
            nn.init.normal_(block.attention.qkv.weight, std=config.width**-0.5)
            nn.init.normal_(block.gate_up.weight, std=config.width**-0.5)
        half = config.width // config.heads // 2
        angles = torch.arange(config.context)[:, None] * 10_000 ** (-torch.arange(half) / half)
        cos, sin = angles.cos(), angles.sin()  # as `rotate` wants them: the first half's sign is turned
        self.register_buffer("cos", cos[:, None, None], persistent=False)
        self.register_buffer("sin", torch.stack((-sin, sin), dim=1)[:, None], persistent=False)
        lengths = [len(some) for some in words] or [0] * config.items
        flat = [word for some in words for word in some]
        self.register_buffer("words", torch.tensor(flat, dtype=torch.long), persistent=False)
        starts = torch.tensor([0, *lengths]).cumsum(0)[:-1]
        self.register_buffer("starts", starts, persistent=False)

    def described(self) -> Tensor | None:
        """What is known of the items beside who used them, (n, C); None if that is nothing."""
        return None if self.word is None or not len(self.words) else self.word(self.words, self.starts)

    def vectors(self) -> Tensor:
        """The vectors of all items, (n, C)."""
        own, described = self.item.weight, self.described()
        if described is None:
            return own
        if self.training and self.config.item_dropout:
            own = own * (torch.rand(len(own), 1, device=own.device) >= self.config.item_dropout)
        return own + described

    def forward(self, batch: Batch, vectors: Tensor) -> Tensor:
        """States (B, T, C) whose products with the vectors are the scores of what comes next."""
        T = batch.items.shape[1]
        assert T <= self.config.context
        x = F.embedding(batch.items, vectors) + self.action(batch.actions)
        x = self.dropout((x + self.gap(batch.gaps) + self.end(batch.ends)) * self.config.width**0.5)
        if self.recurrent is not None:
            x = x + self.recurrent(self.recurrent_norm(x))[0]
        for block in self.blocks:
            x = block(x, (self.cos[:T], self.sin[:T]))
        return self.norm(x)


def loss_of(
    states: Tensor, vectors: Tensor, targets: Tensor, frequency: Tensor | None = None, negatives: int = DRAWN
) -> Tensor:
    """The mean cross-entropy of N predictions: states (N, C), targets (N,).

    With `frequency` (n,), the share of each item in the data, over a sample of the items: half drawn evenly and half
    by frequency, corrected for how often each is drawn (logQ, Bengio and Senécal 2008).
    """
    if frequency is None:
        return F.cross_entropy(states @ vectors.T, targets)
    n = len(vectors)
    chance = 0.5 / n + 0.5 * frequency  # (n,)
    drawn = torch.multinomial(chance, negatives, replacement=True)
    offered = states @ vectors[drawn].T - (negatives * chance[drawn]).log()  # (N, negatives)
    offered = offered.masked_fill(drawn == targets[:, None], float("-inf"))
    right = (states * vectors[targets]).sum(-1, keepdim=True)
    return F.cross_entropy(torch.cat([right, offered], 1), torch.zeros_like(targets))


def hash_words(words: Sequence[str], buckets: int) -> list[int]:
    """The buckets of an item's words, the same on every machine."""
    return [zlib.crc32(word.encode()) % buckets for word in words]


def gap_bucket(seconds: np.ndarray) -> np.ndarray:
    """Buckets of times between events; unknown times have one of their own."""
    safe = np.where(np.isnan(seconds), 0.0, np.maximum(seconds, 0.0))
    buckets = np.minimum(np.log2(safe + 1).astype(np.int64), _NO_GAP - 1)
    return np.where(np.isnan(seconds), _NO_GAP, buckets)


def make_batch(
    histories: Sequence[Events], context: int, ends: Sequence[np.ndarray] | int = 0, device: Any = "cpu"
) -> Batch:
    """The latest `context` events of each history as tensors."""
    latest = [history[-context:] for history in histories]
    T = max(1, *(len(history) for history in latest))
    tables = np.zeros((4, len(latest), T), dtype=np.int64)
    tables[2] = _NO_GAP
    for row, history in enumerate(latest):
        length = len(history)
        tables[0, row, :length], tables[1, row, :length] = history.items, history.actions
        tables[2, row, :length] = gap_bucket(np.diff(history.times, prepend=np.nan))
        tables[3, row, :length] = ends if isinstance(ends, int) else ends[row][-context:]
    lengths = torch.tensor([len(history) for history in latest], device=device)
    items, actions, gaps, end = (torch.from_numpy(table).to(device) for table in tables)
    return Batch(items, actions, gaps, end, lengths)


class RecommenderError(CheckpointError):
    """A checkpoint that cannot be used; the text says which file is at fault and what to do."""


class Recommender:
    """A trained network over named items: it scores histories, blended with what validation found to help.

    blend, share: weights of the transition counts, and then of the neighbours; 0 for none.
    """

    def __init__(
        self,
        model: BehaviourGPT,
        items: Sequence[str],
        actions: Sequence[str],
        transitions: Transitions | None = None,
        blend: float = 0.0,
        run: Mapping[str, Any] | None = None,
        neighbours: Neighbours | None = None,
        share: float = 0.0,
        learned: int | None = None,
    ) -> None:
        """learned: how many of the items, the first ones, training has seen; None: all."""
        self.model = model.eval().requires_grad_(False)
        self.learned = len(items) if learned is None else learned
        self.items, self.actions = tuple(items), tuple(actions)
        self.number = {item: number for number, item in enumerate(self.items)}
        self._action = {action: number for number, action in enumerate(self.actions)}
        self.transitions, self.blend, self.run = transitions, blend, run or {}
        self.neighbours, self.share = neighbours, share
        self.vectors = model.vectors().detach()  # (n, C)
        self.directions = F.normalize(self.vectors, dim=-1)

    def action(self, name: str) -> int:
        """The number of an action; one never seen in training is taken for a view."""
        return self._action.get(name, self._action.get("view", 0))

    def history(self, events: Sequence[tuple[str, str, float]]) -> Events:
        """Events from (item, action, seconds) in time order; items that the network does not know are left out."""
        known = [event for event in events if event[0] in self.number]
        return Events(
            np.array([self.number[item] for item, _, _ in known], dtype=np.int64),
            np.array([self.action(action) for _, action, _ in known], dtype=np.int64),
            np.array([at for _, _, at in known], dtype=np.float64),
            np.zeros(len(known), dtype=np.int64),
        )

    @torch.inference_mode()
    def states(self, histories: Sequence[Events], next_basket: bool = False) -> Tensor:
        """What each history, none of them empty, comes down to: (B, C)."""
        batch = make_batch(histories, self.model.config.context, int(next_basket), self.vectors.device)
        states = self.model(batch, self.vectors)
        return states[torch.arange(len(histories)), batch.lengths - 1]

    @torch.inference_mode()
    def scores(
        self, histories: Sequence[Events], next_basket: bool = False, alone: bool = False
    ) -> np.ndarray:
        """Probabilities of every item being next, (B, n), for histories that are not empty. `alone`: no blend."""
        scores = (self.states(histories, next_basket) @ self.vectors.T).softmax(-1).cpu().numpy()
        items = [history.items for history in histories]
        if self.transitions is not None and self.blend and not alone:
            scores = mixed(scores, self.transitions.scores(items), self.blend)
        if self.neighbours is not None and self.share and not alone:
            scores = mixed(scores, self.neighbours.scores(items), self.share)
        return scores

    def counts(self, history: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """What is blended in for the items of one history, in order: items, their probabilities, and the weight."""
        told = []
        if self.transitions is not None and self.blend:
            told.append((*self.transitions.told(history), self.blend))
        if self.neighbours is not None and self.share:
            told.append((*self.neighbours.told(history), self.share))
        return told

    def save(self, folder: Path, dtype: torch.dtype = torch.float16) -> None:
        """Write the checkpoint. Each file is replaced whole, the shape last."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.to("cpu", dtype) for name, tensor in self.model.state_dict().items()}
        if self.transitions is not None and self.blend:
            tensors |= _tensors_of("transitions", self.transitions.table)
        if self.neighbours is not None and self.share:
            tensors |= _tensors_of("neighbours", self.neighbours.table)
        tensors["words"], tensors["starts"] = self.model.words.int().cpu(), self.model.starts.int().cpu()
        weights = serialize({name: tensor.contiguous() for name, tensor in tensors.items()})
        config = {
            "format": _FORMAT,
            "kind": "behaviour",
            "model": asdict(self.model.config),
            "actions": self.actions,
            "blend": self.blend,
            "decay": self.transitions.decay if self.transitions else None,
            "share": self.share,
            "sharpness": self.neighbours.sharpness if self.neighbours else None,
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            "items": self.items,
        }
        (folder / "model.safetensors.new").write_bytes(weights)
        for name, record in (("run.json", self.run), ("config.json", config)):
            text = re.sub(r"\n {2,}", " ", json.dumps(record, indent=1, ensure_ascii=False, default=str))
            (folder / f"{name}.new").write_text(text + "\n", encoding="utf-8")
        for name in ("model.safetensors", "run.json", "config.json"):
            os.replace(folder / f"{name}.new", folder / name)

    @classmethod
    def load(
        cls,
        folder: Path,
        device: torch.device | str = "cpu",
        new_items: Mapping[str, Sequence[str]] | None = None,
    ) -> "Recommender":
        """Read a checkpoint. `new_items`, words by id, get vectors from their words alone. Raises RecommenderError."""
        if missing := [name for name in _FILES if not (folder / name).is_file()]:
            raise RecommenderError(
                f"{folder} is not a complete checkpoint: {', '.join(missing)} is missing. "
                "Give the folder that `kefu train behaviour` wrote, or copy it again."
            )
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            if config.get("format") != _FORMAT or config.get("kind") != "behaviour":
                raise ValueError("another kind or format of checkpoint")
            shape = BehaviourConfig(**config["model"])
            items, actions = list(config["items"]), list(config["actions"])
            digest = config["weights_sha256"]
            blend, decay = float(config["blend"]), float(config["decay"] or 0.0)
            share, sharpness = float(config.get("share", 0.0)), float(config.get("sharpness") or 1.0)
            if len(items) != shape.items or len(actions) != shape.actions:
                raise ValueError("items or actions are missing")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecommenderError(
                f"{folder / 'config.json'} does not describe a recommender ({error}). Copy the folder again."
            ) from None
        data = (folder / "model.safetensors").read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise RecommenderError(
                f"{folder / 'model.safetensors'} is damaged or belongs to another config.json. Copy the folder again."
            )
        try:
            tensors = deserialize(data)
            transitions = _table_of("transitions", tensors)
            neighbours = _table_of("neighbours", tensors)
            model, items = _assemble(tensors, shape, items, new_items)
            return cls(
                model.to(device),
                items,
                actions,
                Transitions(_widened(transitions, len(items)), decay) if transitions is not None else None,
                blend,
                run,
                Neighbours(_widened(neighbours, len(items)), sharpness) if neighbours is not None else None,
                share,
                shape.items,
            )
        except (SafetensorError, RuntimeError, KeyError) as error:
            raise RecommenderError(
                f"{folder / 'model.safetensors'} does not fit config.json ({error}). Copy the folder again."
            ) from None


def _assemble(
    tensors: dict[str, Tensor],
    shape: BehaviourConfig,
    items: list[str],
    new_items: Mapping[str, Sequence[str]] | None,
) -> tuple[BehaviourGPT, list[str]]:
    """The network, with the new items where it knows words, and all items' names."""
    flat, starts = tensors.pop("words").tolist(), tensors.pop("starts").tolist()
    words = [flat[a:b] for a, b in zip(starts, [*starts[1:], len(flat)], strict=True)] if flat else []
    if words and new_items:
        known = set(items)
        added = {item: some for item, some in new_items.items() if item not in known}
        items = items + list(added)
        words += [hash_words(some, shape.words) for some in added.values()]
        blank = torch.zeros(len(added), shape.width, dtype=tensors["item.weight"].dtype)
        tensors["item.weight"] = torch.cat([tensors["item.weight"], blank])
        shape = BehaviourConfig(**{**asdict(shape), "items": len(items)})
    model = BehaviourGPT(shape, words)
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return model, items


def _tensors_of(name: str, table: sparse.csr_matrix) -> dict[str, Tensor]:
    return {
        f"{name}.values": torch.from_numpy(table.data.astype(np.float16)),
        f"{name}.columns": torch.from_numpy(table.indices.astype(np.int32)),
        f"{name}.rows": torch.from_numpy(table.indptr.astype(np.int32)),
    }


def _table_of(name: str, tensors: dict[str, Tensor]) -> tuple[np.ndarray, ...] | None:
    """Values, columns and rows of a table, taken out of the tensors; None if it is not among them."""
    parts = [tensors.pop(f"{name}.{part}", None) for part in ("values", "columns", "rows")]
    return None if any(part is None for part in parts) else tuple(part.numpy() for part in parts)


def _widened(parts: tuple[np.ndarray, ...], items: int) -> sparse.csr_matrix:
    """A table of items by items with empty rows for those that came later."""
    values, columns, rows = parts
    rows = np.concatenate([rows, np.full(items + 1 - len(rows), rows[-1], dtype=rows.dtype)])
    return sparse.csr_matrix((values.astype(np.float64), columns, rows), shape=(items, items))


def mixed(network: np.ndarray, counts: np.ndarray, blend: float) -> np.ndarray:
    """(1 - blend) network + blend counts, where there are counts; both are probabilities (B, n)."""
    weight = blend * counts.sum(1, keepdims=True)
    return (1 - weight) * network + blend * counts


def is_positive(action: str) -> bool:
    """Whether an event with this action may be learned as what comes next."""
    return action.split("-")[0] not in NEGATIVE_ACTIONS
