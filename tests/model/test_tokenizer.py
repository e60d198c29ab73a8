"""The tokenizer: nothing is lost, digits and CJK stand alone, half characters are held back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.prompt import SPECIAL_TOKENS, plain
from model.tokenizer import Tokenizer, TokenizerError

TEXTS = [
    "How long does delivery take? Delivery takes 3 days and costs 4.90 EUR.",
    "配送需要多长时间？配送需要三天，费用四欧元。",
    "Can I return an item? You can return items within 30 days.",
    "可以退货吗？三十天内可以退货。",
] * 5


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, vocab_size=len(SPECIAL_TOKENS) + 400, special_tokens=SPECIAL_TOKENS)


@given(text=st.text())
def test_any_text_survives(text: str, tokenizer: Tokenizer) -> None:
    text = plain(text)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert all(id >= len(SPECIAL_TOKENS) for id in ids)


@given(text=st.text())
def test_streamed_pieces_are_whole_characters_and_add_up(text: str, tokenizer: Tokenizer) -> None:
    stream = tokenizer.stream()
    pieces = [stream.push(id) for id in tokenizer.encode(plain(text))]
    assert "".join(pieces) + stream.finish() == plain(text)
    assert "\ufffd" in text or not any("\ufffd" in piece for piece in pieces)


@pytest.mark.parametrize(
    "text", ["👩‍👩‍👧‍👦 🇨🇳", "مرحبا بالعالم", "שלום", "  two  spaces\n\ttab ", "", "\x00", "𠀀龘"]
)
def test_scripts_and_emoji_survive(text: str, tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_tokens_come_first_and_are_single(tokenizer: Tokenizer) -> None:
    assert tokenizer.special_tokens == SPECIAL_TOKENS
    assert tokenizer.encode("".join(SPECIAL_TOKENS)) == list(range(len(SPECIAL_TOKENS)))
    assert tokenizer.decode(tokenizer.encode("<user>hi<v3><eos>")) == "<user>hi<v3><eos>"


def test_digits_and_chinese_characters_stand_alone(tokenizer: Tokenizer) -> None:
    assert len(tokenizer.encode("30")) == 2
    assert tokenizer.encode("30")[0] == tokenizer.encode("3 days")[0]
    assert len(tokenizer.encode("配送需要")) == 4


def test_a_lone_surrogate_does_not_fail(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a?b"


def test_half_a_character_at_the_end_is_reported(tokenizer: Tokenizer) -> None:
    stream = tokenizer.stream()
    first, *_ = tokenizer.encode("🦄")
    assert stream.push(first) == ""
    assert stream.finish() == "\ufffd"


def test_saved_equals_loaded(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.fingerprint() == tokenizer.fingerprint()
    assert loaded.vocab_size == tokenizer.vocab_size
    assert loaded.special_tokens == SPECIAL_TOKENS
    assert loaded.encode_batch(TEXTS) == [tokenizer.encode(text) for text in TEXTS]


def test_other_texts_give_another_fingerprint(tokenizer: Tokenizer) -> None:
    other = Tokenizer.train(["something else"], tokenizer.vocab_size, SPECIAL_TOKENS)
    assert other.fingerprint() != tokenizer.fingerprint()


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="missing"):
        Tokenizer.load(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text('{"version"')
    with pytest.raises(TokenizerError, match="damaged"):
        Tokenizer.load(tmp_path / "tokenizer.json")
