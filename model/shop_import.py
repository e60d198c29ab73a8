"""Makes a shop's folder from a public data set that the user has: MovieLens, or Online Retail of UCI.

A second demo on real behaviour: real products (or films), real purchases (or ratings), a recommender trained on them.
What such a data set does not have is not made up but set plainly: films cost nothing, and what has not been sold for
a quarter of the data's time counts as out of stock. Knows no network; training is `model/train_behaviour.py`.
"""

import contextlib
import csv
import gzip
import io
import json
import re
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

from model.interactions import ItemText, read_interactions, read_items
from model.shop import Customer, Order, OrderItem, Product, ProductText

Kind = Literal["movielens", "online-retail"]

EVENTS, ITEMS = "events.csv.gz", "items.csv"
"""What `kefu train behaviour` and `kefu evaluate suggest` read of an imported shop."""

CUSTOMERS = {1: "en", 2: "zh"}
"""Users of the demo's chat page who get a real customer's orders, so that suggestions have something to go on."""

_MOST_CATEGORIES = 14
_LIKED, _DISLIKED = 4.0, 2.5
_GOODS = re.compile(r"\d{5}[A-Za-z]{0,3}")
"""A stock code of Online Retail that is a thing: others are postage, fees and corrections."""
_ID = re.compile(r"[\w.-]{1,64}")
_WORD = re.compile(r"[A-Za-z]{3,}")
_NO_KIND = {"the", "and", "with", "for", "set", "pack", "assorted", "design", "colour", "small", "large"}
_DATES = ("%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M", "%m/%d/%y %H:%M")
_SHOP_YEARS = 0.25
_LONGEST_ORDER = 12


class ImportProblem(ValueError):
    """Files that no shop can be made of. The text says which and what to do."""


@dataclass
class _Item:
    title: str
    category: str = ""
    tags: tuple[str, ...] = ()
    price: Decimal = Decimal(0)


@dataclass
class _Source:
    """What a data set comes down to: items by id; events as user, item, seconds, action, basket."""

    name: dict[str, str]
    currency: str
    about: dict[str, str]
    items: dict[str, _Item] = field(default_factory=dict)
    events: list[tuple[str, str, float, str, str]] = field(default_factory=list)
    left_out: int = 0
    """Rows without a customer, returns, fees: no behaviour towards a product."""
    always_there: bool = True
    """Whether everything is in stock."""


@dataclass(frozen=True)
class Imported:
    """What was written."""

    products: int
    in_stock: int
    users: int
    events: int
    left_out: int
    categories: int


def import_shop(kind: Kind, source: Path, out: Path) -> Imported:
    """Read a file, a folder or a .zip and write a shop's folder with its events. Raises ImportProblem and DataError."""
    if (out / "shop.json").exists():
        raise ImportProblem(f"{out} holds a shop already; give another --out, or delete it first")
    if not source.exists():
        raise ImportProblem(f"{source} does not exist; give the file, the folder or the .zip you downloaded")
    with _unpacked(source) as place:
        found = _movielens(place) if kind == "movielens" else _online_retail(place)
    if not found.events:
        raise ImportProblem(f"{source}: not one row tells that a known customer took a product")
    try:
        return _write(found, out)
    except OSError as error:
        raise ImportProblem(f"--out: {out} cannot be written ({error.strerror or error})") from None


@contextlib.contextmanager
def _unpacked(source: Path) -> Iterator[Path]:
    """The source, or what a .zip holds."""
    if source.suffix.lower() != ".zip":
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="kefu-import-") as folder:
        try:
            with zipfile.ZipFile(source) as archive:
                archive.extractall(folder)
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise ImportProblem(
                f"{source} is no .zip that can be read ({error}); download it again"
            ) from None
        yield Path(folder)


def _file_of(place: Path, *names: str) -> Path | None:
    """The file of one of these names, in a folder however deep; None if there is none."""
    if place.is_file():
        return place if place.name.lower() in names else None
    files = sorted(path for path in place.rglob("*") if path.is_file())
    return next((path for name in names for path in files if path.name.lower() == name), None)


# MovieLens


def _movielens(place: Path) -> _Source:
    ratings = _file_of(place, "ratings.dat", "ratings.csv", "u.data", "interactions.csv.gz")
    films = _file_of(
        place if place.is_dir() else place.parent, "movies.dat", "movies.csv", "u.item", "items.csv.gz"
    )
    if ratings is None or films is None:
        wanted = "ratings.dat and movies.dat, ratings.csv and movies.csv, or u.data and u.item"
        raise ImportProblem(f"{place} has no {wanted}; give the folder or the .zip of a MovieLens data set")
    source = _Source(
        {"en": "MovieLens films", "zh": "MovieLens 电影"},
        "EUR",
        {
            "en": "This is a demonstration with the films and ratings of MovieLens. Nothing is sold here, so everything costs nothing.",
            "zh": "这是使用 MovieLens 电影和评分数据的演示。这里不出售任何商品，所以价格都是零。",
        },
    )
    for item, text in (_u_item(films) if films.name.lower() == "u.item" else read_items(films)).items():
        genres = [] if text.category.startswith("(") else text.category.split()
        source.items[item] = _Item(text.title, (genres or ["other"])[0], tuple(genres[1:]))
    data = read_interactions(ratings)
    for user, events in zip(data.users, data.events, strict=True):
        for number, action, at in zip(events.items, events.actions, events.times, strict=True):
            source.events.append((user, data.items[number], float(at), _opinion(data.actions[action]), ""))
    return source


def _u_item(path: Path) -> dict[str, ItemText]:
    """The films of MovieLens 100k, whose genres are flags."""
    genres = (
        "unknown Action Adventure Animation Children Comedy Crime Documentary Drama Fantasy Film-Noir Horror"
        " Musical Mystery Romance Sci-Fi Thriller War Western"
    ).split()
    found = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        cells = line.split("|")
        flags = zip(genres, cells[-len(genres) :], strict=False)
        found[cells[0]] = ItemText(cells[1], " ".join(genre for genre, flag in flags if flag == "1"))
    return found


def _opinion(action: str) -> str:
    """kefu's own action for a rating: liked, seen, or not liked."""
    _, _, stars = action.partition("-")
    if not stars:
        return "view"
    return "like" if float(stars) >= _LIKED else "dislike" if float(stars) <= _DISLIKED else "view"


# Online Retail

_COLUMNS = {
    "invoice": ("invoiceno", "invoice"),
    "item": ("stockcode",),
    "title": ("description",),
    "quantity": ("quantity",),
    "at": ("invoicedate",),
    "price": ("unitprice", "price"),
    "user": ("customerid",),
}


def _online_retail(place: Path) -> _Source:
    source = _Source(
        {"en": "Online Retail gifts", "zh": "Online Retail 礼品"},
        "GBP",
        {
            "en": "This is a demonstration with the products and purchases of the data set Online Retail. Nothing is really sold here.",
            "zh": "这是使用 Online Retail 数据集的商品和购买记录的演示。这里并不真正出售商品。",
        },
        always_there=False,
    )
    prepared = _file_of(place, "interactions.csv.gz")
    rows = _prepared_rows(prepared) if prepared else _retail_rows(place)
    titles: dict[str, Counter[str]] = defaultdict(Counter)
    latest: dict[str, tuple[float, Decimal]] = {}
    for user, item, at, invoice, title, quantity, price in rows:
        is_sale = quantity > 0 and not invoice.upper().startswith("C") and price > 0
        if not is_sale or not _GOODS.fullmatch(item):
            source.left_out += 1
            continue
        if title:
            titles[item][title] += 1
        if item not in latest or at >= latest[item][0]:
            latest[item] = (at, price)
        if user:
            source.events.append((user, item, at, "buy", invoice))
        else:
            source.left_out += 1
    named = {item: _sentence(names.most_common(1)[0][0]) for item, names in titles.items()}
    kinds = _kinds(named)
    for item, title in named.items():
        source.items[item] = _Item(title, kinds[item], (), latest[item][1])
    return source


_RetailRow = tuple[str, str, float, str, str, float, Decimal]


def _prepared_rows(path: Path) -> Iterator[_RetailRow]:
    """The data set in the layout user, item, timestamp, invoice, quantity, unit_price with its items beside it."""
    items = _file_of(path.parent, "items.csv.gz")
    titles = {item: text.title for item, text in read_items(items).items()} if items else {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            try:
                yield (
                    row["user"], row["item"], float(row["timestamp"]), row["invoice"],
                    titles.get(row["item"], ""), float(row["quantity"]), Decimal(row["unit_price"]),
                )  # fmt: skip
            except (KeyError, ValueError, TypeError, InvalidOperation) as error:
                raise ImportProblem(f"{path}:{line}: not a row of Online Retail ({error!r})") from None


def _retail_rows(place: Path) -> Iterator[_RetailRow]:
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    tables = [path for path in files if path.suffix.lower() in (".csv", ".xlsx")]
    if not tables:
        raise ImportProblem(f"{place} has no .csv and no .xlsx; give the file of Online Retail")
    path = tables[0]
    lines = _sheet(path) if path.suffix.lower() == ".xlsx" else _table(path)
    header = [re.sub(r"\W|_", "", str(cell)).lower() for cell in next(lines, (0, ()))[1]]
    place_of = {
        name: next((header.index(other) for other in others if other in header), None)
        for name, others in _COLUMNS.items()
    }
    if missing := [_COLUMNS[name][0] for name, number in place_of.items() if number is None]:
        raise ImportProblem(f"{path}: no column {missing[0]}; this is not a table of Online Retail")
    columns: dict[str, int] = {name: number for name, number in place_of.items() if number is not None}
    for line, cells in lines:
        try:
            row = {name: cells[number] for name, number in columns.items()}
            user = str(row["user"] if row["user"] is not None else "").strip().removesuffix(".0")
            yield (
                user, str(row["item"]).strip(), _moment(row["at"]), str(row["invoice"]).strip(),
                str(row["title"] or "").strip(), float(row["quantity"]), Decimal(str(row["price"])),
            )  # fmt: skip
        except (IndexError, ValueError, TypeError, InvalidOperation) as error:
            raise ImportProblem(f"{path}:{line}: a row that cannot be read ({error}); correct it") from None


def _table(path: Path) -> Iterator[tuple[int, Sequence[Any]]]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if first.count(";") > 3 else ",")
    for cells in reader:
        if cells:
            yield reader.line_num, cells


def _sheet(path: Path) -> Iterator[tuple[int, Sequence[Any]]]:
    try:
        from openpyxl import load_workbook
    except ModuleNotFoundError:
        raise ImportProblem(
            f"{path}: to read .xlsx, pip install openpyxl, or save the sheet as CSV"
        ) from None
    try:
        for sheet in load_workbook(path, read_only=True, data_only=True):
            yield from enumerate(sheet.iter_rows(values_only=True), 1)
            return
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise ImportProblem(f"{path} is no .xlsx that can be read ({error}); download it again") from None


def _moment(value: Any) -> float:
    """Seconds since the epoch from a sheet's date or one of the ways in which this table is found."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).timestamp()
    text = str(value).strip()
    for form in _DATES:
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _sentence(title: str) -> str:
    title = " ".join(title.split())
    return title.capitalize() if title.isupper() else title


def _kinds(titles: dict[str, str]) -> dict[str, str]:
    """A category for each item: the last of its words that is among the commonest last words of all titles."""
    words = {
        item: [w for w in _WORD.findall(title.lower()) if w not in _NO_KIND] for item, title in titles.items()
    }
    common = Counter(some[-1] for some in words.values() if some)
    chosen = {word for word, _ in common.most_common(_MOST_CATEGORIES)}
    return {
        item: next((word for word in reversed(some) if word in chosen), "other")
        for item, some in words.items()
    }


# Writing the shop


def _write(source: _Source, out: Path) -> Imported:
    counts = Counter(event[1] for event in source.events)
    times = [event[2] for event in source.events]
    since = max(times) - _SHOP_YEARS * (max(times) - min(times))
    lately = {item for _, item, at, _, _ in source.events if source.always_there or at >= since}
    products = []
    for item, about in source.items.items():
        if not about.title or not _ID.fullmatch(item) or not (counts[item] or source.always_there):
            continue
        products.append(
            Product(
                id=item,
                category=about.category,
                tags=about.tags,
                price=about.price.quantize(Decimal("0.01")),
                currency=source.currency,
                stock=100 if source.always_there or item in lately else 0,
                popularity=counts[item],
                en=ProductText(title=about.title[:200]),
            )
        )
    known = {product.id: product for product in products}
    events = [event for event in source.events if event[1] in known]
    if not events:
        raise ImportProblem("not one event is of an item with a title; give the file of items too")
    out.mkdir(parents=True, exist_ok=True)
    _write_lines(out / "products.jsonl", (product.model_dump_json(exclude_none=True) for product in products))
    passage = {
        "id": "about", "topic": "other",
        **{
            language: {"title": source.name[language], "text": source.about[language]}
            for language in ("en", "zh")
        },
    }  # fmt: skip
    _write_lines(out / "faq.jsonl", [json.dumps(passage, ensure_ascii=False)])
    if any(event[4] for event in events):
        customers, orders = _orders(events, known)
        _write_lines(out / "customers.jsonl", (row.model_dump_json() for row in customers))
        _write_lines(out / "orders.jsonl", (row.model_dump_json(exclude_none=True) for row in orders))
    _write_table(
        out / ITEMS,
        ("id", "title", "category", "tags"),
        ((p.id, p.title("en"), p.category, " ".join(p.tags)) for p in products),
    )
    baskets = any(event[4] for event in events)
    _write_table(
        out / EVENTS,
        ("user", "item", "timestamp", "event", *(("invoice",) if baskets else ())),
        ((u, i, f"{at:.0f}", action, *((basket,) if baskets else ())) for u, i, at, action, basket in events),
    )
    categories = sorted({product.category for product in products})
    profile = {
        "name": source.name,
        "currency": source.currency,
        "categories": {category: {"en": category} for category in categories},
    }
    (out / "shop.json").write_text(json.dumps(profile, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return Imported(
        len(products), sum(product.in_stock for product in products), len({event[0] for event in events}),
        len(events), source.left_out, len(categories),
    )  # fmt: skip


def _orders(
    events: Sequence[tuple[str, str, float, str, str]], known: dict[str, Product]
) -> tuple[list[Customer], list[Order]]:
    """The latest purchases of two customers with a middling history, as orders of the chat page's users."""
    of_user: dict[str, dict[str, list[tuple[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for user, item, at, _, basket in events:
        of_user[user][basket].append((item, at))
    middling = sorted(of_user, key=lambda user: (abs(len(of_user[user]) - 5), user))
    customers, orders = [], []
    for (number, language), user in zip(CUSTOMERS.items(), middling, strict=False):
        customers.append(Customer(id=number, name=f"Customer {number}", language=language))  # type: ignore[arg-type]
        for place, basket in enumerate(of_user[user].values(), 1):
            items = tuple(
                OrderItem(product_id=item, quantity=1, price=known[item].price)
                for item in dict.fromkeys(item for item, _ in basket[:_LONGEST_ORDER])
            )
            day = datetime.fromtimestamp(basket[0][1], UTC).date()
            orders.append(
                Order(
                    id=f"{number}{place:05d}",
                    customer_id=number,
                    status="delivered",
                    placed=day,
                    items=items,
                    total=sum((item.price for item in items), Decimal(0)),
                )  # fmt: skip
            )
    return customers, orders


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
