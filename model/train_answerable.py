"""Fits the judge of `model.answerable` on questions whose answers we know to be there or not.

Unanswerable are: questions on a topic that was taken out of the shop and of the routers (each topic and aspect once),
questions near the shop's subjects that its pages leave open (`data/asks_*.txt`, `other/near`), questions far from
them, and questions on what a product's description does not tell. Answerable are the others. Every question is looked at
by a classifier that has learned neither its family of wordings nor, if it is such a one, its topic: four rounds, each
with one of its own. The threshold is chosen on the same questions, which these routers have not seen.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from zlib import crc32

import numpy as np
import torch

from model.answerable import Judge, choose_threshold
from model.assistant import Assistant
from model.choosing import ATTRIBUTE, NO_SOURCE, RECORD_TYPES
from model.data.asks import type_of
from model.data.questions import Asked
from model.encoder import Encoder
from model.meaning import Meaning, as_asked, train_meaning
from model.prompt import ORDER_TYPES, PRODUCT_TYPES
from model.router import PRODUCT, Router
from model.shop import Passage, Product, Shop
from model.speaking import NoVoice
from model.types import Language, Question

ROUNDS = 4
RECALL = 0.8
_NOBODY = -1

_TOLD = tuple(
    (re.compile(asked, re.IGNORECASE), re.compile(told, re.IGNORECASE))
    for asked, told in (
        (r"heavy|weigh|重|几斤|有多沉", r"\d+ ?k?g\b|weigh|公斤|克"),
        (r"colou?r|shade|颜色|花色", r"colou?r|black|white|blue|green|red\b|grey|颜色|色"),
        (r"dishwasher|洗碗机", r"dishwasher|洗碗机"),
        (r"microwave|微波炉", r"microwave|微波炉"),
        (r"oven|烤箱", r"oven|烤箱"),
        (r"freezer|冷冻", r"freezer|冷冻"),
        (r"machine wash|washing machine|机洗|洗衣机", r"machine.wash|wash(able|ed)|机洗|可洗"),
        (
            r"made (of|from|out)|material|材|什么皮",
            r"wool|cotton|oak|steel|linen|leather|ceramic|glass|wood|iron|copper|cork|canvas|bamboo"
            r"|羊毛|棉|橡木|钢|亚麻|皮|陶|玻璃|木|铁|铜|软木|帆布|竹",
        ),
        (
            r"\bbig|tall|large\b|long is|wide|thick|size|dimension|多大|多高|多长|多宽|尺寸",
            r"\d ?(cm|mm|m|litres?|l|ml)\b|厘米|毫米|米|升",
        ),
        (
            r"waterproof|survive rain|outdoors|防水|淋雨",
            r"water|rain|outdoor|weather|防水|防泼水|雨|户外",
        ),
        (
            r"children|a child|what age|toddler|孩子|几岁|多大的孩子",
            r"child|kids|years|ages?\b|岁|孩子|儿童|宝宝",
        ),
        (r"batter|电池", r"batter|\bAA|charge|USB|电池|充电"),
        (r"charger|充电器|数据线|usb", r"charger|charging|USB|充电"),
        (r"how many hours|on one charge|续航|充一次电|充满", r"hours|小时"),
        (
            r"fit (a laptop|in|into|on)|放得进|塞得进|装得进",
            r"laptop|litres?\b|inch|\d ?cm|英寸|笔记本|厘米|升",
        ),
        (r"vegan|素食", r"vegan|纯素"),
        (r"organic|有机", r"organic|有机"),
        (r"fair trade|公平", r"fair.?trade|公平贸易"),
        (r"voltage|power|wattage|bright|瓦|功率|电压|亮", r"\d ?W\b|watt|volt|lumen|瓦|伏|流明"),
        (r"bulb|灯泡", r"bulb|灯泡"),
        (r"\blid\b|盖子", r"\blid|盖"),
        (r"a bag\b|收纳袋", r"\bbag|pouch|case|袋"),
        (r"timer|定时", r"timer|定时"),
        (r"pocket|口袋", r"pocket|口袋"),
        (r"cover|lining|filling|外套|内胆|填充", r"cover|lining|filling|filled|外套|内胆|填充"),
        (r"foldable|折叠", r"fold|折"),
        (r"camping|travell|露营|旅行", r"camping|travel|trip|露营|旅行"),
        (r"induction|电磁炉", r"induction|电磁炉"),
        (r"weight or load|carry|hold\b|承重", r"holds? .*(kg|litre)|carr(y|ies)|承重"),
        (r"two people|两个人", r"two|for 2|2 people|两人|双人"),
    )
)
"""What is asked about a product, and what its description says if it tells that."""


@dataclass(frozen=True)
class Case:
    """One question as routers see it that do not know it: its signs, and whether the source found answers it."""

    asked: Asked
    signs: Mapping[str, float]
    is_answered: bool
    group: str
    """One of GROUPS."""


class Remembering:
    """An encoder that forgets nothing while a judge is fitted, as every question is read several times."""

    def __init__(self, encoder: Encoder) -> None:
        self.name, self.width = encoder.name, encoder.width
        self._encoder = encoder
        self.known: dict[tuple[str, bool], np.ndarray] = {}

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        """See `Encoder.queries`."""
        return self._look_up(texts, True)

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        """See `Encoder.passages`."""
        return self._look_up(texts, False)

    def forget(self) -> None:
        """See `Encoder.forget`."""

    def _look_up(self, texts: Sequence[str], asked: bool) -> np.ndarray:
        if missing := [text for text in dict.fromkeys(texts) if (text, asked) not in self.known]:
            made = (self._encoder.queries if asked else self._encoder.passages)(missing)
            self.known |= {(text, asked): row for text, row in zip(missing, made, strict=True)}
        if not texts:
            return np.zeros((0, self.width), np.float32)
        return np.stack([self.known[text, asked] for text in texts])


def tells(product: Product, question: str, language: Language) -> bool:
    """Whether a product's description tells what a question asks of it."""
    text = product.description(language)
    return any(asked.search(question) and told.search(text) for asked, told in _TOLD)


def cases(
    shop: Shop,
    known: Router,
    rows: Sequence[Asked],
    labels: Sequence[str],
    encoder: Encoder,
    *,
    seed: int = 1,
    on_round: Callable[[int], None] = lambda number: None,
) -> list[Case]:
    """Every family's first question, seen by a classifier that knows neither it nor, where it was taken out, its topic.

    known: the router of n-grams, which is not learned anew in each round, so that it knows most wordings; those near the
    shop's subjects, and those set aside, it knows as little as the classifier does.
    """
    rng = Random(seed)
    about = {(passage.id, passage.language): _aspect(passage, known) for passage in shop.passages}
    removable = sorted({label for label in about.values() if _may_go(label)} & set(labels))
    rng.shuffle(removable)
    asked = list(
        {(row.language, row.label, row.family): row for row in reversed(rows) if row.family}.values()
    )
    found: list[Case] = []
    for number in range(ROUNDS):
        out = set(removable[number::ROUNDS])
        gone = {type_of(label) for label in out} - {type_of(label) for label in labels if label not in out}
        kept = [label for label in labels if label not in out]
        trained = [
            row
            for row in rows
            if row.label not in out
            and row.label not in gone
            and not row.held_out
            and (not row.family or _round(row) != number)
        ]
        passages = [p for p in shop.passages if about[p.id, p.language] not in out and p.topic not in gone]
        vectors = encoder.queries([as_asked(row.text) for row in trained])
        head = train_meaning(vectors, [row.label for row in trained], kept, encoder.name)
        by_language: dict[Language, list[Passage]] = {"en": [], "zh": []}
        for passage in passages:
            by_language[passage.language].append(passage)
        smaller = Shop(shop.profile, shop.products, passages, shop.orders)
        meaning = Meaning(encoder, head, by_language)
        assistant = Assistant(smaller, NoVoice(), known, meaning=meaning)
        for row in asked:
            if row.label in out or _round(row) == number:
                drawn = Random(f"{seed} {row.text}")
                if case := _case(assistant, smaller, row, row.label in out, about, drawn):
                    found.append(case)
        on_round(number)
    return found


def fit(cases: Sequence[Case], *, decay: float = 1e-3, recall: float = RECALL) -> Judge:
    """Logistic regression on signs brought to unit spread; each group of cases weighs the same within its language."""
    names = sorted({name for case in cases for name in case.signs})
    inputs = np.array([[case.signs.get(name, 0.0) for name in names] for case in cases], np.float32)
    mean, spread = inputs.mean(0), inputs.std(0) + 1e-6
    x = torch.from_numpy((inputs - mean) / spread)
    y = torch.tensor([float(case.is_answered) for case in cases])
    shares = torch.tensor(case_weights(cases))
    weights = torch.zeros(len(names), requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        losses = torch.nn.functional.binary_cross_entropy_with_logits(x @ weights + bias, y, reduction="none")
        loss = (losses * shares).sum() + decay * weights.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    scaled = weights.detach().numpy() / spread
    made = Judge(
        round(float(bias.detach()[0] - scaled @ mean), 5),
        {name: round(float(value), 5) for name, value in zip(names, scaled, strict=True)},
        0.5,
    )
    odds = [made.probability(case.signs) for case in cases if case.group in _OPEN]
    threshold = choose_threshold(odds, recall)
    return Judge(made.bias, made.weights, round(threshold, 4))


GROUPS = {
    "answerable": 0.34,
    "set aside": 0.28,
    "attribute told": 0.04,
    "taken out": 0.08,
    "near": 0.16,
    "far": 0.07,
    "attribute not told": 0.03,
}
"""How much of the regression each group of cases is: about what a shop's customers ask."""

_CAN_BE_ANSWERED = ("answerable", "set aside", "attribute told")
_OPEN = ("near", "far")
"""The groups on which the threshold is chosen: what a shop's customers ask and its pages leave open."""


def shares(cases: Sequence[Case], judge: Judge) -> dict[str, float]:
    """What a judge does with each group: the share that it lets be answered, of those answered rightly and of the others."""
    found = {}
    for group in GROUPS:
        for is_answered in (True, False):
            some = [case for case in cases if case.group == group and case.is_answered == is_answered]
            if some:
                passed = sum(judge.probability(case.signs) >= judge.threshold for case in some)
                name = (
                    group
                    if group not in _CAN_BE_ANSWERED
                    else f"{group}, {'right' if is_answered else 'wrong'}"
                )
                found[name] = round(passed / len(some), 4)
    return found


def case_weights(cases: Sequence[Case]) -> list[float]:
    """The weight of each case; together 1."""
    sizes: dict[str, int] = {}
    for case in cases:
        sizes[case.group] = sizes.get(case.group, 0) + 1
    total = sum(GROUPS[name] for name in sizes)
    return [GROUPS[case.group] / sizes[case.group] / total for case in cases]


def _case(
    assistant: Assistant,
    shop: Shop,
    row: Asked,
    is_out: bool,
    about: Mapping[tuple[str, str], str],
    rng: Random,
) -> Case | None:
    kind = type_of(row.label)
    text, is_told = row.text, False
    if PRODUCT in text:
        product = rng.choice(shop.products)
        if row.label == ATTRIBUTE and rng.random() < 0.5:
            told = [p for p in shop.products if tells(p, row.text, row.language)]
            product = rng.choice(told) if told else product
        is_told = tells(product, row.text, row.language)
        text = text.replace(PRODUCT, product.title(row.language))
    elif row.label == ATTRIBUTE:
        return None
    if kind in NO_SOURCE and kind != "other":
        return None
    evidence = assistant.evidence(Question(text, row.language, _NOBODY))
    if evidence.type in RECORD_TYPES:
        return None
    if row.label == ATTRIBUTE:
        group = "attribute told" if is_told else "attribute not told"
        return Case(row, evidence.signs, is_told and evidence.type == kind, group)
    if kind == "other":
        return Case(row, evidence.signs, False, "near" if row.label == "other/near" else "far")
    if is_out:
        return Case(row, evidence.signs, False, "taken out")
    is_right = evidence.type == kind
    aspect = about.get((evidence.source_id, row.language))
    if is_right and aspect and "/" in row.label and "/" in aspect:
        is_right = aspect == row.label
    return Case(row, evidence.signs, is_right, "set aside" if row.held_out else "answerable")


def _aspect(passage: Passage, router: Router) -> str:
    """The label that a passage is about."""
    odds = router.probabilities(f"{passage.title} {passage.text}")
    own = [label for label in odds if type_of(label) == passage.topic]
    return max(own, key=odds.__getitem__, default=passage.topic)


def _may_go(label: str) -> bool:
    return type_of(label) not in NO_SOURCE | ORDER_TYPES | PRODUCT_TYPES


def _round(row: Asked) -> int:
    return crc32(f"{row.language} {row.family}".encode()) % ROUNDS
