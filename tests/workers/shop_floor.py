"""What the tests of workers do: write as a customer, start and stop real workers, look at the replies."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis

from workers.channel import Accepted, Channel
from workers.contracts import CustomerMessage, OutboxEntry, Reply

ROOT = Path(__file__).parents[2]
BOT = 7


def message(update_id: int, chat_id: int = 5, kind: str = "text", text: str = "hello") -> CustomerMessage:
    """What a customer writes."""
    return CustomerMessage(
        id=f"m{update_id}", chat_id=chat_id, user_id=chat_id, message_id=update_id, kind=kind, text=text,
        language="en", accepted_at=time.time(),
    )  # fmt: skip


def notice(entry_id: str = "n1", chat_id: int = 5) -> OutboxEntry:
    """What the bot says to a command."""
    reply = Reply(kind="notice", language="en", text="done")
    return OutboxEntry(id=entry_id, chat_id=chat_id, reply=reply, created_at=time.time())


class ShopFloor:
    """One bot's channel, and the workers that a test started."""

    def __init__(self, redis: Redis, url: str, logs: Path) -> None:
        self.redis = redis
        self.url = url
        self.channel = Channel(redis, BOT)
        self.names = self.channel.names
        self.logs = logs
        self._workers: list[subprocess.Popen[bytes]] = []
        self._updates = 0

    def say(self, text: str, chat_id: int = 5, kind: str = "text") -> str:
        """A customer writes; the id of the message."""
        self._updates += 1
        said = message(self._updates, chat_id, kind, text)
        assert self.channel.accept(self._updates, said) is Accepted.ACCEPTED
        return said.id

    def accept(self, update_id: int, *, chat_id: int, user_id: int) -> None:
        """A member of a group writes."""
        said = message(update_id, chat_id).model_copy(update={"user_id": user_id})
        assert self.channel.accept(update_id, said) is Accepted.ACCEPTED

    def hand_over(self, chat_id: int = 5) -> None:
        """A person takes the conversation."""
        assert self.channel.hand_over(9000, chat_id, notice(chat_id=chat_id))

    def start_worker(self, **options: Any) -> "subprocess.Popen[bytes]":
        """Start a worker process; see `program.py` for the options."""
        options = {"redis_url": self.url, **options}
        with self.log_of(len(self._workers)).open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, str(ROOT / "tests/workers/program.py"), json.dumps(options)],
                env={"PYTHONPATH": str(ROOT), "PATH": ""},
                cwd=self.logs,
                stdout=log,
                stderr=log,
            )
        self._workers.append(worker)
        return worker

    def log_of(self, number: int = 0) -> Path:
        """Where the worker that was started as number `number` writes."""
        return self.logs / f"worker-{number}.log"

    def replies(self, chat_id: int = 5) -> list[OutboxEntry]:
        """What waits to be delivered to a chat."""
        raw = self.redis.lrange(self.names.outbox(chat_id), 0, -1)
        return [OutboxEntry.model_validate_json(item) for item in raw]

    def texts(self, chat_id: int = 5) -> list[str]:
        """The texts of the replies."""
        return [entry.reply.text for entry in self.replies(chat_id)]

    def is_claimed(self, chat_id: int = 5) -> bool:
        """Whether a worker is answering the chat."""
        return bool(self.redis.exists(self.names.claim(chat_id)))

    def jobs(self) -> dict[str, str]:
        """Status of every RQ job that exists, by id."""
        keys = [key.decode() for key in self.redis.keys("rq:job:*") if key.count(b":") == 2]
        return {key.removeprefix("rq:job:"): (self.redis.hget(key, "status") or b"").decode() for key in keys}

    def close(self) -> None:
        """Stop what still runs."""
        for worker in self._workers:
            worker.kill()
            worker.wait()


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
