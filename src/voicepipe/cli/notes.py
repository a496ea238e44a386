"""Lines that a command prints beside its output."""

from __future__ import annotations

import sys

__all__ = ["note"]


def note(text: str, *, as_json: bool) -> None:
    """Print a line on stderr; `as_json` logs it, so that each line of a JSON log is JSON."""
    if as_json:
        import structlog

        structlog.get_logger("voicepipe.cli").info(text)
    else:
        print(text, file=sys.stderr, flush=True)
