"""A GPT that writes the next item's semantic id code by code, as in "Recommender Systems with Generative Retrieval".

The blocks of the behaviour GPT over longer sequences: an event is as many tokens as its item has codes, and the last of
them also tells action and time. At every step only codes that lead to an item are allowed (a trie), and the best few
beginnings go on (beam search). Knows no text and no data file.

B: histories, T: events of one, D: codes of an item, the last of which tells equal ones apart, W: beams, C: width.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.gpt import rotate
from model.interactions import Events
from model.ranking import Case, Score, Split
from model.recommender import GAPS, Batch, BehaviourConfig, Block, make_batch
from model.train_behaviour import Settings, Trainer

BEAMS = 50
"""Beginnings that go on."""

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""q, k and v of some tokens, (B, tokens, heads, C / heads), to what each of them takes from what it sees."""


class Trie:
    """Which codes may follow which, so that every walk from the root ends at an item.

    codes: (n, D), all rows different. `known`: how many items, the first, training has met; of the others nothing can
    have been learned by which they differ from items with equal codes, so their last step has an even share.
    """

    def __init__(self, codes: np.ndarray, known: int) -> None:
        n, self.depth = codes.shape
        self.children: list[Tensor] = []
        """For each level the node that a code leads to, (nodes before, codes), -1 for none."""
        self.paths = torch.zeros(n, self.depth, dtype=torch.long)
        """The node of each item at each level."""
        before = np.zeros(n, dtype=np.int64)
        nodes = 1
        for level in range(self.depth):
            steps = np.stack([before, codes[:, level]], 1)
            unique, after = np.unique(steps, axis=0, return_inverse=True)
            table = torch.full((nodes, int(codes[:, level].max()) + 1), -1)
            table[unique[:, 0], unique[:, 1]] = torch.arange(len(unique))
            self.children.append(table)
            before, nodes = after.reshape(-1), len(unique)
            self.paths[:, level] = torch.from_numpy(before)
        if nodes != n:
            raise ValueError("two items have the same codes; number them first")
        self.item = torch.empty(n, dtype=torch.long)
        self.item[self.paths[:, -1]] = torch.arange(n)
        parents = self.paths[:, -2]
        share = -torch.bincount(parents)[parents].float().log()  # of its siblings and itself
        self.share = torch.full((n,), torch.nan)
        """For each last node the logarithm of its share where nothing was learned; nan where something was."""
        self.share[self.paths[known:, -1]] = share[known:]

    def open(self, allowed: Tensor) -> list[Tensor]:
        """For each level which nodes lead to an allowed item: allowed (B, n) to (B, nodes) each."""
        result = []
        for level in range(self.depth):
            counts = torch.zeros(len(allowed), int(self.paths[:, level].max()) + 1)
            result.append(counts.index_add_(1, self.paths[:, level], allowed.float()) > 0)
        return result


class CodeGPT(nn.Module):
    """The network over codes. `codes`: those of the items that training knows, (n, D)."""

    def __init__(self, config: BehaviourConfig, codes: np.ndarray) -> None:
        super().__init__()
        self.config, self.depth = config, codes.shape[1]
        self.sizes = [int(column.max()) + 1 for column in codes.T]
        self.register_buffer("codes", torch.from_numpy(codes), persistent=False)
        self.register_buffer("starts", torch.tensor([0, *self.sizes]).cumsum(0)[:-1], persistent=False)
        self.code = nn.Embedding(sum(self.sizes), config.width)
        self.action = nn.Embedding(config.actions, config.width)
        self.gap = nn.Embedding(GAPS, config.width)
        self.end = nn.Embedding(2, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=1e-6)
        self.dropout = nn.Dropout(config.dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        for block in self.blocks:
            nn.init.normal_(block.attention.qkv.weight, std=config.width**-0.5)
            nn.init.normal_(block.gate_up.weight, std=config.width**-0.5)
        half = config.width // config.heads // 2
        places = torch.arange((config.context + 1) * self.depth)
        angles = places[:, None] * 10_000 ** (-torch.arange(half) / half)
        cos, sin = angles.cos(), angles.sin()
        self.register_buffer("cos", cos[:, None, None], persistent=False)
        self.register_buffer("sin", torch.stack((-sin, sin), dim=1)[:, None], persistent=False)

    def table(self, level: int) -> Tensor:
        """The vectors of a level's codes, (codes, C)."""
        return self.code.weight[self.starts[level] : self.starts[level] + self.sizes[level]]

    def read(self, batch: Batch) -> Tensor:
        """The tokens of some histories, (B, T D, C)."""
        x = self.code(self.codes[batch.items] + self.starts)  # (B, T, D, C)
        told = self.action(batch.actions) + self.gap(batch.gaps) + self.end(batch.ends)
        x = torch.cat([x[:, :, :-1], (x[:, :, -1] + told)[:, :, None]], 2)
        return self.dropout(x.flatten(1, 2) * self.config.width**0.5)

    def forward(self, batch: Batch) -> Tensor:
        """States (B, T D, C); the product of each with the codes of the level after it scores what comes next."""
        x = self.read(batch)
        rotation = self.cos[: x.shape[1]], self.sin[: x.shape[1]]
        for block in self.blocks:
            x = block(x, rotation)
        return self.norm(x)

    @torch.inference_mode()
    def generate(
        self, batch: Batch, trie: Trie, allowed: Tensor, beams: int = BEAMS
    ) -> tuple[Tensor, Tensor]:
        """The likeliest allowed items of each history and their log-probabilities, (B, W) each, the best first.

        allowed: (B, n) over the items of the trie. Where there are fewer, the item is -1.
        """
        seen, state = self._read_histories(batch)
        open_nodes = trie.open(allowed)
        B = len(allowed)
        states = state[:, None]  # (B, 1, C)
        nodes, scores = torch.zeros(B, 1, dtype=torch.long), torch.zeros(B, 1)
        written: list[tuple[Tensor, Tensor]] = []
        for level in range(self.depth):
            table = trie.children[level]
            steps = torch.full((*nodes.shape, table.shape[1]), -torch.inf)
            steps[..., : self.sizes[level]] = (states @ self.table(level).T).log_softmax(-1)[
                ..., : table.shape[1]
            ]
            after = table[nodes]  # (B, W, codes)
            if level == self.depth - 1:
                share = trie.share[after]
                steps = torch.where(share.isnan(), steps, share)
            may = (after >= 0) & open_nodes[level].gather(1, after.clamp(min=0).flatten(1)).view(after.shape)
            steps = (scores[..., None] + steps).masked_fill(~may, -torch.inf).flatten(1)
            scores, chosen = steps.topk(min(beams, steps.shape[1]))
            came_from = chosen // table.shape[1]
            nodes = after.flatten(1).gather(1, chosen)
            if level < self.depth - 1:
                nodes = nodes.clamp(min=0)  # a dead end: its score stays at minus infinity
                token = self.code(
                    (chosen % table.shape[1]).clamp(max=self.sizes[level] - 1) + self.starts[level]
                )
                states = self._write(token, seen, written, came_from, batch.lengths * self.depth + level)
        items = torch.where(scores > -torch.inf, trie.item[nodes.clamp(min=0)], -1)
        return items, scores

    def _read_histories(self, batch: Batch) -> tuple[list[tuple[Tensor, Tensor, Tensor]], Tensor]:
        """For each block the keys and values of the histories and where none are; and each history's last state."""
        x = self.read(batch)
        n = x.shape[1]
        last = batch.lengths * self.depth - 1
        hidden = torch.arange(n) > last[:, None]  # (B, n)
        kept: list[tuple[Tensor, Tensor, Tensor]] = []

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            kept.append((k, v, hidden))
            q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
            return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)

        for block in self.blocks:
            x = _pass(block, x, (self.cos[:n], self.sin[:n]), attend)
        return kept, self.norm(x[torch.arange(len(x)), last])

    def _write(
        self,
        token: Tensor,
        seen: list[tuple[Tensor, Tensor, Tensor]],
        written: list[tuple[Tensor, Tensor]],
        came_from: Tensor,
        place: Tensor,
    ) -> Tensor:
        """The states after one more code for each beam, token (B, W, C), which goes on from the beam `came_from`.

        `written` has for each block the keys and values of the codes so far, (B, W, codes, heads, C / heads), and gets
        those of this one.
        """
        index = came_from[..., None, None, None]
        before = [
            tuple(part.gather(1, index.expand(-1, -1, *part.shape[2:])) for part in own) for own in written
        ]
        written.clear()
        rotation = self.cos[place][:, None], self.sin[place][:, None]
        x = token * self.config.width**0.5
        for number, block in enumerate(self.blocks):

            def attend(q: Tensor, k: Tensor, v: Tensor, number: int = number) -> Tensor:
                own_k, own_v = k[:, :, None], v[:, :, None]
                if before:
                    own_k = torch.cat([before[number][0], own_k], 2)
                    own_v = torch.cat([before[number][1], own_v], 2)
                written.append((own_k, own_v))
                past_k, past_v, hidden = seen[number]
                past = torch.einsum("bwhd,bthd->bwht", q, past_k).masked_fill(
                    hidden[:, None, None], -torch.inf
                )
                own = torch.einsum("bwhd,bwthd->bwht", q, own_k)
                weights = (torch.cat([past, own], -1) * q.shape[-1] ** -0.5).softmax(-1)
                T = past.shape[-1]
                return torch.einsum("bwht,bthd->bwhd", weights[..., :T], past_v) + torch.einsum(
                    "bwht,bwthd->bwhd", weights[..., T:], own_v
                )

            x = _pass(block, x, rotation, attend)
        return self.norm(x)


def _pass(block: Block, x: Tensor, rotation: tuple[Tensor, Tensor], attend: Attend) -> Tensor:
    """What a block does when it is asked and not trained, with another attention."""
    h = block.attention_norm(x)
    heads = block.attention.heads
    q, k, v = block.attention.qkv(h).unflatten(-1, (3, heads, -1)).unbind(-3)
    y = attend(rotate(q, rotation), rotate(k, rotation), v).flatten(-2)
    x = x + block.attention.out(y) * torch.sigmoid(block.attention_gate(h))
    h = block.forward_norm(x)
    gate, up = block.gate_up(h).chunk(2, dim=-1)
    return x + block.down(F.silu(gate) * up) * torch.sigmoid(block.forward_gate(h))


class CodeTrainer(Trainer):
    """The same way of training for a network over codes, (n, D), which have no counts to begin from.

    In baskets the order is made up anew in every epoch, so the first item of the next one is any of it; the behaviour GPT
    asks for the next basket at half of the positions, this one where a basket ends.
    """

    def __init__(self, cut: Split, settings: Settings, codes: np.ndarray) -> None:
        super().__init__(cut, replace(settings, head_start=0.0), lambda shape, _: CodeGPT(shape, codes))
        self.trie = Trie(codes, len(codes))

    def loss(self, windows: Sequence[Events], generator: np.random.Generator) -> Tensor | None:
        """The mean over events of the sum over an item's codes."""
        model: CodeGPT = self.model
        ends = [_basket_ends(window) if self.cut.next_basket else np.zeros(len(window)) for window in windows]
        batch = make_batch(windows, self.shape.context + 1, ends, self.settings.device)
        B, T = batch.items.shape
        wanted = torch.from_numpy(self.positive)[batch.actions[:, 1:]]
        keep = wanted & (torch.arange(1, T) < batch.lengths[:, None])  # (B, T - 1)
        if not keep.any():
            return None
        states = model(batch)[:, model.depth - 1 : -1].view(B, T - 1, model.depth, -1)[keep]
        right = model.codes[batch.items[:, 1:]][keep]
        losses = [
            F.cross_entropy(states[:, level] @ model.table(level).T, right[:, level])
            for level in range(model.depth)
        ]
        return torch.stack(losses).sum()

    def score_with(self, model: Any) -> Score:
        """A scorer over cases by beam search among the items of training."""
        return beam_scorer(copy.deepcopy(model), self.trie, self.cut)


def beam_scorer(model: CodeGPT, trie: Trie, cut: Split, only: np.ndarray | None = None) -> Score:
    """Scores by beam search, minus infinity for what it did not reach; `only`: which items are ranked, (n,)."""

    def score(cases: Sequence[Case]) -> np.ndarray:
        items, found = suggest(model, trie, cut, cases, only)
        scores = np.full((len(cases), len(trie.item) + 1), -np.inf, dtype=np.float32)
        np.put_along_axis(scores, items.numpy(), found.numpy(), 1)  # -1 is the last column
        return scores[:, :-1]

    return score


def suggest(
    model: CodeGPT, trie: Trie, cut: Split, cases: Sequence[Case], only: np.ndarray | None = None
) -> tuple[Tensor, Tensor]:
    """The best items of each case and their log-probabilities, without those of its history where the cut leaves these out."""
    allowed = torch.ones(len(cases), len(trie.item), dtype=torch.bool)
    if only is not None:
        allowed &= torch.from_numpy(only)
    if cut.seen == "exclude":
        for row, case in enumerate(cases):
            allowed[row, case.history.items] = False
    batch = make_batch([case.history for case in cases], model.config.context, int(cut.next_basket))
    return model.generate(batch, trie, allowed)


def _basket_ends(window: Events) -> np.ndarray:
    """1 where the next event is of another basket."""
    return np.append(np.diff(window.baskets) != 0, False).astype(np.int64)
