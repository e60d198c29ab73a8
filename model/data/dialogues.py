"""Makes up conversations between customers and a shop, endlessly and never the same one twice.

Each has facts (passages, order and product records), then one to three questions with question type, fact and
answer, or several questions without facts. Every value is new each time; every answer is copied or built from
its fact. Held-out makers ask only phrasings of held-out families, which training makers never use.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from model.data.corpus import Corpus
from model.data.grammar import Grammar
from model.data.topic import Passage, RecordReply, Script, Topic
from model.data.values import make_value
from model.prompt import (
    KEY_COUNT,
    ORDER_TYPES,
    PRODUCT_TYPES,
    QUESTION_TYPES,
    SMALL_TALK_TYPES,
    Exchange,
    Fact,
    plain,
)
from model.slots import SLOT, SLOT_COUNT, Slots
from model.types import Language

_PLACEHOLDER = re.compile(r"\{([a-z]+\d?)\}")
_KNOWLEDGE = tuple(
    name
    for name in QUESTION_TYPES
    if name not in PRODUCT_TYPES | SMALL_TALK_TYPES | {"human", "suggest", "other"}
)
_ANSWERED_BY_CODE = ("other", "other", "other", "human", "suggest", "complaint")
_WORD = re.compile(r"\b[A-Za-z]{5,}\b")
_RUN = re.compile(
    r"[A-Za-z]{4,}|(?<![\u4e00-\u9fff])[\u4e00-\u9fff]{2,4}|[\u4e00-\u9fff]{2,4}(?![\u4e00-\u9fff])"
)
_NEIGHBOURS = {
    key: row[max(0, i - 1)] + row[i + 1 : i + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for i, key in enumerate(row)
}


@dataclass(frozen=True)
class Dialogue:
    """One training example: what stands before the model and what it is to write after each question."""

    language: Language
    facts: tuple[Fact, ...]
    keys: tuple[int, ...]
    exchanges: tuple[Exchange, ...]


@dataclass
class _Source:
    """A fact in plain words, with the ways to ask for it."""

    topic: str
    title: str
    text: str
    kind: str = "passage"
    main: str = ""
    """The answer to the topic's own phrasings; empty when another source of the context answers those."""
    pinned: list[tuple[str, str]] = field(default_factory=list)
    """Patterns of questions with the sentences that answer them."""
    calls: tuple[str, ...] = ()
    lines: Sequence[str] = ()
    """The sentences of a passage."""
    state: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Turn:
    """One exchange before slots are cut."""

    question: str
    label: str
    source: _Source | None
    answer: str


class DialogueMaker:
    """An endless source of dialogues in one language; with `slots` false, values stand in it as they are."""

    def __init__(
        self,
        script: Script,
        corpus: Corpus | None = None,
        others: Sequence[Script] = (),
        held_out: bool = False,
        slots: bool = True,
    ) -> None:
        self.script = script
        self._with_slots = slots
        self.language = script.language
        self.held_out = held_out
        self._grammar = Grammar(script.lists)
        self._topics = {topic.name: topic for topic in script.topics}
        self._others = [(other, Grammar(other.lists)) for other in others]
        corpus = corpus or Corpus()
        self._real = (corpus.held_out if held_out else corpus.phrasings)[script.language]
        self._prose = corpus.prose[script.language]
        self._abouts = corpus.abouts if script.language == "en" else []
        self._aside: dict[str, frozenset[str]] = {}
        self._with_passages = [name for name in _KNOWLEDGE if self._topics[name].passages]

    def make(self, rng: Random, without_facts: float = 0.25) -> Dialogue:
        """A dialogue of either kind; `without_facts` is the share of the second."""
        return self.without_facts(rng) if rng.random() < without_facts else self.with_facts(rng)

    def without_facts(self, rng: Random) -> Dialogue:
        """Several unrelated questions and nothing to answer them from: the densest lesson in question types."""
        turns = [self._without_source(rng.choice(QUESTION_TYPES), rng) for _ in range(rng.randint(3, 8))]
        return self._finish([], turns, rng)

    def with_facts(self, rng: Random) -> Dialogue:
        """Facts and one to three questions about them, about what is not there, and about nothing at all."""
        while True:
            sources = self._context(rng)
            turns = self._turns(sources, rng)
            dialogue = self._finish(sources, turns, rng)
            if _is_sound(dialogue):
                return dialogue

    def question(self, label: str, rng: Random, dressed: bool = True) -> str:
        """A question of that type as a customer might type it, with values filled in."""
        return self._worded(self._phrasing(label, rng), {}, rng, dressed)

    def worded(
        self, pattern: str, rng: Random, dressed: bool = True, values: Mapping[str, str] | None = None
    ) -> str:
        """A question by this pattern as a customer might type it, with these values and others made up."""
        return self._worded(self._grammar.sample(pattern, rng), dict(values or {}), rng, dressed)

    # --- facts --------------------------------------------------------------------------------------------

    def _context(self, rng: Random) -> list[_Source]:
        sources: list[_Source] = []
        if rng.random() < 0.4:
            sources += [self._order(rng) for _ in range(rng.choice((1, 1, 1, 1, 2)))]
        if rng.random() < 0.3:
            sources += [self._product(rng) for _ in range(rng.choice((1, 1, 1, 2)))]
        room = max(1, rng.randint(1, 5) - len(sources))
        for name in self._names(room, rng):
            made = self._passages(name, rng)
            sources += made[: max(1, 6 - len(sources))]
        rng.shuffle(sources)
        return sources[:6]

    def _names(self, number: int, rng: Random) -> list[str]:
        """Topics of a context: often neighbours in the list of types, as what retrieval finds is alike."""
        first = rng.randrange(len(self._with_passages))
        reach = rng.choice((4, 8, len(self._with_passages)))
        near = self._with_passages[max(0, first - reach) : first + reach]
        return rng.sample(near, min(number, len(near)))

    def _passages(self, name: str, rng: Random) -> list[_Source]:
        """A topic's passage, sometimes in the words of unrelated prose, sometimes with a second one beside it."""
        topic = self._topics[name]
        main = rng.choice([passage for passage in topic.passages if not passage.asks])
        others = [passage for passage in topic.passages if passage.asks]
        if self._prose and rng.random() < 0.3:
            sources = [self._prose_passage(topic, rng)]
        else:
            sources = self._written_passage(topic, main, rng)
        if others and rng.random() < 0.4:
            other = rng.choice(others)
            for source in self._written_passage(topic, other, rng, split=False):
                source.pinned += [(ask, source.main) for ask in other.asks]
                source.main = ""
                sources.append(source)
        elif self._prose and rng.random() < 0.2:
            sources.append(self._prose_passage(topic, rng))
        return sources

    def _written_passage(
        self, topic: Topic, passage: Passage, rng: Random, split: bool = True
    ) -> list[_Source]:
        values: dict[str, str] = {}
        title = self._filled(rng.choice(passage.titles), values, rng)
        kept = [line for line in passage.sentences if not line.asks or rng.random() < 0.6]
        lines = [(self._filled(line.text, values, rng), line.asks) for line in kept]
        apart = split and rng.random() < 0.35
        sources = []
        for text, asks in lines if apart else ():
            if asks:
                head = self._filled(rng.choice(passage.titles), values, rng)
                pinned = [(ask, text) for ask in asks]
                sources.append(_Source(topic.name, head, text, pinned=pinned, lines=(text,)))
        if apart:
            lines = [(text, asks) for text, asks in lines if not asks]
        if self._prose and rng.random() < 0.1:
            lines.append((self._filled(rng.choice(self._prose)[0], values, rng, sample=False), ()))
        texts = [text for text, _ in lines]
        begins = lines[0][1] == ()
        main = self._joined((texts if begins else [text for text, asks in lines if not asks])[:2])
        pinned = [(ask, text) for text, asks in lines for ask in asks]
        whole = _Source(
            topic.name, title, self._joined(texts), main=main, pinned=pinned, calls=passage.calls, lines=texts
        )
        return [whole, *sources]

    def _prose_passage(self, topic: Topic, rng: Random) -> _Source:
        """A passage of the topic in words that the scripts do not have: a lesson in copying what stands there."""
        values: dict[str, str] = {}
        lines = [
            self._filled(text, values, rng, sample=False)
            for text in rng.choice(self._prose)[: rng.randint(1, 4)]
        ]
        title = self._filled(rng.choice(rng.choice(topic.passages).titles), values, rng)
        main = self._joined(lines[:2])
        return _Source(topic.name, title, self._joined(lines), main=main, lines=lines)

    def _telling_word(self, line: str, sources: Sequence[_Source], rng: Random) -> str:
        """A word or run of characters of this line that stands nowhere else; empty if there is none."""
        pattern = _RUN if self.language == "zh" else _WORD
        everything = " ".join(f"{source.title} {source.text}" for source in sources).lower()
        alone = [word for word in pattern.findall(line) if everything.count(word.lower()) == 1]
        return rng.choice(alone) if alone else ""

    def _order(self, rng: Random) -> _Source:
        script, state = self.script, rng.choice(list(self.script.order_states))
        value = self._value
        items = [self._item(rng) for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))]
        record = {
            "order": value("order", rng),
            "status": script.order_states[state],
            "placed": value("date", rng),
            "arrives": value("date", rng) if rng.random() < 0.75 else "",
            "total": value("price", rng) if rng.random() < 0.95 else "",
            "items": script.field_marks[2].join(items) if rng.random() < 0.95 else "",
            "carrier": value("carrier", rng) if rng.random() < 0.6 else "",
            "tracking": value("tracking", rng) if rng.random() < 0.5 else "",
        }
        title = record["order"]
        if rng.random() < 0.25:
            title = script.order_title.replace("{order}", title)
        text = self._record_text(script.order_fields, record)
        return _Source("order_status", title, text, kind="order", state=state, values=_present(record))

    def _product(self, rng: Random) -> _Source:
        script, state = self.script, rng.choice(list(self.script.stock_states))
        name, left = self._value("product", rng), self._value("number", rng)
        own = not self._abouts or rng.random() < 0.6
        about = self._filled(rng.choice(script.abouts), {}, rng) if own else rng.choice(self._abouts)
        record = {
            "product": name,
            "price": self._value("price", rng),
            "stock": script.stock_states[state].replace("{left}", left),
            "about": about if rng.random() < 0.95 else "",
            "category": self._value("category", rng) if rng.random() < 0.8 else "",
        }
        text = self._record_text(script.product_fields, record)
        values = _present(record | {"left": left})
        return _Source("product_info", name, text, kind="product", state=state, values=values)

    def _item(self, rng: Random) -> str:
        name = self._value("product", rng)
        count = str(rng.choice((1, 1, 2, 3, rng.randint(1, 20))))
        forms = ("{name}", "{count} × {name}", "{count}x {name}", "{name} × {count}", "{name} ({count})")
        return rng.choice(forms).format(name=name, count=count)

    def _record_text(self, names: Mapping[str, str], record: Mapping[str, str]) -> str:
        is_mark, field_mark, _ = self.script.field_marks
        return field_mark.join(
            f"{shown}{is_mark}{record[name]}" for name, shown in names.items() if record[name]
        )

    # --- questions ----------------------------------------------------------------------------------------

    def _turns(self, sources: Sequence[_Source], rng: Random) -> list[_Turn]:
        turns: list[_Turn] = []
        for _ in range(rng.choice((1, 2, 2, 3, 3))):
            last = turns[-1].source if turns else None
            turn = None
            if last and rng.random() < 0.25:
                turn = self._follow_up(last, sources, rng)
            if turn is None and rng.random() < 0.85:
                turn = self._about(rng.choice(sources), sources, last, rng)
            turns.append(turn or self._about_nothing(sources, rng))
        return turns

    def _about(
        self, source: _Source, sources: Sequence[_Source], last: _Source | None, rng: Random
    ) -> _Turn | None:
        """A question that this source answers; None if it cannot be asked without naming another."""
        if source.kind != "passage":
            return self._about_record(source, sources, last, rng)
        to_record = source.topic in ORDER_TYPES and any(other.kind == "order" for other in sources)
        pinned = [] if self.held_out else source.pinned
        if pinned and (not source.main or to_record or rng.random() < 0.45):
            pattern, answer = rng.choice(pinned)
            return self._turn(self._grammar.sample(pattern, rng), source.topic, source, answer, rng)
        if to_record:
            return None
        rivals = [
            other for other in sources if other.topic == source.topic and other.main and other is not source
        ]
        if source.lines and (rivals or rng.random() < 0.08):
            line = rng.choice(source.lines)
            if word := self._telling_word(line, sources, rng):
                joints = ("", "，", " ") if self.language == "zh" else (" ", ", ", " - ", " for ", " with ")
                question = f"{self._phrasing(source.topic, rng)}{rng.choice(joints)}{word}"
                return self._turn(question, source.topic, source, line, rng)
        if not source.main or rivals:
            return None
        freely = not any(other.pinned for other in sources if other.topic == source.topic)
        return self._turn(self._phrasing(source.topic, rng, freely), source.topic, source, source.main, rng)

    def _about_record(
        self, source: _Source, sources: Sequence[_Source], last: _Source | None, rng: Random
    ) -> _Turn | None:
        is_order = source.kind == "order"
        replies = self.script.order_replies if is_order else self.script.product_replies
        label = rng.choice(sorted(ORDER_TYPES if is_order else PRODUCT_TYPES))
        if is_order and rng.random() < 0.25:
            label = "order_status"
        reply = _best_reply(replies, label, source)
        if reply is None:
            return None
        name = "{order}" if is_order else "{product}"
        alone = sum(other.kind == source.kind for other in sources) == 1
        free = alone or last is source
        for _ in range(12):
            question = self._phrasing(label, rng)
            if name in question or free and (is_order or last is source or rng.random() < 0.3):
                answer = self._filled(reply, dict(source.values), rng)
                return self._turn(question, label, source, answer, rng)
        return None

    def _follow_up(self, last: _Source, sources: Sequence[_Source], rng: Random) -> _Turn | None:
        """A short "and for express?" that only the exchange before makes clear."""
        pattern = self._grammar.sample(rng.choice(self.script.follow_ups), rng)
        if len(last.lines) > 1 and rng.random() < 0.5:
            line = rng.choice(last.lines)
            if word := self._telling_word(line, sources, rng):
                return self._turn(pattern.replace("{call}", word), last.topic, last, line, rng)
        called = [
            source for source in sources if source is not last and source.calls and source.kind == "passage"
        ]
        if last.kind == "passage" and called:
            source = rng.choice(called)
            call = self._grammar.sample(rng.choice(source.calls), rng)
            answer = source.main or source.pinned[-1][1]
            return self._turn(pattern.replace("{call}", call), source.topic, source, answer, rng)
        return None

    def _about_nothing(self, sources: Sequence[_Source], rng: Random) -> _Turn:
        """A question that no source answers: what is missing, small talk, and what code answers."""
        present = {source.topic for source in sources}
        if any(source.kind == "order" for source in sources):
            present |= ORDER_TYPES
        if any(source.kind == "product" for source in sources):
            present |= PRODUCT_TYPES
        draw = rng.random()
        if draw < 0.5:
            missing = [name for name in (*_KNOWLEDGE, *PRODUCT_TYPES) if name not in present]
            return self._without_source(rng.choice(missing), rng)
        if draw < 0.65:
            return self._without_source(rng.choice(sorted(SMALL_TALK_TYPES)), rng)
        label = rng.choice(_ANSWERED_BY_CODE)
        return self._without_source("other" if label in present else label, rng)

    def _without_source(self, label: str, rng: Random) -> _Turn:
        topic = self._topics[label]
        reply = rng.choice(topic.replies or self.script.unknown)
        return self._turn(self._phrasing(label, rng), label, None, self._filled(reply, {}, rng), rng)

    def _turn(self, question: str, label: str, source: _Source | None, answer: str, rng: Random) -> _Turn:
        values = dict(source.values) if source else {}
        return _Turn(self._worded(question, values, rng), label, source, answer)

    def _phrasing(self, label: str, rng: Random, freely: bool = True) -> str:
        """A phrasing of the type; `freely` allows those that may ask for something that only a part answers."""
        real = self._real.get(label)
        if real and rng.random() < (0.85 if label == "other" else 0.4):
            return rng.choice(real)
        question = self._written(label, rng, freely)
        if not self.held_out and rng.random() < 0.08:  # said twice in different words
            comma = "，" if self.language == "zh" else rng.choice((", ", ". ", "? "))
            question = f"{question}{comma}{self._written(label, rng, freely)}"
        return question

    def _written(self, label: str, rng: Random, freely: bool) -> str:
        """A sentence of one of the families that this maker may use, and of none that it may not."""
        topic = self._topics[label]
        families = [family.patterns for family in topic.families if family.held_out == self.held_out]
        if freely and not self.held_out and topic.situations:
            families += [topic.situations] * 2
        while True:
            question = self._grammar.sample(rng.choice(rng.choice(families)), rng)
            if self.held_out or question not in self._set_aside(label):
                return question

    def _set_aside(self, label: str) -> frozenset[str]:
        """All sentences of the type's held-out families."""
        if label not in self._aside:
            self._aside[label] = frozenset(
                text
                for family in self._topics[label].families
                if family.held_out
                for pattern in family.patterns
                for text in self._grammar.expand(pattern)
            )
        return self._aside[label]

    # --- wording ------------------------------------------------------------------------------------------

    def _worded(self, question: str, values: dict[str, str], rng: Random, dressed: bool = True) -> str:
        """The question with its values, and as people type: greetings, marks, capitals, slips."""
        if not dressed:
            return self._filled(question, values, rng, sample=False)
        comma, space = ("，", "") if self.language == "zh" else (", ", " ")
        joints = (comma, comma, space, "\n", "！" if self.language == "zh" else "! ")
        if rng.random() < 0.22:
            question = self._part(self.script.before, rng) + rng.choice(joints) + question
        if rng.random() < 0.14:
            question += rng.choice(joints[:3]) + self._part(self.script.after, rng)
        if rng.random() < 0.05:
            anger = self._part(self.script.anger, rng)
            question = rng.choice((f"{anger}{space}{question}", f"{question}{comma}{anger}"))
        if self._others and rng.random() < 0.02:
            other, grammar = rng.choice(self._others)
            question = f"{grammar.sample(rng.choice(other.before), rng)}{comma}{question}"
        if self._prose and rng.random() < 0.02:
            question = f"{' '.join(rng.choice(self._prose)[: rng.randint(1, 3)])} {question}"
        if not self.held_out and rng.random() < 0.12:
            question = self._thinned(question, rng)
        question = self._typed(question, rng)
        values = {
            name: value.lower() if question.islower() and name == "product" else value
            for name, value in values.items()
        }
        return self._filled(question, values, rng, sample=False)

    def _thinned(self, question: str, rng: Random) -> str:
        """The question without some of its words, so that no single word decides its type."""
        if self.language == "zh":
            parts, gap = re.findall(r"\{[a-z]+\d?\}|[A-Za-z]+|.", question, re.DOTALL), ""
        else:
            parts, gap = question.split(" "), " "
        if len(parts) < 4:
            return question
        return gap.join(part for part in parts if "{" in part or rng.random() > 0.12) or question

    def _part(self, patterns: Sequence[str], rng: Random) -> str:
        return self._grammar.sample(rng.choice(patterns), rng)

    def _typed(self, text: str, rng: Random) -> str:
        chinese = self.language == "zh"
        if text[-1:].isalnum() or text[-1:] == "}":
            text += rng.choice(
                ("？", "？", "", "", "?", "。", "！", "？？")
                if chinese
                else ("?", "?", "?", "", "", "", ".", "!", "??", " ?")
            )
        draw = rng.random()
        if draw < 0.45:
            text = text[:1].upper() + text[1:]
        elif draw < 0.8:
            text = _outside_placeholders(str.lower, text)
        elif draw < 0.84:
            text = _outside_placeholders(str.upper, text)
        if rng.random() < 0.3:
            text = text.replace("'", rng.choice(("", "’")))
        if rng.random() < (0.06 if chinese else 0.2):
            for _ in range(rng.choice((1, 1, 2))):
                text = _outside_placeholders(lambda part: _slip(part, rng), text)
        return text

    def _filled(self, text: str, values: dict[str, str], rng: Random, sample: bool = True) -> str:
        """The pattern as a sentence with values; values made up here are added to `values`."""
        if sample:
            text = self._grammar.sample(text, rng)

        def value_of(match: re.Match[str]) -> str:
            name = match[1]
            if name not in values:
                values[name] = self._value(name, rng)
            return values[name]

        return _PLACEHOLDER.sub(value_of, text)

    def _value(self, name: str, rng: Random) -> str:
        return make_value(name, self.language, rng)

    def _joined(self, sentences: Sequence[str]) -> str:
        return ("" if self.language == "zh" else " ").join(sentences)

    def _finish(self, sources: Sequence[_Source], turns: Sequence[_Turn], rng: Random) -> Dialogue:
        """Values become slots, sources get their keys. An English answer starts with a space, as a sentence in
        the middle of a passage does, so that it is copied from its first token on."""
        in_order = rng.random() < 0.4
        if in_order and turns and turns[0].source in sources:
            sources = sorted(sources, key=lambda source: source is not turns[0].source)
        numbers = list(range(SLOT_COUNT))
        keys = list(range(KEY_COUNT))
        if not in_order:
            rng.shuffle(numbers)
            rng.shuffle(keys)
        cut = Slots(numbers).cut if self._with_slots else str
        facts = tuple(
            Fact(source.topic, cut(plain(source.title)), cut(plain(source.text))) for source in sources
        )
        lead = "" if self.language == "zh" else " "
        exchanges = []
        for turn in turns:
            key = next((i for i, source in enumerate(sources) if source is turn.source), None)
            question, answer = cut(plain(turn.question)), cut(plain(turn.answer))
            exchanges.append(Exchange(question, turn.label, key, lead + answer))
        return Dialogue(self.language, facts, tuple(keys[: len(facts)]), tuple(exchanges))


def _best_reply(replies: Sequence[RecordReply], label: str, source: _Source) -> str | None:
    """The reply that holds for the record's state and tells most of it."""
    fitting = [
        reply.text
        for reply in replies
        if reply.name == label
        and (not reply.states or source.state in reply.states)
        and all(name in source.values for name in _PLACEHOLDER.findall(reply.text))
    ]
    return max(fitting, key=lambda text: len(_PLACEHOLDER.findall(text)), default=None)


def _present(record: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in record.items() if value}


def _is_sound(dialogue: Dialogue) -> bool:
    """Whether every slot of every answer stands in its own fact, and no answer is without words."""
    for exchange in dialogue.exchanges:
        fact = dialogue.facts[exchange.key] if exchange.key is not None else None
        allowed = set(SLOT.findall(f"{fact.title} {fact.text}")) if fact else set()
        if not exchange.answer.strip() or not allowed.issuperset(SLOT.findall(exchange.answer)):
            return False
    return True


def _outside_placeholders(change: Callable[[str], str], text: str) -> str:
    parts = re.split(r"(\{[a-z]+\d?\})", text)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(parts))


def _slip(text: str, rng: Random) -> str:
    """One slip of the keyboard: a letter lost, doubled, swapped or hit beside."""
    places = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i - 1].isalpha()]
    if not places:
        return text
    i = rng.choice(places)
    letter = text[i]
    beside = rng.choice(_NEIGHBOURS.get(letter.lower(), letter))
    forms = ("", letter * 2, text[i + 1] + letter if text[i + 1].isalpha() else letter, beside)
    form = rng.choice(forms)
    return text[:i] + form + text[i + (2 if len(form) == 2 and form != letter * 2 else 1) :]
