"""Logging of every program: one line an event, JSON or for a terminal, never with a token in it.

Modules log through `logging`; what is bound to the context (`update_id`, `job`, `entry`) is on every line. Nothing
here can take a customer's words out of a line: do not put them in.
"""

import logging
import re
import sys
from collections.abc import Iterable
from typing import Literal

import structlog

_TOKEN = re.compile(r"(?<!\d)\d{3,}:[A-Za-z0-9_-]{30,}")
_QUIET = ("aiogram.event", "aiohttp.access", "asyncio", "bm25s", "rq.worker", "rq.job", "rq.queue")


class _Redacting(logging.Formatter):
    """Formats with another formatter and takes secrets out of the whole line, a traceback included."""

    def __init__(self, inner: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._inner = inner
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        line = self._inner.format(record)
        for secret in self._secrets:
            line = line.replace(secret, "[secret]")
        return _TOKEN.sub("[token]", line)


def configure(
    level: str | int = "INFO",
    *,
    style: Literal["auto", "json", "console"] = "auto",
    secrets: Iterable[str] = (),
) -> None:
    """Send every log line to standard error; `auto` means JSON unless that is a terminal."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    terminal = style == "console" or (style == "auto" and sys.stderr.isatty())
    final: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if terminal:
        final.append(structlog.dev.ConsoleRenderer())
    else:
        final += [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Redacting(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final), secrets)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
