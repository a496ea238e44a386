"""`/v1/realtime/calls`, as far as no connection comes about; tests/e2e/realtime/test_webrtc.py has those that do."""

from __future__ import annotations

import sys

import pytest
import reactivex
from served import refused

SDP = {"Content-Type": "application/sdp"}


def silent(_):
    return reactivex.never()


async def test_without_the_extra_it_says_what_to_install(serve, monkeypatch):
    monkeypatch.setitem(sys.modules, "voicepipe.server.webrtc.peer", None)
    async with serve(silent) as served:
        async with served.http.post(f"{served.url}/v1/realtime/calls", data="v=0", headers=SDP) as answer:
            body = await answer.json()
            assert (answer.status, body["error"]["code"]) == (501, "not_offered")
            assert "webrtc" in refused(501, body)
        assert served.engine.made == 0


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": "Bearer sk-wrong"}, 401)])
async def test_a_call_needs_a_key(serve, headers, status):
    async with serve(silent, api_keys=["sk-right"]) as served:
        for path in ("/v1/realtime/calls", "/v1/realtime/calls/rtc_1/hangup"):
            async with served.http.post(f"{served.url}{path}", data="v=0", headers=SDP | headers) as answer:
                assert answer.status == status
                refused(status, await answer.json())


async def test_a_foreign_page_makes_no_call(serve):
    async with serve(silent) as served:
        headers = SDP | {"Origin": "https://evil.example"}
        async with served.http.post(f"{served.url}/v1/realtime/calls", data="v=0", headers=headers) as answer:
            assert answer.status == 403


async def test_an_unknown_call_cannot_be_hung_up(serve):
    async with serve(silent) as served, served.http.post(f"{served.url}/v1/realtime/calls/rtc_1/hangup") as answer:
        assert answer.status == 404


async def test_another_body_is_refused_by_its_type(serve):
    sent = {"sdp": "v=0"}
    async with serve(silent) as served, served.http.post(f"{served.url}/v1/realtime/calls", json=sent) as answer:
        assert answer.status == 415
