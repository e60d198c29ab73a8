"""The demo shop is big enough, says the same in both languages and does not contradict itself."""

import json
import re
from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from model.demo_shop import make_orders
from model.prompt import QUESTION_TYPES, SMALL_TALK_TYPES
from model.shop import DEMO_SHOP, Shop
from model.slots import SLOT_COUNT, find_values

WITHOUT_PASSAGE = {"order_contents", "order_total", "suggest", "other"} | (SMALL_TALK_TYPES - {"about_bot"})


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop.load()


def numbers(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+(?:[.,:]\d+)*", text))


def test_it_is_as_big_as_promised(shop: Shop) -> None:
    orders = [order for customer in shop.customers for order in shop.orders_of(customer)]
    assert len(shop.products) >= 160
    assert len({product.category for product in shop.products}) >= 12
    assert len(shop.passages) >= 2 * 64
    assert len(shop.customers) == 50
    assert len(orders) == 200
    assert len({order.status for order in orders}) == 8


def test_every_topic_has_a_passage(shop: Shop) -> None:
    topics = {passage.topic for passage in shop.passages}
    assert topics >= set(QUESTION_TYPES) - WITHOUT_PASSAGE
    assert all(count <= 4 for count in Counter(p.topic for p in shop.passages if p.language == "en").values())


def test_both_languages_state_the_same_numbers(shop: Shop) -> None:
    passages = {(passage.id, passage.language): passage for passage in shop.passages}
    for (name, language), passage in passages.items():
        other = passages[name, "zh" if language == "en" else "en"]
        assert numbers(passage.text) == numbers(other.text), name
    for product in shop.products:
        assert numbers(product.description("en")) == numbers(product.description("zh")), product.id


def test_passages_and_records_fit_the_slots(shop: Shop) -> None:
    texts = [passage.text for passage in shop.passages]
    texts += [shop.product_record_text(product, "en") for product in shop.products]
    assert max(len(find_values(text)) for text in texts) <= SLOT_COUNT // 5
    assert all(find_values(passage.text) for passage in shop.passages if passage.id == "delivery-standard")


def test_products_can_be_told_apart(shop: Shop) -> None:
    for language in ("en", "zh"):
        assert len({product.title(language).casefold() for product in shop.products}) == len(shop.products)
    assert all(Decimal(3) <= product.price <= Decimal(400) for product in shop.products)
    assert {product.category for product in shop.products} == set(shop.profile.categories)
    assert {tag for product in shop.products for tag in product.tags} <= set(shop.profile.tags)
    assert sum(not product.in_stock for product in shop.products) >= 8


def test_orders_add_up_and_their_states_fit_their_dates(shop: Shop) -> None:
    for customer in shop.customers:
        for order in shop.orders_of(customer):
            assert order.total == sum(item.price * item.quantity for item in order.items), order.id
            assert all(shop.product(item.product_id) for item in order.items), order.id
            assert order.placed <= make_orders.TODAY
            assert order.arrives is None or order.placed <= order.arrives
            assert (order.tracking is not None) == (order.carrier is not None)
            if order.is_under_way:
                assert order.arrives and order.arrives > make_orders.TODAY
                assert bool(order.tracking) == (order.status == "shipped")
            elif order.status == "cancelled":
                assert order.arrives is None and order.tracking is None
            else:
                assert order.arrives and order.arrives <= make_orders.TODAY and order.tracking


@pytest.mark.parametrize(("customer", "language"), [(1, "en"), (2, "zh")])
def test_the_first_customers_have_orders_in_several_states(shop: Shop, customer: int, language: str) -> None:
    states = [order.status for order in shop.orders_of(customer)]
    assert shop.customers[customer].language == language
    assert 3 <= len(states) <= 4
    assert len(set(states)) == len(states)
    assert states.count("shipped") == 1


def test_the_orders_that_ship_are_the_ones_that_the_script_makes() -> None:
    rows = [
        json.loads(line) for line in (DEMO_SHOP / "orders.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    products = [
        json.loads(line) for line in (DEMO_SHOP / "products.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert make_orders.make_orders(products) == rows
    assert date.fromisoformat(rows[-1]["placed"]) == make_orders.TODAY
