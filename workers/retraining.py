"""The nightly training of the recommender: what customers did, out of Redis, into the shop's folder, beside the work.

A job in the queue `bulk` runs it as a process of its own with the lowest priority, so that no customer waits for it.
Every worker of the shop then finds the new checkpoint by itself; none is restarted.
"""

import asyncio
import contextlib
import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Protocol

import redis

from workers.channel import enqueue_retraining
from workers.connection import connect
from workers.embedded_redis import die_with_parent
from workers.exports import export_events
from workers.settings import Settings, SettingsError, load_settings

logger = logging.getLogger(__name__)

GRACE = timedelta(hours=1)
"""A worker that starts later than this after the hour leaves the training to the next night."""


class Renewable(Protocol):
    """What can take over a newer recommender. May raise ValueError, and then keeps what it has."""

    @property
    def has_newer_recommender(self) -> bool: ...

    def renew_recommender(self) -> None: ...


def run_retraining(settings: Settings, url: str) -> dict[str, object]:
    """Export, train, compare, take over or not; what became of it. Raises SettingsError."""
    from rich.console import Console

    from model.interactions import DataError
    from model.recommender import RecommenderError
    from model.retraining import retrain
    from model.shop import ShopError
    from model.train_behaviour import Settings as Training
    from model.train_behaviour import TrainingError

    if settings.shop is None:
        raise SettingsError("KEFU_SHOP: the demo shop is not trained on; name your own shop's folder.")
    if not os.access(settings.shop, os.W_OK):
        raise SettingsError(
            f"KEFU_SHOP: {settings.shop} cannot be written by this user; a recommender goes there."
        )
    device = "cuda" if settings.device == "cuda" else "cpu"
    training = Training(minutes=settings.retrain_minutes, threads=settings.threads, device=device)
    with tempfile.TemporaryDirectory(prefix="kefu-events-") as folder, connect(url) as connection:
        events = Path(folder) / "events.csv"
        export_events(connection, events)
        try:
            outcome = retrain(settings.shop, events, training, Console(stderr=True, quiet=True))
        except (ShopError, DataError, TrainingError, RecommenderError) as error:
            raise SettingsError(f"KEFU_SHOP: {error}") from error
    return asdict(outcome)


async def retrain_beside(url: str) -> None:
    """Run it as a process of its own and log what became of it. Ends the process when cancelled."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers.retraining"),
        env={**os.environ, "KEFU_REDIS_URL": url, "OMP_NUM_THREADS": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    try:
        out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise RuntimeError(last[0])
    logger.info("recommender trained: %s", out.decode().strip())


def ask_for_retraining(
    connection: redis.Redis, at: time, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> bool:
    """Ask for tonight's training if it is time; True if it was this call that did. `at` in UTC."""
    now = clock()
    due = datetime.combine(now.date(), at, UTC)
    return due <= now < due + GRACE and enqueue_retraining(connection, now.date().isoformat())


class Renewal:
    """Has an assistant take over a newer recommender, in a thread of its own since reading it takes a while."""

    def __init__(self, assistant: Renewable) -> None:
        self._assistant = assistant
        self._thread: threading.Thread | None = None
        self._told = ""

    def look(self) -> None:
        """Begin if there is something newer and nothing under way."""
        if (self._thread is None or not self._thread.is_alive()) and self._assistant.has_newer_recommender:
            self._thread = threading.Thread(target=self._renew, name="renewal", daemon=True)
            self._thread.start()

    def _renew(self) -> None:
        try:
            self._assistant.renew_recommender()
        except ValueError as error:  # perhaps it is still being copied: it is tried again, but told once
            if str(error) != self._told:
                logger.warning("the newer recommender is not taken over: %s", error)
            self._told = str(error)
        else:
            logger.info("a newer recommender is in use")


def main() -> None:
    """`python -m workers.retraining`: one JSON object on standard output."""
    os.nice(19)
    settings = load_settings()
    assert settings.redis_url, "the worker names its Redis"
    try:
        print(json.dumps(run_retraining(settings, settings.redis_url)))
    except SettingsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
