"""The exceptions for HTTP statuses other than 200. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, cast

from voicepipe.services.errors import FailureReason, ServiceError
from voicepipe.services.openai.errors import ApiKind
from voicepipe.services.openai.models import lists

__all__ = ["refusal", "retry_after_s", "said", "shortened"]

_OPENAI = "it should be an OpenAI-compatible service"
# Characters of what a server says that an error repeats.
_SHOWN = 300
# A service that is busy and names no time is asked again after a second: llama.cpp says 503 while it loads its model.
_BUSY_S = 1.0


def refusal(
    kind: ApiKind,
    where: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    model: str,
    models: Sequence[str] | None,
) -> ServiceError:
    """Return the exception for an HTTP status other than 200, with the server's error message.

    `models` are those that it has, where this is known.
    """
    told, setting = f"{status} {said(body)}".strip(), kind.setting
    match status:
        case 401 | 403:
            what = f"set {setting}_api_key ({told})"
            return kind.refused(where, "does not accept our key", what, why=FailureReason.FORBIDDEN)
        case 404 if models and not lists(models, model):
            what = f"it has no {model!r}: set {setting}_model to {' or '.join(models)}"
            return kind.refused(where, "is not set up", what)
        case 404:
            return kind.refused(where, "is not set up", f"{_OPENAI} ({told})")
        case 429 | 503:
            wait_s = retry_after_s(headers)
            if wait_s is None and status == 503:
                wait_s = _BUSY_S
            return kind.unavailable(where, "has too much to do", told, why=FailureReason.FULL, retry_after_s=wait_s)
        case status if status >= 500:
            return kind.unavailable(where, "is out of order", told, retry_after_s=retry_after_s(headers) or 0.0)
        case _:
            return kind.refused(where, "refuses the request", told)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the server's `Retry-After` in seconds; a date in it is compared with the server's own `Date`.

    OpenAI and Azure also say it in milliseconds, which is more exact.

    >>> retry_after_s({"Retry-After": "1.5"}), retry_after_s({"retry-after-ms": "250"}), retry_after_s({})
    (1.5, 0.25, None)
    """
    exact, told = headers.get("retry-after-ms", ""), headers.get("Retry-After", "")
    for text, unit_s in ((exact, 0.001), (told, 1.0)):
        try:
            seconds = float(text) * unit_s
        except ValueError:
            continue
        return max(0.0, seconds) if isfinite(seconds) else None
    try:
        return max(0.0, (parsedate_to_datetime(told) - parsedate_to_datetime(headers["Date"])).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def said(body: bytes) -> str:
    """Return the error message in a response's body, in any of the forms that servers use."""
    text = body.decode(errors="replace")
    try:
        told = json.loads(text)
        for key in ("error", "message", "detail"):
            told = cast("dict[str, Any]", told).get(key, told) if isinstance(told, dict) else told
        text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    return shortened(text)


def shortened(text: str) -> str:
    """Return a service's text on one line, cut to the length that an error quotes."""
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
