"""The errors of requests, in one shape: a status with JSON, or, for a page's script, an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, web

from voicepipe.realtime import new_id

__all__ = ["ErrorResponse", "HttpError", "refusal_of"]

# What a program may compare, for each status that has no code of its own. They are in docs/reference/wire.md.
_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    411: "length_required",
    413: "too_long",
    415: "unsupported_media_type",
    426: "upgrade_required",
    431: "headers_too_long",
    500: "internal_error",
    501: "not_offered",
    502: "service_failed",
    503: "unavailable",
    507: "insufficient_storage",
}


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A refused request.

    A program reads `status` and `body`. A page's script can read neither where it asks for a WebSocket: it gets an
    upgrade, the `event`, and `close_code`. `param` names the field that is wrong. `tells_pages` False: the page is
    foreign, and cannot read the answer.
    """

    status: int
    code: str
    reason: str
    param: str | None = None
    headers: Mapping[Any, str] = field(default_factory=dict[Any, str])
    close_code: int = WSCloseCode.POLICY_VIOLATION
    tells_pages: bool = True

    def body(self) -> dict[str, Any]:
        """As we write errors (`detail`), and as OpenAI does (`error`)."""
        error = {"type": self._type, "code": self.code, "message": self.reason, "param": self.param}
        return {"detail": self.reason, "error": error}

    def response(self) -> web.Response:
        return web.json_response(self.body(), status=self.status, headers=self.headers)

    def event(self, *, unmute: bool) -> dict[str, Any]:
        """The one event that a page gets. Unmute calls "fatal" what OpenAI calls the server's error."""
        kind = "fatal" if unmute and self._type == "server_error" else self._type
        error = {**self.body()["error"], "type": kind, "event_id": None}
        return {"type": "error", "event_id": new_id("event"), "error": error}

    @property
    def _type(self) -> str:
        return "server_error" if self.status >= web.HTTPInternalServerError.status_code else "invalid_request_error"


class HttpError(Exception):
    """Raised by what handles a request; `errors_as_json` answers with `refusal`."""

    def __init__(self, refusal: ErrorResponse) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def refusal_of(error: web.HTTPException) -> ErrorResponse:
    """The same in our shape: an exception of aiohttp's, or one that was raised with a sentence as its text."""
    headers = {name: value for name, value in error.headers.items() if not name.startswith("Content-")}
    plain = f"{error.status}: {error.reason}"  # aiohttp's default text
    reason = error.reason if error.text in (None, plain) else error.text
    return ErrorResponse(error.status, _CODES.get(error.status, "refused"), str(reason), headers=headers)
