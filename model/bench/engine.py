"""The engine beside what a user would pick instead: the same weights, ids and lengths, in one process, in turns.

naive              one job at a time, `model.generate()` for each: what a plain worker does
static             `model.generate()` over all that wait, up to 32 together; who comes later waits for the next batch
transformers_cb    transformers' continuous batching
kefu               ours, in the precision that it chooses; on a GPU with CUDA graphs
kefu_fp32          ours in fp32, to tell what 8 bits bring
kefu_eager         ours on a GPU without CUDA graphs, to tell what they bring

Each round runs every engine once on a workload before the next round begins, so that what else the machine does
falls on all alike. The naive worker generates at most `naive_most` requests for real; the queue before the others
is computed from their times, because it only repeats them one after the other.
"""

import asyncio
import gc
import os
import random
import statistics
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from model import checkpoint
from model.bench.soak import resident_mb
from model.engine import Engine, Request
from model.export import to_transformers
from model.gpt import GPT, GPTConfig
from model.graphs import Capture, capture_for
from model.int8 import in_precision, name_of
from model.memory import free_bytes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SHAPES = {
    "31m": GPTConfig(
        16_384, context=512, layers=8, heads=8, kv_heads=2, width=512, hidden=1408, pointer=False, qk_norm=False
    ),
    "0.6b": GPTConfig(
        32_768, context=512, layers=24, heads=24, kv_heads=8, width=1536, hidden=4096, pointer=False, qk_norm=False
    ),
    "tiny": GPTConfig(
        512, context=512, layers=2, heads=4, kv_heads=2, width=64, hidden=96, pointer=False, qk_norm=False
    ),
}  # fmt: skip
ENGINES = ("naive", "static", "transformers_cb", "kefu_fp32", "kefu_eager", "kefu")
LEFT_OUT = {"cpu": "kefu_eager", "cuda": "kefu_fp32"}
"""What a device does not have, and so is not measured there."""
SLOTS = 32
"""How many requests an engine takes together at least; more if a workload has more."""

PAGE = 32
"""Tokens of a page of transformers' cache: its default, 256, would share no prefix of these prompts."""


@dataclass(frozen=True)
class Options:
    """What to measure. `poisson`: the share of ours' throughput at which requests arrive."""

    shape: str = "31m"
    chats: tuple[int, ...] = (1, 8, 32)
    rounds: int = 3
    prefixes: tuple[str, ...] = ("half", "none")
    arrivals: tuple[str, ...] = ("together", "poisson")
    engines: tuple[str, ...] = tuple(name for name in ENGINES if name != LEFT_OUT["cpu"])
    prompt: int = 200
    new: int = 64
    threads: int = 1
    naive_most: int = 8
    poisson: float = 0.7
    seed: int = 1
    clock: str = "wall"
    """"cpu": seconds of this process's CPU, for a machine that others use: with one thread and all requests there at
    once they are what a free core would take. Nothing can arrive later on that clock."""
    device: str = "cpu"
    """On "cuda" everything runs in bf16, the rivals too."""
    minutes: float = 0.0
    """No new workload begins after so long; 0: all are measured."""


@dataclass
class Served:
    """When one request came and what it got, in seconds of one clock."""

    arrived: float
    first: float = 0.0
    last: float = 0.0
    ids: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Workload:
    """Prompts and how many seconds after the start each arrives."""

    prompts: list[list[int]]
    arrivals: list[float]
    shared: int
    new: int


Serve = Callable[[Workload], Coroutine[Any, Any, list[Served]]]
_clock: list[Callable[[], float]] = [time.perf_counter]


def now() -> float:
    """The clock of this measurement, in seconds."""
    return _clock[0]()


OnStep = Callable[[str, int, int], None]


def run_engine_bench(options: Options, on_step: OnStep = lambda what, done, total: None) -> dict[str, Any]:
    """Measure and compare; the figures as plain JSON values."""
    torch.set_num_threads(options.threads)
    _clock[:] = [time.process_time if options.clock == "cpu" else time.perf_counter]
    until = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")
    slots = max(SLOTS, *options.chats)
    ours = make_model(SHAPES[options.shape], options.seed)
    theirs = to_transformers(ours)
    if options.device != "cpu":
        theirs = theirs.to(options.device, torch.bfloat16)
        ours = ours.to(options.device)
    chosen = in_precision(ours, "auto", rows=max(options.chats))
    attention: list[str] = []
    engines: dict[str, Serve] = {
        "naive": lambda load: naive(theirs, load, options.naive_most),
        "static": lambda load: static(theirs, load, slots),
        "transformers_cb": lambda load: transformers_cb(theirs, load, attention, slots),
    }
    notes: dict[str, float] = {}
    standing = {}
    for name, model in (("kefu_fp32", ours), ("kefu_eager", chosen), ("kefu", chosen)):
        capture = capture_for(model.device) if name == "kefu" else None
        if name in options.engines:
            engines[name], standing[name] = served_by(model, notes, slots, capture)
    cases = [(p, a, n) for a in options.arrivals for p in options.prefixes for n in options.chats]
    total, done, rows = options.rounds * len(cases) * len(options.engines), 0, []
    fastest: dict[tuple[str, int], float] = {}
    texts: dict[tuple[int, str, str, int], list[list[int]]] = {}
    for round_ in range(options.rounds):
        for prefix, arrival, chats in cases:
            if time.monotonic() > until:
                break
            rate = options.poisson * fastest.get((prefix, chats), 1.0) if arrival == "poisson" else None
            load = make_workload(options, ours.vocab_size, chats, prefix, rate, round_)
            for name in options.engines:
                on_step(f"round {round_ + 1}, {chats} chats, {arrival}, prefix {prefix}: {name}", done, total)
                notes.clear()
                cpu, wall = time.process_time(), time.perf_counter()
                served, memory = asyncio.run(_watched(engines[name], load, options.device))
                busy = (time.process_time() - cpu) / (time.perf_counter() - wall)
                done += 1
                row = {"round": round_, "prefix": prefix, "arrival": arrival, "chats": chats, "engine": name}
                row |= figures(served) | {"memory_mb": round(memory, 1), "cpus": round(busy, 2)}
                row["load"] = round(os.getloadavg()[0], 1)
                row |= notes
                rows.append(row)
                texts[round_, prefix, f"{arrival} {chats}", ENGINES.index(name)] = [one.ids for one in served]
                if name == "kefu":
                    fastest.setdefault((prefix, chats), row["requests_per_second"])
    result = {
        "rounds": options.rounds,
        "ratio": _ratios(rows, options, "together", options.prefixes[0]),
        "case_of_ratio": f"all at once, shared prefix: {options.prefixes[0]} of the prompt",
        "ratios": {
            f"{arrival}, prefix {prefix}": _ratios(rows, options, arrival, prefix, spread=True)
            for arrival in options.arrivals
            for prefix in options.prefixes
        },
        "engines": _summary(rows),
        "same_text": _same_text(texts),
        "precision": name_of(chosen),
        "transformers_attention": attention[0] if attention else "",
        "parameters": sum(parameter.numel() for parameter in ours.parameters()),
        "shape": options.shape,
        "prompt_tokens": options.prompt,
        "new_tokens": options.new,
        "threads": options.threads,
        "clock": options.clock,
        "device": torch.cuda.get_device_name() if options.device != "cpu" else "cpu",
        "overhead": _overheads(rows),
        "share_of_floor": _share_of_floor(chosen, rows),
        "standing_mb": standing,
        "torch": torch.__version__,
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "rows": rows,
    }
    result["shipped"] = _shipped(options, slots)
    return result


def make_model(shape: GPTConfig, seed: int) -> GPT:
    """Random weights with no layer at zero, so that every layer's work counts and texts do not just repeat."""
    torch.manual_seed(seed)
    model = GPT(shape).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.02)
    return model


def make_workload(
    options: Options, vocabulary: int, chats: int, prefix: str, rate: float | None, round_: int
) -> Workload:
    """Prompts of random ids; with `prefix` "half" the first half of all is the same."""
    random_ = random.Random(f"{options.seed} {chats} {prefix} {round_}")
    shared = options.prompt // 2 if prefix == "half" else 0
    head = [random_.randrange(vocabulary) for _ in range(shared)]
    prompts = [
        head + [random_.randrange(vocabulary) for _ in range(options.prompt - shared)] for _ in range(chats)
    ]
    arrivals, at = [], 0.0
    for _ in range(chats):
        arrivals.append(at)
        at += random_.expovariate(rate) if rate else 0.0
    return Workload(prompts, arrivals, shared, options.new)


def served_by(
    model: GPT, notes: dict[str, float], slots: int = SLOTS, capture: Capture | None = None
) -> tuple[Serve, float]:
    """Our engine for workloads that know nothing of each other, and the MB that it holds between them.

    Each gets a new one; but where steps are recorded, which takes long, one that forgets before each.
    """
    if capture is None:
        return lambda load: kefu(Engine(model, slots), load, notes), 0.0
    before = free_bytes(model.device)
    engine = Engine(model, slots, capture=capture)
    held = (before - free_bytes(model.device)) / 1e6

    def serve(load: Workload) -> Coroutine[Any, Any, list[Served]]:
        engine.forget_all()
        return kefu(engine, load, notes)

    return serve, round(held, 1)


async def kefu(engine: Engine, load: Workload, notes: dict[str, float]) -> list[Served]:
    """Our engine, which remembers nothing yet.

    Notes the share of its time that was not the network's, and of its decoding steps that were replayed.
    """
    stats, started = replace(engine.stats), now()

    async def one(number: int) -> Served:
        await asyncio.sleep(max(0.0, started + load.arrivals[number] - now()))
        served = Served(started + load.arrivals[number])
        request = Request(load.prompts[number], load.new, chat=number, shared=load.shared)
        async for token in engine.submit(request):
            served.last = now()
            served.first = served.first or served.last
            served.ids.append(token.id)
        return served

    served = await asyncio.gather(*(one(number) for number in range(len(load.prompts))))
    forward = engine.stats.forward_seconds - stats.forward_seconds
    notes["overhead"] = round(1 - forward / (engine.stats.busy_seconds - stats.busy_seconds), 4)
    steps = engine.stats.decode_steps - stats.decode_steps
    notes["replayed"] = round((engine.stats.replayed_steps - stats.replayed_steps) / max(steps, 1), 4)
    return served


async def naive(model: "PreTrainedModel", load: Workload, most: int) -> list[Served]:
    """One generation after the other; the queue before the later ones is computed."""
    measured: list[Served] = []
    for prompt in load.prompts[:most]:
        begun = now()
        ids, times = _generate(model, [prompt], load.new)
        measured.append(Served(0.0, times[0] - begun, times[-1] - begun, ids[0]))
    served, free = [], 0.0
    for number, arrival in enumerate(load.arrivals):
        one, begun = measured[number % len(measured)], max(free, arrival)
        free = begun + one.last
        served.append(Served(arrival, begun + one.first, free, one.ids if number < len(measured) else []))
    return served


async def static(model: "PreTrainedModel", load: Workload, slots: int = SLOTS) -> list[Served]:
    """All that have arrived go into one batch, up to as many as our engine has slots."""
    started, served = now(), []
    while len(served) < len(load.prompts):
        await asyncio.sleep(max(0.0, started + load.arrivals[len(served)] - now()))
        first, moment = len(served), now()
        arrived = sum(started + arrival <= moment for arrival in load.arrivals)
        batch = range(first, min(max(arrived, first + 1), first + slots))
        ids, times = _generate(model, [load.prompts[number] for number in batch], load.new)
        served += [
            Served(started + load.arrivals[number], times[0], times[-1], row)
            for number, row in zip(batch, ids, strict=True)
        ]
    return served


async def transformers_cb(
    model: "PreTrainedModel", load: Workload, attention: list[str], slots: int = SLOTS
) -> list[Served]:
    """transformers' continuous batching, streaming, with pages small enough to share the prefix."""
    from transformers import GenerationConfig
    from transformers.generation import ContinuousBatchingConfig

    pages = slots * (-(-(len(load.prompts[0]) + load.new) // PAGE) + 1)
    manager = model.init_continuous_batching(
        generation_config=GenerationConfig(
            do_sample=False, max_new_tokens=load.new, eos_token_id=-1, pad_token_id=0
        ),
        continuous_batching_config=ContinuousBatchingConfig(
            page_size=PAGE, num_blocks=pages, max_batch_tokens=512, max_requests_per_batch=slots
        ),
    )
    manager.start()
    attention[:] = [str(model.config._attn_implementation)]
    started = now()

    async def one(number: int) -> Served:
        await asyncio.sleep(max(0.0, started + load.arrivals[number] - now()))
        served, done = Served(started + load.arrivals[number]), asyncio.Event()

        def take(output: Any) -> None:
            served.last = now()
            served.first = served.first or served.last
            served.ids = list(output.generated_tokens)
            if output.is_finished():
                done.set()

        manager.register_result_handler(str(number), take)
        manager.add_request(
            load.prompts[number], request_id=str(number), max_new_tokens=load.new, streaming=True
        )
        async with asyncio.timeout(900):
            await done.wait()
        return served

    try:
        return await asyncio.gather(*(one(number) for number in range(len(load.prompts))))
    finally:
        manager.stop(block=True, timeout=5)
        manager.destroy()


def figures(served: Sequence[Served]) -> dict[str, float]:
    """Throughput from the first arrival to the last token; times in seconds."""
    seconds = max(one.last for one in served) - min(one.arrived for one in served)
    firsts = sorted(one.first - one.arrived for one in served)
    count = max(len(one.ids) for one in served)
    each = [(one.last - one.first) / max(count - 1, 1) for one in served]
    return {
        "requests_per_second": round(len(served) / seconds, 4),
        "tokens_per_second": round(len(served) * count / seconds, 2),
        "first_token_p50": round(statistics.median(firsts), 4),
        "first_token_p99": round(firsts[min(len(firsts) - 1, int(0.99 * len(firsts)))], 4),
        "token_p50": round(statistics.median(each), 5),
    }


def draw(result: dict[str, Any], path: Path) -> None:
    """Requests a second of each engine, one group of bars for each number of chats."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in result["engines"] if row["arrival"] == "together"]
    prefixes = list(dict.fromkeys(row["prefix"] for row in rows))
    figure, axes = pyplot.subplots(1, len(prefixes), figsize=(5.5 * len(prefixes), 4), squeeze=False)
    for axis, prefix in zip(axes[0], prefixes, strict=True):
        some = [row for row in rows if row["prefix"] == prefix]
        chats = list(dict.fromkeys(row["chats"] for row in some))
        names = [name for name in ENGINES if any(row["engine"] == name for row in some)]
        for number, name in enumerate(names):
            values = [
                row["requests_per_second"] for n in chats for row in some
                if row["engine"] == name and row["chats"] == n
            ]  # fmt: skip
            at = [index + 0.8 * number / len(names) for index in range(len(chats))]
            bars = axis.bar(at, values, width=0.75 / len(names), label=name)
            axis.bar_label(bars, fmt="%.2g", fontsize=7)
        axis.set_xticks([index + 0.3 for index in range(len(chats))], [f"{n} chats" for n in chats])
        axis.set_title(f"shared prefix: {prefix}")
        axis.set_ylabel("requests/s")
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _generate(
    model: "PreTrainedModel", prompts: list[list[int]], new: int
) -> tuple[list[list[int]], list[float]]:
    """Greedy `generate()`, and the moment of each token."""
    from transformers import StoppingCriteria, StoppingCriteriaList

    ids, times = torch.tensor(prompts, device=model.device), []

    class Clock(StoppingCriteria):  # a streamer would take no batch
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            if input_ids.is_cuda:
                torch.cuda.synchronize()  # a token counts when it is there, as ours does
            times.append(now())
            return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    with torch.inference_mode():
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            stopping_criteria=StoppingCriteriaList([Clock()]),
        )
    return out[:, ids.shape[1] :].tolist(), times


async def _watched(serve: Serve, load: Workload, device: str) -> tuple[list[Served], float]:
    """Serve a workload and see by how many MB the process, or what it has of a GPU, grew meanwhile, at most."""
    gc.collect()
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        return await serve(load), (torch.cuda.max_memory_allocated() - held) / 1e6
    before, most, done = resident_mb(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], resident_mb() - before)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        return await serve(load), most[0]
    finally:
        done.set()
        watcher.join()


def _ratios(
    rows: list[dict[str, Any]], options: Options, arrival: str, prefix: str, spread: bool = False
) -> dict[str, dict[str, Any]]:
    """Ours against each rival in requests a second: the ratio of each round, its median and range."""
    found: dict[str, dict[str, Any]] = {}
    for rival in options.engines:
        if rival == "kefu" or "kefu" not in options.engines:
            continue
        for chats in options.chats:
            rate = {
                (row["engine"], row["round"]): row["requests_per_second"]
                for row in rows
                if (row["arrival"], row["prefix"], row["chats"]) == (arrival, prefix, chats)
            }
            each = [
                round(rate["kefu", n] / rate[rival, n], 3)
                for n in range(options.rounds)
                if (rival, n) in rate and ("kefu", n) in rate
            ]
            if not each:
                continue
            median = round(statistics.median(each), 3)
            found.setdefault(rival, {})[str(chats)] = (
                {"rounds": each, "median": median, "range": [min(each), max(each)]} if spread else median
            )
    return found


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The median of every figure over the rounds."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    keys = ("arrival", "prefix", "chats", "engine")
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return [
        dict(zip(keys, group, strict=True))
        | {
            name: round(statistics.median(row[name] for row in some), 5)
            for name in some[0]
            if name not in (*keys, "round")
        }
        for group, some in groups.items()
    ]


def _same_text(texts: dict[tuple[int, str, str, int], list[list[int]]]) -> dict[str, float]:
    """The share of requests whose tokens equal those of the naive worker."""
    shares: dict[str, list[bool]] = {}
    for (round_, prefix, case, engine), rows in texts.items():
        reference = texts.get((round_, prefix, case, 0), [])
        for row, expected in zip(rows, reference, strict=False):
            if expected and engine:
                shares.setdefault(ENGINES[engine], []).append(row == expected)
    return {name: round(sum(equal) / len(equal), 4) for name, equal in shares.items()}


def _overheads(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Of our engine's time at each number of chats, the part that was not the network's."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["engine"] == "kefu":
            found.setdefault(str(row["chats"]), []).append(row["overhead"])
    return {chats: round(statistics.median(some), 4) for chats, some in found.items()}


def _share_of_floor(model: GPT, rows: list[dict[str, Any]]) -> float:
    """How near decoding for one chat comes to the time of only reading every weight once; 0 if it was not measured.

    The memory's speed is that of a copy of 256 MB (bytes read and written), the best of ten.
    """
    each = [row["token_p50"] for row in rows if (row["engine"], row["chats"]) == ("kefu", 1)]
    if not each:
        return 0.0
    block, times = torch.zeros(1 << 28, dtype=torch.uint8, device=model.device), []
    copied = torch.empty_like(block)
    for _ in range(10):
        begun = time.perf_counter()
        copied.copy_(block)
        if block.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    weights = sum(
        x.numel() * (1 if model.int8_words is not None else x.element_size()) for x in _matrices(model)
    )
    return round(weights * min(times) / (2 * block.numel()) / statistics.median(each), 3)


def _matrices(model: GPT) -> list[torch.Tensor]:
    """Every weight that one token reads, by shape: the embedding, which is the output projection too, and the layers."""
    shape, D = model.config, model.config.head_width
    sizes = [
        (shape.vocab_size, shape.width),
        *[
            ((shape.heads + 2 * shape.kv_heads) * D, shape.width), (shape.width, shape.width),
            (2 * shape.hidden, shape.width), (shape.width, shape.hidden),
        ] * shape.layers,
    ]  # fmt: skip
    return [torch.empty(size, device="meta", dtype=model.embedding.weight.dtype) for size in sizes]


def _shipped(options: Options, slots: int) -> dict[str, dict[str, float]]:
    """The same prompts' lengths on the checkpoint that ships: it has a pointer head, so nobody else can run it."""
    model = in_precision(checkpoint.load(checkpoint.shipped(), options.device).model, "auto", SLOTS)
    found = {}
    notes: dict[str, float] = {}
    serve, _ = served_by(model, notes, slots, capture_for(model.device))
    for chats in options.chats:
        load = make_workload(options, model.vocab_size, chats, "half", None, 0)
        served = asyncio.run(serve(load))
        found[str(chats)] = figures(served) | notes
    return found
