"""What a file of questions says about an assistant: answers, hand-overs and retrieval in figures, and a report to read.

Answers: the share with every value asked for, the share with a value that nothing visible to the customer states
(before the check and after it), chrF (Popović 2015) and ROUGE-L (Lin 2004) against the source expected. Hand-overs:
precision and recall of giving to a person what the shop's data cannot answer. Retrieval: the share of questions whose
passage is the first, or among the first three. Knows how to draw; knows no command line.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from model.assistant import Assistant
from model.check import unsupported
from model.phrases import PHRASES
from model.scorecard import FOR_A_PERSON, Expected, count
from model.slots import find_values
from model.types import Answer, Language, Question

Task = Literal["answers", "handover", "retrieval"]

_BINS = 10
_EXAMPLES = 12
_CJK = "\u3400"


def measure(
    task: Task, assistant: Assistant, questions: Sequence[Expected], answers: Sequence[Answer]
) -> dict[str, Any]:
    """The figures of one task, over all questions and by language; shares are from 0 to 1."""
    rows = list(zip(questions, answers, strict=True))
    groups = {"all": rows} | {
        name: [row for row in rows if row[0].question.language == name] for name in ("en", "zh")
    }
    measures = {"answers": _answers, "handover": _handover, "retrieval": _retrieval}
    figures = {name: measures[task](assistant, some) for name, some in groups.items() if some}
    return figures.pop("all", {}) | figures | (count(questions, answers) if task == "answers" else {})


def visible_to(assistant: Assistant, question: Question) -> list[str]:
    """All that an answer to this customer may state: the shop's pages and catalogue, their own orders, their words."""
    shop = assistant.shop
    languages: tuple[Language, Language] = ("en", "zh")
    texts = [f"{passage.title} {passage.text}" for passage in shop.passages]
    for language in languages:
        texts += [
            f"{p.title(language)} {shop.product_record_text(p, language)} {p.description(language)}"
            for p in shop.products
        ]
        texts += [
            f"{order.id} {shop.order_record_text(order, language)}"
            for order in shop.orders_of(question.customer_id)
        ]
        texts += PHRASES[language].values()
    return [*texts, question.text]


def confusions(questions: Sequence[Expected], answers: Sequence[Answer]) -> list[tuple[str, str, int]]:
    """The wrong question types: right, given, how often; the commonest first."""
    wrong = Counter(
        (expected.type, answer.question_type or "none")
        for expected, answer in zip(questions, answers, strict=True)
        if expected.type != answer.question_type
    )
    return [(right, given, number) for (right, given), number in wrong.most_common()]


def calibration(
    questions: Sequence[Expected], answers: Sequence[Answer]
) -> tuple[list[tuple[float, float, int]], float]:
    """Mean confidence, share right and size of each tenth, and the expected calibration error (Guo et al. 2017)."""
    rows = [
        (answer.confidence, expected.is_right(answer))
        for expected, answer in zip(questions, answers, strict=True)
        if answer.confidence > 0 and answer.kind not in FOR_A_PERSON
    ]
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(_BINS)]
    for confidence, right in rows:
        bins[min(int(confidence * _BINS), _BINS - 1)].append((confidence, right))
    points = [
        (sum(c for c, _ in some) / len(some), sum(right for _, right in some) / len(some), len(some))
        for some in bins
        if some
    ]
    error = sum(abs(confidence - right) * size for confidence, right, size in points) / max(len(rows), 1)
    return points, round(error, 4)


def write_report(
    folder: Path,
    data: Path,
    questions: Sequence[Expected],
    answers: Mapping[str, Sequence[Answer]],
    figures: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> Path:
    """Write `report.md` with its pictures.

    answers: by model; figures: by task, then by model. The first model is the one that pictures and examples show.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = next(iter(answers))
    points, error = calibration(questions, answers[first])
    _draw_calibration(folder / "calibration.png", points, error)
    wrong = confusions(questions, answers[first])
    _draw_confusions(folder / "confusions.png", wrong)
    about = f"{len(questions)} questions. Shares from 0 to 1."
    made = "Made by `kefu evaluate support --data FILE --report FOLDER`."
    lines = [f"# Answers to `{data.name}`", "", f"{about} {made}", ""]
    for task, by_model in figures.items():
        lines += [f"## {task.capitalize()}", "", *_table(by_model), ""]
    lines += [
        "## Where it is right and where not",
        "",
        f"Calibration of what was answered (expected calibration error {error:.3f}):",
        "",
        "![calibration](calibration.png)",
        "",
        "The commonest wrong question types:",
        "",
        "![confusions](confusions.png)",
        "",
        *_examples(questions, answers[first]),
    ]
    path = folder / "report.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _answers(assistant: Assistant, rows: Sequence[tuple[Expected, Answer]]) -> dict[str, Any]:
    answerable = [(expected, answer) for expected, answer in rows if expected.kind == "answer"]
    with_source = [(e, a) for e, a in answerable if e.source and a.text]
    drafts = [answer for _, answer in rows if answer.draft]
    after = sum(bool(unsupported_in(assistant, expected, answer)) for expected, answer in rows)
    return {
        "fact_present": _share([expected.has_facts(answer) for expected, answer in answerable]),
        "unsupported_before_check": _share([bool(answer.slips) for answer in drafts]),
        "replaced_by_check": _share([answer.kind == "passage" for answer in drafts]),
        "unsupported_after_check": after,
        "chrf": _chrf(
            [answer.text for _, answer in with_source],
            [_reference(assistant, expected) for expected, _ in with_source],
        ),
        "rouge_l": _rouge(
            [answer.text for _, answer in with_source],
            [_reference(assistant, expected) for expected, _ in with_source],
        ),
    }


def unsupported_in(assistant: Assistant, expected: Expected, answer: Answer) -> list[str]:
    """What an answer states that nothing visible to the customer does; its own source is looked at first."""
    question = expected.question
    source = assistant.reader.knowledge.passage(answer.source_id, question.language)
    if source and not unsupported(answer.text, [f"{source.title} {source.text}"]):
        return []
    if not find_values(answer.text):
        return []
    return unsupported(answer.text, [*visible_to(assistant, question), *expected.before])


def _handover(assistant: Assistant, rows: Sequence[tuple[Expected, Answer]]) -> dict[str, Any]:
    given = [answer.kind in FOR_A_PERSON for _, answer in rows]
    meant = [expected.is_for_a_person for expected, _ in rows]
    both = sum(g and m for g, m in zip(given, meant, strict=True))
    return {
        "recall": round(both / max(sum(meant), 1), 4),
        "precision": round(both / max(sum(given), 1), 4),
        "unanswerable": sum(meant),
        "handed_over": sum(given),
    }


def _retrieval(assistant: Assistant, rows: Sequence[tuple[Expected, Answer]]) -> dict[str, Any]:
    asked = [
        expected
        for expected, _ in rows
        if expected.source and ":" not in expected.source and not expected.before
    ]
    found = [assistant.find(expected.question, 3) for expected in asked]
    return {
        "questions": len(asked),
        "recall@1": _share([e.source in ids[:1] for e, ids in zip(asked, found, strict=True)]),
        "recall@3": _share([e.source in ids for e, ids in zip(asked, found, strict=True)]),
    }


def _reference(assistant: Assistant, expected: Expected) -> str:
    """The text of the source that was expected."""
    shop, question = assistant.shop, expected.question
    kind, _, name = (expected.source or "").partition(":")
    if kind == "order":
        order = shop.order(name, question.customer_id)
        return shop.order_record_text(order, question.language) if order else ""
    if kind == "product":
        product = shop.product(name)
        return shop.product_record_text(product, question.language) if product else ""
    passage = assistant.reader.knowledge.passage(expected.source or "", question.language)
    return passage.text if passage else ""


def _chrf(texts: Sequence[str], references: Sequence[str]) -> float:
    from sacrebleu.metrics.chrf import CHRF

    return round(CHRF().corpus_score(list(texts), [list(references)]).score / 100, 4) if texts else 0.0


class _Tokens:
    """Words, and single Chinese characters, as ROUGE counts them."""

    def tokenize(self, text: str) -> list[str]:
        spaced = "".join(f" {c} " if c >= _CJK else c for c in text.lower())
        return spaced.split()


def _rouge(texts: Sequence[str], references: Sequence[str]) -> float:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], tokenizer=_Tokens())
    scores = [
        scorer.score(right, text)["rougeL"].fmeasure for text, right in zip(texts, references, strict=True)
    ]
    return round(sum(scores) / len(scores), 4) if scores else 0.0


def _share(claims: Sequence[bool]) -> float:
    return round(sum(claims) / len(claims), 4) if claims else 0.0


def _table(by_model: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows: dict[str, list[str]] = {}
    for figures in by_model.values():
        for name, value in flat(figures):
            rows.setdefault(name, []).append(f"{value:.3f}" if isinstance(value, float) else str(value))
    return [
        "| | " + " | ".join(by_model) + " |",
        "|---|" + "---|" * len(by_model),
        *(f"| {name} | " + " | ".join(values) + " |" for name, values in rows.items()),
    ]


def flat(figures: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Nested figures as one list of names and values."""
    found: list[tuple[str, Any]] = []
    for name, value in figures.items():
        if isinstance(value, Mapping):
            found += flat(value, f"{before}{name}: ")
        else:
            found.append((f"{before}{name}", value))
    return found


def _examples(questions: Sequence[Expected], answers: Sequence[Answer]) -> list[str]:
    rows = list(zip(questions, answers, strict=True))
    good = [row for row in rows if row[0].is_right(row[1])]
    bad = [row for row in rows if not row[0].is_right(row[1])]
    lines = []
    for title, some in (("Right", good[:: max(len(good) // _EXAMPLES, 1)][:_EXAMPLES]), ("Wrong", bad)):
        lines += [f"### {title}", "", "| question | expected | answer |", "|---|---|---|"]
        for expected, answer in some:
            wanted = " ".join([expected.kind, expected.source or "", *expected.contains])
            lines.append(
                f"| {_cell(expected.question.text)} | {_cell(wanted)} | {_cell(answer.kind + ': ' + answer.text)} |"
            )
        lines.append("")
    return lines


def _cell(text: str) -> str:
    short = text if len(text) < 240 else text[:239] + "…"
    return short.replace("|", "/").replace("\n", " ").replace("<", "‹")


def _draw_calibration(path: Path, points: Sequence[tuple[float, float, int]], error: float) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.scatter([p[0] for p in points], [p[1] for p in points], s=[12 + 2 * p[2] for p in points])
    axes.set(
        xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="share right", title=f"error {error:.3f}"
    )
    figure.savefig(path, dpi=110)


def _draw_confusions(path: Path, wrong: Sequence[tuple[str, str, int]]) -> None:
    from matplotlib.figure import Figure

    rights = sorted({right for right, _, _ in wrong})
    givens = sorted({given for _, given, _ in wrong})
    figure = Figure(figsize=(2.5 + 0.32 * len(givens), 2.5 + 0.28 * len(rights)), layout="constrained")
    axes = figure.subplots()
    grid = [[0] * len(givens) for _ in rights]
    for right, given, number in wrong:
        grid[rights.index(right)][givens.index(given)] = number
    if wrong:
        axes.imshow(grid, cmap="Blues")
    axes.set_xticks(range(len(givens)), givens, rotation=90)
    axes.set_yticks(range(len(rights)), rights)
    axes.set(xlabel="given", ylabel="right", title="wrong question types")
    figure.savefig(path, dpi=110)
