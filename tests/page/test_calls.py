"""The page's calls by WebRTC where they do not come about, and on a network that loses packets, or breaks."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from processes import until_empty
from udp_relay import UdpNetwork, udp_network

from tests.page.conftest import FAKE_DEVICE, RATE_HZ, Inspect, Launch, opened, served, wire, write_recording

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("page")]

CALLS = "**/v1/realtime/calls*"
FELL_BACK = re.compile("^WebSocket, since WebRTC does not come through")


def goes_through(page: Page, network: UdpNetwork) -> None:
    """Let the page's calls go through a network."""

    def answered(route: Route) -> None:
        answer = route.fetch()
        text = answer.text()
        route.fulfill(response=answer, body=network.rewritten(text) if answer.status == 201 else text)

    page.route(CALLS, answered)


def talks(page: Page) -> None:
    page.click("#talk-button")
    expect(page.locator("body")).to_have_attribute("data-phase", "on", timeout=60_000)


def types(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")


def test_where_no_packet_comes_through_the_websocket_takes_over(browser: Browser) -> None:
    """The server has one place, which the call gives back. The next conversation does not try again."""
    with served("scripted.py", "--max-sessions", "1") as url, udp_network() as network, opened(browser, url) as page:
        network.is_down = True
        calls: list[str] = []
        page.on("request", lambda request: calls.append(request.url) if "/calls" in request.url else None)
        goes_through(page, network)
        talks(page)
        expect(page.locator("#figures")).to_have_text(FELL_BACK)
        types(page, "Hello.")
        expect(page.locator(".bot.done .heard")).to_have_text("This was message 1.")
        page.click("#talk-button")
        until_empty(url)
        tried = len(calls)
        talks(page)
        assert len(calls) == tried


def test_a_proxy_without_calls_leaves_the_websocket(browser: Browser, scripted_url: str) -> None:
    with opened(browser, scripted_url) as page:
        page.route(CALLS, lambda route: route.fulfill(status=502, body="<html>Bad gateway"))
        talks(page)
        expect(page.locator("#figures")).to_have_text(FELL_BACK)


def test_a_call_that_was_chosen_and_does_not_come_about_is_explained(
    browser: Browser, scripted_url: str, inspect: Inspect
) -> None:
    with udp_network() as network, opened(browser, scripted_url, transport="webrtc") as page:
        network.is_down = True
        goes_through(page, network)
        page.click("#talk-button")
        expect(page.locator("#problem-title")).to_have_text("WebRTC does not come through", timeout=60_000)
        inspect(page, "no-call")


def test_a_websocket_can_be_chosen(browser: Browser, scripted_url: str) -> None:
    with opened(browser, scripted_url) as page:
        page.click("#settings summary")
        page.select_option("#transport", "websocket")
        expect(page.locator("#chosen")).to_contain_text("WebSocket")
        talks(page)
        expect(page.locator("#figures")).to_have_text(re.compile("^WebSocket · "))


def test_a_session_outlives_the_network_of_its_call(browser: Browser, scripted_url: str) -> None:
    """It goes on in another call: the reply that was being spoken, and what was typed meanwhile."""
    with udp_network() as network, opened(browser, scripted_url, noted=True) as page:
        goes_through(page, network)
        talks(page)
        types(page, "A long one, please.")
        expect(page.locator(".bot .heard")).to_contain_text("and so it goes on and so")
        network.is_down = True
        expect(page.locator("#status")).to_have_text("The connection was lost. Reconnecting …", timeout=60_000)
        types(page, "Stop.")
        network.is_down = False
        expect(page.locator("#notice")).to_have_text("Connected again. The conversation goes on.", timeout=60_000)
        expect(page.locator(".bot.done .heard")).to_have_text("This was message 3.")
        expect(page.locator("#figures")).to_have_text(re.compile("^WebRTC · "))
        kinds = [event["type"] for event in wire(page, "received")]
        assert kinds.count("session.created") == kinds.count("session.resumed") == 1
        assert page.locator(".bot.cut").count() == 1


def test_a_page_that_is_closed_leaves_no_session(browser: Browser) -> None:
    """Though the server would wait for a client whose network has broken, here for an hour."""
    patient = {"VOICEPIPE_SESSION_RESUME_S": "3600"}
    with served("scripted.py", **patient) as url, opened(browser, url, transport="webrtc") as page:
        talks(page)
        page.goto("about:blank")
        until_empty(url)


SILENT = 0.001
"""The browser reports a muted track as one step of 16 bits now and then."""


def sent_level(page: Page) -> float:
    """Of the microphone's track as the call has it, after a moment."""
    page.wait_for_timeout(300)
    reports = page.evaluate("peer.getStats().then((stats) => [...stats.values()])")
    return next(report["audioLevel"] for report in reports if report["type"] == "media-source")


def until_level(page: Page, *, loud: bool) -> None:
    """Wait until the browser reports the sent sound as loud, or as silence: it does so some time later."""
    level = 0.0
    for _ in range(200):
        level = sent_level(page)
        if level > 0.01 if loud else level < SILENT:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"the level of the sent sound is {level}")


def test_push_to_talk_sends_sound_while_the_button_is_down(
    launch: Launch, scripted_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of a microphone in which there is always something, the server hears nothing before."""
    vowel = sum(np.sin(2 * np.pi * 120 * n * np.arange(RATE_HZ) / RATE_HZ) / n for n in range(1, 6)) * 0.15
    speech = write_recording(tmp_path_factory.mktemp("speech") / "speech.wav", [np.asarray(vowel)])
    with (
        launch(FAKE_DEVICE, f"--use-file-for-fake-audio-capture={speech}") as browser,
        opened(browser, scripted_url, transport="webrtc", noted=True) as page,
    ):
        page.click("#settings summary")
        page.check("#push-to-talk")
        page.click("#settings summary")
        talks(page)
        until_level(page, loud=False)
        page.locator("#talk-button").focus()
        page.keyboard.down("Space")
        page.wait_for_timeout(500)
        until_level(page, loud=True)
        page.keyboard.up("Space")
        # 1 where the words of the sound came before the reply was asked for.
        expect(page.locator(".bot.done .heard")).to_have_text(re.compile(r"This was message [01]\."), timeout=60_000)
        until_level(page, loud=False)
        sent = [event["type"] for event in wire(page, "sent")]
        assert sent[-3:] == ["input_audio_buffer.clear", "input_audio_buffer.commit", "response.create"]
        page.click("#end")


def test_the_conversation_goes_on_where_packets_are_lost_and_late(
    launch: Launch, scripted_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """5 % of all packets, and up to 100 ms, in which five of the sound overtake each other."""
    vowel = sum(np.sin(2 * np.pi * 120 * n * np.arange(RATE_HZ) / RATE_HZ) / n for n in range(1, 6)) * 0.15
    speech = write_recording(tmp_path_factory.mktemp("speech") / "speech.wav", [1.5, np.asarray(vowel), 7.5])
    with (
        launch(FAKE_DEVICE, f"--use-file-for-fake-audio-capture={speech}") as browser,
        udp_network(loss=0.05, jitter_s=0.1) as network,
        opened(browser, scripted_url, transport="webrtc", noted=True) as page,
    ):
        goes_through(page, network)
        talks(page)
        expect(page.locator(".user.done .heard").first).to_have_text("Hello there.", timeout=60_000)
        expect(page.locator(".bot.done .heard").first).to_have_text("This was message 1.", timeout=60_000)
        # Where losses cut the second sound in two, the answer to its beginning is one more message.
        again = re.compile(r"This was message [357]\.")
        expect(page.locator(".bot.done .heard").nth(1)).to_have_text(again, timeout=60_000)
        received = page.evaluate("peer.getStats().then((stats) => [...stats.values()])")
        inbound = next(report for report in received if report["type"] == "inbound-rtp")
        assert inbound["packetsLost"] > 0
        assert inbound["fecPacketsReceived"] > 0, "the server sends no FEC"
        reported = next(report for report in received if report["type"] == "remote-inbound-rtp")
        assert reported["packetsLost"] > 0, "the server does not report what it has lost"
