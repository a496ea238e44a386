"""Exceptions in the message of a failed test."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator

from voicepipe.loader import located
from voicepipe.stage import StageError

__all__ = ["tracebacks"]


def tracebacks(errors: Iterable[BaseException]) -> Iterator[str]:
    """Yield `file:line: type: message` and the traceback of each error that was raised, once."""
    causes = {id(cause): cause for cause in map(_cause, errors) if cause.__traceback__ is not None}
    for cause in causes.values():
        yield f"{located(cause)}\n{''.join(traceback.format_exception(cause)).rstrip()}"


def _cause(error: BaseException) -> BaseException:
    return _cause(error.cause) if isinstance(error, StageError) else error
