"""Logging of every program: one line an event, JSON or for a terminal, never with a token in it.

Modules log through `logging`; what is bound to the context (`update_id`, `job`, `entry`) is on every line. Nothing
here can take a customer's words out of a line: do not put them in. Of an error in the middle of the work only the kind
and the place are written, since its text may hold such words, and never the values of variables.
"""

import logging
import re
import sys
import traceback
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


def _without_words(
    logger: object, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Put the kind and the place of an error in place of its text; an error that ends the program keeps its text."""
    info = event.pop("exc_info", None)
    error = (
        info[1] if isinstance(info, tuple) else info if isinstance(info, BaseException) else sys.exc_info()[1]
    )
    if not info or error is None:
        return event
    keeps_text = event.get("level") == "critical"
    lines: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        lines += [f"{kind}: {error}" if keeps_text else kind]
        lines += [part.rstrip() for part in traceback.format_tb(error.__traceback__)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    event["exception"] = "\n".join(lines)
    return event


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
    final: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _without_words,
    ]
    if terminal:
        final.append(structlog.dev.ConsoleRenderer())
    else:
        final.append(structlog.processors.JSONRenderer(ensure_ascii=False))
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)  # bm25s sets its logger to DEBUG when it is imported, after this
    handler.setFormatter(
        _Redacting(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final), secrets)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
