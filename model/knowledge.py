"""Finding what fits a question: passages of the shop's knowledge, and products of its catalogue.

Lexical and without weights: BM25 over words and over character n-grams, fused by reciprocal rank, in English and
Chinese. A passage is also found by what customers call its topic (`data/topic_words.json`), since they rarely use
the shop's own words. Knows no model and answers nothing; the same question always finds the same.
"""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

import bm25s
import numpy as np

from model.shop import Passage, Product, Shop
from model.types import Language

__all__ = ["Catalogue", "Hit", "Knowledge", "Passage", "Wish", "parse_wish"]

SURE_SHARE = 0.5
"""A passage that covers this share of a question may answer it alone; see `tests/model/test_knowledge.py`."""

_READ = 2000
"""Characters of a question that are searched for."""
_RANK_OFFSET = 60  # of reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009
_TITLE_WEIGHT = 2
_TOPIC_WEIGHT = 2
_MEANING_WEIGHT = 2
_GRAM = 4

_TOPIC_WORDS = Path(__file__).parent / "data" / "topic_words.json"

_STOP_WORDS = frozenset(
    "a an the is are am be was were been do does did i you he she it we they me my mine your our their his her this that "
    "these those to of and or for in on at with by from as if so can could will would shall should may might must have "
    "has had no yes please just there here how what which whom why about into up than then too very also any some s t re ll "
    "ve m d don".split()
)
_STOP_CHARACTERS = frozenset("的了吗呢吧啊呀我你您他她它们请在是就都也还和与及一个这那要想会能可以有")
_SUFFIXES = ("ings", "ing", "ed", "ies", "es", "s", "ly", "er")
_WORD = re.compile(r"[a-z0-9\u00df-\u024f]+")
_CHINESE_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text[:_READ]).casefold()


def _words(text: str) -> list[str]:
    """Stemmed words without stop words, and pairs of neighbouring Chinese characters."""
    words = [_stem(word) for word in _WORD.findall(text) if word not in _STOP_WORDS]
    pairs = [run[i : i + 2] for run in _CHINESE_RUN.findall(text) for i in range(len(run) - 1)]
    return words + pairs


def _grams(text: str) -> list[str]:
    """Pieces of words, of four letters with the words' borders, and single Chinese characters: they forgive typos and endings."""
    padded = [f"_{word}_" for word in _WORD.findall(text) if word not in _STOP_WORDS]
    grams = [word[i : i + _GRAM] for word in padded for i in range(max(1, len(word) - _GRAM + 1))]
    characters = [c for run in _CHINESE_RUN.findall(text) for c in run if c not in _STOP_CHARACTERS]
    return grams + characters


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            break
    return (word.rstrip("ey") or word) if len(word) > 3 else word


def covered_share(query: str, text: str) -> float:
    """How much of a query's telling words stands in a text, from 0 to 1, each piece of a word weighing the same."""
    asked = set(_grams(_normal(query)))
    return len(asked & set(_grams(_normal(text)))) / len(asked) if asked else 0.0


class _Index:
    """BM25 over the words and over the grams of some documents; a document is texts with their weights."""

    def __init__(self, documents: Sequence[Sequence[tuple[str, int]]]) -> None:
        self._size = len(documents)
        self._rankings = []
        for row, analyse in enumerate((_words, _grams)):
            tokens = [
                [token for text, weight in document for token in analyse(_normal(text)) * weight]
                for document in documents
            ]
            if any(tokens):
                ranking = bm25s.BM25(k1=1.2, b=0.5)
                ranking.index(tokens, show_progress=False)
                self._rankings.append((row, analyse, ranking))

    def scores(self, text: str) -> np.ndarray:
        """One row a ranking, one column a document."""
        rows = np.zeros((2, self._size), dtype=np.float64)
        for row, analyse, ranking in self._rankings:
            if tokens := analyse(text):
                rows[row] = ranking.get_scores(tokens)
        return rows


def _fuse(rankings: Iterable[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Reciprocal rank fusion; a score of 0 has no rank. Equal scores rank in the order of the documents."""
    parts = []
    for scores, weight in zip(rankings, weights, strict=True):
        rank = np.empty(len(scores))
        rank[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
        parts.append(np.where(scores > 0, weight / (_RANK_OFFSET + rank), 0.0))
    fused: np.ndarray = np.sum(parts, axis=0)
    return fused


def _best(scores: np.ndarray, k: int) -> list[int]:
    return [int(i) for i in np.argsort(-scores, kind="stable")[: max(k, 0)] if scores[i] > 0]


@dataclass(frozen=True)
class Hit:
    """A passage that was found. `share` is how much of the question's telling words it covers, from 0 to 1."""

    passage: Passage
    score: float
    share: float

    @property
    def is_sure(self) -> bool:
        """Whether the passage may answer without anybody else's judgement."""
        return self.share >= SURE_SHARE


class Knowledge:
    """All passages of a shop.

    The first passage of a topic is its main one: it goes before the others unless they say more of what was asked.
    """

    def __init__(self, passages: Iterable[Passage]) -> None:
        passages = tuple(passages)
        self._shelves: dict[Language, _Shelf] = {
            language: _Shelf([passage for passage in passages if passage.language == language], language)
            for language in ("en", "zh")
        }
        self._by_id = {(passage.id, passage.language): passage for passage in passages}

    def search(
        self, query: str, language: Language, k: int = 4, likeness: np.ndarray | None = None
    ) -> list[Hit]:
        """The passages that fit best, best first; empty if no word of the query is known.

        likeness: how near each passage of the language lies to the query by meaning, (passages,): one more ranking, in
        which something is always found.
        """
        return self._shelves[language].search(query, k, likeness)

    def share(self, query: str, passage: Passage) -> float:
        """How much of the query's telling words a passage covers, from 0 to 1."""
        return self._shelves[passage.language].share(query, passage)

    def passages(self, language: Language) -> Sequence[Passage]:
        """All passages in a language, in the shop's order."""
        return self._shelves[language].passages

    def by_topic(self, topic: str, language: Language) -> list[Passage]:
        """All passages of one topic, its main one first."""
        return [passage for passage in self._shelves[language].passages if passage.topic == topic]

    def passage(self, passage_id: str, language: Language) -> Passage | None:
        """The passage with this id in this language."""
        return self._by_id.get((passage_id, language))


class _Shelf:
    """The passages of one language, indexed by their own words and by their topics' words."""

    def __init__(self, passages: Sequence[Passage], language: Language) -> None:
        self.passages = passages
        self._place = {passage.id: i for i, passage in enumerate(passages)}
        called = _topic_words()
        topics = sorted({passage.topic for passage in passages})
        self._topic = np.array([topics.index(passage.topic) for passage in passages], dtype=int)
        names = [called.get(topic, {}).get(language, "") for topic in topics]
        self._own = _Index([[(p.title, _TITLE_WEIGHT), (p.text, 1)] for p in passages])
        self._topical = _Index([[(name, 1)] for name in names])
        first = {passage.topic: i for i, passage in reversed(list(enumerate(passages)))}
        self._main = [i if p.topic == "other" else first[p.topic] for i, p in enumerate(passages)]
        self._said = [frozenset(_grams(_normal(f"{passage.title} {passage.text}"))) for passage in passages]
        self._covered = [
            said.union(_grams(_normal(names[topic])))
            for said, topic in zip(self._said, self._topic, strict=True)
        ]
        self._frequency = Counter(gram for grams in self._covered for gram in grams)

    def share(self, query: str, passage: Passage) -> float:
        """See `Knowledge.share`."""
        return self._share(set(_grams(_normal(query))), self._covered[self._place[passage.id]])

    def search(self, query: str, k: int, likeness: np.ndarray | None = None) -> list[Hit]:
        """See `Knowledge.search`."""
        text = _normal(query)
        if not self.passages:
            return []
        scores = self._own.scores(text) + _TOPIC_WEIGHT * self._topical.scores(text)[:, self._topic]
        if likeness is None:
            fused = _fuse(scores, (1, 1))
        else:
            fused = _fuse((*scores, likeness), (1, 1, _MEANING_WEIGHT))
        asked = set(_grams(text))
        found: dict[int, float] = {}
        for i in _best(fused, len(fused)):
            main = self._main[i]
            if fused[main] > 0 and self._share(asked, self._said[main]) >= self._share(asked, self._said[i]):
                found.setdefault(main, float(fused[i]))
            found.setdefault(i, float(fused[i]))
            if len(found) >= k:
                break
        return [
            Hit(self.passages[i], score, self._share(asked, self._covered[i]))
            for i, score in list(found.items())[: max(k, 0)]
        ]

    def _share(self, asked: Collection[str], covered: Collection[str]) -> float:
        """How much of the question stands in a passage, each gram weighing as much as it is rare."""
        weights = {
            gram: math.log(1 + (len(self.passages) + 0.5) / (self._frequency[gram] + 0.5)) for gram in asked
        }
        total = sum(weights.values())
        return sum(weight for gram, weight in weights.items() if gram in covered) / total if total else 0.0


@cache
def _topic_words() -> dict[str, dict[str, str]]:
    words: dict[str, dict[str, str]] = json.loads(_TOPIC_WORDS.read_text(encoding="utf-8"))
    return words


# Products

CHILD_TAG = "kids"
"""The tag that a wish for a child asks for, in a shop that uses it."""

_POPULARITY_WEIGHT = 0.3
_TASTE_WEIGHT = 0.6
_ALIKE = 0.7
"""Share of a wish's grams that a product must have if it has none of its words, so that a typo is forgiven."""
_AROUND = (Decimal("0.7"), Decimal("1.2"))

_UNIT = r"(?:€|\$|£|¥|eur(?:os?)?\b|usd\b|gbp\b|dollars?\b|pounds?\b|bucks\b|欧元?|美元|英镑|元|块钱?)"
_OTHER_UNIT = (
    r"(?!\d|[.,]\d|\s*-?(?:years?|yrs?|months?|[ckm]?m\b|k?g\b|m?l\b|w\b|%|inch|people|persons"
    r"|岁|个|月|厘米|米|公斤|克|升|天|年|人))"
)
_AMOUNT = rf"(?:{_UNIT}\s*)?(?<!\d)(\d{{1,3}}(?:,\d{{3}}){{1,2}}|\d{{1,7}}(?:[.,]\d{{1,2}})?){_OTHER_UNIT}(?:\s*{_UNIT})?"
_BETWEEN = re.compile(
    rf"(?:between|from)\s*{_AMOUNT}\s*(?:-|–|to|and)\s*{_AMOUNT}"
    rf"|(?:{_UNIT}\s*)?(?<!\d)(\d{{1,7}})\s*(?:-|–|~|to|到|至)\s*(?<!\d)(\d{{1,7}})\s*{_UNIT}(?:之间)?"
)
_AT_MOST = re.compile(
    rf"(?:under|below|less than|up to|at most|max(?:imum)?(?: of)?|(?:no|not) (?:more|over)(?: than)?|cheaper than|within"
    rf"|budget(?: is| of)?:?|不超过|低于|少于|不到|最多|预算(?:是|为)?)\s*{_AMOUNT}"
    rf"|{_AMOUNT}\s*(?:or less|or under|max\b|tops\b|以下|以内|之内|内)"
)
_AT_LEAST = re.compile(
    rf"(?:over|above|more than|at least|starting at|超过|高于|不低于|至少)\s*{_AMOUNT}|{_AMOUNT}\s*(?:or more|and up|以上)"
)
_ABOUT = re.compile(
    rf"(?:around|about|roughly|大约|大概)\s*(?:{_UNIT}\s*(?<!\d)(\d{{1,7}})|(?<!\d)(\d{{1,7}})\s*{_UNIT})|(?<!\d)(\d{{1,7}})\s*{_UNIT}?\s*左右"
)
_CHILD = re.compile(
    r"\b(?:child(?:ren)?|kids?|sons?|daughters?|boys?|girls?|baby|babies|toddlers?|nephews?|nieces?|grand(?:child|son|daughter)"
    r"|\d+[- ]years?[- ]old)\b|孩子|儿童|小孩|宝宝|小朋友|儿子|女儿|男孩|女孩|侄子|侄女|外甥|孙子|孙女|\d岁"
)
_PERSON = re.compile(
    r"\b(?:mother|mom|mum|father|dad|parents|wife|husband|girlfriend|boyfriend|friends?|grand(?:ma|pa|mother|father)|sister"
    r"|brother|colleague|boss|teacher|aunt|uncle|neighbou?r)\b"
    r"|妈妈|母亲|爸爸|父亲|父母|老婆|妻子|老公|丈夫|女朋友|男朋友|女友|男友|朋友|奶奶|爷爷|外婆|外公|姐姐|妹妹|哥哥|弟弟|同事|老板|老师|邻居"
)
_AS_GIFT = {"en": " gift", "zh": " 礼物"}
_REQUEST = re.compile(
    r"\b(?:recommend\w*|suggest\w*|looking|look|want|need|buy|purchase|find|show|see|something|anything|some|products?|items?"
    r"|things?|ideas?|nice|good|great|best|cool|help|get|give|lik(?:e|es|ed|ing)|lov(?:e|es|ed|ing)|enjoys?|adores?|offer|sell|budget|euros?|eur|price|other|else|more|new"
    r"|cheap\w*|popular|favou?rite|surprise)\b"
    r"|推荐点?|建议|介绍|想买|想要|有没有|有什么|帮我|一些|一点|来点|一个|一款|东西|商品|产品|好的|好物|买|什么|一下|看看|适合|给|预算|元|块钱|找|别的|其他"
    r"|便宜|好用|热门|好看|送|喜欢|喜爱|热爱|我们|你们"
)


@dataclass(frozen=True)
class Wish:
    """What a customer looks for: words, and what code can check."""

    text: str
    at_least: Decimal | None = None
    at_most: Decimal | None = None
    for_child: bool = False

    def allows(self, product: Product) -> bool:
        """Whether the price is within the limits."""
        low, high = self.at_least, self.at_most
        return (low is None or product.price >= low) and (high is None or product.price <= high)


def parse_wish(text: str) -> Wish:
    """Take price limits and the mention of a child out of a wish: "under 50", "20到40元", "for my daughter"."""
    rest = " ".join(_normal(text).split())
    for_child = bool(_CHILD.search(rest))
    low: Decimal | None = None
    high: Decimal | None = None
    for pattern in (_BETWEEN, _AT_MOST, _AT_LEAST, _ABOUT):
        match = pattern.search(rest)
        if match is None:
            continue
        amounts = sorted(_amount(group) for group in match.groups() if group)
        if for_child and amounts[-1] < 18 and not re.search(_UNIT, match.group()):
            continue  # an age
        if pattern is _BETWEEN:
            low, high = amounts[0], amounts[-1]
        elif pattern is _AT_MOST:
            high = amounts[0]
        elif pattern is _AT_LEAST:
            low = amounts[0]
        else:
            low, high = amounts[0] * _AROUND[0], amounts[0] * _AROUND[1]
        rest = pattern.sub(" ", rest, count=1)
    return Wish(" ".join(rest.split()), low, high, for_child)


def says_only_limits(wish: Wish) -> bool:
    """Whether a wish names nothing to look for by words: at most a price, or that it is for a child."""
    text = _CHILD.sub(" ", _REQUEST.sub(" ", wish.text))
    return not _PERSON.search(text) and not _grams(text)


def _amount(digits: str) -> Decimal:
    return Decimal(re.sub(r",(?=\d{3})", "", digits).replace(",", "."))


_TELLING_SHARE = 0.15
"""A word that stands in more of the products than this says nothing of what is meant."""
_TELLING_LENGTH = 5
"""Letters of a stem that stands in descriptions alone: shorter ones are mostly such as any sentence has."""

_ALL = slice(None)


class Catalogue:
    """The products of a shop, to be found by wish, likeness and popularity. What is sold out is never suggested."""

    def __init__(self, shop: Shop, languages: Sequence[Language] = ("en", "zh")) -> None:
        self._products = shop.products
        self._position = {product.id: i for i, product in enumerate(self._products)}
        self._popularity = np.array([product.popularity + 1 for product in self._products], dtype=np.float64)
        self._for_child = np.array([CHILD_TAG in product.tags for product in self._products], dtype=bool)
        self._has_child_tag = bool(self._for_child.any())
        self._in_stock = np.array([product.in_stock for product in self._products], dtype=bool)
        self._cents = np.array([int(product.price * 100) for product in self._products], dtype=np.int64)
        self._racks: dict[Language, _Racks] = {language: _Racks(shop, language) for language in languages}

    def search(
        self,
        wish: str,
        language: Language,
        k: int = 3,
        exclude: Collection[str] = (),
        taste: np.ndarray | None = None,
        per_category: int | None = None,
    ) -> list[Product]:
        """Products in stock that fit a wish, best first, then others from the same shelf; none if its words fit nothing.

        A wish that says only how much or for whom gets the most popular ones within its limits. `taste` (products,):
        how much the customer is likely to want each, one more ranking among those that fit. `per_category`: at most
        so many of a category, more only where what fits is of too few categories to make k of them.
        """
        parsed = parse_wish(wish)
        allowed = self.allowed(parsed)
        allowed &= np.array([product.id not in exclude for product in self._products], dtype=bool)
        popularity = self._popularity if taste is None else taste
        text = _CHILD.sub(" ", _REQUEST.sub(" ", parsed.text))
        if _PERSON.search(text):
            text = _PERSON.sub(" ", text) + _AS_GIFT[language]
        if not _grams(text):
            return [self._products[i] for i in self._of_each(popularity * allowed, k, per_category)]
        words, grams = self._racks[language].scores(text)
        matched = (words > 0) | (grams > 0)
        weight = _POPULARITY_WEIGHT if taste is None else _TASTE_WEIGHT
        fused = _fuse((words, grams, popularity * matched), (1, 1, weight))
        found = self._of_each(fused * allowed, k, per_category)
        if len(found) < k and matched.any():  # the rest from the shelf of what fits best, at whatever price
            shelf = self._products[int(np.argmax(fused))].category
            allowed &= [product.category == shelf for product in self._products]
            allowed[found] = False
            found += _best(popularity * allowed, k - len(found))
        return [self._products[i] for i in found]

    def allowed(self, wish: Wish, places: np.ndarray | slice = _ALL) -> np.ndarray:
        """Which products, of all or at some places, are in stock and within what a wish says that code can check: bool."""
        allowed: np.ndarray = self._in_stock[places].copy()
        if wish.at_least is not None:
            allowed &= self._cents[places] >= float(wish.at_least * 100)
        if wish.at_most is not None:
            allowed &= self._cents[places] <= float(wish.at_most * 100)
        return allowed & self._for_child[places] if wish.for_child and self._has_child_tag else allowed

    def subjects(self, text: str, language: Language) -> list[str]:
        """The words of a text that name what some of the products are, or are for: none if it is of no product at all.

        As stems, and pairs of Chinese characters.
        """
        text = _CHILD.sub(" ", _PERSON.sub(" ", _REQUEST.sub(" ", _normal(text))))
        return [word for word in dict.fromkeys(_words(text)) if self._racks[language].tells(word)]

    def has_kind(self, kind: str, language: Language) -> bool:
        """Whether some products are of a kind of thing, by its last word, or last two Chinese characters.

        It must stand in what they are called or tagged, in singular or plural, or be a long word of their descriptions.
        """
        rack = self._racks[language]
        if language == "zh":
            return kind[-2:] in rack.names and rack.tells(kind[-2:])
        words = _WORD.findall(_normal(kind))
        if not words:
            return False
        last = words[-1]
        if {last, f"{last}s", last.removesuffix("s"), last.removesuffix("es")} & rack.called:
            return True
        stem = _stem(last)
        return len(stem) >= _TELLING_LENGTH and rack.tells(stem)

    def popular(
        self, category: str | None = None, k: int = 3, exclude: Collection[str] = ()
    ) -> list[Product]:
        """The most popular products in stock, of one category or of all."""
        allowed = [
            product.in_stock and product.id not in exclude and category in (None, product.category)
            for product in self._products
        ]
        return self._take(self._popularity * np.array(allowed, dtype=bool), k)

    def similar(
        self,
        product_id: str,
        k: int = 3,
        exclude: Collection[str] = (),
        taste: np.ndarray | None = None,
    ) -> list[Product]:
        """Products in stock that are like this one, in words and in kind; empty for an unknown id. `taste`: see `search`."""
        if product_id not in self._position:
            return []
        product = self._products[self._position[product_id]]
        allowed = np.array([other.in_stock and other.id not in exclude for other in self._products])
        allowed[self._position[product_id]] = False
        language: Language = "en" if product.en else "zh"
        words, grams = self._racks[language].likeness(self._position[product_id]) * allowed
        akin = np.array([other.category == product.category for other in self._products])
        likeness = _fuse((words, grams, words * akin), (1, 1, 1))
        if taste is not None:
            likeness = likeness + _fuse((taste * (likeness > 0),), (_TASTE_WEIGHT,))
        return self._take(likeness, k)

    def _of_each(self, scores: np.ndarray, k: int, per_category: int | None) -> list[int]:
        """Places of the k best, at most `per_category` of a category as long as there are enough categories."""
        if per_category is None:
            return _best(scores, k)
        places = _best(scores, len(scores))
        kinds = [self._products[place].category for place in places]
        most = max(per_category, -(-k // max(1, len(set(kinds)))))
        taken: dict[str, int] = {}
        found = []
        for place, kind in zip(places, kinds, strict=True):
            taken[kind] = taken.get(kind, 0) + 1
            if taken[kind] <= most and len(found) < k:
                found.append(place)
        return found

    def _take(self, scores: np.ndarray, k: int) -> list[Product]:
        return [self._products[i] for i in _best(scores, k)]


class _Racks:
    """The products of a shop as texts of one language."""

    def __init__(self, shop: Shop, language: Language) -> None:
        names = {tag: tag_names[language] for tag, tag_names in shop.profile.tags.items()}
        self._documents = [
            (
                (product.title(language), 3),
                (product.description(language), 1),
                (shop.category_name(product.category, language), 2),
                (" ".join(names.get(tag, tag) for tag in product.tags), 2),
            )
            for product in shop.products
        ]
        self._index = _Index(self._documents)
        self._covered = [
            frozenset(_grams(_normal(" ".join(text for text, _ in document)))) for document in self._documents
        ]
        words = [[set(_words(_normal(text))) for text, _ in document] for document in self._documents]
        self.called = frozenset(
            word for (title, _), _, *others in self._documents for text in (title, *(t for t, _ in others))
            for word in _WORD.findall(_normal(text))
        )  # fmt: skip
        self._stands_in = Counter(word for some in words for word in set().union(*some))
        self.names = frozenset(word for title, _, *others in words for word in title.union(*others))

    def tells(self, word: str) -> bool:
        """Whether a stem, or a pair of Chinese characters, tells some products from the others."""
        if not 0 < self._stands_in[word] <= max(1, _TELLING_SHARE * len(self._documents)):
            return False
        return word in self.names or len(word) >= _TELLING_LENGTH or word[0] >= "\u3400"

    def scores(self, text: str) -> np.ndarray:
        """Scores by words and by grams; 0 where no word fits and too few grams do."""
        scores = self._index.scores(text)
        asked = set(_grams(text))
        alike = np.array(
            [len(asked & covered) >= _ALIKE * len(asked) for covered in self._covered], dtype=bool
        )
        fitting: np.ndarray = scores * ((scores[0] > 0) | alike)
        return fitting

    def likeness(self, position: int) -> np.ndarray:
        """Scores of all products for the text of one of them."""
        return self._index.scores(_normal(" ".join(text for text, _ in self._documents[position])))
