"""The outbox's protocol as pure functions on one chat: what the explorer walks and what the scripts are compared with."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Box:
    """A chat's outbox: ids of the entries still there, and the delivery state of the head."""

    entries: tuple[int, ...]
    state: str = "new"
    part: int = 0
    tries: int = 0
    attempt: str = ""
    spent: bool = False
    sends_unknown: int = 0
    results: tuple[str, ...] = ()


def begin(box: Box, attempt: str, probed: bool) -> tuple[Box, str]:
    """BEGIN for a leader, in a conversation that is the bot's."""
    if not box.entries:
        return box, "empty"
    if box.state == "sending":
        if box.attempt == attempt:
            return box, "send"
        box = replace(box, state="unknown", sends_unknown=box.sends_unknown + 1)
    if box.state == "unknown" and box.tries >= 2:
        return replace(box, attempt=attempt), "spent"
    if box.state == "unknown" and not probed:
        return box, "probe"
    return replace(box, state="sending", tries=box.tries + 1, attempt=attempt), "send"


def settle(box: Box, attempt: str, outcome: str, last: bool, fenced: bool = True) -> Box:
    """SETTLE; `fenced=False` forgets to compare the attempt."""
    if fenced and box.attempt != attempt:
        return box
    box = replace(box, attempt="")
    if outcome == "unsent":
        return replace(box, state="unknown" if box.tries > 1 else "new", tries=box.tries - 1)
    if outcome == "unknown":
        box = replace(box, sends_unknown=box.sends_unknown + 1, state="unknown")
        if box.tries < 2:
            return box
    spent = outcome in ("spent", "unknown")
    if outcome != "refused" and not last:
        return replace(box, state="new", part=box.part + 1, tries=0, spent=box.spent or spent)
    result = "refused" if outcome == "refused" else ("unknown" if spent or box.spent else "sent")
    return Box(box.entries[1:], sends_unknown=box.sends_unknown, results=(*box.results, result))
