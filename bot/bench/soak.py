"""`kefu bench pipeline --soak`: hours of chats in one go, and whether any process or Redis keeps growing.

Half of what the stack can do, from always the same chats, so that after a while nothing new is to be remembered but
one marker for each update, which Redis keeps for 48 hours.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from redis.exceptions import RedisError

from bot.bench.pipeline import Rival, one_rival
from bot.stack import StackError

CHATS = 100
SAMPLES = 40
"""How often memory is looked at, whatever the length."""
MARKER_BYTES = 250
"""What an update may leave in Redis: its marker, with Redis's own tables of keys and of times."""
_GROWTH, _GROWTH_MB = 0.05, 2.0
"""How much larger a process may be in the last quarter than in the second: what the allocator may do."""
_MEASURED_SECONDS = 5.0
_WINDOW = 64

Show = Callable[[str, float], None]


@dataclass(frozen=True)
class Sample:
    """One look. Memory in MB: what each process has, and what Redis says that its data takes."""

    minute: float
    answered: int
    processes: Mapping[str, float]
    redis_data: float

    def figures(self) -> dict[str, object]:
        """For the report."""
        return {
            "minute": round(self.minute, 2),
            "answered": self.answered,
            "rss_mb": {name: round(size, 1) for name, size in self.processes.items()},
            "redis_mb": round(self.redis_data, 2),
        }


async def run_soak(minutes: float, show: Show) -> dict[str, object]:
    """Chat for so long. Raises StackError if the stack does not start or dies, or Redis does not answer in time."""
    try:
        return await _chat(minutes, show)
    except RedisError as error:
        raise StackError(f"Redis did not answer ({error}); is the machine overloaded?") from None


async def _chat(minutes: float, show: Show) -> dict[str, object]:
    async with one_rival("kefu", "everysec") as rival:
        rival.load.use_chats(1, CHATS)
        cost = await rival.saturate(_MEASURED_SECONDS, _WINDOW)
        rate = max(1.0, cost.answered / cost.seconds / 2)
        began, samples, unanswered = time.monotonic(), [], 0
        step = minutes * 60 / SAMPLES
        for number in range(SAMPLES):
            show(f"{rate:.0f} messages/s, {CHATS} chats", number / SAMPLES)
            waits, _ = await rival.arrive(rate, step)
            unanswered += waits.unanswered
            samples.append(await _look(rival, (time.monotonic() - began) / 60))
    return report(samples, rate, unanswered)


def report(samples: Sequence[Sample], rate: float, unanswered: int) -> dict[str, object]:
    """The figures and the verdict: `flat` if nothing grew from the second quarter of the time to the last."""
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    growth = {
        name: median(s.processes[name] for s in late) - median(s.processes[name] for s in early)
        for name in samples[0].processes
    }
    answered = median(s.answered for s in late) - median(s.answered for s in early)
    data = median(s.redis_data for s in late) - median(s.redis_data for s in early)
    bytes_a_message = 1e6 * data / max(answered, 1)
    # The bench's own process plays Telegram, which remembers what was said.
    grown = [
        name
        for name, more in growth.items()
        if name not in ("telegram", "redis")
        and more > _GROWTH_MB + _GROWTH * samples[quarter].processes[name]
    ]
    if bytes_a_message > MARKER_BYTES:
        grown.append("redis")
    return {
        "minutes": round(samples[-1].minute, 1),
        "rate": round(rate, 1),
        "answered": samples[-1].answered,
        "unanswered": unanswered,
        "growth_mb": {name: round(more, 2) for name, more in growth.items()},
        "redis_bytes_a_message": round(bytes_a_message),
        "grown": grown,
        "flat": not grown,
        "samples": [sample.figures() for sample in samples],
    }


async def _look(rival: Rival, minute: float) -> Sample:
    info = await rival.redis.info("memory")
    pids = {**rival.pids, "telegram": os.getpid()}
    sizes = {name: size for name, pid in pids.items() if (size := _resident_mb(pid)) is not None}
    return Sample(minute, rival.load.answered, sizes, info["used_memory_dataset"] / 1e6)


def _resident_mb(pid: int) -> float | None:
    """Memory that a process has in RAM; None where there is no /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
