"""The worker's program: Redis, the assistant, the batching worker and what it does on the side."""

import contextlib
import functools
import gc
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

import redis

from workers import logs
from workers.channel import FORGOTTEN_PATTERN, JOB_FUNCTIONS, WORKER_PREFIX, WORKER_SECONDS
from workers.connection import connect, is_outage, refuse_credentials
from workers.echo import EchoAssistant
from workers.embedded_redis import private_redis
from workers.jobs import Assistant, Services, Writer, provide
from workers.mailbox import known_bots
from workers.operations import WorkerFigures
from workers.retraining import Renewal, ask_for_retraining, retrain_beside
from workers.settings import QUEUES, Settings, SettingsError
from workers.watchdog import Watchdog
from workers.worker import BatchingWorker, Chore, Timing

logger = logging.getLogger(__name__)

RENEW_EVERY = 20.0
"""Seconds between two looks for a newer recommender, and at the clock for the nightly training."""


def run_worker(
    settings: Settings,
    *,
    burst: bool = False,
    timing: Timing | None = None,
    assistant: Assistant | None = None,
) -> None:
    """Load the model, then work until stopped. `burst`: until the queues are empty."""
    logs.configure()
    # From the first moment on: process 1 of a container is not ended by a signal that it does not handle.
    signal.signal(signal.SIGTERM, _leave)
    timing = timing or Timing()
    with contextlib.ExitStack() as stack:
        url = settings.redis_url or stack.enter_context(private_redis(settings.data_dir))
        connection = stack.enter_context(connect(url))
        assistant = assistant or load_assistant(settings)
        wait_for_redis(connection)
        worker = _build(connection, settings, timing, assistant, url)
        watchdog = Watchdog(
            lambda: worker.is_asking, lambda: assistant.steps + worker.load.jobs, timing.stall
        )
        watchdog.start()
        stack.callback(watchdog.stop)
        # What is loaded now stays: the garbage collector need not look through it again and again.
        gc.freeze()
        worker.work(burst=burst)
        with contextlib.suppress(redis.RedisError):
            connection.delete(WORKER_PREFIX + worker.name)


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def load_assistant(settings: Settings) -> Assistant:
    """The assistant that the settings name. Raises SettingsError for a model or a shop that cannot be used."""
    if settings.model == "echo":
        return EchoAssistant(settings.echo_delay)
    from model.assistant import Assistant as ModelAssistant
    from model.checkpoint import CheckpointError
    from model.decoders import ModelError
    from model.recommender import RecommenderError
    from model.shop import ShopError

    try:
        return ModelAssistant.load(
            model=settings.model,
            shop=settings.shop,
            device=settings.device,
            slots=settings.slots,
            threads=settings.threads,
            precision=settings.precision,
            cuda_graphs=settings.cuda_graphs,
            batching=settings.batching,
            answer_tokens=settings.answer_tokens,
            model_name=settings.model_name,
            model_key=settings.model_key.get_secret_value() if settings.model_key else "",
        )
    except (ShopError, RecommenderError) as error:  # the recommender's checkpoint lies in the shop's folder
        raise SettingsError(f"KEFU_SHOP: {error}") from error
    except (CheckpointError, ModelError) as error:
        raise SettingsError(f"KEFU_MODEL: {error}") from error


@functools.cache
def _make_writer(shop: Path | None) -> Writer:
    """The writer of a shop, made when it is first needed."""
    from model.shop import Shop
    from model.writer import Writer as ShopWriter

    return ShopWriter(Shop.load(shop))


def wait_for_redis(connection: redis.Redis) -> None:
    """Return when Redis answers; say once that it does not. Raises SettingsError if it refuses us."""
    said = False
    while True:
        try:
            connection.ping()
            return
        except redis.RedisError as error:
            refuse_credentials(error)
            if not is_outage(error):
                raise
            if not said:
                logger.warning("Redis does not answer (%s); check KEFU_REDIS_URL. Waiting for it", error)
            said = True
            time.sleep(1.0)


def _build(
    connection: redis.Redis, settings: Settings, timing: Timing, assistant: Assistant, url: str
) -> BatchingWorker:
    worker = BatchingWorker(
        QUEUES,
        connection=connection,
        name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
        slots=settings.slots,
        timing=timing,
        functions=JOB_FUNCTIONS,
        close=assistant.close,
        listeners={FORGOTTEN_PATTERN: assistant.forget},
    )
    services = Services(
        connection,
        assistant,
        worker.on_main,
        worker.post,
        settings.history_tokens,
        settings.session_days,
        lambda: _make_writer(settings.shop),
        lambda: retrain_beside(url),
        worker.elsewhere,
        settings.offers,
    )
    provide(services)

    def sweep() -> None:
        for bot_id in known_bots(connection):
            services.mailbox(bot_id).sweep(timing.sweep_age)

    worker.add_chore(Chore(timing.sweep_every, sweep))
    worker.add_chore(Chore(RENEW_EVERY, Renewal(assistant).look))
    if (at := settings.retrain_at) is not None:
        if settings.shop is None:
            logger.warning("KEFU_RETRAIN_AT has no effect: the demo shop is not trained on; set KEFU_SHOP")
        else:
            worker.add_chore(Chore(RENEW_EVERY, lambda: ask_for_retraining(connection, at)))
    worker.add_chore(Chore(timing.beat_every, _report(worker, settings, assistant)))
    return worker


def _report(worker: BatchingWorker, settings: Settings, assistant: Assistant) -> Callable[[], None]:
    """Publishes the worker's own figures; they expire soon after the last time."""
    key, steps = WORKER_PREFIX + worker.name, assistant.steps

    def report() -> None:
        nonlocal steps
        load, now = worker.take_load(), time.monotonic()
        seconds = max(now - load.since, 1e-9)
        before, steps = steps, assistant.steps
        figures = WorkerFigures(
            name=worker.name,
            slots=worker.slots,
            in_flight=worker.in_flight,
            fill=load.slot_seconds / seconds / worker.slots,
            jobs=load.jobs,
            steps_per_second=(steps - before) / seconds,
            model=settings.model,
            engine=assistant.figures(),
        )
        worker.connection.set(key, figures.model_dump_json(), ex=WORKER_SECONDS)

    return report
