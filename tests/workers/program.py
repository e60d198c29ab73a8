"""A real worker process for tests: the echo, short leases, and texts that make the assistant misbehave.

Usage: program.py JSON, with redis_url, and optionally slots, delay, burst and timing.
"""

import json
import os
import signal
import sys
import time

from model.types import Answer, OnText, Question
from workers.echo import EchoAssistant
from workers.main import run_worker
from workers.settings import Settings
from workers.worker import Timing

TIMING = Timing(
    lease=2,
    beat_every=0.5,
    maintain_every=0.5,
    sweep_every=0.5,
    sweep_age=3,
    poll_every=1,
    warm_stop=5,
    stall=30,
)
"""A killed worker's jobs run again within three seconds."""


class FaultyAssistant(EchoAssistant):
    """Echoes, but raises at the word poison, and at others hangs the process or dies as for want of memory."""

    def forget(self, chat: str) -> None:
        """Says so."""
        print(f"forgotten: {chat}", flush=True)

    async def answer(self, question: Question, on_text: OnText | None = None) -> Answer:
        """The echo, or a fault."""
        if "poison" in question.text:
            raise ValueError(f"cannot bear {question.text}")
        if "deadly" in question.text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "block" in question.text:
            time.sleep(30)  # noqa: ASYNC251
        return await super().answer(question, on_text)


def main() -> None:
    """Run until stopped."""
    options = json.loads(sys.argv[1])
    settings = Settings(redis_url=options["redis_url"], model="echo", slots=options.get("slots", 32))
    timing = Timing(**{**TIMING.__dict__, **options.get("timing", {})})
    run_worker(
        settings,
        burst=options.get("burst", False),
        timing=timing,
        assistant=FaultyAssistant(options.get("delay", 0.0)),
    )


if __name__ == "__main__":
    main()
