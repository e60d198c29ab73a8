"""Real phrasings and prose from the permitted data sets, sorted under our question types.

Only the files named here are read; each may be used for weights that ship (`data/README.md` of the data folder has
the licences, NOTICE the attributions). A tenth of the phrasings, chosen by their hash, is set aside for evaluation.
"""

import gzip
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.prompt import QUESTION_TYPES, plain
from model.types import Language

BITEXT = {
    "cancel_order": "order_cancel",
    "change_order": "order_change",
    "change_shipping_address": "order_change",
    "check_cancellation_fee": "order_cancel",
    "check_invoice": "order_invoice",
    "check_payment_methods": "payment_methods",
    "check_refund_policy": "return_policy",
    "complaint": "complaint",
    "contact_customer_service": "contact",
    "contact_human_agent": "human",
    "create_account": "account_create",
    "delete_account": "account_delete",
    "delivery_period": "delivery_time",
    "get_invoice": "order_invoice",
    "get_refund": "return_how",
    "newsletter_subscription": "newsletter",
    "payment_issue": "payment_failed",
    "recover_password": "password_reset",
    "registration_problems": "account_create",
    "track_order": "order_status",
    "track_refund": "refund_time",
}
"""Bitext's intents that mean one of our types; the others are left out."""

CLINC = {
    "greeting": "greeting",
    "goodbye": "goodbye",
    "thank_you": "thanks",
    "are_you_a_bot": "about_bot",
    "what_is_your_name": "about_bot",
    "what_can_i_ask_you": "about_bot",
    "who_made_you": "about_bot",
    "how_old_are_you": "about_bot",
    "where_are_you_from": "about_bot",
    "who_do_you_work_for": "about_bot",
    "what_are_your_hobbies": "about_bot",
    "do_you_have_pets": "about_bot",
}
_CLINC_LEFT_OUT = {
    "order_status",
    "order",
    "redeem_rewards",
    "rewards_balance",
    "cancel",
    "yes",
    "no",
    "maybe",
    "repeat",
}
_BITEXT_SLOTS = {
    "Order Number": "{order}",
    "Person Name": "{person}",
    "Delivery City": "{city}",
    "Delivery Country": "{country}",
    "Refund Amount": "{number}",
    "Invoice Number": "{number}",
    "Currency Symbol": "$",
    "Account Type": "premium",
    "Account Category": "standard",
}
_REPLIES = {
    "thanks": re.compile(r"welcome|不客气|不用谢"),
    "goodbye": re.compile(r"\bbye|goodbye|good night|再见|晚安|拜拜", re.IGNORECASE),
    "greeting": re.compile(
        r"^(hello|hi|good (morning|evening|afternoon)|nice to meet)|^(你好|早上好|晚上好|下午好|您好)",
        re.IGNORECASE,
    ),
}
_SENTENCE = {
    "en": re.compile(r"[A-Z][^.!?\n]{25,170}[.!?](?=\s|$)"),
    "zh": re.compile(r"[\u4e00-\u9fff][^。！？\n]{9,60}[。！？]"),
}
_MARKUP = re.compile(r"[*_#`|\[\]{}<>\\]")

FILES = (
    "support/bitext-27k.jsonl.gz",
    "support/clinc150.jsonl.gz",
    "support/banking77.jsonl.gz",
    "support/chitchat-en.jsonl.gz",
    "support/chitchat-zh.jsonl.gz",
    "support/kdconv-dev-test.jsonl.gz",
    "text/basecamp-policies-en.jsonl.gz",
    "text/ms-docs-zh-human.jsonl.gz",
    "catalogue/aws-retail-demo-store/products.jsonl.gz",
)
"""Everything that is read, relative to the data folder."""


class CorpusError(ValueError):
    """A data folder that cannot be used; the text says what is missing."""


@dataclass
class Corpus:
    """Phrasings by language and question type, and runs of neighbouring sentences by language."""

    phrasings: dict[Language, dict[str, list[str]]] = field(default_factory=lambda: {"en": {}, "zh": {}})
    held_out: dict[Language, dict[str, list[str]]] = field(default_factory=lambda: {"en": {}, "zh": {}})
    prose: dict[Language, list[tuple[str, ...]]] = field(default_factory=lambda: {"en": [], "zh": []})
    abouts: list[str] = field(default_factory=list)
    """English product descriptions, one sentence each."""
    hashes: dict[str, str] = field(default_factory=dict)
    """File to the SHA-256 of its bytes."""


def load_corpus(folder: Path) -> Corpus:
    """Read the permitted files below `folder`. Raises CorpusError when one is missing."""
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise CorpusError(
            f"{folder} lacks {', '.join(missing)}. Give the folder that holds support/, text/ and catalogue/, "
            "or leave --data out to train on the project's own phrasings alone."
        )
    corpus = Corpus()
    found: dict[Language, dict[str, set[str]]] = {"en": defaultdict(set), "zh": defaultdict(set)}
    for language, label, text in _phrasings(folder):
        assert label in QUESTION_TYPES
        if 1 < len(text) < 160:
            found[language][label].add(plain(text))
    for language, by_label in found.items():
        for label, texts in sorted(by_label.items()):
            kept, aside = corpus.phrasings[language], corpus.held_out[language]
            for text in sorted(texts):
                (aside if _is_aside(text) else kept).setdefault(label, []).append(text)
    for row in _rows(folder / "support/bitext-27k.jsonl.gz"):
        _add_prose(corpus, "en", _with_placeholders(row["response"]))
    for row in _rows(folder / "text/basecamp-policies-en.jsonl.gz"):
        _add_prose(corpus, "en", _without_braces(row["text"]))
    for row in _rows(folder / "text/ms-docs-zh-human.jsonl.gz"):
        _add_prose(corpus, "zh", _without_braces(row["text"]))
    for row in _rows(folder / "catalogue/aws-retail-demo-store/products.jsonl.gz"):
        if match := _SENTENCE["en"].search(str(row.get("description", ""))):
            corpus.abouts.append(_clean(match.group()))
    corpus.hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    return corpus


def _phrasings(folder: Path) -> Iterator[tuple[Language, str, str]]:
    support = folder / "support"
    for row in _rows(support / "bitext-27k.jsonl.gz"):
        text, intent = row["instruction"], row["intent"]
        if intent == "delivery_options" and re.search(r"\{\{Delivery (City|Country)\}\}", text):
            yield "en", "delivery_abroad", _with_placeholders(text)
        elif intent == "delivery_period" and " my " in f" {text} ":
            continue  # "when will my package arrive" asks about an order as often as about the rule
        elif intent in BITEXT:
            yield "en", BITEXT[intent], _with_placeholders(text)
    for row in _rows(support / "clinc150.jsonl.gz"):
        if row["intent"] not in _CLINC_LEFT_OUT:
            yield "en", CLINC.get(row["intent"], "other"), _without_braces(row["text"])
    for row in _rows(support / "banking77.jsonl.gz"):
        if re.search(
            r"top.?up|exchange rate|atm|cash|transfer|pin\b|virtual card", row["text"], re.IGNORECASE
        ):
            yield "en", "other", _without_braces(row["text"])
    languages: tuple[Language, Language] = ("en", "zh")
    for language in languages:
        for row in _rows(support / f"chitchat-{language}.jsonl.gz"):
            label = next((name for name, reply in _REPLIES.items() if reply.search(row["answer"])), "")
            for text in row["questions"]:
                about = "about_bot" if re.search(r"\byou(r|'re)?\b|你", text, re.IGNORECASE) else "other"
                yield language, label or about, _without_braces(text)
    for row in _rows(support / "kdconv-dev-test.jsonl.gz"):
        for turn in row["turns"]:
            if turn["role"] == "user" and len(turn["text"]) > 8:
                yield "zh", "other", _without_braces(turn["text"])


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _with_placeholders(text: str) -> str:
    return re.sub(r"\{\{([^}]*)\}\}", lambda match: _BITEXT_SLOTS.get(match[1], "{url}"), text)


def _without_braces(text: str) -> str:
    """Braces in the text itself would pass for placeholders."""
    return text.replace("{", "(").replace("}", ")")


def _add_prose(corpus: Corpus, language: Language, text: str) -> None:
    for paragraph in re.split(r"\n\s*\n", text):
        found = _SENTENCE[language].findall(paragraph.replace("\n", " ") if language == "en" else paragraph)
        sentences = tuple(
            clean for sentence in found if "http" not in sentence and (clean := _clean(sentence))
        )
        if sentences:
            corpus.prose[language].append(sentences[:4])


def _clean(sentence: str) -> str:
    placeholders = re.findall(r"\{[a-z]+\}", sentence)
    kept = re.sub(r"\{[a-z]+\}", "\0", sentence)
    kept = " ".join(_MARKUP.sub("", kept).split())
    for name in placeholders:
        kept = kept.replace("\0", name, 1)
    return kept


def _is_aside(text: str) -> bool:
    return hashlib.sha256(text.lower().encode()).digest()[0] < 26
