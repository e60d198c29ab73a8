"""What this process has told customers: so that a Redis that has forgotten it makes nobody hear it twice.

A fail-over, or a restart with `appendfsync everysec`, takes away the last things that Redis had acknowledged. A reply
that was sent then waits in the outbox as if it were not, or is written anew for a message that has its answer. Lives as
long as the process, and is bounded.
"""

from collections import OrderedDict
from collections.abc import Hashable

from workers.contracts import OutboxEntry

_REMEMBERED = 20_000


class Told:
    """The newest parts that Telegram has accepted, and the messages that have had their outcome."""

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._limit = limit
        self._parts: OrderedDict[Hashable, None] = OrderedDict()
        self._answered: OrderedDict[Hashable, str] = OrderedDict()

    def note(self, entry: OutboxEntry, part: int, *, last: bool) -> None:
        """Telegram has accepted this part."""
        self._parts[entry.id, part] = None
        if last:
            self._answered.update(dict.fromkeys(entry.answers, entry.id))
        for known in (self._parts, self._answered):
            while len(known) > self._limit:
                known.popitem(last=False)

    def knows(self, entry: OutboxEntry, part: int) -> bool:
        """Whether the customer has this part, or another reply to every message that it answers."""
        if (entry.id, part) in self._parts:
            return True
        others = [self._answered.get(message) for message in entry.answers]
        return bool(others) and all(other not in (None, entry.id) for other in others)
