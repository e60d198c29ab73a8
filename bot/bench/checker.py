"""Says which promises a run has kept, from what customers saw: nothing lost, doubled, reordered or in a wrong chat.

Customers number their messages and the echo repeats the numbers, so every reply says what it answers. Knows no
Redis, no sandbox and no faults, only what they left behind.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["missing", "apologized", "resent", "doubled", "reordered", "wrong_chat", "strange"]
"""What can be said of a message.

missing:    no reply names it.
apologized: an apology or a notice may stand for it.
resent:     the same reply came at once again, as an unknown outcome of a send makes it.
doubled:    it has a second answer, in another reply or in the same.
reordered:  a later message was answered before it.
wrong_chat: a reply names a message that was not written in its chat.
strange:    a reply is a text that nobody should see.
"""

_NAME = re.compile(r"\bc(\d+)-m(\d+)\b")


def name_of(chat: int, number: int) -> str:
    """How a customer names a message."""
    return f"c{chat}-m{number}"


@dataclass(frozen=True)
class Event:
    """One message in a chat, in the order in which the chat shows them."""

    at: float
    is_customers: bool
    text: str


@dataclass(frozen=True)
class Vocabulary:
    """Replies that name no message: those that stand for an answer, and those that go beside one."""

    excuses: tuple[str, ...]
    """Beginnings of apologies and notices."""
    asides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something about one message of one chat; `number` is -1 where no message is meant."""

    kind: Kind
    chat: int
    number: int
    at: float

    @property
    def message(self) -> tuple[int, int]:
        """The chat and the number in it."""
        return self.chat, self.number


@dataclass
class Conversation:
    """What became of each message of a chat: when it was written, and when the first reply to it was seen."""

    chat: int
    sent: dict[int, float] = field(default_factory=dict)
    answered: dict[int, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def open(self) -> list[int]:
        """Messages without a reply."""
        return [number for number in self.sent if number not in self.answered]


def read_conversation(
    chat: int, events: Iterable[Event], vocabulary: Vocabulary, *, echoes: bool = True
) -> Conversation:
    """Follow a chat from its first message. Without `echoes` a reply answers all that is open when it is seen."""
    conversation = Conversation(chat)
    excused: set[int] = set()
    previous: list[int] = []
    resent: Counter[int] = Counter()

    def find(kind: Kind, number: int) -> None:
        conversation.findings.append(Finding(kind, chat, number, event.at))

    for event in events:
        names = [(int(c), int(n)) for c, n in _NAME.findall(event.text)]
        if event.is_customers:
            conversation.sent.update({number: event.at for _, number in names})
            continue
        if event.text.startswith(vocabulary.excuses):
            excused.update(conversation.open)
            continue
        if event.text.startswith(vocabulary.asides or ("\0",)):
            continue
        if not echoes:
            names = [(chat, number) for number in conversation.open or previous]
        if not names:
            find("strange", -1)
            continue
        numbers = list(dict.fromkeys(n for c, n in names if c == chat and n in conversation.sent))
        if any(c != chat or n not in conversation.sent for c, n in names):
            find("wrong_chat", names[0][1])
        if not numbers:
            continue
        if len(names) > len(set(names)):
            find("doubled", numbers[0])
        again = [number for number in numbers if number in conversation.answered]
        if again:
            resent[again[0]] += 1
            find("resent" if numbers == previous and resent[again[0]] == 1 else "doubled", again[0])
        fresh = [number for number in numbers if number not in conversation.answered]
        highest = max(conversation.answered, default=-1)
        if fresh and (fresh != sorted(fresh) or fresh[0] < highest):
            find("reordered", fresh[0])
        conversation.answered.update(dict.fromkeys(fresh, event.at))
        previous = numbers
    for number in conversation.open:
        kind: Kind = "apologized" if number in excused else "missing"
        conversation.findings.append(Finding(kind, chat, number, conversation.sent[number]))
    return conversation


@dataclass(frozen=True)
class Evidence:
    """What the other side has counted.

    sends_unknown: sends whose outcome the bot could not know, by its own count (P4).
    undelivered:   those among them that the sandbox knows not to have carried out.
    repeated:      messages, as chat and number, with a reply that the bot says it repeats for an unknown outcome.
    given_up:      those with a reply that it says it gave up after a second unknown outcome.
    refused:       those with a reply that it says Telegram has refused for good.
    refusals:      such refusals by the sandbox's own count.
    pending:       chats for which something still waits in Redis.
    """

    sends_unknown: int = 0
    undelivered: int = 0
    repeated: Collection[tuple[int, int]] = ()
    given_up: Collection[tuple[int, int]] = ()
    refused: Collection[tuple[int, int]] = ()
    refusals: int = 0
    pending: Collection[int] = ()


@dataclass(frozen=True)
class Verdict:
    """What became of the messages that were not simply answered once.

    Broken promises: lost (nothing waits for it any more), unanswered (something still waits), doubled, reordered,
    wrong_chat, strange. Allowed and counted: resent and given_up after unknown outcomes (P4), refused by Telegram,
    apologized.
    """

    lost: Sequence[Finding]
    unanswered: Sequence[Finding]
    doubled: Sequence[Finding]
    reordered: Sequence[Finding]
    wrong_chat: Sequence[Finding]
    strange: Sequence[Finding]
    resent: Sequence[Finding]
    given_up: Sequence[Finding]
    refused: Sequence[Finding]
    apologized: Sequence[Finding]

    @property
    def forgotten(self) -> list[Finding]:
        """Messages that nobody was ever told about."""
        return [*self.lost, *self.unanswered]

    @property
    def broken(self) -> list[Finding]:
        """What must not be, whatever Redis forgets."""
        return [*self.doubled, *self.reordered, *self.wrong_chat, *self.strange]


def judge(conversations: Iterable[Conversation], evidence: Evidence) -> Verdict:
    """Tell what the bot has counted and named as unknown from what is broken.

    A reply may come again only for a send that was carried out and counted; a message may be without a reply only
    if its reply was given up.
    """
    found: dict[Kind, list[Finding]] = {}
    for conversation in conversations:
        for finding in conversation.findings:
            found.setdefault(finding.kind, []).append(finding)
    missing, resent = found.get("missing", []), found.get("resent", [])
    pending = [finding for finding in missing if finding.chat in evidence.pending]
    given_up = [finding for finding in missing if finding.message in evidence.given_up]
    # A refused reply may have been to a whole burst, so refusals bound the chats and not the messages.
    told = [finding for finding in missing if finding.message in evidence.refused and finding not in given_up]
    chats = list(dict.fromkeys(finding.chat for finding in told))[: evidence.refusals]
    refused = [finding for finding in told if finding.chat in chats]
    named = [finding for finding in resent if finding.message in evidence.repeated]
    counted = named[: max(0, evidence.sends_unknown - evidence.undelivered)]
    return Verdict(
        lost=[finding for finding in missing if finding not in (*pending, *given_up, *refused)],
        unanswered=[finding for finding in pending if finding not in (*given_up, *refused)],
        doubled=found.get("doubled", []) + [finding for finding in resent if finding not in counted],
        reordered=found.get("reordered", []),
        wrong_chat=found.get("wrong_chat", []),
        strange=found.get("strange", []),
        resent=counted,
        given_up=given_up,
        refused=refused,
        apologized=found.get("apologized", []),
    )


@dataclass(frozen=True)
class Outage:
    """When something broke was put right again: the kill itself, or the end of a stop or of an outage."""

    kind: str
    over_at: float


@dataclass(frozen=True)
class Recovery:
    """How long after an outage a chat that had waited in it saw its next reply."""

    outage: Outage
    chat: int
    seconds: float


def recoveries(
    conversations: Iterable[Conversation],
    outages: Sequence[Outage],
    failed_sends: Mapping[int, Sequence[float]],
) -> list[Recovery]:
    """One for each outage and each chat that was waiting when it was over.

    A chat one of whose sends Telegram itself refused or swallowed meanwhile says nothing about the outage.
    """
    found = []
    for conversation in conversations:
        failed = failed_sends.get(conversation.chat, ())
        for outage in outages:
            over = outage.over_at
            waiting = {
                at: seen
                for number, seen in conversation.answered.items()
                if (at := conversation.sent[number]) <= over < seen
            }
            if waiting and not any(min(waiting) <= at <= min(waiting.values()) for at in failed):
                found.append(Recovery(outage, conversation.chat, min(waiting.values()) - over))
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; 0 if there are no values."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else 0.0
