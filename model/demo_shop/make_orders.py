"""Makes the demo shop's customers and orders: `python model/demo_shop/make_orders.py`.

The files it writes are what ships; it stands here so that they can be made anew when the catalogue changes.
Everything is drawn from one seed, up to the evening of a fixed day, so that the same files come out each time.
"""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

Row = dict[str, Any]

FOLDER = Path(__file__).parent
TODAY = date(2026, 11, 23)
ORDERS = 200
SEED = 7
CARRIERS = {"DHL": "DE", "DPD": "01", "Hermes": "H10", "GLS": "GL"}

ENGLISH = (
    "Emma Lindqvist", "Oliver Hartmann", "Sofia Moreau", "Liam O'Connor", "Hanna Virtanen", "Noah Becker",
    "Clara Jensen", "Lucas Novak", "Mia Rossi", "Felix Braun", "Ida Sorensen", "Jonas Keller", "Alice Bennett",
    "Theo Marchand", "Nora Visser", "Oscar Nilsson", "Lena Schubert", "Marco Ferrari", "Zoe Papadaki",
    "Henry Walsh", "Amelie Dubois", "Jakub Kowalski", "Freya Hansen", "Paul Wagner", "Elisa Costa",
    "Samuel Brandt", "Isla Murray", "Matteo Greco", "Julia Nowak", "Erik Lund",
)  # fmt: skip
CHINESE = (
    "陈晓雨", "林子涵", "王佳怡", "李明轩", "张思琪", "刘浩然", "黄雅婷", "周文博", "吴梦洁", "徐俊杰",
    "孙若曦", "马天宇", "朱静怡", "胡志远", "郭晨曦", "何雨桐", "高子墨", "罗欣然", "郑凯文", "梁诗涵",
)  # fmt: skip

FIRST: dict[int, Sequence[tuple[str, int, Sequence[tuple[str, int]]]]] = {
    1: (
        ("delivered", 48, (("Fjord Blanket", 1), ("Ember Candle", 2))),
        ("shipped", 4, (("Aurora Lamp", 1), ("Campfire Mug", 2))),
        ("paid", 1, (("Snowfox Scarf", 1),)),
        ("refunded", 75, (("Quill Keyboard", 1),)),
    ),
    2: (
        ("delivered", 39, (("Heron Teapot", 1), ("Thimble Cups", 1))),
        ("shipped", 3, (("Ranger Powerbank", 1), ("Braid Cable", 2))),
        ("placed", 0, (("Moonrise Nightlight", 1),)),
    ),
}
"""Orders of the customers that a newcomer to the demo is: status, days ago, what was bought."""


def make_customers() -> Iterator[Row]:
    """Customer 1 speaks English and customer 2 Chinese; the others as it comes."""
    english, chinese = iter(ENGLISH), iter(CHINESE)
    for number in range(1, len(ENGLISH) + len(CHINESE) + 1):
        speaks_chinese = number % 5 in (2, 4)
        name = next(chinese if speaks_chinese else english)
        yield {"id": number, "name": name, "language": "zh" if speaks_chinese else "en"}


def make_orders(products: Sequence[Row]) -> list[Row]:
    """All orders, numbered by the day on which they were placed."""
    draw = random.Random(SEED)
    by_title = {product["en"]["title"]: product for product in products}
    made = [
        _order(draw, customer, status, days, [(by_title[title], count) for title, count in wanted])
        for customer, wishes in FIRST.items()
        for status, days, wanted in wishes
    ]
    weights = [product["popularity"] + 5 for product in products]
    others = [row["id"] for row in make_customers() if row["id"] not in FIRST]
    while len(made) < ORDERS:
        days = draw.choice([draw.randint(0, 9), draw.randint(3, 40), draw.randint(20, 150)])
        chosen = {p["id"]: p for p in draw.choices(products, weights, k=draw.choice((1, 1, 1, 2, 2, 3)))}
        wanted = [(product, draw.choice((1, 1, 1, 1, 2, 3))) for product in chosen.values()]
        # Everybody has ordered once before anybody is drawn at random.
        customer = others[len(made) % len(others)] if len(made) < 2 * len(others) else draw.choice(others)
        made.append(_order(draw, customer, _status(draw, days), days, wanted))
    made.sort(key=lambda order: order["placed"])
    return [{"id": f"KF-{10001 + number}", **order} for number, order in enumerate(made)]


def _status(draw: random.Random, days: int) -> str:
    """A status that an order of this age can have."""
    if days > 12:
        return draw.choices(("delivered", "returned", "refunded", "cancelled"), (82, 5, 7, 6))[0]
    if draw.random() < 0.06:
        return "cancelled"
    if days > 7:
        return draw.choices(("shipped", "delivered"), (1, 3))[0]
    if days > 2:
        return draw.choices(("packed", "shipped"), (1, 4))[0]
    return draw.choices(("placed", "paid", "packed"), (2, 3, 1) if days else (2, 1, 0))[0]


def _order(
    draw: random.Random, customer: int, status: str, days: int, wanted: Sequence[tuple[Row, int]]
) -> Row:
    placed = TODAY - timedelta(days=days)
    takes = draw.randint(2, 6)
    if status in ("delivered", "returned", "refunded"):
        arrives: date | None = placed + timedelta(days=min(takes, days))
    elif status == "cancelled":
        arrives = None
    else:
        arrives = max(placed + timedelta(days=takes), TODAY + timedelta(days=draw.randint(1, 3)))
    if arrives and arrives.weekday() == 6:  # nothing is delivered on Sundays
        arrives += timedelta(days=1 if arrives > TODAY else -1)
    sent = status in ("shipped", "delivered", "returned", "refunded")
    carrier = draw.choice(list(CARRIERS)) if sent else None
    tracking = f"{CARRIERS[carrier]}{draw.randrange(10**9, 10**10)}" if carrier else None
    items = [
        {"product_id": product["id"], "quantity": count, "price": product["price"]}
        for product, count in wanted
    ]
    total = sum(round(item["price"] * 100) * item["quantity"] for item in items) / 100
    return {
        "customer_id": customer,
        "status": status,
        "placed": placed.isoformat(),
        "arrives": arrives.isoformat() if arrives else None,
        "items": items,
        "total": total,
        "carrier": carrier,
        "tracking": tracking,
    }


def _write(name: str, rows: Iterable[Row]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    (FOLDER / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    catalogue = [
        json.loads(line) for line in (FOLDER / "products.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    _write("customers.jsonl", make_customers())
    _write("orders.jsonl", make_orders(catalogue))
