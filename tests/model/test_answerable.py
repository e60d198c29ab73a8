"""The judge of whether a question can be answered, and the cases that it learns from."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from model.answerable import FILE, Judge, JudgeError, choose_threshold, logit
from model.assistant import Assistant
from model.checkpoint import load, shipped
from model.choosing import ATTRIBUTE
from model.data.asks import shipped_asks, type_of
from model.data.questions import Asked, labels_of, questions_by_family
from model.decoders import NativeDecoder, NativeVoice
from model.encoder import SHIPPED_WITH, VECTORS, E5Encoder, Encoder
from model.meaning import FILE as MEANING
from model.meaning import Meaning, MeaningRouter, as_asked, train_meaning
from model.prompt import QUESTION_TYPES
from model.reading import Known
from model.router import PRODUCT, Router, RouterError
from model.shop import DEMO_SHOP, Passage, Shop
from model.speaking import NoVoice
from model.train_answerable import GROUPS, ROUNDS, Case, Remembering, case_weights, cases, fit, shares, tells
from model.types import Language, PastTurn, Question

LABELS = ("delivery_time", "opening_hours", "other")


def of_letters(texts: Sequence[str], asked: bool) -> np.ndarray:
    """Vectors of the letters in texts: enough to tell a few texts apart."""
    rows = [np.bincount([ord(c) % 64 for c in text.lower()] or [0], minlength=64) for text in texts]
    return np.array(rows, np.float32) / [[np.linalg.norm(row)] for row in rows]


@pytest.fixture
def encoder() -> Encoder:
    return E5Encoder("letters", 64, of_letters)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop.load()


async def test_nothing_is_read_on_the_event_loop(shop: Shop) -> None:
    """A question takes the encoder 35 ms; on the loop, everybody's answers would stand still for so long."""
    reading: set[int] = set()

    def read(texts: Sequence[str], asked: bool) -> np.ndarray:
        reading.add(threading.get_ident())
        return of_letters(texts, asked)

    by_language: dict[Language, list[Passage]] = {
        language: [passage for passage in shop.passages if passage.language == language]
        for language in get_args(Language)
    }
    meaning = Meaning(E5Encoder("letters", 64, read), None, by_language)
    voice = NativeVoice(NativeDecoder(load(shipped()), slots=2, threads=1))
    router, judge = Router.load(shipped()), Judge.load(shipped())
    assistant = Assistant(shop, voice, router, meaning=meaning, judge=judge)
    reading.clear()
    lamp = shop.find_products("Aurora Lamp", "en")[0]
    past = PastTurn("How much is the Aurora Lamp?", "49.90 EUR", "product_price", f"product:{lamp.id}")
    for text in (
        "How heavy is the Aurora Lamp?",
        "and how heavy?",
        "How long is delivery? And is the Fjord Blanket warm?",
        "what goes with this, and can I pay by card?",
        "那法国呢？",
    ):
        await assistant.answer(Question(text, "en", 1, (past,)))
    await assistant.close()
    assert reading and threading.get_ident() not in reading


def case(group: str, sure: float, is_answered: bool) -> Case:
    return Case(Asked("?", "delivery_time", "en"), {"type": sure, "chinese": 0.0}, is_answered, group)


def test_judge_learns_which_signs_count_and_finds_the_share_of_unanswerable_asked_for() -> None:
    rng = np.random.default_rng(1)
    answerable = [case("answerable", float(rng.normal(2)), True) for _ in range(300)]
    open_ones = [case("near", float(rng.normal(-2)), False) for _ in range(300)]
    judge = fit([*answerable, *open_ones], recall=0.95)
    assert judge.weights["type"] > 0
    given = [judge.probability(one.signs) < judge.threshold for one in open_ones]
    assert sum(given) / len(given) == pytest.approx(0.95, abs=0.01)
    assert sum(judge.probability(one.signs) >= judge.threshold for one in answerable) > 270


def test_each_group_of_cases_weighs_what_it_should_whatever_its_size() -> None:
    some = [case("answerable", 1, True)] * 3 + [case("near", 0, False)] * 50
    weights = case_weights(some)
    assert sum(weights) == pytest.approx(1)
    assert sum(weights[:3]) / sum(weights[3:]) == pytest.approx(GROUPS["answerable"] / GROUPS["near"])


def test_threshold_is_the_lowest_that_finds_enough() -> None:
    assert 0.3 < choose_threshold([0.1, 0.8, 0.3, 0.2], 0.75) < 0.8


def test_saved_equals_loaded_and_a_damaged_file_is_refused(tmp_path: Path) -> None:
    judge = Judge(0.5, {"type": 1.5}, 0.4)
    judge.save(tmp_path)
    assert Judge.load(tmp_path) == judge
    assert Judge.load(tmp_path / "none") is None
    (tmp_path / FILE).write_text('{"bias": 1}', "utf-8")
    with pytest.raises(JudgeError, match="kefu train answerable"):
        Judge.load(tmp_path)


@pytest.mark.parametrize("probability", [0.0, 1e-30, 0.5, 1.0])
def test_log_odds_are_never_endless(probability: float) -> None:
    assert abs(logit(probability)) <= 8


def test_description_that_tells_what_is_asked_is_told_apart(shop: Shop) -> None:
    lamp = shop.product("P1001")
    assert lamp
    assert tells(lamp, "how tall is the Aurora Lamp", "en") and tells(lamp, "极光台灯多高", "zh")
    assert not tells(lamp, "is the Aurora Lamp dishwasher safe", "en")


def test_questions_come_with_the_family_that_made_them() -> None:
    rows = questions_by_family(1, 1, 1)
    assert {row.language for row in rows} == set(get_args(Language))
    for row in rows:
        if row.family:
            asks = shipped_asks(row.language)[row.label]
            assert row.family in (asks.held_out if row.held_out else asks.patterns)


def test_classifier_of_meanings_learns_is_kept_and_belongs_to_its_encoder(
    encoder: Encoder, tmp_path: Path
) -> None:
    texts = ["how long does delivery take", "when are you open", "qqq zzz"] * 4
    targets = [LABELS[i % 3] for i in range(12)]
    made = train_meaning(encoder.queries(texts), targets, LABELS, encoder.name)
    odds = made.probabilities(encoder.queries(texts[:3]))
    assert odds.argmax(1).tolist() == [0, 1, 2] and np.allclose(odds.sum(1), 1, atol=1e-5)
    made.save(tmp_path)
    loaded = MeaningRouter.load(tmp_path, encoder)
    assert loaded and np.allclose(loaded.probabilities(encoder.queries(texts[:3])), odds, atol=2e-2)
    assert MeaningRouter.load(tmp_path, E5Encoder("another", 64, of_letters)) is None
    assert MeaningRouter.load(tmp_path / "none", encoder) is None
    (tmp_path / MEANING).write_bytes(b"no tensors")
    with pytest.raises(RouterError, match="kefu train types"):
        MeaningRouter.load(tmp_path, encoder)


def test_title_that_was_found_is_called_what_it_is() -> None:
    assert as_asked(f"how heavy is {PRODUCT}") == "how heavy is this product"
    assert as_asked(f"{PRODUCT}多重") == "这款商品多重"


def test_remembering_encoder_gives_what_the_other_gives(encoder: Encoder) -> None:
    remembering = Remembering(encoder)
    for _ in range(2):
        assert np.array_equal(remembering.queries(["a", "b", "a"]), encoder.queries(["a", "b", "a"]))
    assert remembering.queries([]).shape == (0, 64)


def test_questions_are_looked_at_by_classifiers_that_do_not_know_them_or_their_topic(
    shop: Shop, encoder: Encoder
) -> None:
    names = (
        "gift_wrap/wrap",
        "gift_wrap/card",
        "jobs/open",
        "opening_hours/regular",
        "other/near",
        "other/far",
        ATTRIBUTE,
    )
    rows = [row for row in questions_by_family(1, 1, 1) if row.label in names]
    router = Router.load(shipped())
    assert router
    rounds: list[int] = []
    found = cases(shop, router, rows, names, Remembering(encoder), on_round=rounds.append)
    assert rounds == list(range(ROUNDS))
    looks = [(one.asked, one.group == "taken out") for one in found]  # twice at what was taken out once
    assert len(set(looks)) == len(looks)
    assert {"answerable", "set aside", "taken out", "near", "far"} <= {one.group for one in found}
    assert not any(one.is_answered for one in found if one.group in ("taken out", "near", "far"))
    judge = fit(found)
    assert set(shares(found, judge)) and 0 <= judge.threshold <= 1


def test_shipped_files_fit_each_other() -> None:
    """Router and its companion know the types alike, and the judge the signs that the assistant gives."""
    shop = Shop.load()
    without = Known.load(shop, DEMO_SHOP, shipped(), 0)
    assert without.router and without.meaning is None and without.judge is None
    known = Known.load(shop, DEMO_SHOP, shipped(), 1)
    if known.meaning is None:
        pytest.skip("the extra `meaning` is not installed, or not for this machine")
    assert known.router and known.judge and known.meaning.router
    assert known.meaning.router.labels == labels_of(*(shipped_asks(name) for name in ("en", "zh")))
    assert {type_of(label) for label in known.router.labels} == set(QUESTION_TYPES)
    assistant = Assistant(shop, NoVoice(), known.router, meaning=known.meaning)
    signs = assistant.evidence(Question("how long does delivery take", "en", -1)).signs
    assert set(known.judge.weights) == set(signs)


def test_demo_shop_needs_no_vectors_computed_at_the_start() -> None:
    shop, path = Shop.load(), DEMO_SHOP / VECTORS
    names = {
        language: [p for p in shop.passages if p.language == language] for language in get_args(Language)
    }

    def refuse(texts: Sequence[str], asked: bool) -> np.ndarray:
        raise AssertionError("computed")

    made_with = E5Encoder(SHIPPED_WITH, 384, refuse)
    assert Meaning(made_with, None, names, path)


def test_shop_without_passages_has_nothing_near(encoder: Encoder) -> None:
    meaning = Meaning(encoder, None, {"en": [], "zh": []})
    assert meaning.likeness("hello", "en").shape == (0,)
    assert meaning.opinion("hello") == {}
