"""Logs: one line per event, for a terminal or as JSON; structlog and the standard library's loggers.

Every line has the context of `structlog.contextvars`, so that it names its session.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor

__all__ = ["LEVELS", "configure_logs"]

LEVELS = ("debug", "info", "warning", "error")


def configure_logs(level: str = "info", *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Set up structlog, and route the standard library's loggers (asyncio, aiohttp, …) through it.

    Lines go to `stream`, else to stderr, so that stdout is left to what a command prints. JSON has `timestamp` (UTC),
    `level`, `logger`, `event`, and `exception` as text. In a terminal there are colours, unless `NO_COLOR` is set.
    Replaces the set-up of an earlier call. ValueError when `level` is not in `LEVELS`.
    """
    if level not in LEVELS:
        raise ValueError(f"{level!r} is no log level; there are {', '.join(LEVELS)}")
    out = sys.stderr if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    common = _common(as_json)
    structlog.configure(
        processors=[*common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(as_json, out)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    # The HTTP client of MCP servers writes a line for each request; calls and connections have lines of their own.
    logging.getLogger("httpx2").setLevel(logging.WARNING if threshold == logging.INFO else logging.NOTSET)


def _common(as_json: bool) -> list[Processor]:
    """Return what is added to each event of both kinds of loggers."""
    clock = structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S.%f", utc=as_json)
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        clock,
    ]


def _rendering(as_json: bool, out: TextIO) -> list[Processor]:
    if as_json:
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ]
    colours = out.isatty() and not os.environ.get("NO_COLOR")
    # The usual formatter prints every frame's local variables: too long, and nothing for a log that is kept.
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)]
