"""Trains a shop's recommender anew on what its customers did since, and takes it over only if it is not worse.

Both the new one and the one in use are asked for each customer's latest event, which neither was trained on. Knows no
Redis: what customers did comes as a file.
"""

import csv
import gzip
import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from model.interactions import Interactions, ItemText, read_interactions
from model.ranking import Case, Score, choose_protocol, quick_ndcg, split
from model.recommender import Recommender
from model.shop import Shop
from model.suggester import product_words
from model.train_behaviour import Settings, fit

OWN_EVENTS = ("events.csv.gz", "events.csv", "events.jsonl")
"""Files in a shop's folder with what customers did before kefu, if the shop has any."""

BEHAVIOUR = "behaviour"

FEWEST_CASES = 20
_MOST_CASES = 2000


@dataclass(frozen=True)
class Outcome:
    """What became of a training. `before` and `after` are NDCG@10; None where there was nothing to compare."""

    taken: bool
    reason: str
    events: int = 0
    cases: int = 0
    before: float | None = None
    after: float | None = None


def retrain(shop: Path, chats: Path | None, settings: Settings, console: Console) -> Outcome:
    """Train on the shop's own events and those of the chats, compare, and write SHOP/behaviour if it is not worse.

    Raises ShopError, DataError, TrainingError and RecommenderError.
    """
    records = Shop.load(shop)
    own = next((shop / name for name in OWN_EVENTS if (shop / name).is_file()), None)
    with tempfile.TemporaryDirectory(prefix="kefu-events-") as folder:
        merged = Path(folder) / "events.csv"
        if not _merge([path for path in (own, chats) if path is not None], merged):
            return Outcome(False, "no customer has done anything yet")
        data = read_interactions(merged)
    texts = {
        product.id: ItemText(text.title, f"{product.category} {' '.join(product.tags)}", "")
        for product in records.products
        if (text := product.en or product.zh)
    }
    data = replace(data, name=shop.name, texts=texts)
    cut = split(data, choose_protocol(data))
    cases = cut.test[:: max(1, len(cut.test) // _MOST_CASES)]
    if min(len(cut.validation), len(cases)) < FEWEST_CASES:
        reason = f"only {len(cases)} customers have done enough to judge by; {FEWEST_CASES} are needed"
        return Outcome(False, reason, data.size, len(cases))
    candidate = fit(cut, replace(settings, protocol=cut.protocol), console)
    after = quick_ndcg(_scores_of(candidate, data, cut.next_basket), cases, cut.seen)
    before = None
    if (shop / BEHAVIOUR).is_dir():
        words = {product.id: product_words(product) for product in records.products}
        current = Recommender.load(shop / BEHAVIOUR, settings.device, words)
        before = quick_ndcg(_scores_of(current, data, cut.next_basket), cases, cut.seen)
    taken = before is None or after >= before
    reason = "it is the first" if before is None else "it is not worse" if taken else "it is worse"
    outcome = Outcome(
        taken, reason, data.size, len(cases), None if before is None else round(before, 5), round(after, 5)
    )
    if taken:
        candidate.run = {**candidate.run, "command": "kefu train nightly", "outcome": asdict(outcome)}
        candidate.save(shop / BEHAVIOUR)
    return outcome


def _merge(paths: Sequence[Path], out: Path) -> int:
    """All events of some files as one table, each file's users apart; how many."""
    number = 0
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("user", "item", "timestamp", "event", "basket"))
        for source, path in enumerate(paths):
            if not _has_rows(path):
                continue
            data = read_interactions(path)
            for user, events in zip(data.users, data.events, strict=True):
                for item, action, at, basket in zip(
                    events.items, events.actions, events.times, events.baskets, strict=True
                ):
                    moment = "" if math.isnan(at) else f"{at:.3f}"
                    shared = f"b{basket}" if data.has_baskets else ""
                    row = (f"{source}-{user}", data.items[item], moment, data.actions[action], shared)
                    writer.writerow(row)
                    number += 1
    return number


def _has_rows(path: Path) -> bool:
    """Whether there is more than a header: an export of a Redis where nothing has happened is no broken file."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        return bool(file.readline()) and bool(file.readline())


def _scores_of(recommender: Recommender, data: Interactions, next_basket: bool) -> Score:
    """Scores over the data's items; those that the recommender does not know get none."""
    places = np.array([recommender.number.get(item, -1) for item in data.items])

    def score(cases: Sequence[Case]) -> np.ndarray:
        found = np.zeros((len(cases), len(places)), dtype=np.float32)
        histories = [
            recommender.history(
                [
                    (data.items[item], data.actions[action], float(at))
                    for item, action, at in zip(
                        case.history.items, case.history.actions, case.history.times, strict=True
                    )
                ]
            )
            for case in cases
        ]
        rows = [row for row, history in enumerate(histories) if len(history)]
        if rows:
            scored = recommender.scores([histories[row] for row in rows], next_basket)
            found[rows] = np.where(places >= 0, scored[:, places], 0.0)
        return found

    return score
