"""Which rows of a cache keep which tokens, and for whom: the engine's memory of prompts that were computed.

A row belongs to one chat, or to everybody if the caller said that its tokens are nobody's secret (a system prompt).
A chat finds only its own row and everybody's, so neither what another chat wrote nor how fast it was answered can
be learned from a hit. Rows are given away least recently used first, and forgotten when nobody used them for long.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

KEPT_SECONDS = 600.0
"""After so long without use a chat's tokens are forgotten; what is computed anew then costs one prompt."""


@dataclass(slots=True)
class _Kept:
    ids: tuple[int, ...]
    chat: Hashable
    used_at: float


class Prefixes:
    """The bookkeeping of kept rows; the tokens' keys and values themselves stay in the cache's rows."""

    def __init__(self, rows: Sequence[int]) -> None:
        self._free = list(rows)
        self._kept: OrderedDict[int, _Kept] = OrderedDict()  # row → what it keeps, least recently used first
        self._of_chat: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def longest(self, ids: Sequence[int], chat: Hashable) -> int:
        """How many tokens of `ids` `find` would find; nothing counts as used."""
        return self._look_up(ids, chat)[1]

    def find(self, ids: Sequence[int], chat: Hashable) -> tuple[int, int]:
        """The row with the longest common prefix of `ids` that this chat may see, and that length (0: none).

        At least one token of `ids` is left over, because the network must see one to say what follows.
        """
        self._forget_old()
        found, longest = self._look_up(ids, chat)
        if longest:
            self._touch(found)
        return found, longest

    def _look_up(self, ids: Sequence[int], chat: Hashable) -> tuple[int, int]:
        wanted = tuple(ids[:-1])
        rows = [row for row, kept in self._kept.items() if kept.chat is None]
        if chat is not None and chat in self._of_chat:
            rows.append(self._of_chat[chat])
        found, longest = -1, 0
        for row in rows:
            if (length := common_length(self._kept[row].ids, wanted)) > longest:
                found, longest = row, length
        return found, longest

    def place(self, ids: Sequence[int], chat: Hashable) -> int | None:
        """The row to keep these tokens in for a chat (None: for everybody), or None if they are kept already."""
        ids, now = tuple(ids), time.monotonic()
        if chat is None:
            for row, kept in self._kept.items():
                if kept.chat is None and kept.ids[: len(ids)] == ids:
                    self._touch(row)
                    return None
            row = next(
                (r for r, k in self._kept.items() if k.chat is None and ids[: len(k.ids)] == k.ids), None
            )
        else:
            row = self._of_chat.get(chat)
            if row is not None and self._kept[row].ids[: len(ids)] == ids:
                self._touch(row)
                return None
        if row is None:
            if not self._free and (given := self._to_give_away(chat)) is None:
                return None
            row = self._free.pop() if self._free else self._drop(given)
        self._kept[row] = _Kept(ids, chat, now)
        self._kept.move_to_end(row)
        if chat is not None:
            self._of_chat[chat] = row
        return row

    def forget(self, chat: Hashable) -> None:
        """Keep nothing of a chat."""
        if chat in self._of_chat:
            self._free.append(self._drop(self._of_chat[chat]))

    def forget_all(self) -> None:
        """Keep nothing of anybody."""
        self._free += [self._drop(row) for row in list(self._kept)]

    def _to_give_away(self, chat: Hashable) -> int | None:
        """The least recently used row of a chat; a burst of chats does not push out what serves everybody.

        What is everybody's competes among itself once it has half of the rows.
        """
        everybodys = [row for row, kept in self._kept.items() if kept.chat is None]
        if chat is None and 2 * len(everybodys) >= len(self._kept):
            return everybodys[0] if everybodys else None
        return next((row for row, kept in self._kept.items() if kept.chat is not None), None)

    def _touch(self, row: int) -> None:
        self._kept[row].used_at = time.monotonic()
        self._kept.move_to_end(row)

    def _drop(self, row: int) -> int:
        kept = self._kept.pop(row)
        if kept.chat is not None:
            del self._of_chat[kept.chat]
        return row

    def _forget_old(self) -> None:
        oldest = time.monotonic() - KEPT_SECONDS
        while self._kept and next(iter(self._kept.values())).used_at < oldest:
            self._free.append(self._drop(next(iter(self._kept))))


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two sequences (of one type) have in common from the start."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while high - low > 1:  # a[:low] == b[:low] and a[:high] != b[:high]
        middle = (low + high) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle)
    return low
