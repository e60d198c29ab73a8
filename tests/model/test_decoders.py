"""The built-in voice: whatever its weights are, what it says has the format and no value but its key's slots."""

import asyncio
import re
from contextlib import aclosing
from pathlib import Path

import pytest
import torch

from model import checkpoint
from model.checkpoint import Checkpoint, CheckpointError
from model.decoders import Decision, Decoder, NativeDecoder, NativeVoice, Options, PromptTooLong
from model.engine import EngineError
from model.gpt import GPT, GPTConfig
from model.prompt import QUESTION_TYPES, SPECIAL_TOKENS, Fact, render_prompt
from model.tokenizer import Tokenizer
from tests.model.recorder import Recorder

TEXTS = ["Delivery takes 3 days and/or costs 4 EUR, see a@b.example.", "配送需要3天。", "<user>hi<bot>"] * 3


def make_decoder(
    seed: int = 0, context: int = 400, labels: tuple[str, ...] = QUESTION_TYPES
) -> NativeDecoder:
    torch.manual_seed(seed)
    tokenizer = Tokenizer.train(TEXTS, len(SPECIAL_TOKENS) + 300, SPECIAL_TOKENS)
    shape = GPTConfig(
        tokenizer.vocab_size, context=context, layers=1, heads=2, kv_heads=1, width=32, hidden=32
    )
    model = GPT(shape).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    return NativeDecoder(Checkpoint(model, tokenizer, labels), slots=8)


def make_prompt(question: str = "How long?") -> str:
    facts = [
        Fact("delivery_time", "Delivery", "It takes <v1> days"),
        Fact("delivery_cost", "Cost", "It costs <v2>"),
    ]
    return render_prompt("en", facts, [0, 5], [], question)


SLOTS = {0: {1}, 5: {2}, None: set[int]()}


async def write(voice: NativeVoice, **more) -> tuple[Decision, str]:
    """The decision and all the text that came, even if the answer never ended: random weights seldom end."""
    pieces: list[Decision | str] = []
    try:
        async for piece in voice.write(make_prompt(), **{"keys": [0, 5], "slots": SLOTS} | more):
            pieces.append(piece)
    except EngineError as error:
        assert "did not end" in str(error)
    decision, *text = pieces
    assert isinstance(decision, Decision)
    return decision, "".join(str(piece) for piece in text)


@pytest.mark.parametrize("seed", range(8))
async def test_an_answer_has_no_value_but_the_slots_of_its_key(seed: int) -> None:
    decision, text = await write(NativeVoice(make_decoder(seed)))
    assert decision.question_type in QUESTION_TYPES
    assert decision.key in (0, 5, None)
    assert set(re.findall(r"<[^>]*>", text)) <= {f"<v{number}>" for number in SLOTS[decision.key]}
    assert not re.search(r"[\d@/]", re.sub(r"<v\d+>", "", text))
    assert text


async def test_the_ranking_is_a_distribution_over_the_types_allowed() -> None:
    decision, _ = await write(NativeVoice(make_decoder()), types=["warranty", "refund_time", "other"])
    assert {name for name, _ in decision.ranking} == {"warranty", "refund_time", "other"}
    assert sum(share for _, share in decision.ranking) == pytest.approx(1, abs=1e-5)
    assert decision.ranking[0] == (decision.question_type, pytest.approx(decision.type_probability))


async def test_classify_ranks_as_write_does() -> None:
    voice = NativeVoice(make_decoder())
    decision, _ = await write(voice)
    ranking = await voice.classify(make_prompt())
    assert [name for name, _ in ranking] == [name for name, _ in decision.ranking]


@pytest.mark.parametrize("seed", range(4))
async def test_a_forced_type_and_key_are_taken(seed: int) -> None:
    decision, _ = await write(NativeVoice(make_decoder(seed)), types=["warranty"], keys=[5], allow_none=False)
    assert (decision.question_type, decision.key) == ("warranty", 5)
    assert (decision.type_probability, decision.key_probability) == (pytest.approx(1), pytest.approx(1))


async def test_without_facts_the_key_is_none() -> None:
    decision, _ = await write(NativeVoice(make_decoder()), keys=[], allow_none=False)
    assert decision.key is None


async def test_answers_written_together_equal_answers_written_alone() -> None:
    voice = NativeVoice(make_decoder(3))
    decision, text = await write(voice)
    for other_decision, other_text in await asyncio.gather(*(write(voice) for _ in range(6))):
        assert (other_decision.question_type, other_decision.key) == (decision.question_type, decision.key)
        assert other_text == text
    assert voice.decoder.engine.stats.largest_batch == 6


async def test_a_voice_says_the_same_by_recorded_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = NativeVoice(make_decoder(3))
    monkeypatch.setattr(
        "model.decoders.capture_for", lambda device, setting: None if setting == "off" else Recorder()
    )
    recorded = NativeVoice(make_decoder(3))
    off = NativeVoice(NativeDecoder(plain.decoder.checkpoint, slots=8, cuda_graphs="off"))
    assert await write(recorded) == await write(plain) == await write(off)
    stats = recorded.decoder.engine.stats
    assert stats.replayed_steps == stats.decode_steps > 0
    assert off.decoder.engine.stats.replayed_steps == 0


async def test_leaving_after_the_decision_frees_the_slot() -> None:
    voice = NativeVoice(make_decoder())
    async with aclosing(voice.write(make_prompt(), keys=[0, 5], slots=SLOTS)) as stream:
        assert isinstance(await anext(stream), Decision)
    await asyncio.sleep(0.01)
    stats = voice.decoder.engine.stats
    assert (stats.live, stats.finished["cancelled"]) == (0, 1)


async def test_cancelling_the_task_that_writes_frees_the_slot() -> None:
    voice = NativeVoice(make_decoder())
    task = asyncio.create_task(write(voice))
    await asyncio.sleep(0.01)
    assert voice.decoder.engine.stats.live == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.01)
    assert voice.decoder.engine.stats.live == 0


async def test_a_prompt_without_room_for_an_answer_is_refused() -> None:
    voice = NativeVoice(make_decoder(context=100))
    assert voice.fits("<en><user>hi<bot>")
    assert not voice.fits(make_prompt("why " * 60))
    with pytest.raises(PromptTooLong, match="fewer"):
        await write_long(voice)


async def write_long(voice: NativeVoice) -> None:
    async for _ in voice.write(make_prompt("why " * 60), keys=[0, 5], slots=SLOTS):
        pass


def test_a_plain_language_model_is_no_voice() -> None:
    with pytest.raises(CheckpointError, match="plain"):
        NativeVoice(make_decoder(labels=()))


async def test_generate_gives_whole_characters() -> None:
    decoder: Decoder = make_decoder()
    options = Options(max_new_tokens=40, temperature=1.0, seed=2)
    pieces = [piece async for piece in decoder.generate("Delivery", options)]
    assert "".join(pieces) == "".join([piece async for piece in decoder.generate("Delivery", options)])
    assert all(pieces)


async def test_a_closed_decoder_says_so() -> None:
    decoder = make_decoder()
    await decoder.close()
    with pytest.raises(EngineError, match="closed"):
        _ = [piece async for piece in decoder.generate("Delivery")]


async def test_a_loaded_checkpoint_speaks_like_the_saved_one(tmp_path: Path) -> None:
    decoder = make_decoder()
    made = decoder.checkpoint
    checkpoint.save(tmp_path, made.model, made.tokenizer, {}, dtype=torch.float32)
    loaded = NativeVoice(NativeDecoder(checkpoint.load(tmp_path), slots=2, threads=1))
    assert await write(loaded) == await write(NativeVoice(decoder))
