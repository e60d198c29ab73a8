"""Models of transformers over our engine: the same text as their own generate(), whatever runs beside it."""

import asyncio
import sys
import warnings
from pathlib import Path

import pytest
import torch

from model.assistant import Assistant, is_foreign
from model.decoders import Message, ModelError, Options
from model.engine import Engine, Request
from model.transformer import TransformersDecoder, TransformersNetwork, open_transformers
from model.types import Question
from tests.model.recorder import HOST_BOUND, Recorder, Watched

transformers = pytest.importorskip("transformers", reason="the extra `worker` is not installed")

SHAPE = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 256, "head_dim": 8,
}  # fmt: skip
FAMILIES = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", {}),
    "gemma": (
        "Gemma3TextConfig", "Gemma3ForCausalLM",
        {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "mistral": ("MistralConfig", "MistralForCausalLM", {"sliding_window": 16}),
}  # fmt: skip


def make_model(family: str):
    config, kind, more = FAMILIES[family]
    torch.manual_seed(0)
    model = getattr(transformers, kind)(getattr(transformers, config)(**SHAPE, **more)).eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.mark.parametrize("is_recorded", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
async def test_text_equals_that_of_generate_under_joins_and_prefix_hits(
    family: str, is_recorded: bool
) -> None:
    """By the plain decoding step, and by the one that CUDA graphs replay."""
    model = make_model(family)
    engine = Engine(TransformersNetwork(model), slots=3, capture=Recorder() if is_recorded else None)

    async def one(number: int) -> tuple[list[int], list[int]]:
        ids = [7] * 20 + [number + 1] * (number * 9 + 3)
        request = Request(ids, 10, chat=number, shared=20)
        return ids, [token.id async for token in engine.submit(request)]

    for ids, got in await asyncio.gather(*map(one, range(5))):
        prompt = torch.tensor([ids])
        expected = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=10, do_sample=False,
            eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        assert got == expected[0, len(ids) :].tolist()
    assert engine.stats.hits == 4 and engine.stats.cached_tokens == 80
    assert engine.stats.replayed_steps == (engine.stats.decode_steps if is_recorded else 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_decoding_step_waits_for_nothing_and_takes_nothing_from_the_host(family: str) -> None:
    """On the device `meta` there are shapes and no numbers: what looks at a number fails."""
    network = TransformersNetwork(make_model(family).to("meta"))
    ids = torch.zeros(4, 1, dtype=torch.long, device="meta")
    cache = network.make_cache(5)
    with torch.inference_mode(), Watched() as watched:
        found = network.decode(ids, ids[:, 0], cache, 64)
    assert found.shape == (4, 60)
    assert "embedding" in watched.names
    assert not HOST_BOUND & set(watched.names)


def test_layers_that_slots_cannot_hold_are_refused() -> None:
    model = make_model("llama")
    model.config.layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(ModelError, match="linear_attention"):
        TransformersNetwork(model)


def test_a_model_that_is_not_there_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    for name in (str(tmp_path), str(tmp_path / "no.gguf")):
        assert is_foreign(name)
        with pytest.raises(ModelError) as caught:
            open_transformers(name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "is_theirs"),
    [("Qwen/Qwen2.5-1.5B-Instruct", True), ("builtin", False), ("/nowhere/at/all", False)],
)
def test_a_name_tells_whose_model_it_is(name: str, is_theirs: bool) -> None:
    assert is_foreign(name) == is_theirs


def test_the_built_in_voice_starts_without_transformers() -> None:
    import subprocess

    code = (
        "import sys; from model.assistant import Assistant; Assistant.load(); "
        "sys.exit(any(name in sys.modules for name in ('transformers', 'httpx2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_gemma_writes_answers_and_what_it_gets_wrong_is_replaced_by_the_passage(
    gemma: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, path = gemma
    monkeypatch.setenv("HOME", str(home))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        decoder = open_transformers(str(path), slots=2, precision="int8")
        assert isinstance(decoder, TransformersDecoder)
        messages = [
            Message("user", "The capital of France is Paris.\nQuestion: What is the capital of France?")
        ]
        text = "".join([piece async for piece in decoder.chat(messages, Options(max_new_tokens=6))])
    assert "Paris" in text
    await decoder.close()


@pytest.mark.parametrize("batching", ["own", "transformers"])
async def test_a_checkpoint_that_is_exported_answers_as_a_general_model(
    tmp_path: Path, batching: str
) -> None:
    """Random weights say nothing sensible, so the customer gets the passage: the floor holds for any model."""
    from model.export import export
    from model.gpt import GPT, GPTConfig
    from model.prompt import SPECIAL_TOKENS
    from model.tokenizer import Tokenizer

    tokenizer = Tokenizer.train(["Delivery takes 3 days."] * 3, len(SPECIAL_TOKENS) + 280, SPECIAL_TOKENS)
    shape = GPTConfig(
        tokenizer.vocab_size, context=2000, layers=1, heads=2, kv_heads=1, width=16, hidden=16, pointer=False
    )
    export(GPT(shape), tokenizer, tmp_path)
    assistant = Assistant.load(str(tmp_path), slots=2, answer_tokens=8, batching=batching)
    answer = await assistant.answer(Question("How long does standard delivery take?", "en", 1, chat="c"))
    assert answer.kind == "passage" and answer.source_id.startswith("delivery")
    assert assistant.figures()["tokens"] > 0
    await assistant.close()
