"""Exported weights are the same model: transformers' own logits and the same greedy text."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model import checkpoint
from model.decoders import Message, transcript
from model.engine import Engine, Request
from model.export import ExportError, export, to_transformers
from model.gpt import GPT, GPTConfig
from model.prompt import SPECIAL_TOKENS
from model.tokenizer import Tokenizer

TEXTS = ["Delivery takes 3 days and costs 4 EUR.", "配送需要3天。"] * 3


def make_plain(qk_norm: bool, vocabulary: int = 300) -> GPT:
    torch.manual_seed(4)
    shape = GPTConfig(
        vocabulary, context=128, layers=3, heads=4, kv_heads=2, width=32, hidden=48, pointer=False,
        rope_base=5000.0, qk_norm=qk_norm,
    )  # fmt: skip
    model = GPT(shape).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.15)
    return model


@pytest.mark.parametrize(("qk_norm", "name"), [(True, "Qwen3ForCausalLM"), (False, "LlamaForCausalLM")])
def test_exported_weights_give_transformers_logits_and_the_same_greedy_text(
    tmp_path: Path, qk_norm: bool, name: str
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = Tokenizer.train(TEXTS, len(SPECIAL_TOKENS) + 280, SPECIAL_TOKENS)
    ours = make_plain(qk_norm, tokenizer.vocab_size)
    assert export(ours, tokenizer, tmp_path) == name
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    text = "<en><user>Delivery takes 3 days?<bot>配送"
    ids = tokenizer.encode(text)
    assert AutoTokenizer.from_pretrained(tmp_path)(text)["input_ids"] == ids
    with torch.inference_mode():
        expected = theirs(torch.tensor([ids])).logits.log_softmax(-1)
        torch.testing.assert_close(ours(torch.tensor([ids])), expected, atol=1e-4, rtol=0)
        words = theirs.generate(
            torch.tensor([ids]), max_new_tokens=40, do_sample=False, eos_token_id=None, pad_token_id=0
        )

    async def ask() -> list[int]:
        return [token.id async for token in Engine(ours, slots=2).submit(Request(ids, 40))]

    assert asyncio.run(ask()) == words[0, len(ids) :].tolist()


def test_an_exported_model_has_a_template_that_says_what_kefu_would(tmp_path: Path) -> None:
    """Servers refuse chats with a model that has none."""
    from transformers import AutoTokenizer

    tokenizer = Tokenizer.train(TEXTS, len(SPECIAL_TOKENS) + 280, SPECIAL_TOKENS)
    export(make_plain(True, tokenizer.vocab_size), tokenizer, tmp_path)
    talk = [("system", "Be kind."), ("user", "How long?"), ("assistant", "3 days."), ("user", "Sure?\n")]
    theirs = AutoTokenizer.from_pretrained(tmp_path).apply_chat_template(
        [{"role": role, "content": text} for role, text in talk], tokenize=False, add_generation_prompt=True
    )
    assert theirs == transcript([Message(role, text) for role, text in talk])[0]


def test_a_pointer_head_is_refused() -> None:
    with pytest.raises(ExportError, match="pointer head"):
        to_transformers(GPT(GPTConfig(vocab_size=50, context=32, layers=1, width=32, hidden=32)))


def test_the_command_refuses_the_shipped_checkpoint_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot.cli", "export", "builtin", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 2
    assert "pointer head" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_command_writes_a_plain_checkpoint(tmp_path: Path) -> None:
    tokenizer = Tokenizer.train(TEXTS, len(SPECIAL_TOKENS) + 280, SPECIAL_TOKENS)
    checkpoint.save(tmp_path / "own", make_plain(True, tokenizer.vocab_size), tokenizer, {}, labels=())
    command = [
        sys.executable,
        "-m",
        "bot.cli",
        "export",
        str(tmp_path / "own"),
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert "Qwen3ForCausalLM" in done.stdout
    assert (tmp_path / "out" / "model.safetensors").is_file()
