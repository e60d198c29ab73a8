"""The behaviour GPT from reading files to a trained checkpoint, on small data, and the metrics beside a second library."""

import gzip
import json
from random import Random

import numpy as np
import pytest
import torch
from rich.console import Console

from model.interactions import DataError, Events, read_interactions
from model.neighbours import Neighbours
from model.ranking import CUTS, Case, Ranks, choose_protocol, measure, quick_ndcg, rank, split
from model.recommender import Recommender, RecommenderError, loss_of, make_batch
from model.suggestion_report import evaluate_suggestions
from model.train_behaviour import Settings, Trainer, TrainingError, fit, train_behaviour
from model.transitions import Transitions

QUIET = Console(quiet=True)


@pytest.fixture
def cycles(tmp_path):
    """Users who go round twenty items in order: what comes next is certain but for where it is asked."""
    rng, rows = Random(1), ["user,item,timestamp,event"]
    for user in range(60):
        item = rng.randrange(20)
        for step in range(8):
            rows.append(f"u{user},i{(item + step) % 20},{1000 + step},view")
    path = tmp_path / "events.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_training_learns_resumes_and_loads_again(cycles, tmp_path):
    out = tmp_path / "run"
    settings = dict(width=16, context=8, dropout=0.0, learning_rate=0.01, patience=50)
    train_behaviour(cycles, None, out, Settings(epochs=8, **settings), QUIET)
    trained = train_behaviour(cycles, None, out, Settings(epochs=25, **settings), QUIET)
    assert trained.run["epochs"] == 25
    cut = split(read_interactions(cycles), "last")
    ranks = rank(lambda cases: trained.scores([case.history for case in cases]), cut.test, cut.seen)
    assert measure(ranks)["hr@1"].mean() > 0.8
    loaded = Recommender.load(out)
    history = [cut.test[0].history]
    assert np.allclose(loaded.scores(history), trained.scores(history), atol=2e-2)
    assert json.loads((out / "run.json").read_text())["seen"] == "exclude"
    with pytest.raises(TrainingError, match="other data or settings"):
        train_behaviour(cycles, None, out, Settings(epochs=8, **{**settings, "width": 32}), QUIET)


def test_a_damaged_checkpoint_is_refused(cycles, tmp_path):
    fit(split(read_interactions(cycles), "last"), Settings(epochs=1, width=16), QUIET, tmp_path / "run")
    weights = tmp_path / "run" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(RecommenderError, match="damaged"):
        Recommender.load(tmp_path / "run")


def test_no_state_sees_a_later_event(cycles):
    cut = split(read_interactions(cycles), "last")
    trained = fit(cut, Settings(epochs=1, width=16, context=8), QUIET)
    events = cut.test[0].history
    whole = make_batch([events], 8)
    part = make_batch([events[:3]], 8)
    with torch.inference_mode():
        long, short = trained.model(whole, trained.vectors), trained.model(part, trained.vectors)
    assert torch.allclose(long[:, :3], short, atol=1e-5)


def test_sampled_loss_approaches_the_full_one():
    torch.manual_seed(1)
    states, vectors = torch.randn(64, 8), torch.randn(500, 8)
    targets = torch.randint(0, 500, (64,))
    frequency = torch.full((500,), 1 / 500)
    full = float(loss_of(states, vectors, targets))
    sampled = float(loss_of(states, vectors, targets, frequency, negatives=20_000))
    assert sampled == pytest.approx(full, rel=0.05)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("events.csv", "user_id,item_id,timestamp\n1,a,5\n1,b,6\n2,a,7\n"),
        (
            "events.jsonl",
            '{"user":"1","item":"a","at":5}\n{"user":"1","item":"b","at":6}\n{"user":2,"item":"a","at":7}\n',
        ),
        ("ratings.dat", "1::a::5::978300760\n1::b::3::978300761\n2::a::1::978300762\n"),
        ("u.data", "1\ta\t5\t881250949\n1\tb\t3\t881250950\n2\ta\t1\t881250951\n"),
        ("shop.inter", "user_id:token\titem_id:token\ttimestamp:float\n1\ta\t5\n1\tb\t6\n2\ta\t7\n"),
        (
            "events.csv.gz",
            "userId,movieId,rating,timestamp\n1,a,5,2026-11-27T10:00:00\n1,b,4,2026-11-28\n2,a,1,2026-11-29\n",
        ),
    ],
)
def test_every_layout_gives_the_same_events(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    data = read_interactions(path)
    assert [[data.items[i] for i in events.items] for events in data.events] == [["a", "b"], ["a"]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("user,item,timestamp\n1,a,5\n,b,6\n", ":3: no user"),
        ("user,item,timestamp\n1,a,soon\n", ":2: timestamp 'soon' is neither"),
        ("user,item,rating\n1,a,good\n", ":2: rating 'good' is not a number"),
        ("user,item\n1,a,b\n", ":2: 3 cells"),
        ("user,thing\n1,a\n", ":1: no column item"),
        ("user,item\n", "has no rows"),
    ],
)
def test_a_broken_row_is_named_with_file_and_line(tmp_path, text, told):
    path = tmp_path / "events.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=told):
        read_interactions(path)


def test_ties_in_time_keep_the_order_of_the_file(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("user,item,timestamp\n1,z,5\n1,a,5\n1,m,4\n")
    data = read_interactions(path)
    assert [data.items[i] for i in data.events[0].items] == ["m", "z", "a"]


def test_what_is_held_back_is_not_in_training(tmp_path):
    path = tmp_path / "events.csv"
    rows = [
        f"1,{item},{at},view,{basket}" for at, (item, basket) in enumerate(zip("abcde", "11223", strict=True))
    ]
    path.write_text("user,item,timestamp,event,basket\n" + "\n".join(rows))
    data = read_interactions(path)
    assert choose_protocol(data) == "basket"

    def names(numbers):
        return "".join(sorted(data.items[i] for i in numbers))

    last, basket = split(data, "last"), split(data, "basket")
    assert (names(last.train[0].items), names(last.validation[0].right), names(last.test[0].right)) == (
        "abc",
        "d",
        "e",
    )
    assert (names(basket.train[0].items), names(basket.validation[0].right)) == ("ab", "cd")
    assert names(basket.test[0].history.items) == "abcd"


def test_metrics_agree_with_trec_eval():
    ir_measures = pytest.importorskip("ir_measures", reason="the extra `evaluate` is not installed")
    generator = np.random.default_rng(1)
    places = [np.sort(generator.choice(60, generator.integers(1, 6), replace=False)) + 1 for _ in range(40)]
    ours = measure(Ranks(tuple(places), np.zeros((40, 10), dtype=int)))
    qrels = {str(q): {f"d{place}": 1 for place in row} for q, row in enumerate(places)}
    run = {str(q): {f"d{place}": float(-place) for place in range(1, 101)} for q in range(40)}
    names = {f"{mine}@{k}": f"{theirs}@{k}" for k in CUTS for mine, theirs in
             (("hr", "Success"), ("ndcg", "nDCG"), ("recall", "R"), ("precision", "P"))}  # fmt: skip
    names["mrr"] = "RR"
    for mine, theirs in names.items():
        value = ir_measures.calc_aggregate([ir_measures.parse_measure(theirs)], qrels, run)
        assert ours[mine].mean() == pytest.approx(next(iter(value.values())), abs=1e-6), mine


def test_metrics_agree_with_torchmetrics():
    retrieval = pytest.importorskip(
        "torchmetrics", reason="the extra `evaluate` is not installed"
    ).functional.retrieval
    generator = np.random.default_rng(2)
    places = [np.sort(generator.choice(60, generator.integers(1, 30), replace=False)) + 1 for _ in range(25)]
    ours = measure(Ranks(tuple(places), np.zeros((25, 10), dtype=int)))
    theirs = {
        "hr": retrieval.retrieval_hit_rate,
        "ndcg": retrieval.retrieval_normalized_dcg,
        "recall": retrieval.retrieval_recall,
        "precision": retrieval.retrieval_precision,
    }
    scores = torch.arange(60, 0, -1, dtype=torch.float64)
    for case, row in enumerate(places):
        target = torch.zeros(60, dtype=torch.long)
        target[row - 1] = 1
        assert ours["mrr"][case] == pytest.approx(float(retrieval.retrieval_reciprocal_rank(scores, target)))
        for name, metric in theirs.items():
            for k in CUTS:
                assert ours[f"{name}@{k}"][case] == pytest.approx(
                    float(metric(scores, target, top_k=k)), abs=1e-6
                )


def test_equal_scores_favour_nobody_and_seen_items_are_not_ranked():
    history = Events(np.array([0]), np.array([0]), np.array([0.0]), np.array([0]))

    case = Case(0, history, np.array([2]))
    assert rank(lambda cases: np.zeros((1, 4)), [case], "exclude").places[0].tolist() == [2]
    assert rank(lambda cases: np.zeros((1, 4)), [case], "include").places[0].tolist() == [3]


def test_transitions_give_what_follows():
    transitions = Transitions.count([np.array([0, 1, 2]), np.array([0, 1, 3])], 4)
    scores = transitions.scores([np.array([0]), np.array([3])])
    assert scores[0].argmax() == 1 and scores[1].sum() == 0


def test_neighbours_are_items_of_the_same_users_whatever_the_order():
    histories = [np.array([0, 1]), np.array([1, 0]), np.array([2, 3]), np.array([3, 2])] * 5
    for kind in ("cosine", "ease"):
        scores = Neighbours.count(kind, histories, 5).scores([np.array([0]), np.array([3]), np.array([4])])
        assert scores[0].argmax() == 1 and scores[1].argmax() == 2, kind
        assert scores[:2].sum(1) == pytest.approx([1, 1]) and scores[2].sum() == 0


@pytest.fixture
def bundles(tmp_path):
    """Users whose first item decides on their last three, with nine of everybody's between: no step tells, the set does."""
    rng, rows = Random(1), ["user,item,timestamp,event"]
    for user in range(160):
        key = user % 4
        items = [f"key{key}", *(f"any{n}" for n in rng.sample(range(12), 9))]
        items += rng.sample([f"goal{key}{n}" for n in range(3)], 3)
        rows += [f"u{user},{item},{1000 + at},view" for at, item in enumerate(items)]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_neighbours_are_blended_in_where_validation_likes_them_and_kept(bundles, tmp_path):
    cut = split(read_interactions(bundles), "last")
    weak = Settings(epochs=1, width=16, context=16, layers=2, recurrent=0)
    trained = fit(cut, weak, QUIET, tmp_path / "run")
    assert trained.share > 0
    histories = [case.history for case in cut.test]
    both = trained.scores(histories)

    def ndcg(alone: bool) -> float:
        return quick_ndcg(
            lambda some: trained.scores([case.history for case in some], alone=alone), cut.test, "exclude"
        )

    assert ndcg(alone=False) > ndcg(alone=True)
    loaded = Recommender.load(tmp_path / "run", new_items={"new": ["tea"]})
    assert loaded.share == trained.share and loaded.neighbours.sharpness == trained.neighbours.sharpness
    assert np.allclose(loaded.scores(histories)[:, : both.shape[1]], both, atol=2e-2)


@pytest.mark.parametrize("recurrent", [0, 1, 2])
def test_with_and_without_recurrent_layers_a_checkpoint_comes_back_as_it_was(cycles, tmp_path, recurrent):
    cut = split(read_interactions(cycles), "last")
    settings = Settings(epochs=2, width=8, context=8, recurrent=recurrent)
    trained = fit(cut, settings, QUIET, tmp_path / "run")
    loaded = Recommender.load(tmp_path / "run")
    assert loaded.model.config.recurrent == recurrent
    histories = [case.history for case in cut.test]
    assert np.allclose(loaded.scores(histories), trained.scores(histories), atol=2e-2)


def test_a_checkpoint_from_before_the_recurrent_layers_is_read(cycles, tmp_path):
    cut = split(read_interactions(cycles), "last")
    fit(cut, Settings(epochs=1, width=8, context=8, recurrent=0), QUIET, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    del config["model"]["recurrent"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    assert Recommender.load(tmp_path / "run").model.recurrent is None


def test_training_begins_where_counts_put_the_items(cycles):
    cut = split(read_interactions(cycles), "last")
    begun = {
        size: Trainer(cut, Settings(width=8, context=8, head_start=size, dropout=0.0)) for size in (0.0, 0.1)
    }
    for trainer in begun.values():
        trainer.validate()
    assert begun[0.1].state.best > begun[0.0].state.best


def test_drawn_items_teach_as_all_of_them_do(cycles):
    cut = split(read_interactions(cycles), "last")
    settings = Settings(epochs=20, negatives=8, width=16, context=8, dropout=0.0, learning_rate=0.01)
    trained = fit(cut, settings, QUIET)
    ranks = rank(
        lambda cases: trained.scores([case.history for case in cases], alone=True), cut.test, cut.seen
    )
    assert measure(ranks)["hr@1"].mean() > 0.6
    assert trained.run["stopped_by"] in ("epochs", "patience")


def test_a_report_says_what_a_limit_cut_short_names_no_folder_and_goes_on(cycles, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["kefu", "evaluate", "suggest", "--interactions", str(cycles)])
    report = evaluate_suggestions(
        cycles, None, QUIET, baselines=("popularity", "gru4rec"), settings=Settings(epochs=1, width=16), out=tmp_path
    )  # fmt: skip
    page = (tmp_path / "README.md").read_text()
    assert "Cut short by the limit, not by validation: kefu, gru4rec" in page
    assert f"kefu evaluate suggest --interactions {cycles.name}" in page and str(tmp_path) not in page
    more = evaluate_suggestions(
        cycles, None, QUIET, baselines=("popularity", "lstm"), settings=Settings(epochs=1, width=16), out=tmp_path
    )  # fmt: skip
    assert set(more["models"]) == {"kefu", "kefu-network-alone", "popularity", "gru4rec", "lstm"}
    assert more["models"]["gru4rec"] == report["models"]["gru4rec"]
    assert "Not measured here: recent-popularity" in (tmp_path / "README.md").read_text()
