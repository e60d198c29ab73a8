"""Training learns, repeats and goes on where it stopped."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from model import checkpoint
from model.cli import app
from model.data.corpus import CorpusError, load_corpus
from model.data.dialogues import Dialogue, DialogueMaker
from model.data.en_topics import EN
from model.data.zh_topics import ZH
from model.evaluate import generate, score
from model.gpt import GPTConfig
from model.train import Settings, Trainer, TrainingError, mixed, train_text, train_tokenizer

SMALL = GPTConfig(
    vocab_size=900, context=640, layers=2, heads=2, kv_heads=1, width=64, hidden=128, pointer_width=32
)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(mixed([DialogueMaker(EN), DialogueMaker(ZH)]), 900, 150)


def settings(**changes) -> Settings:
    return replace(
        Settings(
            steps=6, batch_tokens=512, model=SMALL, validate_every=1000, validation_questions=2, final_questions=2,
            warmup_steps=4,
        ),
        **changes,
    )  # fmt: skip


def test_two_layers_learn_ten_dialogues_by_heart(tokenizer):
    maker, rng = DialogueMaker(EN), Random(1)
    ten: list[Dialogue] = []
    for _ in range(10):
        dialogue = maker.without_facts(rng)
        ten.append(replace(dialogue, exchanges=dialogue.exchanges[:1]))
    trainer = Trainer(
        settings(steps=250, learning_rate=5e-3, batch_tokens=1024), tokenizer, lambda rng, _: rng.choice(ten)
    )
    for step in range(250):
        loss = trainer.step(step / 250)
    assert loss < 0.1
    assert score(generate(trainer.model, tokenizer, ten))["type"] == 1.0


def test_interrupted_run_equals_uninterrupted(tokenizer, tmp_path: Path):
    make = mixed([DialogueMaker(ZH)])
    whole = Trainer(settings(), tokenizer, make)
    losses = [whole.step(step / 6) for step in range(6)]

    first = Trainer(settings(), tokenizer, make)
    begun = [first.step(step / 6) for step in range(3)]
    first.save(tmp_path / "state.pt")
    second = Trainer.resume(tmp_path / "state.pt", settings(), tokenizer, make)
    assert begun + [second.step(step / 6) for step in range(3, 6)] == losses
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_run_with_other_settings_is_not_resumed(tokenizer, tmp_path: Path):
    make = mixed([DialogueMaker(EN)])
    Trainer(settings(), tokenizer, make).save(tmp_path / "state.pt")
    with pytest.raises(TrainingError, match="other settings"):
        Trainer.resume(tmp_path / "state.pt", settings(seed=2), tokenizer, make)


def test_run_leaves_a_checkpoint_with_its_record(tmp_path: Path):
    plan = settings(steps=3, validate_every=2)
    record = train_text(None, tmp_path, plan, Console(quiet=True))
    loaded = checkpoint.load(tmp_path)
    assert record["steps"] == loaded.run["steps"] == 3
    assert set(loaded.run["final"]) == {"en_seen", "en_held_out", "zh_seen", "zh_held_out"}
    assert json.loads((tmp_path / "run.json").read_text())["settings"]["seed"] == 1
    assert (tmp_path / "loss.png").stat().st_size > 1000
    again = train_text(None, tmp_path, plan, Console(quiet=True))
    assert again["steps"] == 3


def test_time_to_train_must_be_given():
    with pytest.raises(TrainingError, match="--minutes"):
        Settings()


def test_data_folder_without_data_is_named(tmp_path: Path):
    with pytest.raises(CorpusError, match="bitext-27k"):
        load_corpus(tmp_path)
    result = CliRunner().invoke(
        app, ["train", "text", "--out", str(tmp_path / "run"), "--data", str(tmp_path), "--steps", "1"]
    )
    assert result.exit_code == 2
    assert "bitext-27k" in result.output
