"""What customers did with items, read strictly from files: events in time order and the items' own words.

Reads CSV, TSV, JSON lines (all also as .gz), MovieLens (`ratings.dat`, `u.data`, `ratings.csv`, `movies.dat`, …) and
RecBole (`.inter`, `.item`). Knows no network, no shop and no metric.
"""

import csv
import gzip
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np

NEGATIVE_ACTIONS = frozenset({"dislike", "less", "hide", "return", "not_interested"})
"""Actions that say what a customer does not want: read as history, never learned as what comes next."""

WORDS_PER_ITEM = 16

_COLUMNS = {
    "user": ("user", "user_id", "userid", "customer", "customer_id", "uid"),
    "item": ("item", "item_id", "itemid", "movieid", "movie_id", "product", "product_id", "id", "iid"),
    "time": ("timestamp", "time", "ts", "at", "datetime", "date"),
    "action": ("event", "action", "event_type"),
    "rating": ("rating", "stars"),
    "basket": ("basket", "basket_id", "invoice", "order", "order_id"),
    "place": ("pos", "position"),
    "title": ("title", "name", "movie_title", "entity"),
    "category": ("category", "categories", "genres", "genre", "class"),
}
_TEXT_COLUMNS = ("tags", "attributes", "description", "brand", "year")
_WORD = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]")
_MOST_NAMED = 1


class DataError(ValueError):
    """A file of events or items that cannot be used. The text names the first file, line and remedy."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = f" ({len(problems) - _MOST_NAMED} more such rows)" if len(problems) > _MOST_NAMED else ""
        super().__init__(problems[0] + more)
        self.problems = tuple(problems)


@dataclass(frozen=True)
class ItemText:
    """What is known of an item beside who used it."""

    title: str = ""
    category: str = ""
    text: str = ""

    def words(self) -> list[str]:
        """The first telling words, lower case; a Chinese character is a word."""
        found = _WORD.findall(f"{self.category} {self.title} {self.text}".lower())
        return list(dict.fromkeys(found))[:WORDS_PER_ITEM]


@dataclass(frozen=True)
class Events:
    """Some events of one user, oldest first: items and actions by number, seconds (nan: unknown), basket numbers."""

    items: np.ndarray
    actions: np.ndarray
    times: np.ndarray
    baskets: np.ndarray

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, part: slice | np.ndarray) -> "Events":
        return Events(self.items[part], self.actions[part], self.times[part], self.baskets[part])


@dataclass(frozen=True)
class Interactions:
    """A data set. An item that nobody used has no number; the others are numbered by a hash of their ids.

    So equal scores favour nobody. `repeats` is the share of events whose item the user had before.
    """

    name: str
    users: tuple[str, ...]
    items: tuple[str, ...]
    actions: tuple[str, ...]
    events: tuple[Events, ...]
    texts: Mapping[str, ItemText] = field(default_factory=dict)
    has_times: bool = False
    has_baskets: bool = False
    repeats: float = 0.0
    fingerprint: str = ""

    @property
    def size(self) -> int:
        """How many events there are."""
        return sum(len(events) for events in self.events)


def read_interactions(path: Path, items: Path | None = None) -> Interactions:
    """Read events and, if given, items. Consecutive equal events of one user are one.

    Within a user: by timestamp if there is one (a row without takes that of the user's row before it), else by `pos`,
    else as in the file; ties keep the file's order.
    Raises DataError.
    """
    problems: list[str] = []
    rows: dict[str, list[tuple[float, float, int, str, str, str]]] = {}
    used: set[str] = set()
    timed = placed = basketed = 0
    total = 0
    for line, row in _rows(path, ("user", "item", "rating", "time")):
        where = f"{path}:{line}"
        try:
            user, item = row.get("user", ""), row.get("item", "")
            if not user or not item:
                raise ValueError(
                    f"no {'user' if not user else 'item'}; every row needs the columns user and item"
                )
            time = _seconds(row.get("time", ""))
            place = _number(row.get("place", ""), "pos")
            action = row.get("action", "") or ("rate" if row.get("rating") else "view")
            rating = _number(row.get("rating", ""), "rating")
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        if not math.isnan(rating):
            action = f"{action}-{rating:g}"
        some = rows.setdefault(user, [])
        if math.isnan(time) and some:
            time = some[-1][0]
        timed += not math.isnan(time)
        placed += not math.isnan(place)
        basket = row.get("basket", "")
        basketed += bool(basket)
        total += 1
        used.add(item)
        some.append((time, place, total, item, action, basket))
    if problems:
        raise DataError(problems)
    if not rows:
        raise DataError([f"{path} has no rows; it needs at least the columns user and item"])
    texts = read_items(items) if items else {}
    known = sorted(used, key=lambda item: hashlib.sha256(item.encode()).digest())
    item_number = {item: number for number, item in enumerate(known)}
    actions = sorted({row[4] for some in rows.values() for row in some})
    action_number = {action: number for number, action in enumerate(actions)}
    sequences, repeated, kept = [], 0, 0
    for some in rows.values():
        if timed:
            some.sort(key=lambda row: (0.0 if math.isnan(row[0]) else row[0], row[2]))
        elif placed == total:
            some.sort(key=lambda row: (row[1], row[2]))
        merged = [
            row for before, row in zip([None, *some], some, strict=False)
            if before is None or (before[3:] != row[3:] or before[0] < row[0] or before[1] < row[1])
        ]  # fmt: skip
        numbers: dict[object, int] = {}
        keys = [row[5] or row[0] for row in merged]
        baskets = [numbers.setdefault(key, len(numbers)) for key in keys]
        events = Events(
            np.array([item_number[row[3]] for row in merged], dtype=np.int64),
            np.array([action_number[row[4]] for row in merged], dtype=np.int64),
            np.array([row[0] for row in merged], dtype=np.float64),
            np.array(baskets, dtype=np.int64),
        )
        if basketed:  # an interrupted basket stays together
            events = events[np.argsort(events.baskets, kind="stable")]
        sequences.append(events)
        kept += len(events)
        repeated += len(events) - len(set(events.items.tolist()))
    return Interactions(
        path.parent.name if path.name.startswith(("interactions", "ratings")) else path.name.split(".")[0],
        tuple(rows), tuple(known), tuple(actions), tuple(sequences), texts,
        bool(timed), bool(basketed), repeated / kept, hashlib.sha256(path.read_bytes()).hexdigest()[:16],
    )  # fmt: skip


def read_items(path: Path) -> dict[str, ItemText]:
    """Read items with their words. Raises DataError."""
    problems, found = [], {}
    for line, row in _rows(path, ("item", "title", "category")):
        if not (item := row.get("item", "")):
            problems.append(f"{path}:{line}: no id; every row needs the column id, item or movieId")
            continue
        if item in found:
            problems.append(f"{path}:{line}: item {item!r} stands in the file twice; delete one of the rows")
        text = " ".join(row[name] for name in _TEXT_COLUMNS if row.get(name))
        found[item] = ItemText(row.get("title", ""), row.get("category", "").replace("|", " "), text)
    if problems:
        raise DataError(problems)
    return found


def _rows(path: Path, headless: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and rows with our column names, blanks stripped; `headless` are the columns without a header."""
    name = path.name.lower().removesuffix(".gz")
    try:
        with _open(path) as file:
            if name.endswith((".jsonl", ".json", ".ndjson")):
                yield from _json_rows(path, file)
            elif name.endswith(".dat"):
                yield from _plain_rows(path, file, "::", headless)
            elif name in ("u.data", "u.item"):
                yield from _plain_rows(path, file, "\t" if name == "u.data" else "|", headless)
            elif name.endswith((".csv", ".tsv", ".inter", ".item", ".txt")):
                yield from _table_rows(path, file, "," if name.endswith(".csv") else "\t")
            else:
                raise DataError(
                    [f"{path}: unknown kind of file; use .csv, .tsv, .jsonl, .dat, .inter or .item, also .gz"]
                )
    except FileNotFoundError:
        raise DataError([f"{path} does not exist; give the file of events or items"]) from None
    except IsADirectoryError:
        raise DataError([f"{path} is a folder; give the file in it"]) from None
    except (OSError, EOFError) as error:
        raise DataError([f"{path} cannot be read ({error}); copy it again"]) from None
    except UnicodeDecodeError:
        raise DataError([f"{path} is not UTF-8 text; save it as UTF-8"]) from None


def _open(path: Path) -> IO[str]:
    encoding = (
        "latin-1" if re.fullmatch(r"(.*\.dat|u\.(data|item))(\.gz)?", path.name.lower()) else "utf-8-sig"
    )
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return open(path, encoding=encoding, newline="")


def _json_rows(path: Path, file: IO[str]) -> Iterator[tuple[int, dict[str, str]]]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
            if not isinstance(row, dict):
                raise ValueError("no object")
        except ValueError as error:
            raise DataError(
                [f"{path}:{line}: not a JSON object ({error}); write one object a line"]
            ) from None
        named = {str(key): _shown(value) for key, value in row.items()}
        yield line, _renamed(named)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value).strip()


def _plain_rows(
    path: Path, file: IO[str], separator: str, columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    for line, text in enumerate(file, 1):
        cells = text.rstrip("\r\n").split(separator)
        if text.strip():
            if len(cells) < 2:
                raise DataError([f"{path}:{line}: one column only; columns are separated by {separator!r}"])
            yield line, {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}


def _table_rows(path: Path, file: IO[str], separator: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(file, delimiter=separator)
    header = next(reader, None)
    if header is None:
        raise DataError([f"{path} is empty; its first row names the columns"])
    columns = [cell.split(":")[0].strip() for cell in header]
    place = {column: number for number, column in enumerate(columns)}
    wanted = {
        name: place[column] for name, column in _renamed({column: column for column in columns}).items()
    }
    if "item" not in wanted:
        raise DataError([f"{path}:1: no column item or id among {', '.join(columns)[:80]}; name the columns"])
    try:
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(columns):
                raise DataError(
                    [f"{path}:{reader.line_num}: {len(cells)} cells where the first row names {len(columns)}"]
                )
            yield reader.line_num, {name: cells[number].strip() for name, number in wanted.items()}
    except csv.Error as error:
        raise DataError([f"{path}:{reader.line_num}: {error}; save the table again"]) from None


def _renamed(row: Mapping[str, str]) -> dict[str, str]:
    lowered = {name.lower(): value.strip() for name, value in row.items()}
    renamed = {name: lowered[name] for name in _TEXT_COLUMNS if name in lowered}
    for ours, theirs in _COLUMNS.items():
        for name in theirs:
            if name in lowered:
                renamed[ours] = lowered[name]
                break
    return renamed


def _number(text: str, name: str) -> float:
    if not text:
        return math.nan
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} {text[:40]!r} is not a number; correct it or leave it empty")
    return number


def _seconds(text: str) -> float:
    """Seconds since the epoch from a number (milliseconds are recognised) or an ISO date."""
    if not text:
        return math.nan
    try:
        number = float(text)
        if math.isfinite(number):
            return number / 1000 if number > 1e11 else number
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except ValueError:
            pass
    raise ValueError(f"timestamp {text[:40]!r} is neither seconds nor a date such as 2026-11-27T10:00:00")
