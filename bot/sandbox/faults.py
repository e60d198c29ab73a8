"""Failures on order: what the next calls of a method run into, as networks and Telegram do to a bot."""

import random
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal[
    "error", "hang", "drop", "slow", "deliver_then_drop", "deliver_then_hang", "shuffle", "refuse_connection"
]
"""What becomes of a call.

error:             refused, not carried out.
hang:              not carried out and never answered.
drop:              not carried out, and the connection ends without a response.
slow:              carried out `seconds` later.
deliver_then_drop: carried out, but the connection ends without a response.
deliver_then_hang: carried out and never answered.
shuffle:           the updates that a getUpdates brings are out of order.
refuse_connection: nobody listens for some seconds, whatever the method.

For the method `webhook`, which is Telegram's own call to the bot: with deliver_then_drop and deliver_then_hang the update
arrives and comes again `seconds` later, as from Telegram after 60; with shuffle the update behind it comes first; with
any other mode it does not arrive and comes `seconds` later.
"""

WEBHOOK = "webhook"
"""The name of what is no method of the Bot API: the delivery of an update."""

REFUSALS: dict[str, tuple[int, str]] = {
    "too many requests": (429, "Too Many Requests: retry after 3"),
    "server error": (500, "Internal Server Error"),
    "blocked": (403, "Forbidden: bot was blocked by the user"),
    "chat not found": (400, "Bad Request: chat not found"),
    "thread not found": (400, "Bad Request: message thread not found"),
    "markup refused": (400, 'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 0'),
}
"""Refusals by name, as Telegram words them, for orders with the mode `error`."""


@dataclass(slots=True)
class Fault:
    """One order, for `count` calls: the next ones, or each with a probability that a seed makes repeatable.

    parameter: only calls that carry this parameter run into it; empty for any call.
    """

    method: str
    mode: Mode
    count: int = 1
    error_code: int = 500
    description: str = "Internal Server Error"
    retry_after: int | None = None
    seconds: float = 1.0
    parameter: str = ""
    probability: float = 1.0
    seed: int | None = None
    _chance: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1 or self.count < 1 or self.seconds < 0:
            raise ValueError(
                "probability is over 0 and up to 1, count is 1 or more, seconds are not negative"
            )
        self._chance = random.Random(self.seed)

    @property
    def chance(self) -> random.Random:
        """What else about this fault is left to chance."""
        return self._chance

    def hits(self, method: str, given: Container[str] = ()) -> bool:
        """Whether a call with these parameters runs into it; a hit is counted."""
        if method.lower() != self.method.lower() or (self.parameter and self.parameter not in given):
            return False
        if self.count < 1 or self._chance.random() >= self.probability:
            return False
        self.count -= 1
        return True


class Faults:
    """Orders that were not used up yet, oldest first."""

    def __init__(self) -> None:
        self._orders: list[Fault] = []

    def order(self, fault: Fault) -> None:
        """Add an order."""
        self._orders.append(fault)

    def clear(self) -> None:
        """Forget all orders."""
        self._orders.clear()

    def take(self, method: str, given: Container[str] = ()) -> Fault | None:
        """The fault that a call with these parameters runs into, if any."""
        fault = next((fault for fault in self._orders if fault.hits(method, given)), None)
        if fault is not None and fault.count < 1:
            self._orders.remove(fault)
        return fault
