"""P5: an answer states nothing that its sources do not state."""

import pytest

from model.check import faithfulness, unsupported

PASSAGE = "Standard delivery takes 2–4 working days and costs 4.90 EUR; free from 50 EUR. See https://shop.example/d."


@pytest.mark.parametrize(
    "answer",
    [
        "It takes 2-4 working days.",
        "It takes 2 to 4 days and costs 4.90 EUR.",
        "4.9 EUR, free from EUR 50",
        "Four days at most.",
        "最多四天，运费4.90 EUR。",
        "See https://shop.example/d",
        "We deliver quickly.",
    ],
)
def test_what_the_source_says_is_supported(answer: str) -> None:
    assert unsupported(answer, [PASSAGE]) == []


@pytest.mark.parametrize(
    ("answer", "invented"),
    [
        ("It takes 3 working days.", ["3"]),
        ("It costs 4.95 EUR.", ["4.95 EUR"]),
        ("Free for thirty days!", ["30"]),
        ("三十天内退货", ["30"]),
        ("See https://shop.example/x", ["https://shop.example/x"]),
        ("Write to a@b.example", ["a@b.example"]),
        ("Order KF-10023 is on its way", ["KF-10023"]),
        ("It arrives on 4 May 2026", ["4 May 2026"]),
        ("It costs 50 USD", ["50 USD"]),
        ("50% off", ["50%"]),
        ("Take the Moon Lamp", ["Moon Lamp"]),
    ],
)
def test_what_no_source_says_is_named(answer: str, invented: list[str]) -> None:
    assert unsupported(answer, [PASSAGE], names=["Moon Lamp"]) == invented


def test_full_width_digits_and_thousands_separators_are_the_same_number() -> None:
    assert unsupported("１２９９ EUR", ["1,299.00 EUR"]) == []


def test_a_number_inside_another_is_no_support() -> None:
    assert unsupported("It costs 4 EUR", ["It costs 44 EUR"]) == ["4 EUR"]


def test_faithfulness_counts_words_of_the_source() -> None:
    assert faithfulness("Standard delivery takes 2 days", PASSAGE) == 1
    assert faithfulness("Bananas grow slowly", PASSAGE) == 0
    assert faithfulness("", PASSAGE) == 1


def test_a_date_may_lose_its_year_but_not_change_its_month() -> None:
    sources = ["arrives: 12 May 2026", "预计送达：2026年5月19日"]
    assert unsupported("It arrives on 12 May, 5月19日送达", sources) == []
    assert unsupported("2 May 2026, 12 June 2026, 6月19日", sources) == [
        "2 May 2026",
        "12 June 2026",
        "6月19日",
    ]
    assert unsupported("1月9日", ["2026年11月9日"]) == ["1月9日"]
