"""Values leave a text as slots and come back unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.slots import SLOT_COUNT, Slots, find_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Standard delivery takes 2–4 working days and costs 4.90 EUR.", ["2–4", "4.90 EUR"]),
        ("标准配送需要2-4个工作日，满199元包邮，运费¥12.00。", ["2-4", "199元", "¥12.00"]),
        (
            "Mail help@shop.example, see https://shop.example/returns.",
            ["help@shop.example", "https://shop.example/returns"],
        ),
        ("Open 9:00–18:00, call +49 30 1234 5678", ["9:00–18:00", "+49 30 1234 5678"]),
        ("Order KF-10023 is 10% off", ["KF-10023", "10%"]),
        ("placed: 12 May 2026; arrives: Nov 3", ["12 May 2026", "Nov 3"]),
        ("下单：2026年5月12日，5月20号前送达，合计40.00欧元", ["2026年5月12日", "5月20号", "40.00欧元"]),
        ("You may return 30 items", ["30"]),
        ("在https://shop.example/help就能查，9：00开门", ["https://shop.example/help", "9：00"]),
        ("No value here", []),
    ],
)
def test_values_are_found_as_written(text: str, values: list[str]) -> None:
    assert find_values(text) == values


@given(st.text(st.characters(exclude_characters="<>"), max_size=200))
def test_cut_and_fill_are_inverse(text: str) -> None:
    slots = Slots()
    cut = slots.cut(text)
    if len(find_values(text)) <= SLOT_COUNT:
        assert slots.fill(cut) == text
        assert not find_values(cut.replace("<v", "").translate(str.maketrans("", "", "0123456789>")))


def test_equal_values_share_a_slot_and_numbers_come_in_the_given_order() -> None:
    slots = Slots([7, 3])
    assert slots.cut("5 EUR or 5 EUR or 9 EUR") == "<v7> or <v7> or <v3>"
    assert slots.fill("<v3>") == "9 EUR"


def test_values_beyond_the_last_slot_are_left_out() -> None:
    slots = Slots([0])
    assert slots.cut("1 and 2") == "<v0> and "


def test_unknown_slot_is_refused() -> None:
    with pytest.raises(KeyError):
        Slots().fill("<v5>")
