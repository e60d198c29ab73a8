"""The built-in voice says sentences of its passage, or those it was taught about records, and nothing else."""

import pytest

from model.literal import fields_of, is_taught, quotes, sentences_of, told_to_the_end
from model.shop import Shop

PASSAGE = "Standard delivery takes 2–4 working days. Other countries take 4–7 days. It costs 4.90 EUR, e.g. for a lamp."
CHINESE = "德国境内需要2–4个工作日。其他国家需要4–7个工作日。"


def test_sentences_end_where_they_end() -> None:
    assert len(sentences_of(CHINESE)) == 2
    assert sentences_of("It costs 4.90 EUR. Really? Yes!") == ["It costs 4.90 EUR.", "Really?", "Yes!"]


@pytest.mark.parametrize(
    "answer", ["Standard delivery takes 2–4 working days.", "Other countries take 4–7 days. " + PASSAGE[:41]]
)
def test_whole_sentences_are_quotes(answer: str) -> None:
    assert quotes(answer, PASSAGE)


@pytest.mark.parametrize(
    "answer",
    [
        "Standard delivery takes 4–7 days.",
        "Standard delivery takes",
        "",
        "Other countries take 4–7 days. " * 2,
    ],
)
def test_swapped_values_halves_and_repetitions_are_not(answer: str) -> None:
    assert not quotes(answer, PASSAGE)
    assert not quotes("德国境内需要4–7个工作日。", CHINESE)


def test_the_rest_of_a_short_passage_follows() -> None:
    assert (
        told_to_the_end("其他国家需要4–7个工作日。", CHINESE, "zh")
        == "其他国家需要4–7个工作日。德国境内需要2–4个工作日。"
    )
    assert told_to_the_end("A.", "A. " + "B. " * 200, "en") == "A."


def test_orders_and_products_are_answered_with_taught_sentences_of_their_state() -> None:
    shop = Shop.load()
    order = next(order for order in shop.orders_of(1) if order.status == "shipped")
    english, chinese = (fields_of(shop.order_record_text(order, language)) for language in ("en", "zh"))
    assert is_taught("order_status", order.id, english, f"Your order {order.id} has been shipped.", "en")
    assert is_taught("order_status", order.id, chinese, f"您的订单{order.id}已发货。", "zh")
    assert not is_taught(
        "order_status", order.id, english, f"Your order {order.id} has been delivered.", "en"
    )
    assert not is_taught("order_total", order.id, english, f"Your order {order.id} has been shipped.", "en")
    product = shop.product("P1001")
    assert product
    fields = fields_of(shop.product_record_text(product, "en"))
    assert is_taught(
        "product_price", "Aurora Lamp", fields, f"The Aurora Lamp costs {fields['price']}.", "en"
    )
    assert not is_taught("product_price", "Aurora Lamp", fields, "The Aurora Lamp costs 9.90 EUR.", "en")
