"""The linear classifier of question types."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.corpus import Corpus
from model.data.questions import made_up_questions
from model.router import FILE, Router, RouterError, features, fuse, train_router

LABELS = ("delivery_time", "opening_hours", "other")
EXAMPLES = [
    (text, label)
    for label, texts in {
        "delivery_time": ("how long does delivery take", "when will it arrive", "多久能到", "几天送到"),
        "opening_hours": ("when are you open", "opening hours on sunday", "几点开门", "周末营业吗"),
        "other": ("write a poem", "what is the weather", "今天天气怎么样", "写一首诗"),
    }.items()
    for text in texts
] * 20


@pytest.fixture(scope="module")
def router() -> Router:
    return train_router(EXAMPLES, LABELS, epochs=20)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("how long is delivery?", "delivery_time"),
        ("Opening hours", "opening_hours"),
        ("什么时候送到", "delivery_time"),
    ],
)
def test_new_wordings_go_to_their_type(router: Router, text: str, label: str) -> None:
    odds = router.probabilities(text)
    assert max(odds, key=odds.__getitem__) == label
    assert sum(odds.values()) == pytest.approx(1, abs=1e-5)


@given(st.text(max_size=300))
def test_any_text_has_features_of_length_one(text: str) -> None:
    rows = features(text)
    assert not rows or sum(weight**2 for weight in rows.values()) == pytest.approx(1)


def test_values_look_alike() -> None:
    assert features("where is KF-10023") == features("where is KF-10777")


def test_saved_equals_loaded(router: Router, tmp_path: Path) -> None:
    router.save(tmp_path)
    loaded = Router.load(tmp_path)
    assert loaded is not None and loaded.probabilities("多久") == router.probabilities("多久")
    assert Router.load(tmp_path / "elsewhere") is None


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not weights")
    with pytest.raises(RouterError, match="kefu train types"):
        Router.load(tmp_path)


def test_fused_opinions_weigh_by_trust() -> None:
    sure, other = {"a": 0.9, "b": 0.1}, {"a": 0.2, "b": 0.8}
    assert fuse([(sure, 1.0), (other, 0.0)], "ab")[0] == ("a", pytest.approx(0.9))
    assert fuse([(sure, 0.3), (other, 1.0)], "ab")[0][0] == "b"


def test_held_out_wordings_are_not_trained_on() -> None:
    """Families are set aside whole; a few very short questions ("who are you") come out of two families alike."""
    trained = {text.casefold() for text, _ in made_up_questions(Corpus(), 60, 1)}
    held_out = {text.casefold() for text, _ in made_up_questions(Corpus(), 20, 2, held_out=True)}
    assert len(trained & held_out) < 0.005 * len(held_out)
