"""The same bot and worker with another model behind them: only KEFU_MODEL (and what belongs to it) changes."""

from pathlib import Path

import pytest

from model.assistant import Assistant
from model.endpoint import ATTEMPTS
from model.general import render
from model.shop import Shop
from model.slots import find_values
from model.types import Question
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
@pytest.mark.timeout(900)
async def test_transformers_own_server_answers_through_worker_and_bot(tmp_path: Path) -> None:
    """A network that knows one answer, exported as anybody would, behind a server that others wrote."""
    for package in ("fastapi", "uvicorn", "openai"):
        pytest.importorskip(package, reason=f"{package} is missing: pip install 'transformers[serving]'")
    from tests.end_to_end.transformers_server import teach, transformers_serve

    source = (await Assistant.load("passages").answer(Question(QUESTION, "en", ENGLISH))).source_id
    passage = next(one for one in Shop.load().passages if (one.id, one.language) == (source, "en"))
    message = render(passage.title, passage.text, QUESTION, "en")
    teach(message, f" Sure! {passage.text}", tmp_path / "model")
    async with transformers_serve(tmp_path / "model") as address:
        settings = {"KEFU_MODEL": address, "KEFU_MODEL_NAME": str(tmp_path / "model")}
        async with run(environment=settings) as kefu:
            reply = await ask(kefu)
            await until(lambda: tokens(kefu) > 0, 60)
    assert reply.startswith("Sure!") and any(value in reply for value in delivery_values()), reply


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("is_tuned", [False, True], ids=["as it comes", "with our adapter"])
async def test_gemma_answers_through_worker_and_bot(gemma: tuple[Path, Path], is_tuned: bool) -> None:
    """A real pretrained model of 270 million parameters; what it says that is wrong, the passage replaces."""
    if is_tuned:
        pytest.importorskip("peft", reason='peft is not installed: pip install "kefu[gemma]"')
    home, path = gemma
    settings = {
        "HOME": str(home), "KEFU_MODEL": "gemma" if is_tuned else str(path), "KEFU_PRECISION": "int8",
        "KEFU_SLOTS": "4", "KEFU_ANSWER_TOKENS": "80" if is_tuned else "12",
    }  # fmt: skip
    async with run(environment=settings) as kefu:
        await until(lambda: kefu.redis.keys(f"{WORKER_PREFIX}*"), 600)
        reply = await ask(kefu)
        await until(lambda: tokens(kefu) > 0, 60)
        assert kefu.stack.log_lines("opened for the first time") or (home / ".cache/kefu/gguf").exists()
    assert any(value in reply for value in delivery_values()), reply
