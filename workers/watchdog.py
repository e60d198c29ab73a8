"""Ends a process that hangs: a stuck GPU call keeps heartbeats alive for ever, since they run in another thread.

Its leases then end, and other workers take over. Knows only a counter that must grow while there is work.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

EXIT_CODE = 70


class Watchdog(threading.Thread):
    """Ends the process when `progress()` stands still for `limit` seconds while `is_busy()`."""

    def __init__(
        self,
        is_busy: Callable[[], bool],
        progress: Callable[[], int],
        limit: float,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._is_busy = is_busy
        self._progress = progress
        self._limit = limit
        self._end = end
        self._stopped = threading.Event()

    def run(self) -> None:
        """Look until stopped."""
        last, since = self._progress(), time.monotonic()
        while not self._stopped.wait(min(1.0, self._limit / 4)):
            current = self._progress()
            if current != last or not self._is_busy():
                last, since = current, time.monotonic()
            elif time.monotonic() - since > self._limit:
                logger.critical(
                    "no progress for %.0f seconds with work in flight; this process ends", self._limit
                )
                self._end(EXIT_CODE)
                return

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
