"""The report of an evaluation of question types: Markdown with pictures, and examples in a file of their own.

Examples quote the data; they stand apart so that a report can be passed on where the data may not.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from model.intents.examples import Example
from model.intents.run import Result
from model.intents.scores import calibration, confusions

WORST = 12
EXAMPLES = 15


def write_report(folder: Path, result: Result, test: Sequence[Example], how: Mapping[str, Any]) -> None:
    """Write README.md, confusion.png, calibration.png and examples.md into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _draw_confusion(result, folder / "confusion.png")
    _draw_calibration(result, folder / "calibration.png")
    (folder / "README.md").write_text(_report(result, how), encoding="utf-8")
    (folder / "examples.md").write_text(_examples(result, test), encoding="utf-8")


def _report(result: Result, how: Mapping[str, Any]) -> str:
    columns = list(
        dict.fromkeys(name for row in result.figures.values() for name in row if name != "questions")
    )
    lines = [
        f"# Question types: {how['data']}", "",
        f"{how['test_questions']} test questions, {len(set(result.right))} types, "
        f"{how['training_questions']} questions to learn from; {_origin(how)} Seed {how['seed']}, {how['threads']} thread(s), "
        f"at most about {how['tokens']:,} training tokens a network.",
        "",
        "| model | " + " | ".join(column.replace("_", " ") for column in columns) + " |",
        "|" + "---|" * (len(columns) + 1),
    ]  # fmt: skip
    for name, figures in result.figures.items():
        cells = [_cell(column, figures.get(column)) for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "Precision, recall and F1 are means over the types. Calibration error: 15 equal steps."]
    if result.notes:
        trust = ", ".join(f"{name} {value:.2f}" for name, value in result.notes["trust"].items())
        lines += [
            "",
            f"`kefu` is the product of its experts, each to the power of its trust ({trust}), fitted on "
            f"{result.notes['set_aside']} training questions that no expert learned from; then "
            f"{'the n-grams and the vectors learn' if 'vectors' in result.notes['trust'] else 'the n-grams learn'} from those too."
            + (f" Below a probability of {result.notes['floor']} a question counts as out of scope." if result.notes["floor"] else ""),
        ]  # fmt: skip
    if "kefu_vectors" in result.figures:
        tuned = ", `kefu_encoder` the same with the encoder's upper layers tuned" * (
            "kefu_encoder" in result.figures
        )
        lines += [
            "",
            "`kefu_vectors` is a linear classifier over what the pretrained encoder (multilingual-e5-small) makes of a question"
            f"{tuned}; `kefu_without_encoder` is the product of the others.",
        ]  # fmt: skip
    lines += ["", "## Where kefu is wrong", "", "| right | said | times |", "|---|---|---|"]
    lines += [f"| {a} | {b} | {n} |" for a, b, n in confusions(result.verdicts["kefu"], result.right)]
    lines += [
        "",
        "![The types with most mistakes](confusion.png)",
        "",
        "## How sure it is",
        "",
        "![Calibration](calibration.png)",
        "",
    ]
    return "\n".join(lines)


def _origin(how: Mapping[str, Any]) -> str:
    if how["train"]:
        return f"taught by {how['train']}."
    if not how["split"]:
        return "the shipped types, nothing learned."
    what = {
        "rows": "at random within each type, equal texts on one side",
        "families": "by whole families of wordings (the same telling word stems), within each type",
    }[how["split"]]
    return f"a tenth of the file is the test, divided {what}; this is not a published split."


def _cell(column: str, value: float | None) -> str:
    if value is None:
        return ""
    return (
        f"{1000 * value:.2f} ms"
        if column == "seconds_per_question"
        else f"{value:.0f} s"
        if column.endswith("seconds")
        else f"{value:.3f}"
    )


def _draw_confusion(result: Result, path: Path) -> None:
    said = result.verdicts["kefu"].said
    wrong: Counter[str] = Counter()
    for truth, guess in zip(result.right, said, strict=True):
        if truth != guess:
            wrong.update((truth, guess))
    names = sorted(name for name, _ in wrong.most_common(WORST)) or sorted(set(result.right))[:WORST]
    index = {name: i for i, name in enumerate(names)}
    counts = [[0] * (len(names) + 1) for _ in names]
    for truth, guess in zip(result.right, said, strict=True):
        if truth in index:
            counts[index[truth]][index.get(guess, len(names))] += 1
    figure = Figure(figsize=(9, 7), layout="constrained")
    axes = figure.add_subplot()
    shares = [[cell / max(1, sum(row)) for cell in row] for row in counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(counts):
        for j, cell in enumerate(row):
            if cell:
                axes.text(
                    j,
                    i,
                    str(cell),
                    ha="center",
                    va="center",
                    color="white" if shares[i][j] > 0.5 else "black",
                    fontsize=8,
                )
    axes.set_xticks(range(len(names) + 1), [*names, "(another)"], rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("said by kefu")
    axes.set_ylabel("right")
    axes.set_title("Types with most mistakes: questions")
    figure.savefig(path, dpi=90)


def _draw_calibration(result: Result, path: Path) -> None:
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    for name, verdict in result.verdicts.items():
        if name in ("kefu", "kefu_gpt", "kefu_encoder", "logistic_regression", "transformer"):
            steps = calibration(verdict, result.right)
            error = result.figures[name]["calibration_error"]
            axes.plot(
                [s for s, _, _ in steps],
                [r for _, r, _ in steps],
                marker="o",
                label=f"{name} (error {error:.3f})",
            )
    axes.set_xlabel("how sure")
    axes.set_ylabel("share right")
    axes.legend()
    figure.savefig(path, dpi=90)


def _examples(result: Result, test: Sequence[Example]) -> str:
    verdict = result.verdicts["kefu"]
    rows = sorted(zip(test, verdict.said, verdict.sure, strict=True), key=lambda row: -row[2])
    lines = ["# Examples", "", "They quote the data: mind its licence before you pass them on."]
    for title, good in (("Right, surest first", True), ("Wrong, surest first", False)):
        lines += ["", f"## {title}", "", "| question | right | said | how sure |", "|---|---|---|---|"]
        chosen = [row for row in rows if (row[0].intent == row[1]) == good][:EXAMPLES]
        lines += [
            f"| {e.text.replace('|', '/')} | {e.intent} | {said} | {sure:.2f} |" for e, said, sure in chosen
        ]
    return "\n".join([*lines, ""])
