"""Makes up visits to the demo shop, which has no customers: what its recommender is trained on.

A made-up visitor likes two or three categories, a few tags and a price, keeps to what they just looked at, likes or
buys what fits and dislikes some of what does not. Nothing here was observed: figures on these visits say whether the
training works, never how well real customers are served. Run as `python -m model.demo_shop.make_visits --out FOLDER`.
"""

import argparse
import csv
import gzip
import io
from pathlib import Path
from random import Random

from model.shop import Product, Shop
from model.suggester import product_words

_EPOCH = 1_750_000_000
"""The first visit, in seconds."""
_FOLLOWS = 0.6
"""How often a visitor goes on from what they just looked at."""


class Visitor:
    """One made-up person."""

    def __init__(self, products: tuple[Product, ...], rng: Random) -> None:
        self._rng = rng
        categories = sorted({product.category for product in products})
        tags = sorted({tag for product in products for tag in product.tags})
        liked = dict.fromkeys(rng.sample(categories, rng.choice((2, 2, 3))), 3.0)
        fond = dict.fromkeys(rng.sample(tags, 4), 1.5)
        price = rng.choice((12, 20, 30, 45, 70))
        self._products = products
        self._fit = []
        for product in products:
            fit = 1 + liked.get(product.category, 0) + sum(fond.get(tag, 0) for tag in product.tags)
            dear = float(product.price) / price
            self._fit.append(fit * min(1.0, 1 / max(dear, 0.5)))
        self._typical = sorted(self._fit)[int(0.8 * len(products))]

    def visit(self) -> list[tuple[Product, str, int]]:
        """Products, actions and seconds since the first visit."""
        rng, at = self._rng, self._rng.randrange(0, 300 * 86_400)
        events: list[tuple[Product, str, int]] = []
        seen: set[str] = set()
        last: Product | None = None
        for _ in range(rng.randrange(5, 16)):
            weights = []
            for product, fit in zip(self._products, self._fit, strict=True):
                weight = fit**2 * (20 + product.popularity)
                if last is not None and goes_with(last, product):
                    weight *= 8
                weights.append(0.0 if product.id in seen else weight)
            product = rng.choices(self._products, weights)[0]
            seen.add(product.id)
            at += rng.randrange(10, 240)
            events.append((product, "view", at))
            fits = self._fit[self._products.index(product)] >= self._typical
            chance = rng.random()
            if fits and chance < 0.3:
                events.append((product, "buy" if chance < 0.12 else "like", at + 5))
            elif not fits and chance < 0.15:
                events.append((product, "dislike", at + 5))
            last = product if rng.random() < _FOLLOWS else None
            if rng.random() < 0.15:
                at += rng.randrange(86_400, 20 * 86_400)
        return events


def goes_with(last: Product, product: Product) -> bool:
    """Whether somebody who looked at one product may go on to the other: two tags, or a tag and the category."""
    shared = len(set(last.tags) & set(product.tags))
    return shared >= 2 or (shared == 1 and last.category == product.category)


def write_visits(shop: Shop, visitors: int, folder: Path, seed: int = 1) -> tuple[Path, Path]:
    """Write `visits.csv.gz` and `items.csv.gz`, the same bytes for the same seed; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = Random(seed)
    rows: list[tuple[object, ...]] = [("user", "item", "timestamp", "event")]
    for number in range(visitors):
        for product, action, at in Visitor(shop.products, rng).visit():
            rows.append((f"visitor-{number}", product.id, _EPOCH + at, action))
    items: list[tuple[object, ...]] = [("id", "title", "category")]
    items += [(product.id, "", " ".join(product_words(product))) for product in shop.products]
    return _write(folder / "visits.csv.gz", rows), _write(folder / "items.csv.gz", items)


def _write(path: Path, rows: list[tuple[object, ...]]) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make up visits to the demo shop.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--visitors", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for path in write_visits(Shop.load(), arguments.visitors, arguments.out, arguments.seed):
        print(path)
