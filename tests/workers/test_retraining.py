"""The nightly training: asked for once a night, beside the work, taken over only if not worse, found without a restart."""

import asyncio
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from datetime import time as clock
from pathlib import Path
from random import Random

import pytest
import rq
from rich.console import Console

from model.assistant import Assistant
from model.recommender import Recommender
from model.retraining import BEHAVIOUR, Outcome, retrain
from model.shop import DEMO_SHOP
from model.train_behaviour import Settings, fit
from tests.workers.shop_floor import BOT, ROOT, ShopFloor, until
from workers.channel import BULK_QUEUE, Channel, enqueue_retraining
from workers.contracts import EventRecord
from workers.echo import EchoAssistant
from workers.jobs import Services, provide
from workers.jobs import retrain as retrain_job
from workers.retraining import Renewal, ask_for_retraining, run_retraining
from workers.settings import load_settings
from workers.worker import NoRetry

QUIET = Console(quiet=True)
PRODUCTS = [f"P{number}" for number in range(1001, 1021)]


def visits(users: int, seed: int = 1) -> list[tuple[int, str, float]]:
    """Customers who go through twenty products in order, from anywhere."""
    rng = Random(seed)
    return [
        (user, PRODUCTS[(start + step) % 20], 1000.0 + step)
        for user in range(users)
        for start in (rng.randrange(20),)
        for step in range(8)
    ]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The demo shop's products with what forty customers did before."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("shop.json", "products.jsonl"):
        shutil.copy(DEMO_SHOP / name, folder)
    rows = [f"{user},{item},{at},view" for user, item, at in visits(40)]
    (folder / "events.csv").write_text("user,item,timestamp,event\n" + "\n".join(rows) + "\n")
    return folder


SMALL = Settings(epochs=12, width=16, context=8, dropout=0.0, learning_rate=0.01, words=64)
WORSE = Settings(epochs=1, width=16, context=8, learning_rate=1e-6, words=64)


def test_the_first_recommender_and_one_that_is_not_worse_are_taken_over(shop: Path) -> None:
    first = retrain(shop, None, SMALL, QUIET)
    assert first.taken and first.reason == "it is the first" and first.cases == 40
    same = retrain(shop, None, SMALL, QUIET)
    assert same.before is not None and same.after is not None
    assert same.taken == (same.after >= same.before)


def test_a_worse_recommender_is_left_lying(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    retrain(shop, None, SMALL, QUIET)
    kept = (shop / BEHAVIOUR / "config.json").read_bytes()
    monkeypatch.setattr("model.retraining.fit", untrained)
    outcome = retrain(shop, None, SMALL, QUIET)
    assert not outcome.taken and outcome.reason == "it is worse"
    assert outcome.after is not None and outcome.before is not None and outcome.after < outcome.before
    assert (shop / BEHAVIOUR / "config.json").read_bytes() == kept


def untrained(cut: object, settings: Settings, console: Console) -> Recommender:
    """A network that has learned nothing, without the counts that would help it."""
    trained = fit(cut, WORSE, console)  # type: ignore[arg-type]
    trained.blend = trained.share = 0.0
    return trained


def test_too_little_to_judge_by_changes_nothing(shop: Path) -> None:
    (shop / "events.csv").unlink()
    assert retrain(shop, None, SMALL, QUIET) == Outcome(False, "no customer has done anything yet")
    (shop / "events.csv").write_text(
        "user,item,timestamp,event\n1,P1001,1,view\n1,P1002,2,view\n1,P1003,3,view\n"
    )
    outcome = retrain(shop, None, SMALL, QUIET)
    assert not outcome.taken and "only 1 customers" in outcome.reason
    assert not (shop / BEHAVIOUR).exists()


def test_what_chats_did_is_trained_on_beside_the_shops_own_events(
    floor: ShopFloor, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEFU_SHOP", str(shop))
    monkeypatch.setenv("KEFU_RETRAIN_MINUTES", "0.03")
    channel = Channel(floor.redis, BOT)
    for number, (user, item, at) in enumerate(visits(3, seed=2)):
        channel.note(number, 100 + user, EventRecord(product_id=item, action="like", at=at))
    outcome = run_retraining(load_settings(), floor.url)
    assert outcome["taken"] and outcome["events"] == 43 * 8
    run = json.loads((shop / BEHAVIOUR / "run.json").read_text())
    assert run["outcome"]["reason"] == "it is the first"


def test_an_assistant_takes_a_newer_recommender_over_without_a_restart(shop: Path) -> None:
    assistant = Assistant.load("passages", shop)
    renewal = Renewal(assistant)
    assert not assistant.has_newer_recommender
    retrain(shop, None, SMALL, QUIET)
    assert assistant.has_newer_recommender
    before = assistant.advisor.suggester
    renewal.look()
    until(lambda: assistant.advisor.suggester is not before)
    assert not assistant.has_newer_recommender
    found = asyncio.run(assistant.suggest("", "en", 1, seen=[PRODUCTS[2]]))
    assert PRODUCTS[3] in [product.product_id for product in found]


def test_a_damaged_newer_recommender_is_not_taken_over(shop: Path, caplog: pytest.LogCaptureFixture) -> None:
    retrain(shop, None, SMALL, QUIET)
    assistant = Assistant.load("passages", shop)
    before = assistant.advisor.suggester
    time.sleep(0.01)  # file times are coarse
    (shop / BEHAVIOUR / "config.json").write_text("{}")
    assert assistant.has_newer_recommender
    with caplog.at_level(logging.WARNING):
        renewal = Renewal(assistant)
        renewal._renew()
        renewal._renew()
    assert assistant.advisor.suggester is before and caplog.text.count("not taken over") == 1


def test_a_training_is_asked_for_once_a_night_and_not_later_in_the_day(floor: ShopFloor) -> None:
    def at(hour: int, minute: int = 0, day: int = 1) -> bool:
        now = datetime(2026, 12, day, hour, minute, tzinfo=UTC)
        return ask_for_retraining(floor.redis, clock(3, 30), lambda: now)

    assert [at(3, 29), at(3, 30), at(3, 31), at(4, 31), at(3, 40, day=2), at(9, day=3)] == [
        False, True, False, False, True, False,
    ]  # fmt: skip
    queue = rq.Queue(BULK_QUEUE, connection=floor.redis, serializer="json")
    assert [(job.func_name, job.args) for job in queue.jobs] == [
        ("workers.jobs.retrain", ["2026-12-01"]),
        ("workers.jobs.retrain", ["2026-12-02"]),
    ]


async def test_a_training_that_fails_is_not_repeated(floor: ShopFloor) -> None:
    async def fails() -> None:
        raise RuntimeError("KEFU_SHOP: no such folder")

    async def inline(step: object) -> object:
        raise AssertionError("a training needs no step of the main thread")

    provide(Services(floor.redis, EchoAssistant(), inline, lambda call: None, retrain=fails))  # type: ignore[arg-type]
    with pytest.raises(NoRetry, match="no such folder"):
        await retrain_job("2026-12-01")


def test_a_worker_trains_beside_its_work(floor: ShopFloor, shop: Path) -> None:
    assert enqueue_retraining(floor.redis, "2026-12-01")
    floor.say("hello")
    settings = {
        "KEFU_MODEL": "echo", "KEFU_SHOP": str(shop), "KEFU_REDIS_URL": floor.url, "KEFU_RETRAIN_MINUTES": "0.03",
    }  # fmt: skip
    worker = subprocess.run(
        [sys.executable, "-m", "bot.cli", "worker", "--burst"],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **settings},
        cwd=floor.logs,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert worker.returncode == 0, worker.stderr
    assert floor.texts() == ["hello"]
    assert "recommender trained" in worker.stderr
    assert json.loads((shop / BEHAVIOUR / "run.json").read_text())["outcome"]["taken"]
