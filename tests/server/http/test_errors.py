"""Refusals have one shape, and stand in one table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from aiohttp import web
from served import refused

from voicepipe.server.availability import Reason
from voicepipe.server.http import errors as refusal
from voicepipe.server.http.errors import ErrorResponse, refusal_of

WIRE = Path(__file__).parents[3] / "docs" / "reference" / "wire.md"
OF_THE_DOOR = {
    (401, "invalid_api_key"),
    (403, "origin_not_allowed"),
    (404, "session_not_resumable"),
    (404, "unknown_pipeline"),
    (429, "too_many_sessions"),
}
OF_A_FIELD = {(400, "invalid_value")}


def documented() -> set[tuple[int, str]]:
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", WIRE.read_text("utf-8"), re.MULTILINE)
    return {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}


def test_every_refusal_is_documented_and_no_other() -> None:
    """By status and code, for those who write a client."""
    general = set(refusal._CODES.items())
    assert documented() == general | {(503, why.value) for why in Reason} | OF_THE_DOOR | OF_A_FIELD


@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
def test_one_shape_for_http_and_for_events(status: int) -> None:
    """The event is of its dialect: Unmute's frontend knows no errors of a server."""
    told = ErrorResponse(status, "odd", "That is odd.", "file", headers={"Retry-After": "7"})
    response = told.response()
    assert (response.status, response.headers["Retry-After"]) == (status, "7")
    assert isinstance(response.body, bytes)
    assert refused(status, json.loads(response.body)) == "That is odd."
    kinds = ("invalid_request_error", "invalid_request_error") if status < 500 else ("server_error", "fatal")
    for unmute, kind in zip((False, True), kinds, strict=True):
        event = told.event(unmute=unmute)
        assert event["type"] == "error"
        assert event["event_id"].startswith("event_")
        error = {"type": kind, "code": "odd", "message": "That is odd.", "param": "file", "event_id": None}
        assert event["error"] == error


def test_what_aiohttp_raises_keeps_its_headers_and_loses_its_text() -> None:
    """But for those of a body that is no longer there."""
    told = refusal_of(web.HTTPMethodNotAllowed("PUT", ["GET", "POST"]))
    assert (told.status, told.code, told.reason) == (405, "method_not_allowed", "Method Not Allowed")
    assert told.headers["Allow"] == "GET,POST"
    assert "Content-Type" not in told.headers
    assert refusal_of(web.HTTPBadGateway(text="The service failed.")).reason == "The service failed."
    assert refusal_of(web.HTTPPaymentRequired()).code == "refused"
