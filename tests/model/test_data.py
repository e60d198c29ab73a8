"""What must hold of the examples that the model learns from."""

from dataclasses import replace
from random import Random

import pytest

from model.data.batches import DECISION_WEIGHT, Position, encode, stream
from model.data.dialogues import DialogueMaker
from model.data.en_topics import EN
from model.data.grammar import Grammar
from model.data.topic import Family, Script
from model.data.values import make_value
from model.data.zh_topics import ZH
from model.prompt import EOS, QUESTION_TYPES, SPECIAL_TOKENS
from model.slots import SLOT, find_values
from model.tokenizer import Tokenizer
from model.train import mixed, train_tokenizer

SCRIPTS = pytest.mark.parametrize("script", [EN, ZH], ids=lambda script: script.language)


def test_pattern_expands_to_all_its_sentences():
    grammar = Grammar({"what": "delivery|shipping"})
    pattern = "how long does @what take[ to (arrive|reach me)]"
    sentences = list(grammar.expand(pattern))
    assert len(sentences) == len(set(sentences)) == grammar.count(pattern) == 6
    assert "how long does shipping take to reach me" in sentences
    assert all(grammar.sample(pattern, Random(seed)) in sentences for seed in range(20))


@pytest.mark.parametrize("pattern", ["(a|b", "a)", "[a", "a]"])
def test_unclosed_bracket_is_refused(pattern: str):
    with pytest.raises(ValueError, match=r"pattern"):
        Grammar().sample(pattern, Random(0))


def test_unknown_list_is_named():
    with pytest.raises(ValueError, match="@nothing"):
        Grammar().sample("a @nothing", Random(0))


@SCRIPTS
def test_every_question_type_has_enough_phrasings_and_a_family_set_aside(script: Script):
    grammar = Grammar(script.lists)
    assert sorted(topic.name for topic in script.topics) == sorted(QUESTION_TYPES)
    for topic in script.topics:
        trained = [pattern for family in topic.families if not family.held_out for pattern in family.patterns]
        aside = [pattern for family in topic.families if family.held_out for pattern in family.patterns]
        assert sum(map(grammar.count, trained)) >= 50, topic.name
        assert aside, topic.name


@SCRIPTS
def test_every_pattern_can_be_filled(script: Script):
    maker = DialogueMaker(script)
    for topic in script.topics:
        for family in topic.families:
            held_out = DialogueMaker(script, held_out=family.held_out)
            assert held_out.question(topic.name, Random(family.name)).strip()
    rng = Random(3)
    for _ in range(300):
        dialogue = maker.make(rng)
        text = "".join(f"{fact.title}{fact.text}" for fact in dialogue.facts)
        text += "".join(exchange.question + exchange.answer for exchange in dialogue.exchanges)
        assert "{" not in text and "@" not in text and "|" not in text


@SCRIPTS
def test_no_held_out_phrasing_is_trained_on(script: Script):
    grammar, maker = Grammar(script.lists), DialogueMaker(script)
    for topic in script.topics:
        aside = [pattern for family in topic.families if family.held_out for pattern in family.patterns]
        unwanted = {text for pattern in aside for text in grammar.expand(pattern)}
        rng = Random(topic.name)
        drawn = {maker.question(topic.name, rng, dressed=False) for _ in range(200)}
        assert not drawn & unwanted, topic.name


def test_sentence_that_a_held_out_family_shares_is_not_drawn():
    shared = "how long is it"
    families = (Family("own", (f"{shared}|what time",)), Family("aside", (shared,), held_out=True))
    topics = tuple(
        replace(topic, families=families) if topic.name == "greeting" else topic for topic in EN.topics
    )
    maker = DialogueMaker(replace(EN, topics=topics))
    assert not any(shared in maker.question("greeting", Random(seed), dressed=False) for seed in range(50))


@SCRIPTS
def test_every_value_of_an_answer_stands_in_its_fact(script: Script):
    maker, rng = DialogueMaker(script), Random(11)
    answered = 0
    for _ in range(400):
        dialogue = maker.make(rng)
        for exchange in dialogue.exchanges:
            assert exchange.question_type in QUESTION_TYPES and exchange.question.strip()
            slots = set(SLOT.findall(exchange.answer))
            if exchange.key is None:
                assert not slots
                continue
            answered += 1
            fact = dialogue.facts[exchange.key]
            assert slots <= set(SLOT.findall(f"{fact.title} {fact.text}"))
            assert not find_values(SLOT.sub("", exchange.answer))
    assert answered > 200


@SCRIPTS
def test_keys_are_distinct_and_a_seed_repeats(script: Script):
    maker = DialogueMaker(script)
    for seed in range(30):
        dialogue = maker.with_facts(Random(seed))
        assert len(set(dialogue.keys)) == len(dialogue.facts) == len(dialogue.keys) <= 6
        assert dialogue == maker.with_facts(Random(seed))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_values_with_digits_are_found_as_values(language):
    rng = Random(5)
    for kind in (
        "days",
        "price",
        "percent",
        "time",
        "date",
        "email",
        "phone",
        "url",
        "order",
        "tracking",
        "number",
    ):
        made = [make_value(kind, language, rng) for _ in range(40)]
        assert all(find_values(value) for value in made if any(c.isdigit() for c in value)), kind


def test_unknown_value_is_refused():
    with pytest.raises(ValueError, match="colour"):
        make_value("colour", "en", Random(0))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(mixed([DialogueMaker(EN), DialogueMaker(ZH)]), 900, 150)


def test_loss_falls_on_decisions_answers_and_their_ends_only(tokenizer: Tokenizer):
    dialogue = DialogueMaker(EN).with_facts(Random(2))
    row = encode(dialogue, tokenizer)
    learned = tokenizer.decode(id for id, weight in zip(row.ids, row.weights, strict=True) if weight)
    assert learned.count(EOS) == len(dialogue.exchanges)
    for exchange in dialogue.exchanges:
        assert f"<t:{exchange.question_type}>" in learned
        assert exchange.answer in learned
    assert row.weights.count(DECISION_WEIGHT) == 2 * len(dialogue.exchanges)
    assert tokenizer.special_tokens == SPECIAL_TOKENS


def test_stream_goes_on_from_any_position(tokenizer: Tokenizer):
    def batches(position: Position, number: int) -> list[list[int]]:
        flow = stream(mixed([DialogueMaker(EN)]), tokenizer, 1024, 640, seed=4, position=position)
        return [next(flow).targets.tolist() for _ in range(number)]

    whole = batches(Position(), 9)
    position = Position()
    first = batches(position, 4)
    assert first == whole[:4]
    assert batches(Position(position.pool, position.batch), 5) == whole[4:]
