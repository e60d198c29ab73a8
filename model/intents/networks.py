"""Networks that read a question's tokens and name its type: LSTM, GRU, an encoder Transformer, and our GPT.

All learn in one loop: AdamW, a part of the training file set aside, the best state on it kept, an end when it gets
no better. How long is told in tokens, not in minutes, so that a run can be repeated. What each epoch does depends on
the seed and its number alone, so a run that was cut off goes on from its last whole epoch as if it had not been.
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.gpt import GPT
from model.prompt import BOT, LANGUAGES, USER, plain
from model.slots import Slots
from model.tokenizer import Tokenizer

LONGEST = 96
"""Tokens of a question that are read."""

OnEpoch = Callable[[float, str], None]
"""Called with the share of the plan that is done, and a word on how it goes."""


@dataclass(frozen=True)
class Plan:
    """How a network learns."""

    tokens: int = 1_200_000
    least_epochs: int = 2
    most_epochs: int = 20
    patience: int = 4
    """Epochs without a better result on the part set aside before it ends."""
    rows: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    word_loss: float = 0.1
    """Share of tokens that are dropped from a question each time it is shown."""


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of questions as a customer's question stands in a prompt, values as slots."""
    asked = [f"{USER}{Slots().cut(plain(text))}{BOT}" for text in texts]
    found = tokenizer.encode_batch(asked)
    return [ids if len(ids) <= LONGEST else [*ids[: LONGEST - 1], ids[-1]] for ids in found]


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """ids (B, T), padded on the right with 0, and lengths (B)."""
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return ids, lengths


def _mean(h: Tensor, lengths: Tensor) -> Tensor:
    """The mean state of each row's real tokens: h (B, T, C) to (B, C)."""
    real = torch.arange(h.shape[1]) < lengths[:, None]
    return (h * real[..., None]).sum(1) / lengths[:, None]


class Recurrent(nn.Module):
    """One layer of LSTM or GRU in both directions over learned embeddings, mean of the states."""

    def __init__(
        self, kind: type[nn.LSTM] | type[nn.GRU], vocabulary: int, labels: int, width: int = 128
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.cells = kind(width, width, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(2 * width, labels)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.dropout(self.embedding(ids)), lengths, batch_first=True, enforce_sorted=False
        )
        h, _ = nn.utils.rnn.pad_packed_sequence(self.cells(packed)[0], batch_first=True)
        return self.head(self.dropout(_mean(h, lengths)))


class Encoder(nn.Module):
    """A Transformer encoder of two layers that sees the whole question at once, mean of the states."""

    def __init__(self, vocabulary: int, labels: int, width: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(LONGEST, width)
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.normal_(self.places.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.1, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, labels)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        x = self.embedding(ids) + self.places(torch.arange(ids.shape[1]))
        hidden = torch.arange(ids.shape[1]) >= lengths[:, None]
        return self.head(_mean(self.layers(x, src_key_padding_mask=hidden), lengths))


class GPTClassifier(nn.Module):
    """Our GPT with a linear layer over the state where the question type would be written, and the mean state."""

    def __init__(self, gpt: GPT, start: int, labels: int) -> None:
        super().__init__()
        self.gpt = gpt
        self.start = start
        """The token of the language, which stands before every prompt."""
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(2 * gpt.config.width, labels)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        ids = F.pad(ids, (1, 0), value=self.start)
        h = self.gpt.states(ids)  # (B, T + 1, C)
        last = h[torch.arange(len(ids)), lengths]
        return self.head(self.dropout(torch.cat([last, _mean(h[:, 1:], lengths)], 1)))


def gpt_classifier(gpt: GPT, tokenizer: Tokenizer, labels: int, texts: Sequence[str]) -> GPTClassifier:
    """The classifier over a trained network, which it changes as it learns."""
    chinese = sum("\u3400" <= character <= "\u9fff" for text in texts for character in text)
    language = LANGUAGES["zh" if 4 * chinese > sum(map(len, texts)) else "en"]
    return GPTClassifier(gpt.requires_grad_(True), tokenizer.id_of(language), labels)


def learn(
    network: nn.Module,
    rows: Sequence[list[int]],
    targets: np.ndarray,
    aside: Sequence[list[int]],
    aside_targets: np.ndarray,
    plan: Plan,
    seed: int,
    on_epoch: OnEpoch = lambda share, text: None,
    keep: Path | None = None,
) -> dict[str, float]:
    """Train a network; it ends with its best state on the part set aside. Returns how it went.

    keep: a file for the state after each epoch, from which the next call goes on; it is removed at the end.
    """
    whole = max(1, sum(map(len, rows)))
    epochs = max(plan.least_epochs, min(plan.most_epochs, round(plan.tokens / whole)))
    # Where the plan is shorter than its epochs, each takes other rows by chance.
    taken = (
        max(1, min(len(rows), round(len(rows) * plan.tokens / (epochs * whole))))
        if epochs * whole > 1.5 * plan.tokens
        else len(rows)
    )
    steps = epochs * math.ceil(taken / plan.rows)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=plan.learning_rate,
        weight_decay=plan.weight_decay,
        betas=(0.9, 0.98),
        fused=True,
    )
    warm = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.02, (steps - step) / max(1, steps - warm)))
    )
    best, best_state, best_epoch, epoch, step, loss = -math.inf, None, 0, 0, 0, torch.tensor(0.0)
    wanted = torch.as_tensor(targets)
    if (saved := _resume(keep)) is not None:
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        best, best_state = saved["best"], saved["best_state"]
        best_epoch, epoch, step = saved["best_epoch"], saved["epoch"], saved["step"]
    while epoch < epochs and epoch - best_epoch < plan.patience:
        epoch += 1
        torch.manual_seed(1000 * seed + epoch)
        rng = Random(f"{seed}:{epoch}")
        network.train()
        shown = range(len(rows)) if taken == len(rows) else rng.sample(range(len(rows)), taken)
        for batch in _batches([len(rows[i]) for i in shown], plan.rows, rng):
            chosen = [shown[i] for i in batch]
            ids, lengths = pad([_thinned(rows[i], plan.word_loss, rng) for i in chosen])
            loss = F.cross_entropy(network(ids, lengths), wanted[chosen], label_smoothing=plan.smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            if step % 20 == 0:
                on_epoch(step / steps, f"loss {loss.item():.2f}")
        odds = probabilities(network, aside)
        right = float((odds.argmax(1) == aside_targets).mean())
        quality = right + 1e-3 * float(np.log(odds[range(len(odds)), aside_targets].clip(1e-9)).mean())
        on_epoch(step / steps, f"{right:.3f} right aside")
        if quality > best:
            best, best_epoch = quality, epoch
            best_state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        if keep is not None:
            saved = {
                "network": network.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
                "best": best, "best_state": best_state, "best_epoch": best_epoch, "epoch": epoch, "step": step,
            }  # fmt: skip
            keep.parent.mkdir(parents=True, exist_ok=True)
            torch.save(saved, keep.with_suffix(".new"))
            os.replace(keep.with_suffix(".new"), keep)
    assert best_state is not None
    network.load_state_dict(best_state)
    if keep is not None:
        keep.unlink(missing_ok=True)
    return {"epochs": epoch, "best_epoch": best_epoch}


def _resume(keep: Path | None) -> dict[str, Any] | None:
    """What the last call left; a file cut off by a full disk counts as none."""
    if keep is None or not keep.is_file():
        return None
    try:
        return torch.load(keep, weights_only=True)
    except Exception:  # torch raises one of many kinds for a file that is cut off
        return None


@torch.no_grad()
def probabilities(network: nn.Module, rows: Sequence[list[int]]) -> np.ndarray:
    """(N, labels), in the order of the rows."""
    network.eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    for start in range(0, len(order), 128):
        chosen = order[start : start + 128]
        odds = network(*pad([rows[i] for i in chosen])).softmax(-1).double().numpy()
        for i, row in zip(chosen, odds, strict=True):
            found[i] = row
    return np.stack(found)


def _batches(lengths: Sequence[int], size: int, rng: Random) -> list[list[int]]:
    """Batches of about equally long rows, in an order by chance."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    pool = size * 32
    batches = []
    for start in range(0, len(order), pool):
        some = sorted(order[start : start + pool], key=lengths.__getitem__)
        batches += [some[i : i + size] for i in range(0, len(some), size)]
    rng.shuffle(batches)
    return batches


def _thinned(row: list[int], share: float, rng: Random) -> list[int]:
    """The row with some tokens dropped, its marks at both ends kept."""
    return [row[0], *(id for id in row[1:-1] if rng.random() >= share), row[-1]]
