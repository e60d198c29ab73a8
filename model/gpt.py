"""The network: a small decoder-only transformer, read from top to bottom.

RMSNorm, rotary positions, grouped-query attention with or without normalised queries and keys, SwiGLU, tied embeddings,
and as an option a pointer head that copies tokens of the context. It is called in two ways: `forward` for whole
sequences (training, evaluation) and `extend` for new tokens after what a `Cache` holds (generation).
It knows token ids only: no text, no labels, no batching policy.

B: rows, T: tokens of a row, n: new tokens of a row, S: visible tokens, C: width, D: width of a head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SPAN_STEP = 64
"""Visible lengths are rounded up to a multiple of this, so that few different shapes occur."""


@dataclass(frozen=True)
class GPTConfig:
    """The shape of a network; the defaults are the shape of the checkpoint that ships."""

    vocab_size: int = 4096
    context: int = 640
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    width: int = 192
    hidden: int = 512
    pointer: bool = True
    pointer_width: int = 64
    rope_base: float = 10_000.0
    qk_norm: bool = True
    """Whether queries and keys are normalised, as in Qwen 3; without it a plain network has Llama's shape."""

    def __post_init__(self) -> None:
        for name in (
            "vocab_size",
            "context",
            "layers",
            "heads",
            "kv_heads",
            "width",
            "hidden",
            "pointer_width",
        ):
            if not isinstance(value := getattr(self, name), int) or value < 1:
                raise ValueError(f"{name} must be a whole number from 1 on, not {value!r}")
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of twice the {self.heads} heads")
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads cannot share {self.kv_heads} kv_heads evenly")

    @property
    def head_width(self) -> int:
        return self.width // self.heads


class Cache:
    """What the network remembers of each row, in slots of equal size that are allocated once.

    `kv` holds keys and values; for a pointer head `ids` holds the tokens and `copy_keys` what they are found by.
    A row is valid up to the length its owner knows of, so a slot is reused by simply writing from 0 again.
    """

    def __init__(
        self,
        config: GPTConfig,
        rows: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.rows = rows
        self.length = config.context
        # Tokens of one head lie together: a step reads them as one block, whatever the number of rows.
        shape = (config.layers, 2, rows, config.kv_heads, config.context, config.head_width)
        self.kv = torch.zeros(shape, device=device, dtype=dtype)
        self.ticks = torch.arange(config.context, device=device)
        self.ids = self.copy_keys = None
        if config.pointer:
            self.ids = torch.zeros(rows, config.context, dtype=torch.long, device=device)
            # Entry j comes from token j - 1, so entry 0 stays zero for ever and one entry stands past the end.
            self.copy_keys = torch.zeros(
                rows, config.context + 1, config.pointer_width, device=device, dtype=dtype
            )

    @property
    def bytes(self) -> int:
        """The memory of all rows."""
        kept = (self.kv, self.ids, self.copy_keys)
        return sum(x.numel() * x.element_size() for x in kept if x is not None)

    def copy_row(self, source: int, target: int, length: int) -> None:
        """Make the first `length` tokens of one row those of another."""
        self.kv[:, :, target, :, :length] = self.kv[:, :, source, :, :length]
        if self.copy_keys is not None:
            self.ids[target, :length] = self.ids[source, :length]
            self.copy_keys[target, : length + 1] = self.copy_keys[source, : length + 1]


LEAST_SPARED = 2000
"""Tokens of keys, over all rows, from which on it pays to read once what all rows have in common."""


class Piece(NamedTuple):
    """New tokens of one row of a cache, which holds `start` tokens before them."""

    row: int
    start: int
    ids: Sequence[int]


class _Window:
    """The part of a cache that one call of `extend` writes to and reads: some rows, up to the longest of them."""

    def __init__(
        self, cache: Cache, first_row: int, ids: Tensor, starts: Tensor, span: int, common: int = 0
    ) -> None:
        B, n = ids.shape
        self.cache = cache
        self.ids = ids
        self.common = common
        self.span = span
        self.rows = slice(first_row, first_row + B)
        start = starts[:, None]
        self.row = cache.ticks[:B, None] if B <= cache.length else torch.arange(B, device=ids.device)[:, None]
        self.positions = start if n == 1 else start + cache.ticks[:n]  # (B, n)
        hidden = cache.ticks[:span] > self.positions[:, :, None]  # (B, n, S)
        # SDPA's is_causal would align the mask with the first token of the cache, not with the new ones.
        self.mask = torch.zeros(hidden.shape, device=ids.device, dtype=cache.kv.dtype)
        self.mask.masked_fill_(hidden, float("-inf"))

    @classmethod
    def after(
        cls, cache: Cache, first_row: int, ids: Tensor, starts: Sequence[int], common: int
    ) -> "_Window":
        """The smallest window for new tokens ids (B, n) after the `starts` tokens that the rows hold."""
        B, n = ids.shape
        longest = max(starts) + n
        assert common <= min(starts) and first_row + B <= cache.rows and longest <= cache.length
        # One reading of what all rows have in common must spare more than putting both parts together costs.
        is_worth = n == 1 and ids.device.type == "cpu" and common * (B - 1) >= LEAST_SPARED
        span = min(-(-longest // SPAN_STEP) * SPAN_STEP, cache.length)
        return cls(
            cache, first_row, ids, torch.tensor(starts, device=ids.device), span, common if is_worth else 0
        )

    def store(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add the new keys and values (B, n, kv_heads, D) of a layer; returns all visible, (B, kv_heads, S, D)."""
        keys, values = self.cache.kv[layer, :, self.rows]  # (B, kv_heads, T, D) each
        keys.transpose(1, 2)[self.row, self.positions] = k.to(keys.dtype)
        values.transpose(1, 2)[self.row, self.positions] = v.to(keys.dtype)
        return keys[:, :, : self.span], values[:, :, : self.span]

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The attention of new queries (B, n, heads, D) to all visible keys, the new ones included; (B, n, heads, D)."""
        B, n, H, D = q.shape
        K = k.shape[2]
        k, v = self.store(layer, k, v)
        mask = self.mask[:, None]
        if self.common:
            return _attend_in_parts(q.view(B, K, H // K, D).type_as(k), k, v, mask, self.common).view(
                B, 1, H, D
            )
        if n == 1:  # the heads that share keys are queries of one head: nothing is repeated in memory
            y = F.scaled_dot_product_attention(q.view(B, K, H // K, D).type_as(k), k, v, attn_mask=mask)
            return y.reshape(B, 1, H, D)
        q = q.transpose(1, 2).type_as(k)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=H != K).transpose(1, 2)

    def store_copy_keys(self, copy_keys: Tensor) -> tuple[Tensor, Tensor]:
        """Add the new tokens to what can be copied; returns all keys (B, S, P) and their tokens (B, S)."""
        keys, ids = self.cache.copy_keys[self.rows], self.cache.ids[self.rows]
        keys[self.row, self.positions + 1] = copy_keys.to(keys.dtype)
        ids[self.row, self.positions] = self.ids
        return keys[:, : self.span], ids[:, : self.span]


class _Pieces:
    """What one call of `extend_pieces` writes to and reads: each piece its own row, exactly as far as it goes."""

    def __init__(self, cache: Cache, pieces: Sequence[Piece], ids: Tensor) -> None:
        self.cache = cache
        self.ids = ids
        self.pieces = pieces
        self.ends = []
        ticks, positions, self.masks = cache.ticks, [], []
        for piece in pieces:
            n, span = len(piece.ids), piece.start + len(piece.ids)
            assert piece.row < cache.rows and span <= cache.length
            positions.append(ticks[piece.start : span])
            self.ends.append(n + (self.ends[-1] if self.ends else 0))
            mask = None
            if piece.start and n > 1:  # from the row's start on, SDPA's own causal mask is the right one
                mask = torch.zeros(n, span, device=ids.device, dtype=cache.kv.dtype)
                mask.masked_fill_(ticks[:span] > positions[-1][:, None], float("-inf"))
            self.masks.append(mask)
        self.positions = torch.cat(positions)[None]  # (1, N)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `_Window.attend`; here B is 1 and n all new tokens of all pieces."""
        is_shared, out, begin = q.shape[2] != k.shape[2], [], 0
        for piece, mask, end in zip(self.pieces, self.masks, self.ends, strict=True):
            span = piece.start + end - begin
            keys, values = self.cache.kv[layer, :, piece.row, :, :span]  # (kv_heads, S, D) each
            keys[:, piece.start :] = k[0, begin:end].transpose(0, 1)
            values[:, piece.start :] = v[0, begin:end].transpose(0, 1)
            y = F.scaled_dot_product_attention(
                q[:, begin:end].transpose(1, 2).type_as(keys), keys[None], values[None], attn_mask=mask,
                is_causal=not piece.start, enable_gqa=is_shared,
            )  # (1, heads, n, D)  # fmt: skip
            out.append(y.transpose(1, 2))
            begin = end
        return torch.cat(out, dim=1)

    def copy_scores(self, pointer: "Pointer", h: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Add the new tokens to what can be copied; of each piece's last token the scores (1, S) and the tokens."""
        found, begin = [], 0
        new, keys, ids = pointer.key(h)[0], self.cache.copy_keys, self.cache.ids  # (N, P)
        for piece, end in zip(self.pieces, self.ends, strict=True):
            span = piece.start + end - begin
            keys[piece.row, piece.start + 1 : span + 1] = new[begin:end].to(keys.dtype)
            ids[piece.row, piece.start : span] = self.ids[0, begin:end]
            query = pointer.query(h[:, end - 1]).type_as(keys)  # (1, P)
            scores = (query @ keys[piece.row, :span].T).float() * pointer.scale
            found.append((scores, ids[piece.row, None, :span]))
            begin = end
        return found


def _attend_in_parts(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, common: int) -> Tensor:
    """Attention of one new token a row, whose first `common` keys are the same in all rows and are read once.

    q (B, kv_heads, heads / kv_heads, D); k, v (B, kv_heads, S, D); mask (B, 1, 1, S). The parts are weighted by
    what their softmax would have summed to (Juravsky et al., "Hydragen", arXiv 2402.05099).
    """
    B, K, G, D = q.shape
    attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    own, own_sum = attend(q, k[:, :, common:], v[:, :, common:], attn_mask=mask[..., common:])
    together = q.transpose(0, 1).reshape(1, K, B * G, D)  # all rows are queries of the first one's keys
    shared, shared_sum = attend(together, k[:1, :, :common], v[:1, :, :common])
    shared = shared.reshape(K, B, G, D).transpose(0, 1)
    weight = torch.sigmoid(shared_sum.reshape(K, B, G).transpose(0, 1) - own_sum.reshape(B, K, G))
    return torch.lerp(own, shared, weight[..., None].type_as(own)).contiguous()


class Attention(nn.Module):
    """Grouped-query attention with RMS-normalised queries and keys and rotary positions."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads, self.kv_heads, self.head_width = config.heads, config.kv_heads, config.head_width
        self.qkv = nn.Linear(
            config.width, (config.heads + 2 * config.kv_heads) * config.head_width, bias=False
        )
        if config.qk_norm:
            self.q_norm = nn.RMSNorm(config.head_width, eps=1e-6)
            self.k_norm = nn.RMSNorm(config.head_width, eps=1e-6)
        self.normalises = config.qk_norm
        self.out = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], window: _Window | _Pieces | None) -> Tensor:
        B, n, C = x.shape
        H, K, D = self.heads, self.kv_heads, self.head_width
        qk, v = self.qkv(x).view(B, n, H + 2 * K, D).split((H + K, K), dim=2)  # (B, n, heads, D)
        if self.normalises:
            scale = torch.cat((self.q_norm.weight.expand(H, D), self.k_norm.weight.expand(K, D)))
            qk = F.rms_norm(qk, (D,), eps=1e-6) * scale
        q, k = rotate(qk, rotation).split((H, K), dim=2)
        if window is None:
            y = F.scaled_dot_product_attention(
                q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True, enable_gqa=H != K
            )  # (B, heads, n, D)
            return self.out(y.transpose(1, 2).reshape(B, n, C))
        y = window.attend(self.layer, q, k, v)  # (B, n, heads, D)
        return self.out(y.reshape(B, n, C).type_as(x))


class SwiGLU(nn.Module):
    """The feed-forward layer of Shazeer, "GLU Variants Improve Transformer" (arXiv 2002.05202)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.width, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class Block(nn.Module):
    """Attention, then feed-forward, each on a normalised input and added to the stream."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.width, eps=1e-6)
        self.attention = Attention(config, layer)
        self.feed_forward_norm = nn.RMSNorm(config.width, eps=1e-6)
        self.feed_forward = SwiGLU(config)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], window: _Window | _Pieces | None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rotation, window)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Pointer(nn.Module):
    """The copy head: looks for the place in the context that resembles now, and offers the token after it.

    Token j is found by the state of token j - 1. Query and key projections start equal, so that before any
    training the head already continues a repeated sequence (an induction head). The gate says how much to copy.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.query = nn.Linear(config.width, config.pointer_width, bias=False)
        self.key = nn.Linear(config.width, config.pointer_width, bias=False)
        self.gate = nn.Linear(config.width, 1)
        self.scale = config.pointer_width**-0.5

    def mix(self, words: Tensor, h: Tensor, scores: Tensor, ids: Tensor) -> Tensor:
        """Log-probabilities of (1 - gate) words + gate copies.

        words (N, vocab): log-probabilities of the vocabulary; h (N, C): states;
        scores (N, S): how well each token of the context fits, -inf where it is hidden; ids (N, S): those tokens.
        """
        copies = torch.zeros_like(words).scatter_add(1, ids, scores.softmax(-1))  # (N, vocab)
        gate = self.gate(h).float()  # (N, 1)
        # The floor keeps the gradient finite where nothing is copied.
        copies = F.logsigmoid(gate) + copies.clamp_min(1e-30).log()
        return torch.logaddexp(F.logsigmoid(-gate) + words, copies)


class GPT(nn.Module):
    """The whole network. Weights are random until they are trained or loaded."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)  # also the output projection
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=1e-6)
        self.pointer = Pointer(config) if config.pointer else None
        frequencies = config.rope_base ** (-torch.arange(0, config.head_width, 2) / config.head_width)
        angles = torch.arange(config.context)[:, None] * frequencies  # (context, D / 2)
        self.register_buffer("cos", angles.cos()[:, None], persistent=False)  # (context, 1, D / 2)
        sin = torch.stack((-angles.sin(), angles.sin()), dim=1)
        self.register_buffer("sin", sin, persistent=False)  # (context, 2, D / 2)
        self.int8_words: nn.Module | None = None
        """The output projection in 8 bits, if `model.int8` made one; the embedding itself stays as it is."""
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        nn.init.normal_(self.embedding.weight, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
        for block in self.blocks:  # each block starts as the identity
            nn.init.zeros_(block.attention.out.weight)
            nn.init.zeros_(block.feed_forward.down.weight)
        if self.pointer is not None:
            self.pointer.key.weight.copy_(self.pointer.query.weight)
            nn.init.zeros_(self.pointer.gate.weight)
            nn.init.zeros_(self.pointer.gate.bias)

    @property
    def device(self) -> torch.device:
        return self.embedding.weight.device

    @property
    def context(self) -> int:
        return self.config.context

    @property
    def vocab_size(self) -> int:
        return self.config.vocab_size

    def make_cache(self, rows: int) -> Cache:
        """An empty cache for this network, on its device and in its precision."""
        return Cache(self.config, rows, self.device, self.embedding.weight.dtype)

    def row_bytes(self) -> int:
        """Memory of one row of a cache."""
        return self.make_cache(1).bytes

    def forward(self, ids: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Log-probabilities of the token after each position of whole sequences.

        ids (B, T): shorter rows are padded on the right with any id, which nothing before it sees.
        wanted (B, T), bool: the positions to predict from; only there is the vocabulary computed.
        Returns (N, vocab) for the N wanted positions, row by row, or (B, T, vocab) without `wanted`.
        """
        B, T = ids.shape
        assert T <= self.config.context
        h = self.states(ids)  # (B, T, C)
        row, time = (torch.ones_like(ids, dtype=torch.bool) if wanted is None else wanted).nonzero(
            as_tuple=True
        )
        log_probs = self._words(h[row, time])  # (N, vocab)
        if self.pointer is not None:
            keys = F.pad(self.pointer.key(h), (0, 0, 1, 0))[:, :-1]  # (B, T, P), one token later
            scores = (self.pointer.query(h) @ keys.transpose(1, 2)).float() * self.pointer.scale  # (B, T, T)
            hidden = torch.arange(T, device=ids.device) > time[:, None]  # (N, T)
            scores = scores[row, time].masked_fill(hidden, float("-inf"))
            log_probs = self.pointer.mix(log_probs, h[row, time], scores, ids[row])
        return log_probs.view(B, T, -1) if wanted is None else log_probs

    def extend(
        self,
        ids: Tensor,
        starts: Sequence[int],
        cache: Cache,
        first_row: int = 0,
        common: int = 0,
    ) -> Tensor:
        """Add n new tokens to each of B neighbouring rows of a cache.

        ids (B, n): the new tokens; starts: how many tokens each of the rows already holds;
        first_row: the row of the cache that ids[0] belongs to; common: how many tokens all rows begin with alike.
        Returns the log-probabilities (B, vocab) of the token after the last new one.
        """
        return self._extend(ids, _Window.after(cache, first_row, ids, starts, common))

    def decode(self, ids: Tensor, starts: Tensor, cache: Cache, span: int) -> Tensor:
        """Add one token to each of the first B rows of a cache, by what lies on the device alone.

        ids (B, 1): the new tokens; starts (B,): how many tokens each row already holds, all less than `span`, how many
        are looked at. Shapes follow from B and `span`, and the host waits for nothing: a CUDA graph can hold it.
        Returns the log-probabilities (B, vocab) of the token after it, as `extend` does.
        """
        return self._extend(ids, _Window(cache, 0, ids, starts, span))

    def _extend(self, ids: Tensor, window: _Window) -> Tensor:
        rotation = (
            self.cos[window.positions, None],
            self.sin[window.positions, None],
        )  # (B, n, 1, 1 or 2, D / 2)
        h = self._states(ids, rotation, window)  # (B, n, C)
        if self.pointer is not None:
            keys, seen = window.store_copy_keys(self.pointer.key(h))  # (B, S, P), (B, S)
        last = h[:, -1]  # (B, C)
        log_probs = self._words(last)
        if self.pointer is not None:
            query = self.pointer.query(last)[:, :, None].type_as(keys)
            scores = (keys @ query)[:, :, 0].float() * self.pointer.scale  # (B, S)
            log_probs = self.pointer.mix(log_probs, last, scores + window.mask[:, -1], seen)
        return log_probs

    def extend_pieces(self, pieces: Sequence[Piece], cache: Cache) -> Tensor:
        """Add new tokens to several rows, to each as many as it has: the layers see all of them as one batch.

        Returns the log-probabilities (number of pieces, vocab) of the token after the last of each piece.
        """
        ids = torch.tensor([[id for piece in pieces for id in piece.ids]], device=self.device)  # (1, N)
        window = _Pieces(cache, pieces, ids)
        rotation = self.cos[window.positions, None], self.sin[window.positions, None]
        h = self._states(ids, rotation, window)  # (1, N, C)
        last = h[0, torch.tensor(window.ends, device=self.device) - 1]  # (pieces, C)
        log_probs = self._words(last)
        if self.pointer is None:
            return log_probs
        return torch.cat(
            [
                self.pointer.mix(log_probs[i : i + 1], last[i : i + 1], scores, seen)
                for i, (scores, seen) in enumerate(window.copy_scores(self.pointer, h))
            ]
        )

    def states(self, ids: Tensor) -> Tensor:
        """The last states (B, T, C) of whole sequences ids (B, T), before the vocabulary: for heads of another kind."""
        T = ids.shape[1]
        return self._states(ids, (self.cos[:T, None], self.sin[:T, None]), None)

    def _states(
        self, ids: Tensor, rotation: tuple[Tensor, Tensor], window: _Window | _Pieces | None
    ) -> Tensor:
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, rotation, window)
        return self.norm(x)

    def _words(self, h: Tensor) -> Tensor:
        if self.int8_words is not None:
            return self.int8_words(h).log_softmax(-1)
        return F.linear(h, self.embedding.weight).float().log_softmax(-1)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions (arXiv 2104.09864): x (B, n, heads, D) turned in the planes (i, i + D / 2)."""
    cos, sin = rotation  # (…, 1, 1, D / 2), (…, 1, 2, D / 2) with the first half's sign turned
    halves = x.unflatten(-1, (2, -1))
    return torch.addcmul(halves * cos, halves.flip(-2), sin).flatten(-2).type_as(x)


def negative_log_likelihood(log_probs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean loss of N predictions: log_probs (N, vocab), targets (N,), weights (N,) not all zero."""
    losses = -log_probs.gather(1, targets[:, None])[:, 0]
    return (losses * weights).sum() / weights.sum()
