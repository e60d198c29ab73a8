"""The shop's own data: catalogue, passages and orders, read strictly from a folder of JSON and JSON lines.

Says what a record looks like as text, finds the orders and products that a message names, and hands out an
order only to the customer it belongs to. Knows no ranking (`model/knowledge.py`) and no language model.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from model.data.asks import Asks, AsksError, read_asks, type_of
from model.prompt import QUESTION_TYPES
from model.types import Language

DEMO_SHOP = Path(__file__).parent / "demo_shop"

OrderStatus = Literal["placed", "paid", "packed", "shipped", "delivered", "cancelled", "returned", "refunded"]

STATUS_NAMES: dict[Language, dict[str, str]] = {
    "en": {status: status for status in get_args(OrderStatus)},
    "zh": dict(
        zip(
            get_args(OrderStatus),
            ("已下单", "已付款", "已打包", "已发货", "已送达", "已取消", "已退货", "已退款"),
            strict=True,
        )
    ),
}

LOW_STOCK = 3
"""A product with this many pieces or fewer is announced as nearly gone."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_CHINESE_CURRENCIES = {
    "EUR": "欧元",
    "USD": "美元",
    "GBP": "英镑",
    "CHF": "瑞士法郎",
    "CNY": "元",
    "JPY": "日元",
}
_WITHOUT_CENTS = {"JPY", "KRW"}
_SCANNED = 1000
"""Characters of a message in which names and ids are looked for; more is no question any more."""


class ShopError(ValueError):
    """Shop data that cannot be used. The text names the first file, line and remedy; `problems` has them all."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = f" ({len(problems) - 1} more such rows)" if len(problems) > 1 else ""
        super().__init__(problems[0] + more)
        self.problems = tuple(problems)


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def _known_topic(topic: str, info: ValidationInfo) -> str:
    if topic not in QUESTION_TYPES and topic not in (info.context or {}).get("own_types", ()):
        raise ValueError(
            f"unknown topic {topic!r}; use one of the labels in model/prompt.py, one that questions_en.txt or"
            " questions_zh.txt teaches, else 'other'"
        )
    return topic


Name = Annotated[str, Field(min_length=1, max_length=200)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2, allow_inf_nan=False)]
Id = Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Topic = Annotated[str, AfterValidator(_known_topic)]


class _InBothLanguages(_Row):
    """A row whose text stands in English, in Chinese or in both."""

    @model_validator(mode="after")
    def _has_a_language(self) -> Self:
        if not (getattr(self, "en", None) or getattr(self, "zh", None)):
            raise ValueError("neither 'en' nor 'zh' is given; write the text in at least one language")
        return self


class ProductText(_Row):
    title: Name
    description: str = Field("", max_length=2000)


class Product(_InBothLanguages):
    """One item of the catalogue. What is missing in one language is shown in the other."""

    id: Id
    category: Name
    tags: tuple[Name, ...] = ()
    price: Amount
    currency: Currency
    stock: int = Field(ge=0)
    popularity: int = Field(0, ge=0)
    en: ProductText | None = None
    zh: ProductText | None = None

    def text(self, language: Language) -> ProductText:
        """Title and description in this language, or in the other if the shop has no translation."""
        text = (self.zh or self.en) if language == "zh" else (self.en or self.zh)
        assert text is not None
        return text

    def title(self, language: Language) -> str:
        """The product's name."""
        return self.text(language).title

    def titles(self) -> list[str]:
        """The product's name in each language that it has."""
        return [text.title for text in (self.en, self.zh) if text]

    def description(self, language: Language) -> str:
        """The whole description."""
        return self.text(language).description

    def price_text(self, language: Language) -> str:
        """The price as a customer reads it: `24.90 EUR`, `24.90欧元`."""
        return amount_text(self.price, self.currency, language)

    @property
    def in_stock(self) -> bool:
        return self.stock > 0


class OrderItem(_Row):
    product_id: Id
    quantity: int = Field(ge=1)
    price: Amount


class Order(_Row):
    """One order as the shop keeps it."""

    id: Id
    customer_id: int
    status: OrderStatus
    placed: date
    arrives: date | None = None
    items: tuple[OrderItem, ...] = Field(min_length=1)
    total: Amount
    carrier: Name | None = None
    tracking: Name | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether the customer still waits for it."""
        return self.status in ("placed", "paid", "packed", "shipped")


class Customer(_Row):
    """Somebody whose orders the shop keeps; `id` is the Telegram user id they are bound to."""

    id: int
    name: Name
    language: Language


class Names(_InBothLanguages):
    """A word of the shop's own, such as a category, in both languages."""

    en: str = ""
    zh: str = ""

    def __getitem__(self, language: Language) -> str:
        return (self.zh or self.en) if language == "zh" else (self.en or self.zh)


class Profile(_Row):
    """`shop.json`: who the shop is, and what its categories and tags are called."""

    name: Names
    currency: Currency
    time_zone: Name = "UTC"
    email: str = ""
    phone: str = ""
    website: str = ""
    opening_hours: Names | None = None
    order_prefix: str = Field("", pattern=r"^[A-Za-z]{0,6}-?$", description="What order ids begin with: KF-")
    categories: dict[str, Names] = {}
    tags: dict[str, Names] = {}


class _PassageText(_Row):
    title: Name
    text: str = Field(min_length=1, max_length=3000)


class _PassageRow(_InBothLanguages):
    id: Id
    topic: Topic
    en: _PassageText | None = None
    zh: _PassageText | None = None


@dataclass(frozen=True)
class Passage:
    """A piece of the shop's knowledge in one language; its translation has the same id."""

    id: str
    topic: str
    title: str
    text: str
    language: Language


class OrderBook(Protocol):
    """Where orders come from. A customer's id opens their own orders and no others."""

    def orders_of(self, customer_id: int) -> list[Order]:
        """A customer's orders, newest first."""

    def order(self, order_id: str, customer_id: int) -> Order | None:
        """The order if it exists and is this customer's; None does not tell which of the two is wrong."""


class OrderList:
    """An order book in memory."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._of_customer: dict[int, list[Order]] = defaultdict(list)
        for order in sorted(orders, key=lambda order: (order.placed, order.id), reverse=True):
            self._of_customer[order.customer_id].append(order)

    def orders_of(self, customer_id: int) -> list[Order]:
        """A customer's orders, newest first."""
        return list(self._of_customer.get(customer_id, ()))

    def order(self, order_id: str, customer_id: int) -> Order | None:
        """The order if it exists and is this customer's."""
        wanted = order_id.casefold()
        return next((order for order in self.orders_of(customer_id) if order.id.casefold() == wanted), None)


class Shop:
    """Everything the assistant may say about one shop."""

    def __init__(
        self,
        profile: Profile,
        products: Iterable[Product],
        passages: Iterable[Passage],
        orders: OrderBook,
        customers: Iterable[Customer] = (),
        questions: Mapping[Language, Mapping[str, Asks]] | None = None,
    ) -> None:
        self.profile = profile
        self.products = tuple(products)
        self.passages = tuple(passages)
        self.orders = orders
        self.questions: Mapping[Language, Mapping[str, Asks]] = questions or {}
        """How this shop's customers ask, by language and label: for a router of its own."""
        self.customers = {customer.id: customer for customer in customers}
        self._product = {product.id: product for product in self.products}
        self._titles: dict[Language, _Titles] = {
            "en": _Titles((product, product.en.title) for product in self.products if product.en),
            "zh": _Titles((product, product.zh.title) for product in self.products if product.zh),
        }

        titles = sorted(
            (title for product in self.products for title in product.titles()), key=len, reverse=True
        )
        self._any_title = re.compile("|".join(map(re.escape, titles)), re.IGNORECASE) if titles else None

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """Read a shop's folder, or the demo shop. Raises ShopError with every row that cannot be used.

        `shop.json` must be there; `products.jsonl`, `faq.jsonl`, `orders.jsonl`, `customers.jsonl`, `questions_en.txt`
        and `questions_zh.txt` may be missing.
        """
        folder = DEMO_SHOP if folder is None else folder
        problems: list[str] = []
        profile = _read_profile(folder / "shop.json")
        questions = _read_questions(folder, problems)
        own = {type_of(label) for asks in questions.values() for label in asks}
        products = _read_rows(folder / "products.jsonl", Product, problems)
        passages = _read_rows(folder / "faq.jsonl", _PassageRow, problems, own)
        orders = _read_rows(folder / "orders.jsonl", Order, problems)
        customers = _read_rows(folder / "customers.jsonl", Customer, problems)
        if problems:
            raise ShopError(problems)
        return cls(profile, products, _passages(passages), OrderList(orders), customers, questions)

    def name(self, language: Language) -> str:
        """What the shop is called."""
        return self.profile.name[language]

    def category_name(self, category: str, language: Language) -> str:
        """A category as customers read it; its key if `shop.json` does not name it."""
        names = self.profile.categories.get(category)
        return names[language] if names else category

    def product(self, product_id: str) -> Product | None:
        """The product with this id."""
        return self._product.get(product_id)

    def orders_of(self, customer_id: int) -> list[Order]:
        """A customer's orders, newest first."""
        return self.orders.orders_of(customer_id)

    def order(self, order_id: str, customer_id: int) -> Order | None:
        """The order if it exists and is this customer's; None does not tell which of the two is wrong."""
        return self.orders.order(order_id, customer_id)

    def product_record_text(self, product: Product, language: Language) -> str:
        """A product as the fact that the model reads: `price: 24.90 EUR; stock: in stock; about: …`."""
        values = (
            product.price_text(language),
            _stock_text(product.stock, language),
            _first_sentence(product.description(language)),
            self.category_name(product.category, language),
        )
        return _record(language, ("price", "stock", "about", "category"), values)

    def order_record_text(self, order: Order, language: Language) -> str:
        """An order as the fact that the model reads: `status: shipped; placed: 12 May 2026; …`."""
        separator = "、" if language == "zh" else ", "
        values = (
            STATUS_NAMES[language][order.status],
            date_text(order.placed, language),
            date_text(order.arrives, language) if order.arrives else "",
            amount_text(order.total, self.profile.currency, language),
            separator.join(self._item_text(item, language) for item in order.items),
            order.carrier or "",
            order.tracking or "",
        )
        return _record(
            language, ("status", "placed", "arrives", "total", "items", "carrier", "tracking"), values
        )

    def find_order_ids(self, text: str) -> list[str]:
        """The order ids that a message names, as the shop writes them, in reading order.

        Understands `KF-10023`, `kf 10023`, `order no. 10023`, `订单10023` and a message that is nothing but a number.
        Whether such an order exists, and whose it is, only `order` tells.
        """
        text = _normal(text)
        prefix = self.profile.order_prefix
        patterns = [_NUMBER_AFTER_WORD, _NUMBER_ALONE]
        if letters := prefix.rstrip("-").casefold():
            patterns.append(re.compile(rf"(?<![a-z0-9]){letters}[\s#_-]*({_ORDER_NUMBER})"))
        matches = sorted(
            (match for pattern in patterns for match in pattern.finditer(text)), key=_start_of_id
        )
        numbers = [number for match in matches for number in re.findall(r"\d+", match[1])]
        return list(dict.fromkeys(prefix + number for number in numbers))

    def find_products(self, text: str, language: Language) -> list[Product]:
        """The products that a message names in full, a slip of the keyboard allowed, in reading order.

        Titles of the other language count too if no title of this one is found.
        """
        text = _normal(text)
        other: Language = "en" if language == "zh" else "zh"
        return self._titles[language].find(text) or self._titles[other].find(text)

    def without_titles(self, text: str, instead: str) -> str:
        """The text with something else where it has a product's full title."""
        return self._any_title.sub(f" {instead} ", text) if self._any_title else text

    def _item_text(self, item: OrderItem, language: Language) -> str:
        product = self.product(item.product_id)  # what is no longer sold is called by its id
        title = product.title(language) if product else item.product_id
        return title if item.quantity == 1 else f"{item.quantity} × {title}"


def amount_text(amount: Decimal, currency: str, language: Language) -> str:
    """An amount of money as a customer reads it: `24.90 EUR`, `24.90欧元`."""
    number = f"{amount:.0f}" if currency in _WITHOUT_CENTS else f"{amount:.2f}"
    if language == "zh" and currency in _CHINESE_CURRENCIES:
        return number + _CHINESE_CURRENCIES[currency]
    return f"{number} {currency}"


def date_text(day: date, language: Language) -> str:
    """A date as a customer reads it: `12 May 2026`, `2026年5月12日`."""
    if language == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_CHINESE_NAMES = {
    "price": "价格", "stock": "库存", "about": "简介", "category": "分类", "status": "状态", "placed": "下单",
    "arrives": "预计送达", "total": "合计", "items": "商品", "carrier": "承运", "tracking": "单号",
}  # fmt: skip


def _record(language: Language, names: Sequence[str], values: Sequence[str]) -> str:
    given = [(name, value) for name, value in zip(names, values, strict=True) if value]
    if language == "zh":
        return "；".join(f"{_CHINESE_NAMES[name]}：{value}" for name, value in given)
    return "; ".join(f"{name}: {value}" for name, value in given)


def _stock_text(stock: int, language: Language) -> str:
    if stock == 0:
        return "缺货" if language == "zh" else "out of stock"
    if stock <= LOW_STOCK:
        return f"仅剩{stock}件" if language == "zh" else f"only {stock} left"
    return "有货" if language == "zh" else "in stock"


def _first_sentence(text: str) -> str:
    """The first sentence without its full stop, so that a record stays one line of fields."""
    return (
        re.split(r"(?<=[^\s\d])[.!?](?=\s|$)|[。！？]", text, maxsplit=1)[0]
        .replace("；", "，")
        .replace(";", ",")
    )


def _passages(rows: Iterable[_PassageRow]) -> Iterator[Passage]:
    for row in rows:
        if row.en:
            yield Passage(row.id, row.topic, row.en.title, row.en.text, "en")
        if row.zh:
            yield Passage(row.id, row.topic, row.zh.title, row.zh.text, "zh")


# Reading files

AnyRow = TypeVar("AnyRow", Product, _PassageRow, Order, Customer)


def _read_profile(path: Path) -> Profile:
    if not path.is_file():
        raise ShopError(
            [f"{path}: not found. Point KEFU_SHOP at a folder with a shop.json, or leave it empty."]
        )
    try:
        return Profile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ShopError([f"{path.name}: {_explain(error)}"]) from None


_OWN_LABEL = re.compile(r"[a-z][a-z0-9_]{0,39}(/[a-z][a-z0-9_]{0,39})?")


def _read_questions(folder: Path, problems: list[str]) -> dict[Language, Mapping[str, Asks]]:
    """A shop's own questions; what is wrong with them is added to `problems`."""
    found: dict[Language, Mapping[str, Asks]] = {}
    for language in get_args(Language):
        path = folder / f"questions_{language}.txt"
        if not path.is_file():
            continue
        try:
            found[language] = read_asks(path)
        except AsksError as error:
            problems.append(str(error))
            continue
        for label in found[language]:
            if not _OWN_LABEL.fullmatch(label):
                problems.append(
                    f"{path.name}: {label!r} is no type; write small letters, digits and _, such as 'allergens'"
                )
    return found


def _read_rows(
    path: Path, kind: type[AnyRow], problems: list[str], own_types: Collection[str] = ()
) -> list[AnyRow]:
    """The rows of a file of JSON lines; what is wrong with the others is added to `problems`."""
    rows: list[AnyRow] = []
    line_of: dict[str | int, int] = {}
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = kind.model_validate_json(line, context={"own_types": own_types})
        except ValidationError as error:
            problems.append(f"{path.name}, line {number}: {_explain(error)}")
            continue
        except ValueError as error:  # pydantic lets some of Decimal's own through
            problems.append(f"{path.name}, line {number}: a number that cannot be read ({error}).")
            continue
        if row.id in line_of:
            problems.append(
                f"{path.name}, line {number}: id {row.id!r} stands in line {line_of[row.id]} already;"
                " give each row its own."
            )
            continue
        line_of[row.id] = number
        rows.append(row)
    return rows


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        return f"{message}. Each line must be one JSON object in UTF-8."
    if first["type"] == "missing":
        return f"{field!r} is missing. Add it to the row."
    if first["type"] == "extra_forbidden":
        return f"{field!r} is not a known field. Remove it or correct its name."
    given = f", but is {str(first['input'])[:40]!r}" if field else ""
    return f"{field or 'row'}: {message}{given}. Correct the row."


# Finding what a message names

_ORDER_NUMBER = r"\d{4,12}(?!\d|[.,]\d|\s?(?:€|eur|usd|欧|元|件|个|pcs|pieces|units))"
_NUMBER_AFTER_WORD = re.compile(
    r"(?:\b(?:order|purchase|parcel)s?\b|订单|单号|包裹)[\s,:]*(?:(?:number|no|nr|id|is|编?号码?|是|为)[\s.:]*){0,3}#?\s*"
    rf"({_ORDER_NUMBER}(?:\s*(?:,|、|&|and|和|与)\s*#?{_ORDER_NUMBER})*)"
)
_NUMBER_ALONE = re.compile(
    rf"^\W*(?:(?:it'?s|this|the|number|no|是|号码?|这个)\W*)*({_ORDER_NUMBER})\W*(?:please|thanks|thank you|号|谢谢)?\W*$"
)


def _start_of_id(match: re.Match[str]) -> int:
    return match.start(1)


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text[:_SCANNED]).casefold()


_CHINESE = r"\u3400-\u4dbf\u4e00-\u9fff"
_UNIT = re.compile(rf"[{_CHINESE}]|(?:(?![{_CHINESE}_])\w)+")


@dataclass(frozen=True)
class _Mention:
    start: int
    end: int
    is_exact: bool
    product: Product

    @property
    def rank(self) -> tuple[int, bool]:
        """Lower is better: the longer one, then the one without a slip."""
        return self.start - self.end, not self.is_exact

    def clashes(self, other: "_Mention") -> bool:
        """Whether both lie over the same words, so that only the better one can be meant."""
        same = (self.start, self.end, self.is_exact) == (other.start, other.end, other.is_exact)
        return not same and self.start < other.end and other.start < self.end


class _Titles:
    """Titles that can be found in running text, with a wrong, missing, extra or swapped letter in each word.

    A message is read in units, which are words or single Chinese characters; a token is one or more units written
    together, so that "night light" is "nightlight" too. A Chinese title is one token. Tokens one slip apart share
    a form with one letter left out, so a look-up costs a step per letter, however big the catalogue is.
    """

    def __init__(self, titles: Iterable[tuple[Product, str]]) -> None:
        self._beginning_with: dict[str, list[tuple[tuple[str, ...], Product]]] = defaultdict(list)
        self._having_form: dict[str, set[str]] = defaultdict(set)
        self._longest = 0
        for product, title in titles:
            units = tuple(_UNIT.findall(_normal(title)))
            tokens = ("".join(units),) if re.search(f"[{_CHINESE}]", title) else units
            if not units:
                continue
            self._beginning_with[tokens[0]].append((tokens, product))
            for token in tokens:
                self._longest = max(self._longest, len(token))
                for form in _forms(token):
                    self._having_form[form].add(token)

    def find(self, text: str) -> list[Product]:
        """The products whose titles stand in the text, in reading order, each once."""
        units = _UNIT.findall(text)
        steps = [self._tokens_at(units, start) for start in range(len(units))]
        mentions = [
            _Mention(start, end, is_exact, product)
            for start, here in enumerate(steps)
            for token, _, _ in here
            for tokens, product in self._beginning_with.get(token, ())
            for end, is_exact in _read(tokens, steps, start)
        ]
        kept: list[_Mention] = []
        for mention in sorted(mentions, key=lambda mention: mention.rank):
            if not any(mention.clashes(other) for other in kept):
                kept.append(mention)
        kept.sort(key=lambda mention: mention.start)
        return list({mention.product.id: mention.product for mention in kept}.values())

    def _tokens_at(self, units: Sequence[str], start: int) -> list[tuple[str, int, bool]]:
        """Each title token that can be read from here: the token, where it ends, whether it is exact."""
        found, written = [], ""
        for end in range(start + 1, len(units) + 1):
            written += units[end - 1]
            if len(written) > self._longest + 1:
                break
            near = {token for form in _forms(written) for token in self._having_form.get(form, ())}
            found += [(token, end, token == written) for token in near if _is_one_slip(token, written)]
        return found


def _read(
    tokens: Sequence[str], steps: Sequence[list[tuple[str, int, bool]]], start: int
) -> Iterator[tuple[int, bool]]:
    """Every way to read the tokens one after the other from a place: where it ends, whether it is exact."""
    if not tokens:
        yield start, True
    elif start < len(steps):
        for token, end, is_exact in steps[start]:
            if token == tokens[0]:
                yield from ((last, is_exact and rest) for last, rest in _read(tokens[1:], steps, end))


def _forms(token: str) -> set[str]:
    """The token and, if it is long enough for a slip to be seen as one, the token without each of its letters."""
    if len(token) < 4 or not token.isalpha():
        return {token}
    return {token, *(token[:i] + token[i + 1 :] for i in range(len(token)))}


def _is_one_slip(a: str, b: str) -> bool:
    """Whether two tokens that share a form differ by one letter or by two neighbours swapped, at most."""
    if len(a) != len(b):
        return abs(len(a) - len(b)) == 1
    wrong = [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
    if len(wrong) < 2:
        return True
    i, j = wrong[0], wrong[-1]
    return len(wrong) == 2 and j == i + 1 and a[i] == b[j] and a[j] == b[i]
