"""The form that both languages fill in: question types with their phrasings, passages and replies.

All texts are patterns of `grammar.py`: `(a|b)`, `[optional]`, `@list`. In braces stand values, which `values.py` makes
up anew every time, unit included ({days} is "2–4 working days" or "2至4个工作日"): {days} {weeks} {months} {years} {hours}
{minutes} {price} {percent} {time} {date} {year} {number} {email}
{phone} {url} {code} {street} and the wordy ones {city} {country} {person} {shop} {carrier} {product} {category}.
Within one passage the same placeholder is the same value; {price2}, {days2} ... are further ones. In questions
{order} is an order id and {product} a product name; a question needs neither.

    Topic(
        "delivery_time",
        families=(
            Family("how long", ("(how long|how many days) does (delivery|shipping) take[ to arrive]",)),
            Family("terse", ("(delivery|shipping) time[s]", "how fast")),
            Family("deadline", ("i need it by (friday|the weekend)[, will that work]",), held_out=True),
        ),
        passages=(
            Passage(
                titles=("Delivery time[s]", "How long delivery takes"),
                sentences=(
                    Sentence("(Standard d|D)elivery takes {days}."),
                    Sentence("Orders placed before {time} leave [our warehouse] the same day.",
                             asks=("(what is|when is) the (cut-off|cutoff)", "until when must i order for today")),
                ),
            ),
            Passage(                      # a second passage of the SAME topic: the question has to name it
                titles=("Delivery time to islands",),
                sentences=(Sentence("Parcels to islands need {days} more."),),
                asks=("how long does it take to (an island|the islands)",),
                calls=("islands", "delivery to islands"),
            ),
        ),
    )

How the generator uses it. A question comes from `families` (only held-out ones in evaluation, never in training) and is
answered with the first two sentences, or with those whose `asks` are empty if the first has some. A question from
`Sentence.asks` is answered with that very sentence; one from `Passage.asks` names that passage and is answered in the
same way as the others. The passages without `asks` are alternatives for the topic's main phrasings. `calls` are noun
phrases for follow-ups ("and what about {call}?"). Small talk has `replies` in place of passages. Write questions without
a final question mark and in lower case where a chat would: the generator adds marks, capitals, greetings, typos, anger.
Placeholders in questions are filled with fresh values unless they are {order} or {product} of the record asked about.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from model.types import Language


@dataclass(frozen=True, slots=True)
class Family:
    """Phrasings that are alike in their thought. A held-out family is never trained on."""

    name: str
    patterns: tuple[str, ...]
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a passage; `asks` are questions that this very sentence answers."""

    text: str
    asks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a shop's own text. The generator may leave out or reorder sentences."""

    titles: tuple[str, ...]
    sentences: tuple[Sentence, ...]
    asks: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Topic:
    """A question type of `model.prompt.QUESTION_TYPES`."""

    name: str
    families: tuple[Family, ...]
    passages: tuple[Passage, ...] = ()
    replies: tuple[str, ...] = ()
    situations: tuple[str, ...] = ()
    """Patterns of what happened to a customer. They tell the type, but may ask for more than the main sentences."""


@dataclass(frozen=True, slots=True)
class RecordReply:
    """An answer from an order or product record.

    `name` is the question type, `states` the states in which it holds (empty: all). Placeholders are fields of the
    record: {order} {status} {placed} {arrives} {total} {items} {carrier} {tracking}, or {product} {price} {left} {about}
    {category}. It can be given only when the record has all of them; the one that uses most fields wins. One text per
    reply, a pattern only for free choice of words. States of an order are the English words placed, paid, packed,
    shipped, delivered, cancelled, returned, refunded in both languages; of a product they are in, out, few.
    """

    name: str
    text: str
    states: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that is written in one language."""

    language: Language
    lists: Mapping[str, str]
    """Named lists for `@name`."""
    topics: tuple[Topic, ...]
    order_title: str
    """E.g. "Order {order}"."""
    order_fields: Mapping[str, str]
    """Field to its name in a record, in reading order: status, placed, arrives, total, items, carrier, tracking."""
    order_states: Mapping[str, str]
    """placed, paid, packed ... to the word in a record."""
    product_fields: Mapping[str, str]
    """price, stock, about, category to their names in a record."""
    stock_states: Mapping[str, str]
    """in, out and few to the words in a record; few holds {left}."""
    field_marks: tuple[str, str, str]
    """Between name and value, between fields, between items of a list."""
    order_replies: tuple[RecordReply, ...]
    product_replies: tuple[RecordReply, ...]
    abouts: tuple[str, ...]
    """Patterns of one descriptive sentence about a product; may use {category}, {number}, {months} and the like."""
    unknown: tuple[str, ...]
    """One or two fixed sentences for a fact that is not there."""
    follow_ups: tuple[str, ...]
    """Patterns with {call}, such as "and [what about] {call}"."""
    before: tuple[str, ...]
    """What customers put before a question: greetings, hesitation."""
    after: tuple[str, ...]
    """What they put after it: please, thanks, asap."""
    anger: tuple[str, ...]
    """Angry sentences before or after a question."""

    def topic(self, name: str) -> Topic:
        """The topic of that name; KeyError when it is missing."""
        for topic in self.topics:
            if topic.name == name:
                return topic
        raise KeyError(name)
