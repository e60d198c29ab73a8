"""Computed prompts are found again by whom they belong to, and change nothing but the time; nothing is ever lost."""

import asyncio
import random
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import model.prefixes
from model.bench.soak import soak
from model.engine import Engine, EngineFull, Request, Stream, sample
from model.gpt import GPT, GPTConfig
from model.prefixes import Prefixes, common_length
from tests.model.recorder import Recorder

VOCAB = 40
SHAPES = {
    "pointer": {"pointer_width": 8},
    "plain": {"pointer": False},
    "llama": {"pointer": False, "qk_norm": False},
}


def make_model(shape: str) -> GPT:
    torch.manual_seed(3)
    config = GPTConfig(VOCAB, context=96, layers=2, heads=2, kv_heads=1, width=16, hidden=24, **SHAPES[shape])  # type: ignore[arg-type]
    model = GPT(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.4)
    return model


MODELS = {shape: make_model(shape) for shape in SHAPES}
SYSTEM = [[5 + i % 7 for i in range(20)], [5 + i % 7 for i in range(18)] + [1] * 12]


@pytest.fixture(autouse=True, scope="module")
def even_the_smallest_common_part_is_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model.gpt.LEAST_SPARED", 1)
        patch.setattr("model.graphs._COMPARISONS", 1)  # of each of the mixes' hundreds of small engines
        yield


REQUEST = st.fixed_dictionaries(
    {
        "turns": st.integers(0, 25),  # loop turns before it joins
        "chat": st.sampled_from(["a", "b", "c", None]),
        "system": st.sampled_from([0, 1, None]),
        "own": st.integers(1, 30),
        "count": st.integers(1, 10),
        "patience": st.sampled_from([99, 99, 99, 0, 2, 5]),
        "grows": st.booleans(),  # goes on from the chat's last answer
    }
)


@pytest.mark.parametrize("is_recorded", [False, True])
@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    shape=st.sampled_from(sorted(SHAPES)),
    mix=st.lists(REQUEST, min_size=2, max_size=8),
    slots=st.sampled_from([3, 6]),
    seed=st.integers(0, 99),
)
def test_cached_equals_uncached_token_by_token_in_any_mix(
    is_recorded: bool, shape: str, mix: list[dict], slots: int, seed: int
) -> None:
    """Each token must be the likeliest after those before it, by one uncached pass over all of them.

    The same mixes go through the plain decoding step and through the one that CUDA graphs replay (`model.graphs`).
    """
    network, random_ = MODELS[shape], random.Random(seed)
    engine = Engine(network, slots, kept=3, capture=Recorder() if is_recorded else None)
    told, sequences = {}, []

    async def one(row: dict) -> None:
        for _ in range(row["turns"]):
            await asyncio.sleep(0)
        shared = SYSTEM[row["system"]] if row["system"] is not None else []
        ids = [*shared, *(random_.randrange(VOCAB) for _ in range(row["own"]))]
        if row["grows"] and row["chat"] in told:
            ids = (told[row["chat"]] + ids)[:80]
            shared = []
        got = []
        request = Request(ids, row["count"], chat=row["chat"], shared=len(shared))
        with engine.submit(request) as stream:
            async for token in stream:
                got.append(token.id)
                if len(got) > row["patience"]:
                    break
        assert len(got) == min(row["count"], row["patience"] + 1)
        told[row["chat"]] = ids + got
        sequences.append((ids, got))

    async def play() -> None:
        await asyncio.gather(*map(one, mix))
        await engine.idle()

    asyncio.run(play())
    longest = max(len(ids) + len(got) for ids, got in sequences)
    batch = torch.tensor([[*ids, *got, *[0] * (longest - len(ids) - len(got))] for ids, got in sequences])
    with torch.inference_mode():
        likeliest = network(batch).argmax(-1).tolist()
    for (ids, got), row in zip(sequences, likeliest, strict=True):
        assert got == row[len(ids) - 1 : len(ids) + len(got) - 1]
    assert sum(engine.stats.finished.values()) == len(mix)
    assert engine.stats.replayed_steps == (engine.stats.decode_steps if is_recorded else 0)


async def collect(stream: Stream) -> list[int]:
    return [token.id async for token in stream]


async def test_a_shared_prefix_is_computed_once() -> None:
    engine = Engine(MODELS["pointer"], slots=4)
    prompts = [[*SYSTEM[0], i, i + 1] for i in range(6)]
    await asyncio.gather(
        *(collect(engine.submit(Request(ids, 3, chat=i, shared=20))) for i, ids in enumerate(prompts))
    )
    stats = engine.stats
    assert (stats.prompt_tokens, stats.cached_tokens) == (22 + 5 * 2, 5 * 20)
    assert (stats.lookups, stats.hits) == (6, 5)
    assert stats.figures()["prefix_hits"] == pytest.approx(5 / 6)


async def test_a_chats_next_turn_computes_only_what_is_new() -> None:
    engine = Engine(MODELS["pointer"], slots=2)
    ids = list(range(25))
    answer = await collect(engine.submit(Request(ids, 5, chat="a")))
    await collect(engine.submit(Request([*ids, *answer, 3, 4], 2, chat="a")))
    assert engine.stats.cached_tokens == 25 + 4, "the last token was said, not yet read"
    assert engine.stats.prompt_tokens == 25 + 3


async def test_what_one_chat_wrote_is_computed_anew_for_another() -> None:
    engine = Engine(MODELS["pointer"], slots=2)
    ids = list(range(30))
    for chat in ("a", "b", None):
        await collect(engine.submit(Request(ids, 2, chat=chat)))
    assert (engine.stats.hits, engine.stats.prompt_tokens) == (0, 90)


async def test_only_the_declared_part_of_a_prompt_is_shared() -> None:
    engine = Engine(MODELS["plain"], slots=2)
    for chat in "ab":
        await collect(engine.submit(Request([*SYSTEM[0], 9, 9, 9, 9], 2, chat=chat, shared=20)))
    assert engine.stats.cached_tokens == 20


async def test_a_forgotten_chat_is_computed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(MODELS["plain"], slots=2)
    request = Request(list(range(30)), 2, chat="a")
    await collect(engine.submit(request))
    engine.forget("a")
    await collect(engine.submit(request))
    engine.forget_all()
    await collect(engine.submit(request))
    assert engine.stats.hits == 0
    monkeypatch.setattr(model.prefixes, "KEPT_SECONDS", -1.0)
    await collect(engine.submit(request))
    assert engine.stats.hits == 0


def test_the_least_recently_used_row_is_given_away() -> None:
    prefixes = Prefixes([7, 8])
    assert {prefixes.place([1, 2, 3], "a"), prefixes.place([4, 5, 6], "b")} == {7, 8}
    row, length = prefixes.find([1, 2, 3, 9], "a")
    assert length == 3
    assert prefixes.place([1, 2], "a") is None, "known already"
    other = prefixes.place([7, 7], "c")
    assert other not in (None, row)
    assert prefixes.find([4, 5, 6, 9], "b") == (-1, 0)
    assert prefixes.find([1, 2, 3, 9], "a") == (row, 3)
    assert Prefixes([]).place([1], "a") is None


@given(a=st.lists(st.integers(0, 2)), b=st.lists(st.integers(0, 2)))
@settings(derandomize=True, deadline=None)
def test_common_length_is_that_of_the_common_start(a: list[int], b: list[int]) -> None:
    n = common_length(a, b)
    assert a[:n] == b[:n]
    assert n == min(len(a), len(b)) or a[n] != b[n]


async def test_a_chat_with_many_requests_does_not_hold_up_the_others() -> None:
    engine = Engine(MODELS["plain"], slots=1, chat_limit=8)
    order: list[str] = []

    async def ask(chat: str) -> None:
        await collect(engine.submit(Request([1], 3, chat=chat)))
        order.append(chat)

    await asyncio.gather(*(ask(chat) for chat in "aaaaaaabc"))
    assert {order.index("b"), order.index("c")} <= {1, 2}
    streams = [engine.submit(Request([1], 3, chat="a")) for _ in range(8)]
    with pytest.raises(EngineFull, match="of this chat"):
        engine.submit(Request([1], 3, chat="a"))
    await collect(engine.submit(Request([1], 3, chat="b")))
    for stream in streams:
        stream.close()


async def test_repeated_tokens_are_penalised_and_masked_ones_never_said() -> None:
    network, ids = MODELS["plain"], [1, 2, 3, 4]
    free = await collect(Engine(network).submit(Request(ids, 40)))
    once = await collect(Engine(network).submit(Request(ids, 40, repetition_penalty=1e6)))
    assert len(set(free)) < len(free) or set(free) & set(ids)
    assert len(set(once)) == min(40, VOCAB - 4) or len(set(once[:36])) == 36
    assert not set(once[:36]) & set(ids)
    mask = torch.zeros(VOCAB)
    mask[:30] = float("-inf")
    assert min(await collect(Engine(network).submit(Request(ids, 20, mask=mask)))) >= 30


def test_min_p_leaves_only_what_is_nearly_as_likely_as_the_likeliest() -> None:
    log_probs = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    request = Request([1], 1, temperature=1.0, min_p=0.5)
    generator = torch.Generator().manual_seed(1)
    assert {sample(log_probs, request, generator) for _ in range(200)} == {0, 1}


async def test_times_are_counted_for_monitoring() -> None:
    engine = Engine(MODELS["plain"], slots=1)
    await asyncio.gather(*(collect(engine.submit(Request([1, 2], 10))) for _ in range(3)))
    figures = engine.stats.figures()
    assert figures["first_token_seconds"] >= figures["queue_seconds"] > 0
    assert figures["token_seconds"] > 0
    assert 0 < engine.stats.forward_seconds < engine.stats.busy_seconds
    assert engine.stats.batch_fill == 1


def test_nothing_is_lost_over_many_requests_with_cancels_deadlines_and_lost_clients() -> None:
    report = asyncio.run(soak(MODELS["pointer"], requests=600, slots=8, seed=2))
    assert report["ended_once"] == report["requests"] == 600
    assert report["slots_lost"] == 0
    assert report["wrong"] == 0
    assert {"cancelled", "deadline", "length", "stop"} <= set(report["finished"])
