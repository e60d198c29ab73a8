"""The engine: batched equals alone, every stream ends once, slots come and go, and failures stay small."""

import asyncio
import random
import time
from collections.abc import Sequence

import pytest
import torch

from model.engine import DeadlineExceeded, Engine, EngineError, EngineFull, Request, Stream, Token
from model.gpt import GPT, GPTConfig

VOCAB = 60
SHAPES = {
    "pointer": GPTConfig(
        VOCAB, context=400, layers=2, heads=4, kv_heads=2, width=32, hidden=48, pointer_width=16
    ),
    "plain": GPTConfig(VOCAB, context=400, layers=2, heads=2, kv_heads=1, width=32, hidden=48, pointer=False),
}


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest) -> GPT:
    return make_model(request.param)


def make_model(shape: str = "pointer") -> GPT:
    torch.manual_seed(11)
    model = GPT(SHAPES[shape]).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def prompt(random_: random.Random, length: int) -> list[int]:
    return [random_.randrange(VOCAB) for _ in range(length)]


def generate_uncached(
    model: GPT, ids: Sequence[int], count: int, stop: frozenset[int] = frozenset()
) -> list[int]:
    """What greedy generation must give, by the slowest and plainest means."""
    ids, new = list(ids), []
    with torch.inference_mode():
        while len(new) < count and not (new and new[-1] in stop):
            new.append(int(model(torch.tensor([ids + new]))[0, -1].argmax()))
    return new


async def collect(stream: Stream) -> list[int]:
    return [token.id async for token in stream]


@pytest.mark.parametrize("seed", range(6))
async def test_batched_equals_alone_under_joins_leaves_and_cancels(model: GPT, seed: int) -> None:
    random_ = random.Random(seed)
    engine = Engine(model, slots=5)

    async def one_customer() -> None:
        await asyncio.sleep(random_.random() * 0.05)
        ids = prompt(random_, random_.choice([1, 5, 63, 64, 65, 300]))
        count, stop = random_.randint(1, 25), frozenset({random_.randrange(VOCAB)})
        patience = random_.choice([1000, 1000, random_.randint(0, 10)])
        expected = generate_uncached(model, ids, count, stop)
        with engine.submit(Request(ids, count, stop_ids=stop)) as stream:
            got: list[int] = []
            async for token in stream:
                got.append(token.id)
                if len(got) > patience:
                    break
        assert got == expected[: patience + 1]

    await asyncio.gather(*(one_customer() for _ in range(24)))
    await asyncio.sleep(0.01)
    stats = engine.stats
    assert (stats.live, stats.waiting) == (0, 0)
    assert sum(stats.finished.values()) == 24
    assert stats.largest_batch == 5


async def test_32_at_once_run_together(model: GPT) -> None:
    random_ = random.Random(1)
    engine = Engine(model, slots=32)
    prompts = [prompt(random_, 20 + i) for i in range(32)]
    streams = [engine.submit(Request(ids, 60)) for ids in prompts]
    got = await asyncio.gather(*map(collect, streams))
    assert engine.stats.largest_batch == 32
    assert engine.stats.batch_fill > 0.6
    assert got == [generate_uncached(model, ids, 60) for ids in prompts]


async def test_a_waiting_request_joins_while_others_generate() -> None:
    engine = Engine(make_model(), slots=2)
    first = engine.submit(Request([1, 2], 200))
    await anext(first)
    second = await collect(engine.submit(Request([3], 5)))
    assert len(second) == 5
    assert first.finish_reason == ""
    assert len(await collect(first)) == 199


async def test_a_long_prompt_does_not_hold_up_the_others() -> None:
    engine = Engine(make_model(), slots=2)
    running = engine.submit(Request([1, 2], 50))
    await anext(running)
    long = asyncio.ensure_future(anext(engine.submit(Request([5] * 390, 2))))
    await anext(running)
    await anext(running)
    assert engine.stats.prompt_tokens == 2 + 256, "one chunk, then everybody's next token"
    await long


async def test_cancelling_a_task_frees_its_slot() -> None:
    engine = Engine(make_model(), slots=1)
    task = asyncio.create_task(collect(engine.submit(Request([1], 300))))
    await asyncio.sleep(0.02)
    assert engine.stats.live == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await collect(engine.submit(Request([2], 3)))) == 3
    assert engine.stats.finished == {"cancelled": 1, "length": 1}


async def test_a_dropped_stream_frees_its_slot() -> None:
    engine = Engine(make_model(), slots=1)
    async for _ in engine.submit(Request([1], 300)):
        break
    await collect(engine.submit(Request([2], 3)))
    assert engine.stats.finished["cancelled"] == 1
    assert engine.stats.tokens < 100


async def test_a_request_cancelled_while_it_waits_never_runs() -> None:
    engine = Engine(make_model(), slots=1)
    running, waiting = engine.submit(Request([1], 20)), engine.submit(Request([2], 20))
    waiting.close()
    assert await collect(waiting) == []
    await collect(running)
    assert engine.stats.prompt_tokens == 1


async def test_a_deadline_ends_a_request_with_an_error() -> None:
    engine = Engine(make_model(), slots=1)
    now = time.monotonic()
    running = engine.submit(Request([1], 390, deadline=now + 0.05))
    waiting = engine.submit(Request([1], 390, deadline=now + 0.02))
    for stream in (running, waiting):
        with pytest.raises(DeadlineExceeded):
            await collect(stream)
        assert stream.finish_reason == "deadline"
    assert engine.stats.live == 0


async def test_the_waiting_line_is_bounded() -> None:
    engine = Engine(make_model(), slots=1, waiting_limit=2)
    streams = [engine.submit(Request([1], 3)) for _ in range(2)]
    with pytest.raises(EngineFull, match="2 requests wait"):
        engine.submit(Request([1], 3))
    assert [len(await collect(stream)) for stream in streams] == [3, 3]
    assert engine.stats.refused == 1


async def test_a_stop_token_is_the_last_one() -> None:
    model = make_model()
    expected = generate_uncached(model, [4, 5], 20)
    stop = expected[7]
    stream = Engine(model).submit(Request([4, 5], 20, stop_ids=frozenset({stop})))
    assert await collect(stream) == expected[: expected.index(stop) + 1]
    assert stream.finish_reason == "stop"


async def test_an_ended_stream_stays_ended() -> None:
    stream = Engine(make_model()).submit(Request([1], 2))
    assert len(await collect(stream)) == 2
    stream.close()
    assert await collect(stream) == []
    assert stream.finish_reason == "length"


async def test_a_seed_repeats_whatever_runs_beside_it() -> None:
    model = make_model()
    request = Request([1, 2, 3], 30, temperature=1.5, top_k=40, top_p=0.95, seed=5)
    alone = await collect(Engine(model).submit(request))
    engine = Engine(model)
    others = [engine.submit(Request([i], 25, temperature=1.0, seed=i)) for i in range(6)]
    assert await collect(engine.submit(request)) == alone
    different = Request([1, 2, 3], 30, temperature=1.5, seed=6)
    assert await collect(engine.submit(different)) != alone
    for stream in others:
        await collect(stream)


async def test_top_k_of_one_is_greedy() -> None:
    model = make_model()
    sampled = await collect(Engine(model).submit(Request([9, 8], 20, temperature=2.0, top_k=1)))
    assert sampled == generate_uncached(model, [9, 8], 20)
    narrow = await collect(Engine(model).submit(Request([9, 8], 20, temperature=2.0, top_p=1e-6)))
    assert narrow == sampled


async def test_a_listed_constraint_reports_the_probability_of_each_choice() -> None:
    model = make_model()
    request = Request([1, 2], 3, constraint=lambda done: [7, 3, 9] if not done else None)
    tokens: list[Token] = [token async for token in Engine(model).submit(request)]
    with torch.inference_mode():
        chosen = model(torch.tensor([[1, 2]]))[0, -1, [7, 3, 9]].softmax(-1)
    assert tokens[0].choices == pytest.approx(chosen.tolist(), abs=1e-5)
    assert tokens[0].id == [7, 3, 9][int(chosen.argmax())]
    assert tokens[0].probability == pytest.approx(max(tokens[0].choices))
    assert tokens[1].choices == ()


async def test_a_mask_forbids_tokens() -> None:
    mask = torch.zeros(VOCAB)
    mask[10:] = float("-inf")
    request = Request([50, 51], 40, temperature=3.0, seed=1, constraint=lambda done: mask)
    assert max(await collect(Engine(make_model()).submit(request))) < 10


@pytest.mark.parametrize("constraint", [lambda done: [], lambda done: 1 / 0])
async def test_an_impossible_constraint_fails_its_own_request_only(constraint) -> None:
    engine = Engine(make_model())
    good, bad = engine.submit(Request([1], 9)), engine.submit(Request([1], 9, constraint=constraint))
    with pytest.raises(EngineError, match="constraint"):
        await collect(bad)
    assert len(await collect(good)) == 9


async def test_a_failed_step_ends_its_requests_and_the_engine_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = make_model()
    engine = Engine(model, slots=2)
    extend, fail = model.extend, True

    def failing(ids, *args, **kwargs):
        if fail and ids.shape == (2, 1):
            raise RuntimeError("out of memory")
        return extend(ids, *args, **kwargs)

    monkeypatch.setattr(model, "extend", failing)
    streams = [engine.submit(Request([1], 50)) for _ in range(3)]
    for stream in streams[:2]:
        with pytest.raises(EngineError, match="out of memory"):
            await collect(stream)
    assert len(await collect(streams[2])) == 50
    fail = False
    assert len(await collect(engine.submit(Request([1], 5)))) == 5


async def test_a_prompt_that_cannot_be_computed_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    engine = Engine(model, slots=6)
    extend = model.extend_pieces

    def failing(pieces, cache):
        if any(len(piece.ids) == 7 for piece in pieces):
            raise RuntimeError("bad prompt")
        return extend(pieces, cache)

    monkeypatch.setattr(model, "extend_pieces", failing)
    streams = [engine.submit(Request([1] * length, 20)) for length in (5, 7, 6)]
    with pytest.raises(EngineError, match="bad prompt"):
        await collect(streams[1])
    assert [len(await collect(stream)) for stream in (streams[0], streams[2])] == [20, 20]
    assert engine.stats.finished == {"length": 2, "error": 1}


async def test_an_engine_that_keeps_failing_says_that_it_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    engine = Engine(model, slots=2)
    monkeypatch.setattr(model, "extend_pieces", lambda *args, **kwargs: 1 / 0)
    results = await asyncio.gather(
        *(collect(engine.submit(Request([1], 5))) for _ in range(6)), return_exceptions=True
    )
    assert all(isinstance(result, EngineError) for result in results)
    with pytest.raises(EngineError, match="broken"):
        engine.submit(Request([1], 5))


async def test_closing_ends_every_request() -> None:
    engine = Engine(make_model(), slots=1)
    streams = [engine.submit(Request([1], 300)) for _ in range(3)]
    await anext(streams[0])
    engine.close()
    for stream in streams:
        with pytest.raises(EngineError, match="closed"):
            await collect(stream)
    await asyncio.sleep(0.01)
    assert (engine.stats.live, engine.stats.waiting, engine.stats.finished["error"]) == (0, 0, 3)


def test_one_engine_serves_several_loops_one_after_the_other() -> None:
    engine = Engine(make_model())

    async def ask() -> list[int]:
        return await collect(engine.submit(Request([1, 2], 5)))

    async def leave_early() -> None:
        await anext(engine.submit(Request([1, 2], 300)))

    first = asyncio.run(ask())
    asyncio.run(leave_early())
    assert asyncio.run(ask()) == first


@pytest.mark.parametrize(
    "request_", [lambda: Request([], 5), lambda: Request([1], 0), lambda: Request([1], 5, top_p=0.0)]
)
def test_a_senseless_request_is_refused(request_) -> None:
    with pytest.raises(ValueError):
        request_()


async def test_a_request_that_cannot_fit_is_refused() -> None:
    engine = Engine(make_model())
    with pytest.raises(ValueError, match="context of 400"):
        engine.submit(Request([1] * 390, 11))
    with pytest.raises(ValueError, match="token ids"):
        engine.submit(Request([VOCAB], 1))


async def test_memory_stays_as_it_was_allocated() -> None:
    engine = Engine(make_model(), slots=3)
    before = engine._cache.kv.data_ptr()
    for _ in range(5):
        await asyncio.gather(*(collect(engine.submit(Request([1], 10))) for _ in range(9)))
    assert engine._cache.kv.data_ptr() == before
    assert engine.stats.finished["length"] == 45
