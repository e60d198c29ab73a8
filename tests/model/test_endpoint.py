"""A model behind an OpenAI-compatible address, over real HTTP: streaming, repeats, time-outs, cancellation."""

import asyncio
import time
from contextlib import aclosing

import httpx2
import pytest

from model.decoders import Message, ModelError, Options, TextStops
from model.endpoint import EndpointDecoder
from model.engine import DeadlineExceeded, EngineError
from tests.model.openai_server import OpenAIServer, serving

ASKED = [Message("user", "Facts: Delivery. It takes 3 days.\n\nQuestion: how long?")]


async def read(decoder: EndpointDecoder, options: Options | None = None) -> str:
    return "".join([piece async for piece in decoder.chat(ASKED, options or Options())])


async def test_an_answer_streams_with_the_model_and_key_that_were_set() -> None:
    async with serving(OpenAIServer()) as server:
        decoder = EndpointDecoder(server.url, "m1", "k1")
        assert (await read(decoder, Options(max_new_tokens=7))).strip() == "Sure! It takes 3 days."
        await decoder.close()
    (body,) = server.requests
    assert (body["model"], body["max_tokens"], body["stream"]) == ("m1", 7, True)
    assert server.keys == ["Bearer k1"]
    assert decoder.steps == 5 and decoder.figures()["first_token_seconds"] > 0


@pytest.mark.parametrize("statuses", [(503,), (429, 500)])
async def test_a_busy_server_is_asked_again(statuses: tuple[int, ...]) -> None:
    async with serving(OpenAIServer(failures=statuses)) as server:
        decoder = EndpointDecoder(server.url, "m")
        assert "3 days" in await read(decoder)
        assert decoder.figures()["repeated"] == len(statuses) == len(server.requests) - 1
        await decoder.close()


@pytest.mark.parametrize(("statuses", "tries"), [((500,) * 9, 3), ((401,), 1), ((404,), 1)])
async def test_a_server_that_gives_no_answer_is_an_engine_error(
    statuses: tuple[int, ...], tries: int
) -> None:
    async with serving(OpenAIServer(failures=statuses)) as server:
        decoder = EndpointDecoder(server.url, "m", "secret")
        with pytest.raises(EngineError) as caught:
            await read(decoder)
        assert "secret" not in str(caught.value) and "days" not in str(caught.value)
        assert len(server.requests) == tries
        await decoder.close()


async def test_nobody_at_the_address_is_an_engine_error(unused_tcp_port: int) -> None:
    decoder = EndpointDecoder(f"http://127.0.0.1:{unused_tcp_port}/v1", "m")
    with pytest.raises(EngineError, match="ConnectError"):
        await read(decoder)
    await decoder.close()


async def test_leaving_stops_the_servers_work() -> None:
    async with serving(OpenAIServer(lambda _: "word " * 2000, pause=0.05)) as server:
        decoder = EndpointDecoder(server.url, "m")
        async with aclosing(decoder.chat(ASKED)) as stream:
            await anext(stream)
        async with asyncio.timeout(20):
            await server.left.wait()
        await decoder.close()


async def test_cancelling_the_task_stops_the_servers_work() -> None:
    async with serving(OpenAIServer(lambda _: "word " * 2000, pause=0.05)) as server:
        decoder = EndpointDecoder(server.url, "m")
        begun = asyncio.Event()

        async def listen() -> None:
            async for _ in decoder.chat(ASKED):
                begun.set()

        task = asyncio.create_task(listen())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(20):
            await server.left.wait()
        await decoder.close()


async def test_a_server_that_hangs_times_out_and_a_deadline_ends_an_answer() -> None:
    async with serving(OpenAIServer(lambda _: "word " * 2000, pause=3600)) as server:
        decoder = EndpointDecoder(server.url, "m", timeout=httpx2.Timeout(0.2))
        with pytest.raises(EngineError, match="ReadTimeout"):
            await read(decoder)
        assert len(server.requests) == 1, "it had begun to speak, so it is not asked again"
        patient = EndpointDecoder(server.url, "m")
        with pytest.raises(DeadlineExceeded):
            await read(patient, Options(deadline=time.monotonic() + 0.3))
        await decoder.close()
        await patient.close()


async def test_what_does_not_speak_the_protocol_is_refused() -> None:
    async with serving(OpenAIServer()) as server:
        decoder = EndpointDecoder(server.url.removesuffix("/v1"), "m")
        with pytest.raises(EngineError, match="404"):
            await read(decoder)
        await decoder.close()
    with pytest.raises(ModelError, match="KEFU_MODEL_NAME"):
        EndpointDecoder("http://127.0.0.1:1/v1", "")


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_text_ends_before_its_stop_string_however_it_is_cut(size: int) -> None:
    text, stops = "one\ntwo\n\nthree", TextStops(["\n\n", "four"])
    pieces = [stops.push(text[at : at + size]) for at in range(0, len(text), size) if not stops.is_over]
    assert "".join(pieces) == "one\ntwo" and stops.is_over
    open_end = TextStops(["\n\n"])
    assert open_end.push("one\n") + open_end.finish() == "one\n"
