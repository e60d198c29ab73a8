"""Checkpoints: saved equals loaded, and everything that does not fit is refused with advice."""

import json
from pathlib import Path

import pytest
import torch

from model import checkpoint
from model.checkpoint import CheckpointError
from model.gpt import GPT, GPTConfig
from model.prompt import QUESTION_TYPES, SPECIAL_TOKENS
from model.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(["some words"], len(SPECIAL_TOKENS) + 300, SPECIAL_TOKENS)


@pytest.fixture
def model(tokenizer: Tokenizer) -> GPT:
    torch.manual_seed(3)
    return GPT(
        GPTConfig(tokenizer.vocab_size, context=32, layers=1, heads=2, kv_heads=1, width=16, hidden=16)
    )


@pytest.fixture
def folder(model: GPT, tokenizer: Tokenizer, tmp_path: Path) -> Path:
    checkpoint.save(tmp_path / "c", model, tokenizer, {"steps": 12})
    return tmp_path / "c"


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_saved_equals_loaded(model: GPT, tokenizer: Tokenizer, tmp_path: Path, dtype: torch.dtype) -> None:
    checkpoint.save(tmp_path, model, tokenizer, {"steps": 12}, dtype=dtype)
    loaded = checkpoint.load(tmp_path)
    assert loaded.config == model.config
    assert loaded.run == {"steps": 12}
    assert loaded.labels == QUESTION_TYPES
    assert loaded.tokenizer.fingerprint() == tokenizer.fingerprint()
    for name, tensor in loaded.model.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, model.state_dict()[name].to(dtype).float(), rtol=0, atol=0)


def test_saving_again_replaces(folder: Path, model: GPT, tokenizer: Tokenizer) -> None:
    checkpoint.save(folder, model, tokenizer, {"steps": 13})
    assert checkpoint.load(folder).run == {"steps": 13}
    assert len(list(folder.iterdir())) == 4


def test_a_plain_language_model_needs_no_labels(model: GPT, tmp_path: Path) -> None:
    plain = Tokenizer.train(["some words"], model.config.vocab_size, ["<eos>"])
    checkpoint.save(tmp_path, model, plain, {}, labels=())
    assert checkpoint.load(tmp_path).labels == ()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "run.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        checkpoint.load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "run.json"])
def test_a_damaged_file_is_named(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match=name):
        checkpoint.load(folder)


def test_one_flipped_bit_of_the_weights_is_noticed(folder: Path) -> None:
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(folder)


def test_another_tokenizer_is_refused(folder: Path, model: GPT) -> None:
    Tokenizer.train(["else"], model.config.vocab_size, SPECIAL_TOKENS).save(folder / "tokenizer.json")
    with pytest.raises(CheckpointError, match="tokenizer"):
        checkpoint.load(folder)


def test_another_shape_label_set_or_format_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    for changes, word in (
        ({"model": config["model"] | {"hidden": 24}}, "shape"),
        ({"model": config["model"] | {"colour": 1}}, "describe"),
        ({"labels": ["delivery"]}, "question types"),
        ({"format": 99}, "format"),
    ):
        edit(folder / "config.json", **(config | changes))
        with pytest.raises(CheckpointError, match=word):
            checkpoint.load(folder)
