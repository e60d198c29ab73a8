"""`kefu evaluate new-items`: ways to suggest what nobody has used yet, trained and asked alike, as JSON and as a page.

Atomic ids alone, with hashed words (what ships) and with a projection of a text's vector; semantic ids that are generated
code by code; popularity and likeness of texts. The page has figures only, none of the data's texts.
"""

import copy
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from model.code_gpt import BEAMS, CodeGPT, CodeTrainer, Trie, beam_scorer, suggest
from model.encoder import kept_passages, open_encoder
from model.interactions import read_interactions
from model.new_items import (
    TEXT_READ,
    NewItems,
    TextGPT,
    blended_scorer,
    centred,
    content_scorer,
    hold_back,
    network_scorer,
    restricted,
    strangers_scorer,
    vectors_by_words,
)
from model.ranking import Case, Score, interval, measure, rank
from model.rivals import popularity
from model.semantic_ids import CodesConfig, learn_codes, numbered, usage
from model.suggestion_report import EvaluationError, command_line
from model.train_behaviour import Settings, Trainer, drawn_items, why_stopped

WAYS = {
    "popularity": "how often an item was used; new ones come last",
    "content-mean": "cosine of the text's vector with the mean of the history's",
    "content-latest": "cosine of the text's vector with that of the latest item",
    "atomic": "the behaviour GPT with an id for each item and nothing else; new ones come last",
    "words": "ids and hashed words: the network that ships, alone",
    "words-blended": "the same with the blend of transition counts and neighbours: what ships",
    "text": "ids and a projection of the text's vector in place of the hashed words",
    "semantic-ids": "codes made of the text's vector, generated one by one",
}
"""The ways by name, with what each is."""

QUESTIONS = {
    "known": "known items asked for, among all",
    "new": "new items asked for, among all",
    "new_among_new": "new items asked for, among new ones only",
}
"""What is asked: the keys of the report's figures, and what they mean."""

_METRICS = ("hr@10", "ndcg@10", "recall@10")
_TIMED = 100
_RANKED_FIRST = 10


def evaluate_new_items(
    interactions: Path,
    items: Path,
    console: Console,
    *,
    settings: Settings,
    share: float = 0.1,
    out: Path | None = None,
    cache: Path | None = None,
    note: str = "",
) -> dict[str, Any]:
    """Train and examine every way; writes a page where `out` says. Raises DataError, EvaluationError.

    cache: the folder in which vectors of texts are kept; by default ~/.cache/kefu/new-items.
    """
    encoder = open_encoder(settings.threads)
    if encoder is None:
        raise EvaluationError("the encoder is missing; install it with: pip install 'kefu[meaning]'")
    torch.set_num_threads(settings.threads)
    data = read_interactions(interactions, items)
    held = hold_back(data, share, settings.seed)
    cut, new = held.cut, len(held.items) - held.known
    console.print(
        f"{held.known:,} known items, {new:,} new ones; {len(held.about_known):,} cases about known ones and "
        f"{len(held.about_new):,} about new ones; reading the texts",
        highlight=False,
    )
    cache = cache or Path.home() / ".cache" / "kefu" / "new-items"
    cache.mkdir(parents=True, exist_ok=True)
    began = time.process_time()
    read = kept_passages(encoder, held.texts, cache / f"{data.fingerprint}.safetensors")
    texts = centred(read, held.known)
    reading = time.process_time() - began
    report: dict[str, Any] = {
        "dataset": data.name,
        "command": command_line(sys.argv[1:]),
        "note": note,
        "protocol": describe(held, settings, share) | {"data": data.fingerprint},
        "ways": {},
        "fitting": {"vectors of texts": {"cpu_seconds": round(reading, 1), "encoder": encoder.name}},
    }

    def examine(way: str, score: Score, beams: Callable[[np.ndarray], Score] | None = None) -> None:
        report["ways"][way] = examined(held, score, beams, settings.seed)
        row = report["ways"][way]
        shown = ", ".join(f"{question} {row[question]['ndcg@10']:.4f}" for question in QUESTIONS)
        console.print(f"{way}: ndcg@10 {shown}", highlight=False)

    examine("popularity", strangers_scorer(popularity(cut), new, settings.seed))
    examine("content-mean", content_scorer(texts))
    examine("content-latest", content_scorer(texts, 1))

    torch.manual_seed(settings.seed)
    codes, report["codes"] = semantic_codes(texts, held.known, settings.seed)
    known_texts, new_texts = torch.from_numpy(texts).tensor_split([held.known])
    plain = replace(settings, words=0)
    networks: dict[str, Callable[[], Trainer]] = {
        "atomic": lambda: Trainer(cut, plain),
        "words": lambda: Trainer(cut, settings),
        "text": lambda: Trainer(cut, settings, lambda shape, _: TextGPT(shape, known_texts)),
        "semantic-ids": lambda: CodeTrainer(cut, settings, codes[: held.known]),
    }
    trained: dict[str, Any] = {}
    for way, make in networks.items():
        trainer = make()
        report["fitting"][way] = train(trainer, way, console)
        model = copy.deepcopy(trainer.average)
        model.load_state_dict(trainer.best)
        trained[way] = model
        if way == "atomic":
            blank = network_scorer(model, cut, torch.zeros(0, trainer.shape.width))
            examine(way, strangers_scorer(blank, new, settings.seed))
        elif way == "words":
            words = [data.texts[item].words() for item in held.items[held.known :]]
            score = network_scorer(model, cut, vectors_by_words(model, words))
            examine(way, score)
            run: dict[str, Any] = {}
            blended = trainer.result(run)
            report["fitting"]["words-blended"] = {
                "transitions": blended.blend,
                "neighbours": blended.share,
                "validation_ndcg@10": max(run["blend"].values()),
            }
            examine("words-blended", blended_scorer(blended, cut, score, new))
        elif way == "text":
            examine(way, network_scorer(model, cut, model.project(new_texts).detach()))
        else:
            trie = Trie(codes, held.known)
            examine(
                way,
                beam_scorer(model, trie, cut),
                lambda only, model=model, trie=trie: beam_scorer(model, trie, cut, only),  # type: ignore[misc]
            )
    report["latency"] = latency(held, trained["words"], trained["semantic-ids"], Trie(codes, held.known))
    if out is not None:
        _write(report, out)
    return report


def train(trainer: Trainer, name: str, console: Console) -> dict[str, Any]:
    """Train until the minutes of one core, the epochs or the patience are at an end; what that took."""
    settings, state = trainer.settings, trainer.state
    limit = 60 * settings.minutes if settings.minutes else float("inf")
    began = time.process_time()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(name, total=1.0)

        def on_step() -> bool:
            spent = time.process_time() - began
            bar.update(task, completed=spent / limit)
            return spent < limit

        goes_on = True
        while goes_on and state.epoch < settings.epochs and time.process_time() - began < limit:
            trainer.epoch(on_step)
            goes_on = trainer.validate()
    return {
        "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
        "rows": trainer.rows,
        "epochs": state.epoch,
        "steps": state.step,
        "cpu_seconds": round(time.process_time() - began, 1),
        "stopped_by": why_stopped(state.epoch, state.since_best, settings),
        "best_at_step": max(state.validations, key=lambda found: found[1])[0],
        "validation_ndcg@10": round(state.best, 5),
    }


def semantic_codes(texts: np.ndarray, known: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Semantic ids of all items by an autoencoder that learned from the known ones, (n, levels + 1), and how they are."""
    began = time.process_time()
    config = CodesConfig(texts.shape[1])
    vectors = torch.from_numpy(texts)
    model = learn_codes(vectors[:known], config, seed=seed)
    found = model.codes(vectors).numpy()
    codes = numbered(found)
    _, counts = np.unique(found, axis=0, return_counts=True)
    met = {tuple(code) for code in found[:known].tolist()}
    return codes, {
        "levels": config.levels,
        "codes": config.codes,
        "explained_known": round(model.explained(vectors[:known]), 4),
        "explained_new": round(model.explained(vectors[known:]), 4),
        "used": usage(found[:known], config.codes),
        "items_with_codes_of_another": int(counts[counts > 1].sum()),
        "most_items_with_equal_codes": int(counts.max()),
        "new_items_with_codes_of_a_known_one": sum(tuple(code) in met for code in found[known:].tolist()),
        "cpu_seconds": round(time.process_time() - began, 1),
    }


def examined(
    held: NewItems, score: Score, only: Callable[[np.ndarray], Score] | None, seed: int
) -> dict[str, Any]:
    """The figures of one way. `only`: how it ranks some items alone, where that is not the order of its scores."""
    among_new = only(held.is_new) if only else restricted(score, held.is_new)
    result: dict[str, Any] = {}
    firsts = []
    for question, scorer, cases in (
        ("known", score, held.about_known),
        ("new", score, held.about_new),
        ("new_among_new", among_new, held.about_new),
    ):
        ranks = rank(scorer, cases, held.cut.seen)
        figures = measure(ranks)
        row: dict[str, Any] = {name: round(float(figures[name].mean()), 5) for name in _METRICS}
        for name in _METRICS:
            row[f"{name}_interval"] = [round(side, 5) for side in interval(figures[name], seed)]
        result[question] = row
        if question != "new_among_new":
            firsts.append(ranks.first[:, :_RANKED_FIRST])
    result["share_of_new_in_first_ten"] = round(float((np.concatenate(firsts) >= held.known).mean()), 4)
    return result


def latency(held: NewItems, words: Any, coder: CodeGPT, trie: Trie) -> dict[str, float]:
    """Milliseconds of own CPU time for the ten best of one history, products with all vectors beside beam search."""
    cut = held.cut
    blank = torch.zeros(len(held.items) - held.known, words.config.width)
    score = network_scorer(words, cut, blank)

    def by_products(case: Case) -> None:
        scores = score([case])[0]
        scores[case.history.items] = -np.inf
        best = np.argpartition(-scores, _RANKED_FIRST)[:_RANKED_FIRST]
        best[np.argsort(-scores[best])]

    def by_codes(case: Case) -> None:
        suggest(coder, trie, cut, [case])

    taken: dict[str, list[float]] = {"words": [], "semantic-ids": []}
    cases = held.about_known[:: max(1, len(held.about_known) // _TIMED)][:_TIMED]
    for case in (*cases[:5], *cases):  # the first five warm up
        for name, ask in (("words", by_products), ("semantic-ids", by_codes)):
            began = time.process_time()
            ask(case)
            taken[name].append(1000 * (time.process_time() - began))
    medians = {name: float(np.median(some[5:])) for name, some in taken.items()}
    return {
        **{f"{name}_ms": round(value, 2) for name, value in medians.items()},
        "ratio": round(medians["semantic-ids"] / medians["words"], 1),
        "histories": len(cases),
        "beams": BEAMS,
    }


def describe(held: NewItems, settings: Settings, share: float) -> dict[str, Any]:
    """The protocol card."""
    cut = held.cut
    lengths = [len(case.history) for case in held.about_known]
    return {
        "test": "all items of each user's last basket, the basket before is validation"
        if cut.next_basket
        else "the last fifth of each user's events, the event before is validation",
        "share_drawn": share,
        "new_items_drawn": held.drawn,
        "new_items": len(held.items) - held.known,
        "known_items": held.known,
        "training_events": sum(len(events) for events in cut.train),
        "validation_cases": len(cut.validation),
        "cases_about_known": len(held.about_known),
        "cases_about_new": len(held.about_new),
        "right_new_items_in_a_case": round(float(np.mean([len(case.right) for case in held.about_new])), 2),
        "events_in_a_history": float(np.median(lengths)) if lengths else 0.0,
        "context": settings.context,
        "characters_read": TEXT_READ,
        "negatives": drawn_items(held.known, settings) or "all",
        "minutes": settings.minutes,
        "seed": settings.seed,
        "seen": cut.seen,
        "intervals": "95 % percentile bootstrap over test cases, 1000 resamples",
        "machine": {"processor": platform.machine(), "threads": settings.threads},
    }


def _write(report: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "README.md").write_text(page(report), encoding="utf-8")
    draw(report, out / "ndcg.png")


def page(report: dict[str, Any]) -> str:
    """The report in Markdown."""
    protocol, codes, latency = report["protocol"], report["codes"], report["latency"]
    lines = [
        f"# New items on {report['dataset']}",
        "",
        f"{protocol['known_items']:,} known items and {protocol['new_items']:,} new ones: {protocol['new_items_drawn']:,} drawn "
        f"({protocol['share_drawn']:.0%} of those with a text, seed {protocol['seed']}), the others happen to be unused before the "
        f"test. Neither training ({protocol['training_events']:,} events), validation nor any history has a new item. Test: "
        f"{protocol['test']}; {protocol['cases_about_known']:,} users are asked about known items and "
        f"{protocol['cases_about_new']:,} about new ones ({protocol['right_new_items_in_a_case']} of these are right on average). "
        "Every item is ranked but those that the user had.",
        "",
        f"Command: `{report['command']}`. Figures: `report.json`. Intervals: {protocol['intervals']}. **One seed.** Each "
        f"network had at most {protocol['minutes']:g} minutes of one core with the same width, layers, batches, averaging and "
        f"validation, which has known items only, and read the latest {protocol['context']} events. The encoder read "
        f"the first {protocol['characters_read']} characters of a text, the hashed words are its first sixteen.",
    ]
    if report["note"]:
        lines += ["", report["note"]]
    for question, told in QUESTIONS.items():
        lines += ["", f"## {told.capitalize()}", ""]
        lines += ["| way | hr@10 | 95 % | ndcg@10 | 95 % | recall@10 |", "|---|---|---|---|---|---|"]
        lines += _rows(report["ways"], question)
    share = protocol["new_items"] / (protocol["new_items"] + protocol["known_items"])
    lines += ["", "![NDCG@10 of every way with its interval](ndcg.png)", "", "## The ways", ""]
    lines += [
        f"- {way}: {told}. New items among everybody's first ten: "
        f"{report['ways'][way]['share_of_new_in_first_ten']:.1%} (of all items {share:.1%})."
        for way, told in WAYS.items()
    ]
    lines += [
        "",
        "## Codes",
        "",
        f"{codes['levels']} levels of {codes['codes']} codes, learned from the texts of known items. They bring back "
        f"{codes['explained_known']:.0%} of the variance of known texts' vectors and {codes['explained_new']:.0%} of new ones'. Codes in "
        f"use (2 to the entropy): {', '.join(f'{value:.0%}' for value in codes['used'])}. Items whose codes another has too: "
        f"{codes['items_with_codes_of_another']:,} (at most {codes['most_items_with_equal_codes']} alike); new ones with the codes of a "
        f"known one: {codes['new_items_with_codes_of_a_known_one']:,}.",
        "",
        "## Cost of a suggestion",
        "",
        f"Own CPU time for one history, median of {latency['histories']}: products with all vectors {latency['words_ms']} ms, beam search "
        f"with {latency['beams']} beams {latency['semantic-ids_ms']} ms, {latency['ratio']} times as much.",
        "",
        "## Fitting",
        "",
    ]
    lines += [
        f"- {name}: " + ", ".join(f"{key} {value}" for key, value in figures.items())
        for name, figures in (*report["fitting"].items(), ("codes", {"cpu_seconds": codes["cpu_seconds"]}))
    ]
    return "\n".join(lines) + "\n"


def _rows(ways: dict[str, Any], question: str) -> list[str]:
    """The table's rows, the best way first."""
    best = {name: max(row[question][name] for row in ways.values()) for name in _METRICS}
    lines = []
    for way, row in sorted(ways.items(), key=lambda item: -item[1][question]["ndcg@10"]):
        figures, cells = row[question], []
        for name in _METRICS:
            cells.append(
                f"**{figures[name]:.4f}**" if figures[name] == best[name] else f"{figures[name]:.4f}"
            )
            if name != "recall@10":
                cells.append("{:.4f} – {:.4f}".format(*figures[f"{name}_interval"]))
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return lines


def draw(report: dict[str, Any], path: Path) -> None:
    """NDCG@10 of every way with its interval, one field for each question."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    ways: Sequence[str] = list(report["ways"])[::-1]
    figure, axes = pyplot.subplots(1, len(QUESTIONS), figsize=(12, 3.6), sharey=True)
    for axis, (question, told) in zip(axes, QUESTIONS.items(), strict=True):
        rows = [report["ways"][way][question] for way in ways]
        values = [row["ndcg@10"] for row in rows]
        low, high = zip(*(row["ndcg@10_interval"] for row in rows), strict=True)
        spans = [
            [max(0.0, value - side) for value, side in zip(values, low, strict=True)],
            [max(0.0, side - value) for value, side in zip(values, high, strict=True)],
        ]
        axis.barh(
            ways, values, xerr=spans, color=["tab:orange" if "words" in way else "tab:blue" for way in ways]
        )
        axis.set(xlabel="NDCG@10 (95 % interval)", title=told)
        axis.title.set_fontsize(9)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
