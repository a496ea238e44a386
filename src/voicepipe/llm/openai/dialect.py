"""The fields of a request that a model refuses, learnt from its first refusal."""

from __future__ import annotations

from typing import Any

__all__ = ["RequestDialect"]

_OPTIONAL = ("temperature", "stream_options")


class RequestDialect:
    """Adapts requests to what a model accepts: another name for the limit of tokens, no temperature, no count.

    A service answers 400 or 422 and names the field; the request is then made once more without it, and so are all
    later ones.
    """

    def __init__(self) -> None:
        self._renamed = False
        self._dropped: set[str] = set()

    def learn(self, refusal: bytes) -> bool:
        """Note what such an answer refuses; return whether that is new, and another request may be accepted."""
        said = refusal.decode(errors="replace")
        if "max_completion_tokens" in said and not self._renamed:
            self._renamed = True
            return True
        named = {field for field in _OPTIONAL if field in said} - self._dropped
        self._dropped |= named
        return bool(named)

    def applied(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request as the model accepts it."""
        kept = {field: value for field, value in request.items() if field not in self._dropped}
        if self._renamed and "max_tokens" in kept:
            kept["max_completion_tokens"] = kept.pop("max_tokens")
        return kept
