"""The networks that the behaviour GPT is measured against: GRU4Rec, LSTM, SASRec with two losses, BERT4Rec.

All have two layers and the width, context, batches, averaging, validation and patience of the behaviour GPT, and see
items only. GRU4Rec (Hidasi et al. 2016) with cross-entropy over all items, or over drawn ones where the behaviour GPT has
that; SASRec (Kang and McAuley 2018) with its own binary loss against one drawn item, and with cross-entropy
(Klenitskiy and Vasilev 2023); BERT4Rec (Sun et al. 2019).
"""

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.interactions import Events
from model.ranking import Case, Score, Split, quick_ndcg
from model.recommender import loss_of
from model.train_behaviour import Settings, batches_of, rows_for, sampling, shape_for, why_stopped

Kind = Literal["gru4rec", "lstm", "sasrec-bce", "sasrec-ce", "bert4rec"]
NETWORKS: tuple[Kind, ...] = ("gru4rec", "lstm", "sasrec-bce", "sasrec-ce", "bert4rec")

_LAYERS = 2
_MASKED = 0.3


class _Network(nn.Module):
    """Item numbers (B, T) to states (B, T, C); number `items` is padding, `items` + 1 the mask of BERT4Rec."""

    def __init__(
        self, kind: Kind, items: int, width: int, layers: int, heads: int, context: int, dropout: float
    ):
        super().__init__()
        self.kind, self.items = kind, items
        self.item = nn.Embedding(items + 2, width, padding_idx=items)
        nn.init.normal_(self.item.weight, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        self.place = nn.Embedding(context, width)
        nn.init.normal_(self.place.weight, std=0.02)
        if kind in ("gru4rec", "lstm"):
            cell = nn.GRU if kind == "gru4rec" else nn.LSTM
            self.body = cell(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        else:
            block = nn.TransformerEncoderLayer(
                width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            block.self_attn.dropout = 0.0  # as in ours, so that both get as many steps
            self.body = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.item(ids) * self.item.weight.shape[1] ** 0.5
        if self.kind in ("gru4rec", "lstm"):
            return self.norm(self.body(self.dropout(x))[0])
        T = ids.shape[1]
        x = self.dropout(x + self.place.weight[:T] * self.item.weight.shape[1] ** 0.5)
        if self.kind == "bert4rec":
            return self.norm(self.body(x, src_key_padding_mask=ids == self.items))
        hidden = torch.ones(T, T, dtype=torch.bool, device=ids.device).triu(1)
        return self.norm(self.body(x, mask=hidden))


def fit_network(
    kind: Kind, cut: Split, settings: Settings, clock: Callable[[], float] = time.monotonic
) -> tuple[Score, dict[str, float | str]]:
    """Train one network within the limits of the behaviour GPT's; its scorer, and how long it took."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    shape = shape_for(cut.data, settings)
    context = shape.context + (kind == "bert4rec")
    model = _Network(kind, shape.items, shape.width, _LAYERS, shape.heads, context, settings.dropout).to(
        settings.device
    )
    average = copy.deepcopy(model).eval().requires_grad_(False)
    best, best_ndcg, since, step, epochs = copy.deepcopy(average.state_dict()), -1.0, 0, 0, 0
    optimiser = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay
    )
    windows = sum(-(-max(0, len(events) - 1) // shape.context) for events in cut.train)
    rows = settings.rows or rows_for(windows)
    cases = cut.validation[:: max(1, len(cut.validation) // settings.validation_cases)]
    sample = sampling(cut, settings)
    began = clock()
    limit = 60 * settings.minutes if settings.minutes else float("inf")
    while epochs < settings.epochs and since < settings.patience and clock() - began < limit:
        generator = np.random.default_rng([settings.seed, epochs])
        model.train()
        for some in batches_of(cut, shape.context, rows, generator):
            loss = _loss(model, some, generator, settings.device, sample)
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * min(1.0, (step + 1) / settings.warmup_steps)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            step += 1
            decay = min(settings.average, (1 + step) / (10 + step))
            with torch.no_grad():
                for kept, new in zip(average.parameters(), model.parameters(), strict=True):
                    kept.lerp_(new, 1 - decay)
            if clock() - began >= limit:
                break
        epochs += 1
        ndcg = quick_ndcg(_scorer(average, shape.context), cases, cut.seen)
        if ndcg > best_ndcg:
            best, best_ndcg, since = copy.deepcopy(average.state_dict()), ndcg, 0
        else:
            since += 1
    average.load_state_dict(best)
    figures: dict[str, float | str] = {
        "epochs": epochs,
        "seconds": round(clock() - began, 1),
        "stopped_by": why_stopped(epochs, since, settings),
        "validation_ndcg@10": round(best_ndcg, 5),
    }
    return _scorer(average, shape.context), figures


def _loss(
    model: _Network,
    windows: Sequence[Events],
    generator: np.random.Generator,
    device: str,
    sample: Sequence[Any],
) -> Tensor:
    n, kind = model.items, model.kind
    if kind == "bert4rec":
        ids = _padded([window.items for window in windows], n).to(device)
        real = ids != n
        chosen = (torch.from_numpy(generator.random(ids.shape)).to(device) < _MASKED) & real
        last = real.sum(1) - 1
        final = torch.from_numpy(generator.random(len(windows))).to(device) < 0.5
        chosen[torch.arange(len(ids)), last] |= final | (chosen.sum(1) == 0)
        states = model(ids.masked_fill(chosen, n + 1))[chosen]
        return loss_of(states, model.item.weight[:n], ids[chosen], *sample)
    ids = _padded([window.items[:-1] for window in windows], n).to(device)
    targets = _padded([window.items[1:] for window in windows], n).to(device)
    real = ids != n
    states, targets = model(ids)[real], targets[real]
    if kind != "sasrec-bce":
        return loss_of(states, model.item.weight[:n], targets, *sample)
    drawn = torch.from_numpy(generator.integers(0, n, len(targets))).to(device)
    right = (states * model.item(targets)).sum(-1)
    wrong = (states * model.item(drawn)).sum(-1)
    return -(F.logsigmoid(right) + F.logsigmoid(-wrong)).mean()


def _scorer(model: _Network, context: int) -> Score:
    n = model.items
    device = model.item.weight.device

    @torch.inference_mode()
    def score(cases: Sequence[Case]) -> np.ndarray:
        histories = [case.history.items[-context:] for case in cases]
        if model.kind == "bert4rec":
            histories = [np.append(history, n + 1) for history in histories]
        ids = _padded(histories, n).to(device)
        last = torch.tensor([len(history) - 1 for history in histories], device=device)
        states = model(ids)[torch.arange(len(histories)), last]
        return (states @ model.item.weight[:n].T).cpu().numpy()

    return score


def _padded(rows: Sequence[np.ndarray], padding: int) -> Tensor:
    table = np.full((len(rows), max(map(len, rows))), padding, dtype=np.int64)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return torch.from_numpy(table)
