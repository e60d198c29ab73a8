"""`kefu evaluate suggest`: the behaviour GPT and its rivals on one data set, as JSON, as a table and as a page.

Each model is fitted on the same training part, tuned on the same validation cases and asked the same test cases.
"""

import gc
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from model.interactions import DataError, read_interactions
from model.ranking import (
    CUTS,
    Case,
    ProtocolName,
    Score,
    Seen,
    Split,
    choose_protocol,
    rank,
    split,
    summarise,
)
from model.recommender import Recommender
from model.rivals import CLASSICAL, RivalError
from model.sequence_rivals import NETWORKS, fit_network
from model.train_behaviour import Settings, drawn_items, fit

RIVALS = (*CLASSICAL, *NETWORKS)
OURS = "kefu"

_DESCRIBED = {
    "last": "leave-one-out: each user's last event is the test, the one before it validation, the rest training",
    "basket": "next basket: all items of a user's last basket are right, the basket before is validation",
    "time": "global time split: the last tenth of the time is the test, the tenth before validation; all that a user takes then is right",
}


class EvaluationError(ValueError):
    """An examination that cannot be held; the text says what to do."""


def evaluate_suggestions(
    interactions: Path,
    items: Path | None,
    console: Console,
    *,
    checkpoint: Path | None = None,
    baselines: Sequence[str] = RIVALS,
    protocol: ProtocolName | None = None,
    seen: Sequence[Seen] = ("exclude",),
    settings: Settings | None = None,
    out: Path | None = None,
    note: str = "",
) -> dict[str, Any]:
    """Fit and examine everything. Without a checkpoint our own model is trained here, under the rivals' limits.

    The first of `seen` is the rule of `models`; with a second one its results come as `models_seen_RULE`. A report of the
    same data and protocol that lies in `out` goes on: rivals that it has are not fitted again.
    Raises DataError, EvaluationError, RecommenderError.
    """
    settings = settings or Settings()
    if unknown := [name for name in baselines if name not in RIVALS]:
        raise EvaluationError(
            f"unknown baseline {unknown[0]!r}; choose from {', '.join(RIVALS)}, all or none"
        )
    data = read_interactions(interactions, items)
    protocol = protocol or choose_protocol(data)
    if protocol == "time" and not data.has_times:
        raise DataError([f"{interactions} has no timestamps; use --protocol last"])
    cuts = [split(data, protocol, rule) for rule in seen]
    cut = cuts[0]
    if not cut.test:
        raise DataError([f"{interactions}: no user has enough events to be asked; at least three are needed"])
    if not cut.validation:
        raise DataError([f"{interactions}: no case is left for validation; give more events"])
    clock = time.process_time if settings.device == "cpu" else time.monotonic
    report: dict[str, Any] = {
        "dataset": data.name,
        "command": command_line(sys.argv[1:]),
        "note": note,
        "protocol": describe(cut, settings),
        "models": {},
        "fitting": {},
    }
    for other in cuts[1:]:
        report[f"models_seen_{other.seen}"] = {}
    if out is not None:
        _go_on(report, out)
    for name in (OURS, *baselines):
        if name in report["fitting"] and (name != OURS or checkpoint is None):
            continue
        began = clock()
        try:
            scorers, figures = _fit(name, cut, settings, checkpoint, console, clock)
        except RivalError as error:
            report["fitting"][name] = {"left_out": str(error)}
            console.print(f"{name}: {error}")
            continue
        report["fitting"][name] = {**figures, "cpu_seconds": round(clock() - began, 1)}
        for label, score in scorers.items():
            for number, each in enumerate(cuts):
                place = "models" if number == 0 else f"models_seen_{each.seen}"
                report[place][label] = summarise(rank(score, each.test, each.seen), each.popularity())
            row = report["models"][label]
            console.print(f"{label}: hr@10 {row['hr@10']:.4f} ndcg@10 {row['ndcg@10']:.4f}", highlight=False)
        if out is not None:
            _write(report, out)
        gc.collect()
    return report


def _fit(
    name: str,
    cut: Split,
    settings: Settings,
    checkpoint: Path | None,
    console: Console,
    clock: Callable[[], float],
) -> tuple[dict[str, Score], dict[str, Any]]:
    """Scorers by label; our own model comes also without the blend."""
    if name in CLASSICAL:
        return {name: CLASSICAL[name](cut)}, {}
    if name != OURS:
        score, figures = fit_network(name, cut, settings, clock)  # type: ignore[arg-type]
        return {name: score}, {**figures, **_limits(cut, settings)}
    if checkpoint is None:
        ours = fit(cut, replace(settings, protocol=cut.protocol), console, clock=clock)
    else:
        ours = Recommender.load(checkpoint, settings.device)
        if missing := set(cut.data.items) - set(ours.items):
            raise EvaluationError(
                f"{checkpoint} does not know {len(missing)} of the items, such as {min(missing)!r}; "
                "train it on this file"
            )
    columns = [ours.number[item] for item in cut.data.items]
    actions = [ours.action(action) for action in cut.data.actions]

    def scorer(alone: bool) -> Score:
        def score(cases: Sequence[Case]) -> Any:
            import numpy as np

            table, places = np.array(actions), np.array(columns)
            histories = [
                replace(case.history, items=places[case.history.items], actions=table[case.history.actions])
                for case in cases
            ]
            return ours.scores(histories, cut.next_basket, alone)[:, places]

        return score

    run = ours.run
    kept = ("epochs", "seconds", "stopped_by", "parameters", "best_validation_ndcg@10")
    figures = {key: run[key] for key in kept if key in run}
    figures |= {"transitions": ours.blend, "neighbours": ours.share}
    if checkpoint is None:
        figures |= _limits(cut, settings)
    else:
        usual = asdict(Settings())
        chosen = run.get("settings", {}).items()
        figures["trained_with"] = {name: value for name, value in chosen if usual.get(name) != value}
    return {OURS: scorer(False), f"{OURS}-network-alone": scorer(True)}, figures


def _limits(cut: Split, settings: Settings) -> dict[str, Any]:
    drawn = drawn_items(len(cut.data.items), settings)
    return {"limit_minutes": settings.minutes, "drawn": drawn or "all"}


def command_line(arguments: Sequence[str]) -> str:
    """The command as others can give it: files outside the working folder by their names alone, without the note."""
    shown, words = ["kefu"], iter(arguments)
    for word in words:
        if word == "--note":
            next(words, None)
        else:
            shown.append(Path(word).name if Path(word).is_absolute() else word)
    return shlex.join(shown)


def describe(cut: Split, settings: Settings) -> dict[str, Any]:
    """The protocol card."""
    return {
        "name": cut.protocol,
        "text": _DESCRIBED[cut.protocol],
        "seen": cut.seen,
        "ranking": "full: every item that anybody used",
        "ties_in_time": "order of the file",
        "ties_in_score": "order of a hash of the item's id",
        "users": len(cut.data.users),
        "items": len(cut.data.items),
        "events": cut.data.size,
        "test_cases": len(cut.test),
        "cases_left_out_as_seen": cut.left_out,
        "validation_cases": len(cut.validation),
        "refitted_on_validation": False,
        "seed": settings.seed,
        "intervals": "95 % percentile bootstrap over test cases, 1000 resamples",
        "data": cut.data.fingerprint,
    }


def _go_on(report: dict[str, Any], out: Path) -> None:
    """Take over what an earlier call found, if that was on the same data under the same protocol."""
    try:
        before = json.loads((out / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if before.get("protocol") != report["protocol"] or before.keys() != report.keys():
        return
    for part in report:
        if part == "fitting" or part.startswith("models"):
            report[part] = before[part]


def _write(report: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "README.md").write_text(page(report), encoding="utf-8")
    draw(report, out / "ndcg.png")


def page(report: dict[str, Any]) -> str:
    """The report in Markdown."""
    protocol = report["protocol"]
    lines = [
        f"# Suggestions on {report['dataset']}",
        "",
        f"{protocol['users']:,} users, {protocol['items']:,} items, {protocol['events']:,} events. {protocol['text'].capitalize()}. "
        f"{protocol['test_cases']:,} test cases; every item is ranked; ties in time keep the file's order.",
        "",
        f"Command: `{report['command']}`. Figures: `report.json`. Intervals: {protocol['intervals']}. One seed. "
        "Networks stop early on validation, or at a limit in minutes of one core, which stands under Fitting with the "
        "number of items drawn for their loss (SASRec's binary loss apart).",
    ]
    if report["note"]:
        lines += ["", report["note"]]
    cut_short = [
        name
        for name, figures in report["fitting"].items()
        if figures.get("stopped_by") in ("minutes", "epochs")
    ]
    missing = [name for name in RIVALS if name not in report["fitting"]]
    if missing:
        lines += ["", f"Not measured here: {', '.join(missing)}."]
    if cut_short:
        lines += [
            "",
            f"**Cut short by the limit, not by validation: {', '.join(cut_short)}.** More time may help them.",
        ]
    rules = [(protocol["seen"], report["models"])]
    rules += [
        (key.removeprefix("models_seen_"), value)
        for key, value in report.items()
        if key.startswith("models_seen_")
    ]
    for rule, models in rules:
        lines += ["", f"## Seen items {rule}d", ""]
        if rule == "exclude":
            lines += [
                f"{protocol['cases_left_out_as_seen']} cases whose right items the user had before are not asked.",
                "",
            ]
        names = [
            "hr@10",
            "ndcg@10",
            "recall@10",
            "precision@10",
            "f1@10",
            "mrr",
            "accuracy",
            "coverage@10",
            "novelty@10",
        ]
        lines += ["| model | " + " | ".join(names) + " | 95 % of ndcg@10 |", "|---" * (len(names) + 2) + "|"]
        best = {name: max(row[name] for row in models.values()) for name in names}
        for model, row in sorted(models.items(), key=lambda item: -item[1]["ndcg@10"]):
            cells = [
                f"**{row[name]:.4f}**" if row[name] == best[name] else f"{row[name]:.4f}" for name in names
            ]
            low, high = row["ndcg@10_interval"]
            lines.append(f"| {model} | " + " | ".join(cells) + f" | {low:.4f} – {high:.4f} |")
    lines += ["", *(f"- {_verdict(rule, models)}" for rule, models in rules)]
    lines += ["", "![NDCG@10 of every model with its interval](ndcg.png)", "", "## Fitting", ""]
    lines += [
        f"- {name}: " + ", ".join(f"{key} {value}" for key, value in figures.items())
        for name, figures in report["fitting"].items()
    ]
    return "\n".join(lines) + "\n"


def _verdict(rule: str, models: dict[str, Any]) -> str:
    """Which baselines are ahead, of the blend and of the network alone."""
    told = []
    for ours in (OURS, f"{OURS}-network-alone"):
        if ours in models:
            better = [
                name
                for name, row in models.items()
                if not name.startswith(OURS) and row["ndcg@10"] > models[ours]["ndcg@10"]
            ]
            told.append(f"ahead of {ours}: {', '.join(better) or 'none of the baselines'}")
    return f"NDCG@10, seen items {rule}d: {'; '.join(told)}."


def draw(report: dict[str, Any], path: Path) -> None:
    """NDCG@10 with its interval, and HR at every cut."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    models = sorted(report["models"].items(), key=lambda item: item[1]["ndcg@10"])
    names = [name for name, _ in models]
    values = [row["ndcg@10"] for _, row in models]
    spans = [
        [value - row["ndcg@10_interval"][0] for value, (_, row) in zip(values, models, strict=True)],
        [row["ndcg@10_interval"][1] - value for value, (_, row) in zip(values, models, strict=True)],
    ]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    colours = ["tab:orange" if name.startswith(OURS) else "tab:blue" for name in names]
    left.barh(names, values, xerr=[[max(0.0, x) for x in side] for side in spans], color=colours)
    left.set(xlabel="NDCG@10 (95 % interval)", title=report["dataset"])
    for name, row in models[::-1]:
        style = "-" if name.startswith(OURS) else "--"
        right.plot(CUTS, [row[f"hr@{k}"] for k in CUTS], style, marker=".", label=name)
    right.set(xlabel="k", ylabel="hit rate at k", xticks=CUTS)
    right.legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
