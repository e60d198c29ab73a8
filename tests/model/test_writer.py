"""Longer texts from facts: nothing in them that no fact supports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.shop import Shop
from model.writer import KINDS, Writer, WriterError

REVIEWS = (
    "Great lamp, the shade is soft. I read under it.",
    "The shade broke after 2 days.",
    "Soft light, good shade",
)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop.load()


@pytest.fixture(scope="module")
def writer(shop: Shop) -> Writer:
    return Writer(shop)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_product_is_described_with_its_own_facts(shop: Shop, writer: Writer, language) -> None:
    for product in shop.products:
        for kind in ("description", "questions"):
            written = writer.write(kind, product.id, (), language)
            assert written.unsupported == ()
            assert product.title(language) in written.text
            assert product.price_text(language) in written.text


@pytest.mark.parametrize(("language", "mark"), [("en", "A: "), ("zh", "答：")])
def test_a_topics_passages_become_questions_with_answers(
    shop: Shop, writer: Writer, language, mark: str
) -> None:
    written = writer.write("questions", "return policy", (), language)
    passages = [p for p in shop.passages if p.topic == "return_policy" and p.language == language]
    assert [f"{mark}{passage.text}" in written.text for passage in passages] == [True] * len(passages)
    assert written.unsupported == ()


def test_a_summary_quotes_reviews_and_counts_them(writer: Writer) -> None:
    written = writer.write("reviews", "Aurora Lamp", REVIEWS, "en")
    assert "Aurora Lamp (3 reviews)" in written.text
    assert "“The shade broke after 2 days.”" in written.text
    assert "Mentioned most: shade" in written.text
    assert written.unsupported == ()
    chinese = writer.write("reviews", "", ("灯很亮，值得买。", "灯很亮"), "zh")
    assert "2条评价" in chinese.text and chinese.unsupported == ()


def test_news_say_what_the_facts_say_and_what_named_products_cost(writer: Writer) -> None:
    facts = ("The Aurora Lamp is back", "It comes in three colours from 6 December")
    written = writer.write("news", "", facts, "en")
    assert written.text.startswith("The Aurora Lamp is back\n\nIt comes in three colours from 6 December.")
    assert "Aurora Lamp: 49.90 EUR." in written.text
    assert written.unsupported == ()


@pytest.mark.parametrize(
    ("kind", "subject", "facts", "reason"),
    [
        ("description", "P9999", (), "unknown_subject"),
        ("questions", "", (), "unknown_subject"),
        ("reviews", "P9999", REVIEWS, "unknown_subject"),
        ("reviews", "P1001", (" ",), "no_facts"),
        ("news", "", (), "no_facts"),
    ],
)
def test_what_has_no_facts_is_not_written(writer: Writer, kind, subject: str, facts, reason: str) -> None:
    with pytest.raises(WriterError) as raised:
        writer.write(kind, subject, facts, "en")
    assert raised.value.reason == reason


@given(
    kind=st.sampled_from(KINDS),
    facts=st.lists(st.text(max_size=60), max_size=4),
    language=st.sampled_from(["en", "zh"]),
)
def test_any_facts_are_written_or_refused(kind, facts: list[str], language) -> None:
    writer = _WRITER
    try:
        assert writer.write(kind, "P1001", facts, language).text
    except WriterError as error:
        assert error.reason == "no_facts"


_WRITER = Writer(Shop.load())
