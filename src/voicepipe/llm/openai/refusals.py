"""The meaning of a service's error, in place of an answer or within its stream. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, cast

from voicepipe.llm.errors import LlmError, LlmRefused, LlmUnavailable
from voicepipe.llm.openai.models import lists
from voicepipe.services.errors import FailureReason

__all__ = ["error_in_chunk", "refusal", "retry_after_s", "shortened"]

_OPENAI = "it should be an OpenAI-compatible service"
# Characters of what a server says that an error repeats.
_SHOWN = 300
# A service that is busy and names no time is asked again after a second: llama.cpp says 503 while it loads its model.
_BUSY_S = 1.0


def refusal(
    where: str, status: int, headers: Mapping[str, str], body: bytes, *, model: str, models: Sequence[str] | None
) -> LlmError:
    """Return the error for an HTTP status other than 200, with the server's message.

    `models` are those that it has, where this is known.
    """
    said = f"{status} {_said(body)}".strip()
    match status:
        case 401 | 403:
            return LlmRefused(
                where, "does not accept our key", f"set llm_api_key ({said})", why=FailureReason.FORBIDDEN
            )
        case 404 if models and not lists(models, model):
            return LlmRefused(where, "is not set up", f"it has no {model!r}: set llm_model to {' or '.join(models)}")
        case 404:
            return LlmRefused(where, "is not set up", f"{_OPENAI} ({said})")
        case 429 | 503:
            wait_s = retry_after_s(headers)
            if wait_s is None and status == 503:
                wait_s = _BUSY_S
            return LlmUnavailable(where, "has too much to do", said, why=FailureReason.FULL, retry_after_s=wait_s)
        case status if status >= 500:
            return LlmUnavailable(where, "is out of order", said, retry_after_s=retry_after_s(headers) or 0.0)
        case _:
            return LlmRefused(where, "refuses the request", said)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """When the server wants to be asked again: seconds, or a date, which is read against the server's own `Date`.

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


def error_in_chunk(where: str, chunk: Mapping[str, Any]) -> LlmError | None:
    """The error that a part of an answer, or one of its choices, tells; None where it tells none.

    Within a stream there is no HTTP status, and each server has a form of its own: `{"error": …}` with a text or an
    object, or the fields of that object themselves.
    """
    if chunk.get("error") not in (None, "", {}):
        return _told(where, chunk["error"])
    bare = "choices" not in chunk and "delta" not in chunk and "message" not in chunk
    of_vllm = chunk.get("object") == "error" or chunk.get("type") == "error"
    if of_vllm or (bare and any(chunk.get(key) for key in ("detail", "error_msg", "errors"))):
        return _told(where, dict(chunk))
    if isinstance(chunk.get("message"), str) and "choices" not in chunk:  # DashScope, Baidu
        return _told(where, dict(chunk))
    return None


def _told(where: str, fault: Any) -> LlmError:
    code = cast("dict[str, Any]", fault).get("code") if isinstance(fault, dict) else None
    said = _said(json.dumps({"error": fault}).encode())
    if isinstance(code, int) and 400 <= code < 500 and code != 429:
        return LlmRefused(where, "refuses the request", f"{code} {said}")
    return LlmUnavailable(where, "failed in the middle of its answer", said)


def _said(body: bytes) -> str:
    """Return the server's message from any of the shapes that servers use."""
    text = body.decode(errors="replace")
    try:
        said = json.loads(text)
        for key in ("error", "message", "detail"):
            said = cast("dict[str, Any]", said).get(key, said) if isinstance(said, dict) else said
        text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    return shortened(text)


def shortened(text: str) -> str:
    """Return the part of a service's message that an error repeats."""
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
