"""transformers' continuous batching as a decoder: the same text as our slots, and nothing is left behind."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import torch

from model.decoders import Message, ModelError, Options, PromptTooLong
from model.engine import DeadlineExceeded, EngineError
from model.export import export
from model.gpt import GPT, GPTConfig
from model.paged import PagedDecoder, is_faster
from model.prompt import SPECIAL_TOKENS
from model.tokenizer import Tokenizer
from model.transformer import TransformersDecoder, open_transformers

pytest.importorskip("transformers", reason="the extra `worker` is not installed")

GREEDY = Options(max_new_tokens=24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random model in transformers' format, with a tokenizer and a template."""
    out = tmp_path_factory.mktemp("model")
    torch.manual_seed(4)
    tokenizer = Tokenizer.train(["Delivery takes 3 days."] * 3, len(SPECIAL_TOKENS) + 280, SPECIAL_TOKENS)
    shape = GPTConfig(
        tokenizer.vocab_size, context=256, layers=2, heads=4, kv_heads=2, width=32, hidden=48, pointer=False
    )
    model = GPT(shape).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    export(model, tokenizer, out)
    return out


@pytest.fixture
async def decoder(folder: Path) -> AsyncIterator[PagedDecoder]:
    decoder = open_transformers(str(folder), slots=4, threads=1, batching="transformers")
    assert isinstance(decoder, PagedDecoder)
    yield decoder
    await decoder.close()


def ask(number: int) -> list[Message]:
    return [Message("user", "delivery " * number + "days?")]


async def text_of(decoder: PagedDecoder | TransformersDecoder, number: int, options: Options = GREEDY) -> str:
    return "".join([piece async for piece in decoder.chat(ask(number), options)])


async def until_idle(decoder: PagedDecoder) -> None:
    """Wait until transformers' batching has nothing to do; all its pages are free then."""
    work = decoder._manager.batch_processor
    for _ in range(2000):
        if not work.has_pending_requests():
            break
        await asyncio.sleep(0.01)
    work.cache.pool.try_to_free_sectors()
    assert work.cache.pool.num_free_sectors == work.cache.num_sectors
    assert not decoder._manager.output_router.result_handlers


async def test_many_at_once_get_the_text_that_our_slots_give(folder: Path, decoder: PagedDecoder) -> None:
    own = open_transformers(str(folder), slots=4, batching="own")
    got = await asyncio.gather(*(text_of(decoder, number) for number in range(7)))
    assert got == await asyncio.gather(*(text_of(own, number) for number in range(7)))
    assert len(set(got)) > 1
    assert decoder.figures()["answers"] == 7
    assert decoder.figures()["tokens"] == decoder.steps > 7
    await until_idle(decoder)


async def test_leaving_takes_the_request_out_of_the_batch(decoder: PagedDecoder) -> None:
    endless = Options(max_new_tokens=200)
    async with aclosing(decoder.chat(ask(1), endless)) as stream:
        await anext(stream)
    task = asyncio.create_task(text_of(decoder, 2, endless))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_idle(decoder)
    assert decoder.steps < 390, "neither was computed to its end"
    assert await text_of(decoder, 3)


async def test_the_text_ends_before_a_stop_string(decoder: PagedDecoder) -> None:
    whole = await text_of(decoder, 1)
    stop = whole[5:8]
    assert await text_of(decoder, 1, Options(max_new_tokens=24, stop=(stop,))) == whole[: whole.index(stop)]
    await until_idle(decoder)


async def test_a_deadline_ends_a_request(decoder: PagedDecoder) -> None:
    with pytest.raises(DeadlineExceeded):
        await text_of(decoder, 1, Options(max_new_tokens=200, deadline=time.monotonic() + 0.02))
    await until_idle(decoder)
    assert decoder.figures()["failed"] == 1


async def test_what_fails_in_their_thread_is_told_to_everybody(decoder: PagedDecoder) -> None:
    await text_of(decoder, 1)

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no kernel for this card")

    decoder._manager.model.forward = fail
    results = await asyncio.gather(*(text_of(decoder, number) for number in range(3)), return_exceptions=True)
    assert all(isinstance(result, EngineError) for result in results), results
    assert "transformers' batching failed: no kernel for this card" in str(results[0])
    with pytest.raises(EngineError, match=r"has ended \(no kernel for this card\); .* KEFU_BATCHING=own"):
        await text_of(decoder, 1)


async def test_closing_ends_the_thread_and_what_is_under_way(decoder: PagedDecoder) -> None:
    thread = decoder._manager._generation_thread
    assert thread.daemon, "a worker that is killed in between must not hang on it"
    task = asyncio.create_task(text_of(decoder, 1, Options(max_new_tokens=200)))
    await asyncio.sleep(0.1)
    await decoder.close()
    with pytest.raises(EngineError, match="closed"):
        await task
    assert not thread.is_alive()
    with pytest.raises(EngineError, match="closed"):
        await text_of(decoder, 1)


async def test_a_prompt_without_room_for_an_answer_is_refused(decoder: PagedDecoder) -> None:
    with pytest.raises(PromptTooLong, match="of 256"):
        await text_of(decoder, 200)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (Options(temperature=0.8), "temperature"),
        (Options(temperature=0.8, seed=1), "temperature, seed"),
        (Options(repetition_penalty=1.2), "repetition_penalty"),
    ],
)
async def test_what_their_batching_does_not_have_is_refused(
    decoder: PagedDecoder, options: Options, name: str
) -> None:
    with pytest.raises(ValueError, match=f"does not serve {name} here; .*KEFU_BATCHING=own"):
        await text_of(decoder, 1, options)


async def test_requests_may_set_temperature_and_top_p_where_sampling_is_on(folder: Path) -> None:
    own = open_transformers(str(folder), slots=4, batching="own")
    assert isinstance(own, TransformersDecoder)
    decoder = PagedDecoder(own.engine.model.model, own._template._tokenizer, slots=4, samples=True)
    expected = await text_of(own, 1)
    narrow = [
        Options(max_new_tokens=24, temperature=5.0, top_k=1),
        Options(max_new_tokens=24, temperature=5.0, top_p=1e-6),
    ]
    wild = Options(max_new_tokens=24, temperature=5.0)
    got = await asyncio.gather(*(text_of(decoder, 1, options) for options in (GREEDY, *narrow, wild, wild)))
    assert got[:3] == [expected] * 3
    assert len({expected, *got[3:]}) == 3
    with pytest.raises(ValueError, match="min_p"):
        await text_of(decoder, 1, Options(temperature=1.0, min_p=0.1))
    await decoder.close()


def test_a_model_that_their_batching_cannot_run_is_refused_at_its_start_or_runs_over_our_slots(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("model.paged.PAGE", 2)  # transformers' pages have four tokens at least
    with pytest.raises(ModelError, match="cannot run this model here .*page_size.* KEFU_BATCHING=own"):
        open_transformers(str(folder), batching="transformers")
    monkeypatch.setattr("model.paged.is_faster", lambda model: True)
    assert isinstance(open_transformers(str(folder)), TransformersDecoder)
    assert "runs over our own engine instead" in caplog.text


def test_our_slots_serve_unless_flash_attention_runs_on_a_gpu(folder: Path) -> None:
    own = open_transformers(str(folder))
    assert isinstance(own, TransformersDecoder)
    assert not is_faster(own.engine.model.model)
