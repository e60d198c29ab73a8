"""A shop's files are loaded, or refused with the file and the line; whatever was loaded can be shown."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st

import model
from model.shop import Shop, ShopError
from tests.fuzz.inputs import anything, good_short_texts, nearly
from tests.fuzz.properties import Check, Property

DEMO = Path(model.__file__ or "").parent / "demo_shop"


def _rows_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DEMO / name).read_text().splitlines() if line.strip()]


@st.composite
def _changed(draw: st.DrawFn, rows: list[dict[str, Any]]) -> str:
    row = json.loads(json.dumps(draw(st.sampled_from(rows[:20]))))
    inner = [value for value in row.values() if isinstance(value, dict)]
    for part in [row, *inner]:
        for field in draw(st.lists(st.sampled_from(sorted(part)), max_size=2, unique=True)) if part else ():
            part[field] = draw(st.one_of(anything, good_short_texts))
    return draw(st.one_of(nearly(st.just(row)).map(json.dumps), good_short_texts, anything.map(json.dumps)))


def _bench(name: str) -> Callable[[], Any]:
    @contextmanager
    def bench() -> Iterator[Check]:
        with TemporaryDirectory() as folder:
            for source in DEMO.glob("*.json*"):
                # Little else, so that a load takes little time.
                lines = source.read_text().splitlines()
                Path(folder, source.name).write_text(
                    "\n".join(lines if source.suffix == ".json" else lines[:3])
                )

            def check(rows: list[str]) -> None:
                Path(folder, name).write_text("\n".join(rows), encoding="utf-8", errors="surrogatepass")
                try:
                    shop = Shop.load(Path(folder))
                except ShopError as refusal:
                    assert name.partition(".")[0] in str(refusal), refusal
                else:
                    _show(shop)

            yield check
            shutil.rmtree(folder, ignore_errors=True)
            Path(folder).mkdir()

    return bench


def _show(shop: Shop) -> None:
    for product in shop.products:
        for language in ("en", "zh"):
            assert shop.product_record_text(product, language)
            shop.find_products(product.title(language), language)


PROPERTIES = [
    Property(
        f"{name} is loaded or refused",
        share,
        st.lists(_changed(_rows_of(name)), min_size=1, max_size=3),
        _bench(name),
    )
    for name, share in (("products.jsonl", 4), ("faq.jsonl", 3), ("orders.jsonl", 3))
]
