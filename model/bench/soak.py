"""Many requests with cancels, deadlines and clients that vanish: no slot may be lost, and every stream ends once."""

import asyncio
import gc
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from model.engine import DeadlineExceeded, Engine, EngineFull, Request
from model.gpt import GPT

_CHATS = 50
_AT_ONCE = 200
_CHECKED_EVERY = 50


async def soak(model: GPT, requests: int = 10_000, slots: int = 32, seed: int = 1) -> dict[str, Any]:
    """Put a network under `requests` requests of every fate, and account for each.

    `wrong` counts complete greedy answers, one in fifty, that one uncached pass does not confirm. Memory is the
    process's resident size in MB after a tenth of the requests and at the end.
    """
    random_, engine = random.Random(seed), Engine(model, slots, waiting_limit=2 * _AT_ONCE)
    shared = [random_.randrange(model.vocab_size) for _ in range(model.context // 4)]
    told: dict[int, list[int]] = {}
    fates: Counter[str] = Counter()
    ended, wrong, refused, memory = 0, 0, 0, [0.0]
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        nonlocal ended, wrong, refused
        chat, fate = random_.randrange(_CHATS), random_.random()
        own = [random_.randrange(model.vocab_size) for _ in range(random_.randint(1, model.context // 8))]
        ids = [*shared, *told.get(chat, [])[-model.context // 4 :], *own]
        count = random_.randint(2, model.context // 8)
        deadline = time.monotonic() + random_.random() * 0.2 if fate < 0.2 else None
        stop = frozenset({random_.randrange(model.vocab_size)})
        request = Request(ids, count, chat=chat, shared=len(shared), deadline=deadline, stop_ids=stop)
        patience = random_.randrange(count) if 0.2 <= fate < 0.5 else count + 1
        try:
            stream = engine.submit(request)
        except EngineFull:
            refused += 1
            ended += 1
            return
        got: list[int] = []

        async def read() -> None:
            async for token in stream:
                got.append(token.id)
                if len(got) > patience:
                    return

        task = asyncio.create_task(read())
        if 0.5 <= fate < 0.6:  # the client is gone at some moment, perhaps before its turn
            asyncio.get_running_loop().call_later(random_.random() * 0.2, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            fates["client lost"] += 1
        except DeadlineExceeded:
            fates["too late"] += 1
        reason_before = stream.finish_reason
        stream.close()
        reason = stream.finish_reason
        ended += reason in ("stop", "length", "cancelled", "deadline") and reason_before in ("", reason)
        if reason in ("stop", "length"):
            told[chat] = own + got
            if number % _CHECKED_EVERY == 0:
                with torch.inference_mode():
                    best = model(torch.tensor([[*ids, *got]], device=model.device))[0].argmax(-1).tolist()
                wrong += got != best[len(ids) - 1 : len(ids) + len(got) - 1]

    async def bounded(number: int) -> None:
        try:
            await one(number)
        finally:
            room.release()

    started, tasks = time.monotonic(), set()
    for number in range(requests):
        await room.acquire()
        task = asyncio.create_task(bounded(number))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        if number == requests // 10:
            memory[0] = resident_mb()
        if random_.random() < 0.1:
            await asyncio.sleep(random_.random() * 0.02)
    await asyncio.gather(*tasks)
    await engine.idle()
    gc.collect()
    memory.append(resident_mb())
    full = [engine.submit(Request([1], 2)) for _ in range(slots)]  # every slot can still be used at once
    for stream in full:
        async for _ in stream:
            pass
    return {
        "requests": requests,
        "ended_once": ended,
        "slots_lost": engine.stats.live + engine.stats.waiting,
        "wrong": wrong,
        "refused": refused,
        "finished": dict(engine.stats.finished),
        "lost_clients": fates["client lost"],
        "prefix_hits": round(engine.stats.hits / max(engine.stats.lookups, 1), 4),
        "memory_mb": [round(size, 1) for size in memory],
        "seconds": round(time.monotonic() - started, 1),
    }


def resident_mb() -> float:
    """The process's resident memory; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * 4096 / 1e6
