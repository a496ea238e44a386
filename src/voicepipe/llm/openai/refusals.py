"""The exception for an error message in the stream of an answer. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from voicepipe.llm.errors import LlmError, LlmGarbled, LlmRefused, LlmTimeout, LlmUnavailable
from voicepipe.services.openai.errors import ApiKind
from voicepipe.services.openai.refusals import said

__all__ = ["KIND", "error_in_chunk"]

KIND = ApiKind("llm", LlmUnavailable, LlmTimeout, LlmRefused, LlmGarbled)
"""The settings and errors of a language model."""


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
    told = said(json.dumps({"error": fault}).encode())
    if isinstance(code, int) and 400 <= code < 500 and code != 429:
        return LlmRefused(where, "refuses the request", f"{code} {told}")
    return LlmUnavailable(where, "failed in the middle of its answer", told)
