"""Recorded decoding steps: they say what the plain step says, wait for nothing, and are given up where they are wrong."""

import logging
from collections.abc import Callable

import pytest
import torch

from model.engine import Engine, Request, Stream
from model.gpt import GPT, GPTConfig, Piece
from model.graphs import CudaCapture, Graphs, batch_sizes, capture_for, visible_lengths
from tests.model.recorder import HOST_BOUND, Recorder, Watched

VOCAB, CONTEXT = 50, 160
SHAPES = {"pointer": {"pointer_width": 16}, "plain": {"pointer": False, "qk_norm": False}}


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest) -> GPT:
    return make_model(request.param)


def make_model(shape: str = "pointer") -> GPT:
    torch.manual_seed(5)
    config = GPTConfig(
        VOCAB, context=CONTEXT, layers=2, heads=4, kv_heads=2, width=32, hidden=48, **SHAPES[shape]
    )  # type: ignore[arg-type]
    model = GPT(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


async def collect(stream: Stream) -> list[int]:
    return [token.id async for token in stream]


@pytest.mark.parametrize("slots", [1, 2, 5, 8, 32, 33, 100, 256])
def test_every_number_of_rows_has_a_recorded_size_that_is_not_much_larger(slots: int) -> None:
    sizes = batch_sizes(slots)
    assert sizes == sorted(set(sizes)) and sizes[-1] == slots
    for rows in range(1, slots + 1):
        size = next(size for size in sizes if size >= rows)
        assert size <= 2 * rows - 1 if rows < 32 else size <= 1.5 * rows


@pytest.mark.parametrize("context", [50, 64, 160, 640, 2048])
def test_every_length_has_a_recorded_one_that_is_not_much_larger(context: int) -> None:
    sizes = visible_lengths(context)
    assert sizes == sorted(set(sizes)) and sizes[-1] == context
    for length in range(1, context + 1):
        size = next(size for size in sizes if size >= length)
        assert size < max(length + 64, 1.25 * length)


@pytest.mark.parametrize("others", [0, 1, 5])
def test_a_recorded_step_says_what_the_plain_step_says(model: GPT, others: int) -> None:
    """More rows and more visible tokens than there are change nothing, whatever earlier requests left there."""
    cache = model.make_cache(8)
    graphs = Graphs(model, cache, 6, Recorder())
    text = torch.randint(VOCAB, (CONTEXT,)).tolist()
    lengths = [1, 63, 64, 65, 100, 128][: 1 + others]
    with torch.inference_mode():
        model.extend_pieces([Piece(row, 0, text[:length]) for row, length in enumerate(lengths)], cache)
        for _ in range(30):
            found = graphs.step([text[length] for length in lengths], lengths)
            assert found is not None
            expected = torch.stack([model(torch.tensor([text[: n + 1]]))[0, -1] for n in lengths])
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
            lengths = [length + 1 for length in lengths]


def test_a_recorded_step_waits_for_nothing_and_takes_nothing_from_the_host(model: GPT) -> None:
    """On the device `meta` there are shapes and no numbers: what looks at a number fails."""
    empty = model.to("meta")
    ids = torch.zeros(4, 1, dtype=torch.long, device="meta")
    with torch.inference_mode(), Watched() as watched:
        found = empty.decode(ids, ids[:, 0], empty.make_cache(5), 64)
    assert found.shape == (4, VOCAB)
    assert "embedding" in watched.names
    assert not HOST_BOUND & set(watched.names)


async def test_an_engine_replays_every_decoding_step(model: GPT) -> None:
    recorder = Recorder()
    engine, plain = Engine(model, slots=6, capture=recorder), Engine(model, slots=6)
    requests = [Request([row, 3, 4] * (row + 1), 20 + row) for row in range(9)]
    streams = [(engine.submit(request), plain.submit(request)) for request in requests]
    for recorded, expected in streams:
        assert await collect(recorded) == await collect(expected)
    assert engine.stats.replayed_steps == engine.stats.decode_steps > 0
    assert recorder.recorded == len(batch_sizes(6)) * len(visible_lengths(CONTEXT))
    assert recorder.replays == 3 * recorder.recorded + engine.stats.replayed_steps, "each was compared first"


def test_a_recording_in_bf16_passes_its_comparison(model: GPT) -> None:
    model = model.to(torch.bfloat16)
    assert len(Graphs(model, model.make_cache(6), 4, Recorder())) == 3 * len(visible_lengths(CONTEXT))


class _Forgetful(Recorder):
    """Replays what the first run wrote, whatever is asked: a graph that does not read its inputs."""

    def record(self, step: Callable[[], None]) -> Callable[[], object]:
        super().record(step)
        return lambda: None


class _Broken(Recorder):
    """The step cannot be recorded at all: it waits for the GPU."""

    def record(self, step: Callable[[], None]) -> Callable[[], object]:
        self.recorded += 1
        raise RuntimeError("operation not permitted when stream is capturing")


class _Tired(Recorder):
    """Replays, but not for ever."""

    def record(self, step: Callable[[], None]) -> Callable[[], object]:
        replay = super().record(step)
        return lambda: replay() if self.replays < 40 else 1 / 0


class _Late(Recorder):
    """Recorded with another length: of every replay the tokens stand one place too far on."""

    def record(self, step: Callable[[], None]) -> Callable[[], object]:
        replay, inputs = super().record(step), step.func.__self__._inputs  # type: ignore[attr-defined]

        def late() -> None:
            inputs[1] = (inputs[1] + 1).clamp_max(CONTEXT - 1)
            replay()

        return late


async def _assert_right_and_said_once(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> Engine:
    caplog.clear()
    model = make_model()
    engine = Engine(model, slots=4, capture=recorder)
    request = Request([1, 2, 3], 60)
    assert await collect(engine.submit(request)) == await collect(Engine(model).submit(request))
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1
    return engine


@pytest.mark.parametrize("recorder", [_Forgetful(), _Late(), _Broken()])
async def test_a_wrong_recording_is_noticed_and_never_serves(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    engine = await _assert_right_and_said_once(recorder, caplog)
    assert engine.stats.replayed_steps == 0
    assert "serve 0 of 9 shapes" in caplog.text


async def test_a_recording_that_fails_later_is_replaced_by_the_plain_step(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = await _assert_right_and_said_once(_Tired(), caplog)
    assert 0 < engine.stats.replayed_steps < engine.stats.decode_steps
    assert "decoding 1 rows runs without its CUDA graph from now on" in caplog.text


def test_what_fails_at_every_shape_is_not_tried_at_every_shape() -> None:
    recorder, model = _Broken(), make_model()
    Graphs(model, model.make_cache(20), 16, recorder)
    assert recorder.recorded == 3


async def test_without_room_for_more_the_largest_shapes_are_replayed_and_the_others_are_not() -> None:
    model = make_model()
    engine = Engine(model, slots=4, capture=Recorder(room=4))
    for count, is_replayed in ((1, False), (4, True)):
        before = engine.stats.replayed_steps
        streams = [engine.submit(Request([1, 2, 3], 20)) for _ in range(count)]
        assert [len(await collect(stream)) for stream in streams] == [20] * count
        assert (engine.stats.replayed_steps > before) == is_replayed


def test_a_processor_records_nothing() -> None:
    assert capture_for(torch.device("cpu")) is None
    assert capture_for(torch.device("cuda"), "off") is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
async def test_a_gpu_replays_what_it_would_compute(model: GPT) -> None:
    model = model.to("cuda")
    engine = Engine(model, slots=6, capture=capture_for(model.device))
    assert isinstance(capture_for(model.device), CudaCapture)
    plain = Engine(model, slots=6)
    requests = [Request([row, 3, 4] * (row + 1), 20 + row) for row in range(9)]
    streams = [(engine.submit(request), plain.submit(request)) for request in requests]
    for recorded, expected in streams:
        assert await collect(recorded) == await collect(expected)
    assert engine.stats.replayed_steps == engine.stats.decode_steps > 0
