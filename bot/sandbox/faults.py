"""Failures on order: what the next calls of a method run into, as networks and Telegram do to a bot."""

from dataclasses import dataclass
from typing import Literal

Mode = Literal["error", "hang", "deliver_then_drop", "deliver_then_hang", "refuse_connection"]
"""error: refused, not carried out. hang: not carried out and never answered. deliver_then_drop: carried out, but the
connection ends without a response. deliver_then_hang: carried out and never answered. refuse_connection: nobody
listens for some seconds, whatever the method."""


@dataclass(slots=True)
class Fault:
    """One order, for the next `count` calls."""

    method: str
    mode: Mode
    count: int = 1
    error_code: int = 500
    description: str = "Internal Server Error"
    retry_after: int | None = None


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

    def take(self, method: str) -> Fault | None:
        """The fault that this call runs into, if any."""
        for fault in self._orders:
            if fault.method.lower() == method.lower():
                fault.count -= 1
                if fault.count <= 0:
                    self._orders.remove(fault)
                return fault
        return None
