"""An answer about a record says what was asked, and no other state than the record's."""

import pytest

from model.records import contradicts, fields_of

SHIPPED = fields_of(
    "status: shipped; placed: 12 May 2026; arrives: 19 May 2026; total: 40.00 EUR; items: 2 × Mug, Lamp"
)
SENT_ZH = fields_of("状态：已发货；下单：2026年5月12日；预计送达：2026年5月19日；合计：40.00欧元；商品：杯子")
PRODUCT = fields_of("price: 9.90 EUR; stock: out of stock; about: A mug.; category: kitchen")


def test_fields_of_a_record() -> None:
    assert SHIPPED["items"] == "2 × Mug, Lamp" and SENT_ZH["状态"] == "已发货"


@pytest.mark.parametrize(
    ("name", "fields", "answer"),
    [
        ("order_status", SHIPPED, "Your order has been shipped and should arrive 19 May 2026."),
        ("order_status", SHIPPED, "It is on its way."),
        ("order_total", SHIPPED, "It comes to 40.00 EUR."),
        ("order_contents", SHIPPED, "It contains: 2 × Mug, Lamp."),
        ("order_status", SENT_ZH, "您的订单已发货，预计2026年5月19日送达。"),
        ("product_stock", PRODUCT, "The mug is out of stock."),
        ("product_price", PRODUCT, "It costs 9.90 EUR."),
        ("order_status", fields_of("status: paid"), "Your order is paid and will be packed soon."),
        ("order_status", fields_of("status: paid"), "Your order has been placed on 12 May."),
        ("product_stock", fields_of("stock: only 3 left"), "Yes, but only 3 are left."),
    ],
)
def test_right_answers_pass(name: str, fields: dict[str, str], answer: str) -> None:
    assert not contradicts(name, fields, answer, "zh" if "状态" in fields else "en")


@pytest.mark.parametrize(
    ("name", "fields", "answer"),
    [
        ("order_status", SHIPPED, "Your order has been delivered on 19 May 2026."),
        ("order_status", SHIPPED, "Your order has been shipped and refunded."),
        ("order_status", SHIPPED, "Your order is fine."),
        ("order_total", SHIPPED, "Your order has been shipped."),
        ("order_contents", SHIPPED, "It contains: Mug."),
        ("order_status", SENT_ZH, "您的订单已于2026年5月19日送达。"),
        ("product_stock", PRODUCT, "Yes, the mug is in stock."),
        ("product_price", PRODUCT, "It is cheap."),
        ("product_stock", fields_of("stock: only 3 left"), "It is out of stock."),
    ],
)
def test_wrong_answers_are_caught(name: str, fields: dict[str, str], answer: str) -> None:
    assert contradicts(name, fields, answer, "zh" if "状态" in fields else "en")
