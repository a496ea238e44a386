"""Offers that a client should not send, or that would cost the server much."""

from __future__ import annotations

import re

import pytest
import reactivex
from aiortc import RTCPeerConnection
from served import refused

from voicepipe.server.webrtc.offer import bounded

SDP = {"Content-Type": "application/sdp"}


def silent(_):
    return reactivex.never()


async def an_offer() -> str:
    """Return what a client sends, without candidates."""
    peer = RTCPeerConnection()
    peer.addTransceiver("audio")
    peer.createDataChannel("oai-events")
    offer = (await peer.createOffer()).sdp
    await peer.close()
    return offer


def candidates(*hosts: str) -> str:
    return "".join(f"a=candidate:1 1 udp 2113937151 {host} 54400 typ host\r\n" for host in hosts)


def test_names_of_the_local_network_are_not_asked_for():
    kept = bounded(f"m=audio 9\r\n{candidates('1f4a.local', '10.0.0.7', 'B.LOCAL.')}a=mid:0\r\n")
    assert kept == f"m=audio 9\r\n{candidates('10.0.0.7')}a=mid:0\r\n"


def test_no_more_candidates_are_tried_than_a_browser_has():
    offer = f"m=audio 9\r\n{candidates(*(f'10.0.{i // 250}.{i % 250}' for i in range(1000)))}"
    assert bounded(offer).count("a=candidate:") == 64


BROKEN = {
    "a parameter of a payload type that is not offered": lambda sdp: sdp.replace("a=mid:0", "a=fmtp:77 x=1\r\na=mid:0"),
    "no codec that both sides know": lambda sdp: re.sub(r"a=rtpmap:.*\r\n", "", sdp),
    "an attribute without its value": lambda sdp: re.sub(r"a=sctp-port:\d+", "a=sctp-port", sdp),
    "a bundle of a section that is not there": lambda sdp: sdp.replace("BUNDLE 0", "BUNDLE 7"),
    "no text at all": lambda sdp: "",
    "no audio": lambda sdp: sdp.replace("m=audio", "m=video"),
    "a section that is cut": lambda sdp: sdp[: sdp.index("m=application") + 14],
    "as many sections of media as fit in": lambda sdp: sdp + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 2_000,
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
async def test_an_offer_that_cannot_be_read_is_refused_and_its_slot_is_free(serve, monkeypatch, damage):
    """Whatever aiortc raises. The peer connection is closed."""
    closed: list[str] = []
    close = RTCPeerConnection.close

    async def noted(peer):
        closed.append(peer.signalingState)
        await close(peer)

    offer = damage(await an_offer())
    monkeypatch.setattr(RTCPeerConnection, "close", noted)
    async with serve(silent, max_sessions=1) as served:
        for _ in range(2):
            async with served.http.post(f"{served.url}/v1/realtime/calls", data=offer, headers=SDP) as answer:
                body = await answer.json()
                assert (answer.status, body["error"]["param"]) == (400, "sdp")
                refused(400, body)
        assert len(closed) == 2


async def test_ice_servers_that_do_not_answer_are_no_fault_of_the_client(serve, monkeypatch):
    """The call is refused for the moment, and the operator is told."""

    async def fail(*_):
        raise OSError("no route")

    offer = await an_offer()
    monkeypatch.setattr(RTCPeerConnection, "setLocalDescription", fail)
    async with (
        serve(silent) as served,
        served.http.post(f"{served.url}/v1/realtime/calls", data=offer, headers=SDP) as answer,
    ):
        body = await answer.json()
        assert (answer.status, body["error"]["code"]) == (503, "unavailable")
        refused(503, body)
