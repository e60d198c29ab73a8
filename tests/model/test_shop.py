"""A shop is read strictly, its records are said in one form, and a message's ids and products are found."""

import json
import time
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.shop import Order, OrderItem, OrderList, Shop, ShopError, amount_text, date_text

PROFILE = {"name": {"en": "Corner Shop", "zh": "街角小店"}, "currency": "CNY", "order_prefix": "A"}
MUG = {
    "id": "M1",
    "category": "cups",
    "price": 19.5,
    "currency": "CNY",
    "stock": 2,
    "en": {"title": "Blue Mug", "description": "A mug of stoneware; hand-made. It holds 0.3 l."},
    "zh": {"title": "蓝色马克杯", "description": "手工炻瓷杯。容量0.3升。"},
}


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop.load()


def write(folder: Path, name: str, *rows: object) -> Path:
    (folder / "shop.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_a_folder_of_ones_own_is_a_shop(tmp_path: Path) -> None:
    own = Shop.load(write(tmp_path, "products.jsonl", MUG, "", MUG | {"id": "M2", "zh": None}))
    assert own.name("zh") == "街角小店"
    assert [product.title("zh") for product in own.products] == ["蓝色马克杯", "Blue Mug"]
    assert own.passages == ()
    assert own.orders_of(1) == []


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("products.jsonl", MUG | {"price": "much"}, "products.jsonl, line 2: price"),
        ("products.jsonl", MUG | {"price": -1}, "price: Input should be greater than or equal to 0"),
        ("products.jsonl", MUG | {"stock": 1.5}, "stock"),
        ("products.jsonl", MUG | {"colour": "blue"}, "'colour' is not a known field. Remove it"),
        ("products.jsonl", {"id": "M2"}, "'category' is missing. Add it"),
        ("products.jsonl", MUG | {"id": "M2", "en": None, "zh": None}, "at least one language"),
        ("products.jsonl", MUG, "'M1' stands in line 1 already; give each row its own"),
        ("products.jsonl", '{"id": "M2",', "Each line must be one JSON object"),
        ("products.jsonl", '["M2"]', "line 2: row: Input should be an object"),
        ("faq.jsonl", {"id": "x", "topic": "wheather", "en": {"title": "a", "text": "b"}}, "unknown topic 'wheather'"),
        ("orders.jsonl", {"id": "A1", "customer_id": 1, "status": "lost"}, "status"),
        ("customers.jsonl", {"id": 1, "name": "", "language": "en"}, "name"),
    ],
)  # fmt: skip
def test_a_broken_row_is_named_with_file_line_and_remedy(
    tmp_path: Path, name: str, row: object, said: str
) -> None:
    first = MUG if name == "products.jsonl" else ""
    with pytest.raises(ShopError) as error:
        Shop.load(write(tmp_path, name, first, row))
    assert said in str(error.value)
    assert f"{name}, line 2: " in str(error.value)
    assert "\n" not in str(error.value)


def test_all_broken_rows_are_collected(tmp_path: Path) -> None:
    with pytest.raises(ShopError) as error:
        Shop.load(write(tmp_path, "products.jsonl", "{", MUG, "nonsense"))
    assert len(error.value.problems) == 2
    assert "1 more" in str(error.value)


def test_a_folder_without_a_shop_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ShopError, match="KEFU_SHOP"):
        Shop.load(tmp_path)


def test_a_price_that_is_a_list_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ShopError, match=r"products\.jsonl, line 2"):
        Shop.load(write(tmp_path, "products.jsonl", MUG, MUG | {"id": "M2", "price": [2, [1], 0]}))


def test_bytes_that_are_no_utf8_are_a_broken_row(tmp_path: Path) -> None:
    write(tmp_path, "products.jsonl", MUG)
    (tmp_path / "products.jsonl").write_bytes(b'{"id": "\xff"}')
    with pytest.raises(ShopError, match="line 1"):
        Shop.load(tmp_path)


def test_product_record_has_its_form(tmp_path: Path) -> None:
    own = Shop.load(write(tmp_path, "products.jsonl", MUG))
    mug = own.products[0]
    assert own.product_record_text(mug, "en") == (
        "price: 19.50 CNY; stock: only 2 left; about: A mug of stoneware, hand-made; category: cups"
    )
    assert own.product_record_text(mug, "zh") == "价格：19.50元；库存：仅剩2件；简介：手工炻瓷杯；分类：cups"
    assert "stock: out of stock" in own.product_record_text(mug.model_copy(update={"stock": 0}), "en")
    assert "库存：有货" in own.product_record_text(mug.model_copy(update={"stock": 9}), "zh")


def test_order_record_has_its_form_and_leaves_out_what_is_missing(tmp_path: Path) -> None:
    own = Shop.load(write(tmp_path, "products.jsonl", MUG))
    items = (
        OrderItem(product_id="M1", quantity=2, price=Decimal("19.5")),
        OrderItem(product_id="GONE", quantity=1, price=Decimal(1)),
    )
    order = Order(
        id="A100", customer_id=1, status="shipped", placed=date(2026, 5, 12), arrives=date(2026, 5, 14),
        items=items, total=Decimal(40), carrier="DHL", tracking="DE123",
    )  # fmt: skip
    assert own.order_record_text(order, "en") == (
        "status: shipped; placed: 12 May 2026; arrives: 14 May 2026; total: 40.00 CNY; items: 2 × Blue Mug, GONE; "
        "carrier: DHL; tracking: DE123"
    )
    bare = order.model_copy(update={"arrives": None, "carrier": None, "tracking": None})
    assert own.order_record_text(bare, "zh") == (
        "状态：已发货；下单：2026年5月12日；合计：40.00元；商品：2 × 蓝色马克杯、GONE"
    )


def test_amounts_and_dates_in_both_languages() -> None:
    assert amount_text(Decimal("24.9"), "EUR", "en") == "24.90 EUR"
    assert amount_text(Decimal("24.9"), "EUR", "zh") == "24.90欧元"
    assert amount_text(Decimal(1200), "JPY", "en") == "1200 JPY"
    assert date_text(date(2026, 12, 1), "en") == "1 December 2026"
    assert date_text(date(2026, 12, 1), "zh") == "2026年12月1日"


def test_an_order_opens_for_its_customer_only(shop: Shop) -> None:
    own = shop.orders_of(1)[0]
    assert shop.order(own.id.lower(), 1) == own
    assert shop.order(own.id, 2) is None
    assert shop.order("KF-99999", 1) is None


def test_orders_come_newest_first() -> None:
    def order(name: str, day: int) -> Order:
        items = (OrderItem(product_id="M1", quantity=1, price=Decimal(1)),)
        return Order(
            id=name, customer_id=7, status="paid", placed=date(2026, 1, day), items=items, total=Decimal(1)
        )

    book = OrderList([order("A1", 3), order("A3", 9), order("A2", 9)])
    assert [order.id for order in book.orders_of(7)] == ["A3", "A2", "A1"]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Where is KF-10023?", ["KF-10023"]),
        ("kf 10023 and KF10031", ["KF-10023", "KF-10031"]),
        ("my order no. 10023, please", ["KF-10023"]),
        ("where's order #10023", ["KF-10023"]),
        ("orders 10023 and 10031", ["KF-10023", "KF-10031"]),
        ("订单10023到哪了", ["KF-10023"]),
        ("订单号是：10023", ["KF-10023"]),
        ("ＫＦ－１００２３", ["KF-10023"]),
        ("10023", ["KF-10023"]),
        ("it's 10023, thanks", ["KF-10023"]),
        ("KF-10023 KF-10023", ["KF-10023"]),
        ("I want to order 1500 pieces", []),
        ("my order was 1049.90", []),
        ("call me at +49 30 23125 120", []),
        ("Do you deliver to 10115 Berlin?", []),
        ("", []),
    ],
)
def test_order_ids_are_found_as_customers_write_them(shop: Shop, text: str, ids: list[str]) -> None:
    assert shop.find_order_ids(text) == ids


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("how much is the aurora lamp?", ["Aurora Lamp"]),
        ("AURORA LAMPS!", ["Aurora Lamp"]),
        ("arora lamp or the fjord blankt", ["Aurora Lamp", "Fjord Blanket"]),
        ("is the moonrise night light safe", ["Moonrise Nightlight"]),
        ("Drizzle kettel", ["Drizzle Kettle"]),
        ("<b>Bruno Bear</b> 🐻", ["Bruno Bear"]),
        ("do you have 冰川保温瓶", ["Glacier Flask"]),
        ("a good harvest to eat", []),
        ("I need a lamp", []),
    ],
)
def test_products_are_found_in_spite_of_slips(shop: Shop, text: str, titles: list[str]) -> None:
    assert [product.title("en") for product in shop.find_products(text, "en")] == titles


@pytest.mark.parametrize("text", ["极光台灯多少钱", "极光灯多少钱", "极光抬灯还有吗", "Aurora Lamp多少钱"])
def test_products_are_found_in_chinese(shop: Shop, text: str) -> None:
    assert [product.id for product in shop.find_products(text, "zh")] == ["P1001"]


@pytest.mark.parametrize("product_number", range(0, 181, 20))
def test_every_title_finds_its_product(shop: Shop, product_number: int) -> None:
    product = shop.products[product_number]
    assert shop.find_products(f"Is the {product.title('en')} in stock?", "en") == [product]
    assert shop.find_products(f"请问{product.title('zh')}有货吗", "zh") == [product]


@given(st.text(max_size=60))
def test_any_text_is_read(shop: Shop, text: str) -> None:
    shop.find_order_ids(text)
    shop.find_products(text, "zh")


@pytest.mark.parametrize(
    "text", ["word " * 4000, "极光灯台" * 5000, "KF-" * 7000, "aurora " * 3000, "order " * 3500]
)
def test_a_huge_message_is_read_quickly(shop: Shop, text: str) -> None:
    started = time.process_time()
    shop.find_order_ids(text)
    shop.find_products(text, "en")
    assert time.process_time() - started < 0.5
