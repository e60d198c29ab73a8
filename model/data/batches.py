"""Dialogues as rows of tokens: what to read, what to predict and how much each prediction counts.

The stream is a function of the seed and a position, so that training can stop anywhere and go on as if it had not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from model.data.dialogues import Dialogue
from model.prompt import render_answer, render_facts, render_question
from model.tokenizer import Tokenizer

DECISION_WEIGHT = 6.0
"""How much the question type and the key count beside a word of the answer."""

_POOL = 192
"""Dialogues that are sorted by length together, so that rows of a batch are about equally long."""


@dataclass(frozen=True)
class Row:
    """A dialogue in tokens; `weights[i]` is how much predicting `ids[i]` counts, 0 for what is given."""

    ids: list[int]
    weights: list[float]


@dataclass(frozen=True)
class Batch:
    """Rows padded on the right. ids (B, T); wanted (B, T), bool; targets and weights (N,), row by row."""

    ids: Tensor
    wanted: Tensor
    targets: Tensor
    weights: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        return Batch(*(getattr(self, name).to(device) for name in ("ids", "wanted", "targets", "weights")))


def encode(dialogue: Dialogue, tokenizer: Tokenizer) -> Row:
    """The tokens of a dialogue; loss falls on types, keys, answers and their ends only."""
    pieces = [render_facts(dialogue.language, dialogue.facts, dialogue.keys)]
    for exchange in dialogue.exchanges:
        pieces += [render_question(exchange.question), render_answer(exchange, dialogue.keys)]
    ids: list[int] = []
    weights: list[float] = []
    for index, piece in enumerate(tokenizer.encode_batch(pieces)):
        ids += piece
        is_answer = index > 0 and index % 2 == 0
        weights += [DECISION_WEIGHT] * 2 + [1.0] * (len(piece) - 2) if is_answer else [0.0] * len(piece)
    return Row(ids, weights)


def collate(rows: list[Row]) -> Batch:
    """Rows as one batch, padded with token 0, which nothing before it sees."""
    T = max(len(row.ids) for row in rows) - 1
    ids = torch.zeros(len(rows), T, dtype=torch.long)
    weight = torch.zeros(len(rows), T)
    target = torch.zeros(len(rows), T, dtype=torch.long)
    for i, row in enumerate(rows):
        n = len(row.ids) - 1
        ids[i, :n] = torch.tensor(row.ids[:-1])
        target[i, :n] = torch.tensor(row.ids[1:])
        weight[i, :n] = torch.tensor(row.weights[1:])
    wanted = weight > 0
    return Batch(ids, wanted, target[wanted], weight[wanted])


@dataclass
class Position:
    """Where a stream stands: the pool and the next batch within it."""

    pool: int = 0
    batch: int = 0


def stream(
    make: Callable[[Random, int], Dialogue],
    tokenizer: Tokenizer,
    batch_tokens: int,
    context: int,
    seed: int,
    position: Position,
) -> Iterator[Batch]:
    """Batches of at most `batch_tokens` padded tokens, from `position` on, which moves with what was taken.

    `make` is told how many dialogues came before. Dialogues longer than the context are left out.
    """
    while True:
        rng = Random(f"{seed}:{position.pool}")
        batches = _pool(make, tokenizer, batch_tokens, context, position.pool, rng)
        while position.batch < len(batches):
            position.batch += 1
            yield collate(batches[position.batch - 1])
        position.pool, position.batch = position.pool + 1, 0


def _pool(
    make: Callable[[Random, int], Dialogue],
    tokenizer: Tokenizer,
    batch_tokens: int,
    context: int,
    number: int,
    rng: Random,
) -> list[list[Row]]:
    size = max(_POOL, batch_tokens // 40)
    rows = [encode(make(rng, number * size + i), tokenizer) for i in range(size)]
    rows = sorted((row for row in rows if len(row.ids) <= context), key=lambda row: len(row.ids))
    batches: list[list[Row]] = []
    for row in rows:
        if not batches or (len(batches[-1]) + 1) * len(row.ids) > batch_tokens:
            batches.append([])
        batches[-1].append(row)
    rng.shuffle(batches)
    return batches
