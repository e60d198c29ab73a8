"""New items: what is held back, codes made of texts, beam search over them, and the command, on small made-up data."""

import json
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from model.cli import app
from model.code_gpt import CodeGPT, CodeTrainer, Trie
from model.encoder import open_encoder
from model.interactions import DataError, Events, read_interactions
from model.new_items import centred, hold_back, vectors_by_words
from model.recommender import BehaviourConfig, Recommender, make_batch
from model.semantic_ids import CodesConfig, learn_codes, numbered, usage
from model.train_behaviour import Settings, fit

TOPICS = ("garden rake spade soil", "kitchen kettle spoon pan", "music guitar drum piano")


@pytest.fixture
def shop(tmp_path):
    """Fifty customers who keep to one of three topics; 60 items, each with the words of its topic."""
    rng = Random(1)
    rows, titles = ["user,item,timestamp,event"], ["id,title,category"]
    for number in range(60):
        words = TOPICS[number % 3].split()
        titles.append(f"i{number},{words[0]} {rng.choice(words[1:])} {number},{words[0]}")
    for user in range(50):
        for step in range(15):
            rows.append(f"u{user},i{3 * rng.randrange(20) + user % 3},{1000 + 60 * step},view")
    (tmp_path / "events.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "items.csv").write_text("\n".join(titles) + "\n")
    return tmp_path / "events.csv", tmp_path / "items.csv"


def test_nothing_that_is_learned_or_tuned_on_has_a_new_item(shop):
    data = read_interactions(*shop)
    for seed in range(5):
        held = hold_back(data, 0.2, seed)
        new = set(held.items[held.known :])
        assert held.drawn == 12 and len(new) >= 12 and not new & set(held.cut.data.items)
        learned = [*held.cut.train, *(case.history for case in held.cut.validation)]
        learned += [case.history for case in (*held.about_new, *held.about_known)]
        assert max(events.items.max() for events in learned if len(events)) < held.known
        assert all((case.right < held.known).all() for case in held.cut.validation)
        assert all((case.right >= held.known).all() for case in held.about_new)
        assert sum(map(len, held.cut.train)) < sum(map(len, data.events))


def test_a_case_asks_for_what_its_user_took_later(shop):
    data = read_interactions(*shop)
    held = hold_back(data, 0.2)
    for case in held.about_new:
        events = data.events[case.user]
        later = {data.items[i] for i in events.items[round(0.8 * len(events)) :]}
        assert {held.items[i] for i in case.right} <= later
        before = [data.items[i] for i in events.items]
        assert [held.items[i] for i in case.history.items] == [
            item for item in before[: round(0.8 * len(events))] if item in held.cut.data.items
        ]


def test_items_without_words_cannot_be_new(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("user,item\n" + "".join(f"u,i{i}\n" for i in range(9)))
    with pytest.raises(DataError, match="no titles or descriptions"):
        hold_back(read_interactions(path))


def test_a_new_item_has_the_vector_that_the_product_gives_it(shop, tmp_path):
    held = hold_back(read_interactions(*shop), 0.2)
    trained = fit(held.cut, Settings(epochs=1, width=16, context=8), Console(quiet=True), tmp_path / "run")
    words = [["garden", "rake"], ["music"]]
    loaded = Recommender.load(tmp_path / "run", new_items=dict(zip(("a", "b"), words, strict=True)))
    assert loaded.items[-2:] == ("a", "b")
    assert torch.allclose(loaded.vectors[-2:], vectors_by_words(trained.model, words), atol=1e-3)


def test_codes_bring_texts_back_and_are_all_used():
    generator = torch.Generator().manual_seed(1)
    centres = torch.randn(40, 24, generator=generator)
    texts = centres[torch.arange(400) % 40] + 0.1 * torch.randn(400, 24, generator=generator)
    model = learn_codes(texts[:320], CodesConfig(24, (32,), 8, levels=2, codes=16), steps=600)
    assert model.explained(texts[:320]) > 0.5 and model.explained(texts[320:]) > 0.4
    codes = model.codes(texts).numpy()
    assert min(usage(codes, 16)) > 0.5
    first = codes[:, 0].reshape(10, 40)
    assert (first == first[0]).mean() > 0.9  # what lies near each other begins alike


def test_equal_codes_are_numbered_in_order():
    codes = numbered(np.array([[1, 2], [1, 3], [1, 2], [1, 2]]))
    assert codes.tolist() == [[1, 2, 0], [1, 3, 0], [1, 2, 1], [1, 2, 2]]


def _events(items):
    n = len(items)
    return Events(np.array(items), np.zeros(n, dtype=np.int64), np.full(n, np.nan), np.arange(n))


def _coder(codes, known):
    torch.manual_seed(1)
    shape = BehaviourConfig(known, 1, words=0, context=6, layers=2, heads=2, width=16, hidden=32)
    model = CodeGPT(shape, codes[:known]).eval()
    with torch.no_grad():
        model.code.weight.mul_(20)  # so that its opinions differ
    return model


def _by_hand(model, codes, known, history):
    """The log-probability of every item after a history, each read whole as if it had been taken."""
    model.codes, own = torch.from_numpy(np.minimum(codes, np.array(model.sizes) - 1)), model.codes
    scores = []
    for item, code in enumerate(codes):
        with torch.no_grad():
            states = model(make_batch([_events([*history, item])], 7))[0]
        place, score = len(history) * model.depth - 1, 0.0
        for level in range(model.depth):
            likely = (states[place + level] @ model.table(level).T.detach()).log_softmax(-1)
            if level == model.depth - 1 and item >= known:
                score -= np.log((codes[:, :-1] == code[:-1]).all(1).sum())
            else:
                score += float(likely[code[level]])
        scores.append(score)
    model.codes = own
    return np.array(scores)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=6, max_size=20),
    st.integers(1, 25),
    st.randoms(use_true_random=False),
)
def test_every_beam_ends_at_an_allowed_item(pairs, beams, rng):
    codes = numbered(np.array(pairs))
    known = max(2, len(codes) * 3 // 4)
    codes[:known] = numbered(codes[:known, :2])
    trie, model = Trie(codes, known), _coder(codes, known)
    allowed = torch.tensor([[rng.random() < 0.6 for _ in codes] for _ in range(2)])
    batch = make_batch([_events([rng.randrange(known)]), _events([0, 1, 0])], 6)
    items, scores = model.generate(batch, trie, allowed, beams)
    reachable = (codes[:, :2] < model.sizes[:2]).all(1)  # the others have a code that training never saw
    for row, (found, likely) in enumerate(zip(items.tolist(), scores.tolist(), strict=True)):
        real = [item for item in found if item >= 0]
        assert len(real) == len(set(real)) and all(allowed[row, item] for item in real)
        assert likely == sorted(likely, reverse=True)
        assert real or not allowed[row][torch.from_numpy(reachable)].any()


def test_beams_that_lose_nothing_find_the_order_of_all_items():
    rng = Random(3)
    codes = numbered(np.array([[rng.randrange(3), rng.randrange(3)] for _ in range(24)]))
    known = 18
    trie, model = Trie(codes, known), _coder(codes, known)
    histories = [[3, 5, 7, 1], [2]]  # of unequal lengths: padding must not matter
    batch = make_batch([_events(history) for history in histories], 6)
    items, scores = model.generate(batch, trie, torch.ones(2, 24, dtype=torch.bool), 100)
    for row, history in enumerate(histories):
        expected = _by_hand(model, codes, known, history)
        real = items[row] >= 0
        assert sorted(items[row][real].tolist()) == list(range(24))
        assert np.allclose(scores[row][real], expected[items[row][real]], atol=1e-4)


def test_semantic_ids_learn_what_follows(tmp_path):
    rng, rows = Random(1), ["user,item,timestamp"]
    for user in range(60):
        item = rng.randrange(20)
        rows += [f"u{user},i{(item + step) % 20},{1000 + step}" for step in range(9)]
    (tmp_path / "events.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "items.csv").write_text("id,title\n" + "".join(f"i{i},thing {i}\n" for i in range(20)))
    held = hold_back(read_interactions(tmp_path / "events.csv", tmp_path / "items.csv"), 0.1)
    codes = numbered(np.array([[i % 4, i // 8] for i in range(held.known)]))
    trainer = CodeTrainer(
        held.cut,
        Settings(width=16, context=8, layers=2, recurrent=0, dropout=0.0, learning_rate=0.01, average=0.9),
        codes,
    )
    first = trainer.epoch()
    for _ in range(14):
        last = trainer.epoch()
    trainer.validate()
    assert last < first / 2 and trainer.state.best > 0.5


def test_vectors_less_their_mean_have_length_one():
    vectors = centred(np.random.default_rng(1).random((9, 4)) + 5, 6)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1) and vectors.dtype == np.float32


@pytest.mark.slow
@pytest.mark.skipif(
    open_encoder() is None, reason="the encoder is not installed: pip install 'kefu[meaning]'"
)
def test_the_command_trains_every_way_and_writes_its_page(shop, tmp_path):
    events, items = shop
    command = ["evaluate", "new-items", "--interactions", events, "--items", items, "--minutes", "0.01"]
    command += ["--context", "8", "--share", "0.2", "--out", tmp_path / "page", "--cache", tmp_path, "--json"]
    result = CliRunner().invoke(app, list(map(str, command)))
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    ways = report["ways"]
    assert set(ways) == {
        "popularity", "content-mean", "content-latest", "atomic", "words", "words-blended", "text", "semantic-ids",
    }  # fmt: skip
    assert all(report["fitting"][way]["steps"] > 0 for way in ("atomic", "words", "text", "semantic-ids"))
    assert ways["content-mean"]["new_among_new"]["hr@10"] > 0.5
    assert ways["popularity"]["new"]["hr@10"] == 0 == ways["atomic"]["new"]["hr@10"]
    page = (tmp_path / "page" / "README.md").read_text()
    assert "semantic-ids" in page and "kettle" not in page
    assert (tmp_path / "page" / "ndcg.png").stat().st_size > 1000
