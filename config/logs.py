"""How the program logs.

One law: a log line tells what happened to which id, never what a learner said nor any secret.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED: Final = "[redacted]"

_SECRET_KEY: Final = re.compile(r"password|token|secret|(^|[^a-z])text(s?$|[^a-z])", re.IGNORECASE)
"""A key like this never shows its value (``context`` does: there ``text`` is no word)."""
_SECRET_IN_URL: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)")
# Rich tracebacks would show local variables, and locals hold what redact takes out.
_plain: Final = structlog.dev.plain_traceback

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Takes secrets and utterances out of a log line, at any depth. Leaves its input alone."""
    return {key: _clean(key, value) for key, value in event.items()}


def configure_logging(level: str, json: bool, *, stream: TextIO | None = None) -> None:
    """Sets up structlog for this process; calling it again replaces what was set.

    Args:
        level: the least that is logged: debug, info, warning or error.
        json: one JSON object a line; otherwise text, in colour on a terminal.
        stream: where lines go; standard error if None, so that standard output stays data.
    """
    out = sys.stderr if stream is None else stream
    last: list[Processor]
    if json:
        last = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        last = [structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=_plain)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )


def _clean(key: str, value: Any) -> Any:
    if _SECRET_KEY.search(key):
        return REDACTED
    if isinstance(value, str):
        return _SECRET_IN_URL.sub(REDACTED, value)
    if isinstance(value, Mapping):
        return {name: _clean(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", inner) for inner in value]
    return value
