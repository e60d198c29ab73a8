"""The checker catches what it is there for, made by hand, and allows what the bot has counted."""

import pytest

from bot.bench.checker import (
    Conversation,
    Event,
    Evidence,
    Outage,
    Verdict,
    Vocabulary,
    judge,
    percentile,
    read_conversation,
    recoveries,
)

VOCABULARY = Vocabulary(excuses=("Sorry",), asides=("You might like",))
CHAT = 7


def conversation(script: str, chat: int = CHAT, *, echoes: bool = True) -> Conversation:
    """A chat from a script: `> text` is the customer's, `< text` the bot's, one second apart."""
    lines = [line.strip() for line in script.strip().splitlines()]
    events = [Event(at, line.startswith(">"), line[2:]) for at, line in enumerate(lines)]
    return read_conversation(chat, events, VOCABULARY, echoes=echoes)


def verdict(script: str, evidence: Evidence | None = None, *, echoes: bool = True) -> Verdict:
    return judge([conversation(script, echoes=echoes)], evidence or Evidence())


def broken(verdict: Verdict) -> list[tuple[str, int]]:
    return [(finding.kind, finding.number) for finding in (*verdict.forgotten, *verdict.broken)]


def test_answers_in_order_alone_and_merged_are_well() -> None:
    well = verdict("> c7-m0\n< c7-m0\n> c7-m1\n> c7-m2\n< c7-m1 c7-m2\n> c7-m3\n< You might like:\n< c7-m3")
    assert broken(well) == [] and not well.resent and not well.apologized


def test_a_lost_message() -> None:
    found = verdict("> c7-m0\n> c7-m1\n> c7-m2\n< c7-m0\n< c7-m2")
    assert broken(found) == [("missing", 1)] and [finding.at for finding in found.lost] == [1]


def test_a_message_that_still_waits_is_unanswered_not_lost() -> None:
    found = verdict("> c7-m0", Evidence(pending={CHAT}))
    assert not found.lost and len(found.unanswered) == 1


@pytest.mark.parametrize(
    ("kind", "replies"),
    [
        ("resent", "< c7-m0\n< c7-m0"),  # no outcome was counted as unknown
        ("doubled", "< c7-m0\n< c7-m0 c7-m1"),
        ("doubled", "< c7-m0 c7-m0"),
        ("doubled", "< c7-m0\n< c7-m1\n< c7-m0"),
    ],
)
def test_a_doubled_reply(kind: str, replies: str) -> None:
    found = verdict(f"> c7-m0\n> c7-m1\n{replies}")
    assert [(finding.kind, finding.number) for finding in found.doubled] == [(kind, 0)]


def test_a_counted_and_named_unknown_outcome_allows_one_more_and_no_third() -> None:
    counted = Evidence(sends_unknown=5, repeated={(CHAT, 0)})
    once = verdict("> c7-m0\n< c7-m0\n< c7-m0", counted)
    assert broken(once) == [] and len(once.resent) == 1
    assert broken(verdict("> c7-m0\n< c7-m0\n< c7-m0\n< c7-m0", counted)) == [("doubled", 0)]


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(sends_unknown=1, repeated={(8, 0)}),
        Evidence(sends_unknown=0, repeated={(CHAT, 0)}),
        Evidence(sends_unknown=1, repeated={(CHAT, 0)}, undelivered=1),
    ],
    ids=["another's", "not counted", "never carried out"],
)
def test_what_does_not_allow_a_reply_to_come_again(evidence: Evidence) -> None:
    assert broken(verdict("> c7-m0\n< c7-m0\n< c7-m0", evidence)) == [("resent", 0)]


@pytest.mark.parametrize("replies", ["< c7-m1\n< c7-m0", "< c7-m1 c7-m0"])
def test_a_reordered_reply(replies: str) -> None:
    assert len(verdict(f"> c7-m0\n> c7-m1\n{replies}").reordered) == 1


@pytest.mark.parametrize("reply", ["c9-m0", "c7-m5", "c7-m0 c9-m0"])
def test_a_reply_in_the_wrong_chat_or_to_nothing(reply: str) -> None:
    assert verdict(f"> c7-m0\n< {reply}").wrong_chat


def test_a_text_that_nobody_should_see() -> None:
    assert verdict("> c7-m0\n< c7-m0\n< Traceback (most recent call last)").strange


def test_an_apology_stands_for_what_was_open() -> None:
    found = verdict("> c7-m0\n< Sorry, I could not\n> c7-m1")
    assert [finding.number for finding in found.apologized] == [0]
    assert broken(found) == [("missing", 1)]


def test_only_a_reply_that_was_given_up_may_be_missing() -> None:
    found = verdict("> c7-m0\n> c7-m1\n< c7-m1\n> c7-m2", Evidence(given_up={(CHAT, 0)}))
    assert [finding.number for finding in found.given_up] == [0]
    assert broken(found) == [("missing", 2)]


def test_a_reply_that_telegram_refused_may_be_missing_where_it_was_counted_and_named() -> None:
    script = "> c7-m0\n> c7-m1\n< c7-m1\n> c7-m2"
    found = verdict(script, Evidence(refused={(CHAT, 0)}, refusals=1))
    assert ([f.number for f in found.refused], [f.number for f in found.lost]) == ([0], [2])
    assert [f.number for f in verdict(script, Evidence(refused={(CHAT, 0)})).lost] == [0, 2]


def test_without_the_echo_a_reply_answers_what_is_open() -> None:
    assert broken(verdict("> c7-m0\n< Two days.\n> c7-m1\n< By card.", echoes=False)) == []
    assert broken(verdict("> c7-m0\n< Two days.\n> c7-m1", echoes=False)) == [("missing", 1)]
    assert broken(verdict("> c7-m0\n< Two days.\n< Two days.", echoes=False)) == [("resent", 0)]


def test_recovery_is_measured_for_chats_that_waited_when_the_outage_was_over() -> None:
    waited = conversation("> c7-m0\n> c7-m1\n< c7-m0\n< c7-m1")
    idle = conversation("> c8-m0\n< c8-m0", chat=8)
    outage = Outage("kill", 1.5)
    assert [recovery.seconds for recovery in recoveries([waited, idle], [outage], {})] == [0.5]
    assert recoveries([waited], [outage], {CHAT: [1.2]}) == []


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 1.0)] == [50.0, 95.0, 100.0]
    assert percentile([], 0.5) == 0.0
