"""Longer texts for the shop's people: product descriptions, questions with answers, review summaries, news.

Each is put together from given facts alone, sentence by sentence, and checked like an answer (`model.check`): what no
fact supports would be named beside the text. Whoever publishes it has read it first; this module only writes.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from model.check import unsupported
from model.prompt import QUESTION_TYPES
from model.shop import Passage, Product, Shop
from model.types import Language

Kind = Literal["description", "questions", "reviews", "news"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Reason = Literal["unknown_subject", "no_facts"]

MOST_PAIRS = 8
MOST_QUOTES = 3
LONGEST_QUOTE = 240

_WORDS = {
    "en": {
        "range": "You find it under {category}.",
        "price": "It costs {price}.",
        "in_stock": "It is in stock.",
        "sold_out": "It is sold out at the moment.",
        "ask_what": "What is {title}?",
        "ask_price": "How much does {title} cost?",
        "ask_stock": "Is {title} in stock?",
        "ask_range": "Where do I find {title}?",
        "question": "Q: {text}",
        "answer": "A: {text}",
        "reviews": "What customers say ({count} reviews)",
        "reviews_about": "What customers say about {title} ({count} reviews)",
        "words": "Mentioned most: {words}.",
        "quote": "“{text}”",
        "news_price": "{title}: {price}.",
        "news_from": "News from {shop}",
        "end": ".",
        "joint": " ",
        "list": ", ",
    },
    "zh": {
        "range": "所属分类：{category}。",
        "price": "售价{price}。",
        "in_stock": "现货供应。",
        "sold_out": "目前缺货。",
        "ask_what": "{title}是什么？",
        "ask_price": "{title}多少钱？",
        "ask_stock": "{title}有货吗？",
        "ask_range": "在哪里可以找到{title}？",
        "question": "问：{text}",
        "answer": "答：{text}",
        "reviews": "顾客怎么说（{count}条评价）",
        "reviews_about": "顾客怎么评价{title}（{count}条评价）",
        "words": "提到最多：{words}。",
        "quote": "“{text}”",
        "news_price": "{title}：{price}。",
        "news_from": "{shop}新闻",
        "end": "。",
        "joint": "",
        "list": "、",
    },
}
_COMMON = frozenset(
    "about after again also because been before being could does doing from have having here into just like more most "
    "much only other over really same some such than that their them then there these they this those through time "
    "very were what when where which while will with would your".split()
)
_SENTENCE = re.compile(r"[^.!?。！？]+(?:[.!?。！？]+|$)")
_ENDS = (".", "!", "?", "。", "！", "？", ":", "：")


class WriterError(ValueError):
    """A text that cannot be written; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True)
class Writing:
    """A finished text, and what in it no fact supports; the second is empty unless something is wrong."""

    text: str
    unsupported: tuple[str, ...] = ()


class Writer:
    """Writes for one shop."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._titles = [title for product in shop.products for title in product.titles()]

    def write(self, kind: Kind, subject: str, facts: Sequence[str], language: Language) -> Writing:
        """Write a text. Raises WriterError.

        subject: a product's id or name, or for questions also a question type; for reviews it may be empty.
        facts: for reviews one review each, for news one fact each, the headline first; else not needed.
        """
        facts = [" ".join(fact.split()) for fact in facts if fact.strip()]
        match kind:
            case "description":
                text, sources = self._description(self._product(subject, language), language)
            case "questions":
                text, sources = self._questions(subject, language)
            case "reviews":
                text, sources = self._reviews(subject, facts, language)
            case "news":
                text, sources = self._news(facts, language)
        return Writing(text, tuple(unsupported(text, sources, self._titles)))

    def _product(self, subject: str, language: Language) -> Product:
        product = self._shop.product(subject.strip().upper())
        found = [product] if product else self._shop.find_products(subject, language)
        if len(found) != 1:
            raise WriterError("unknown_subject")
        return found[0]

    def _description(self, product: Product, language: Language) -> tuple[str, list[str]]:
        told = _WORDS[language]
        sentences = [
            _ended(product.description(language), language),
            told["range"].format(category=self._category(product, language)),
            told["price"].format(price=product.price_text(language)),
            told["in_stock" if product.in_stock else "sold_out"],
        ]
        text = f"{product.title(language)}\n\n{told['joint'].join(sentences)}"
        return text, self._sources(product, language)

    def _questions(self, subject: str, language: Language) -> tuple[str, list[str]]:
        if passages := self._passages(subject, language):
            pairs = [(_asked(passage.title, language), passage.text) for passage in passages]
            sources = [f"{passage.title} {passage.text}" for passage in passages]
        else:
            product = self._product(subject, language)
            told, title = _WORDS[language], product.title(language)
            pairs = [
                (told["ask_what"].format(title=title), _ended(product.description(language), language)),
                (
                    told["ask_price"].format(title=title),
                    told["price"].format(price=product.price_text(language)),
                ),
                (told["ask_stock"].format(title=title), told["in_stock" if product.in_stock else "sold_out"]),
                (
                    told["ask_range"].format(title=title),
                    told["range"].format(category=self._category(product, language)),
                ),
            ]
            sources = self._sources(product, language)
        told = _WORDS[language]
        shown = [
            f"{told['question'].format(text=question)}\n{told['answer'].format(text=answer)}"
            for question, answer in pairs[:MOST_PAIRS]
        ]
        return "\n\n".join(shown), sources

    def _reviews(self, subject: str, reviews: Sequence[str], language: Language) -> tuple[str, list[str]]:
        if not reviews:
            raise WriterError("no_facts")
        told, title = _WORDS[language], ""
        if subject.strip():
            title = self._product(subject, language).title(language)
        name = "reviews_about" if title else "reviews"
        head = told[name].format(title=title, count=len(reviews))
        quotes = [told["quote"].format(text=quote) for quote in _telling(reviews)]
        body = [*quotes]
        if words := _mentioned(reviews):
            body.append(told["words"].format(words=told["list"].join(words)))
        return "\n".join([head, "", *body]), [*reviews, title, str(len(reviews))]

    def _news(self, facts: Sequence[str], language: Language) -> tuple[str, list[str]]:
        if not facts:
            raise WriterError("no_facts")
        told = _WORDS[language]
        headline, *rest = facts
        sentences = [_ended(fact, language) for fact in rest] or [_ended(headline, language)]
        products = self._shop.find_products(" ".join(facts), language)
        everything = " ".join(facts)
        prices = [
            told["news_price"].format(title=product.title(language), price=product.price_text(language))
            for product in products
            if product.price_text(language) not in everything
        ]
        shop = self._shop.name(language)
        paragraphs = [
            headline.rstrip("".join(_ENDS)),
            told["joint"].join(sentences),
            *(["\n".join(prices)] if prices else []),
            told["news_from"].format(shop=shop),
        ]
        sources = [*facts, shop, *(text for product in products for text in self._sources(product, language))]
        return "\n\n".join(paragraphs), sources

    def _passages(self, subject: str, language: Language) -> list[Passage]:
        topic = subject.strip().lower().replace(" ", "_")
        if topic not in QUESTION_TYPES:
            return []
        return [p for p in self._shop.passages if p.topic == topic and p.language == language]

    def _sources(self, product: Product, language: Language) -> list[str]:
        record = self._shop.product_record_text(product, language)
        return [product.title(language), product.description(language), record, product.price_text(language)]

    def _category(self, product: Product, language: Language) -> str:
        return self._shop.category_name(product.category, language)


def _ended(text: str, language: Language) -> str:
    """A sentence with its end."""
    text = text.strip()
    return text if text.endswith(_ENDS) else text + _WORDS[language]["end"]


def _asked(title: str, language: Language) -> str:
    mark = "？" if language == "zh" else "?"
    return title if title.endswith(("?", "？")) else title.rstrip("".join(_ENDS)) + mark


def _telling(reviews: Sequence[str]) -> list[str]:
    """The sentences that share most words with the other reviews, one a review at most, in the order given."""
    words = [_content(review) for review in reviews]
    ranked: list[tuple[float, int, str]] = []
    for number, review in enumerate(reviews):
        others = Counter(word for i, some in enumerate(words) if i != number for word in some)
        found = [sentence.strip() for sentence in _SENTENCE.findall(review) if sentence.strip()] or [review]
        best = max(found, key=lambda sentence: _weight(sentence, others))
        ranked.append((_weight(best, others), number, best))
    chosen = sorted(ranked, key=lambda row: (-row[0], row[1]))[:MOST_QUOTES]
    return [_cut(sentence) for _, _, sentence in sorted(chosen, key=lambda row: row[1])]


def _weight(sentence: str, others: Counter[str]) -> float:
    words = _content(sentence)
    return sum(others[word] for word in words) / (3 + len(words))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1].rstrip() + "…"


def _mentioned(reviews: Sequence[str]) -> list[str]:
    """English words that several reviews use; Chinese ones cannot be told apart without a dictionary."""
    count = Counter(word for review in reviews for word in _content(review) if word.isascii())
    return [word for word, times in count.most_common(4) if times > 1]


def _content(text: str) -> frozenset[str]:
    """Words of four letters or more, and pairs of Chinese characters."""
    words: Iterable[str] = re.findall(r"[a-z]{4,}", text.lower())
    found = {word for word in words if word not in _COMMON}
    for run in re.findall(r"[\u3400-\u9fff]+", text):
        found.update(run[i : i + 2] for i in range(len(run) - 1))
    return frozenset(found)
