"""The page's calls by WebRTC where they do not come about, and on a network that loses packets, or breaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from processes import until_empty
from udp_relay import UdpNetwork, udp_network

from tests.page.conftest import FAKE_DEVICE, RATE_HZ, Inspect, Launch, opened, served, wire, write_recording
from tests.page.test_talk import AUDIBLE, captions, read_levels, times_above, words
from voicepipe.client.samples import SAMPLES, SampleMissing, read_sample

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


def sent_level(page: Page) -> float:
    """Of the microphone's track as the call has it, after a moment."""
    page.wait_for_timeout(300)
    reports = page.evaluate("peer.getStats().then((stats) => [...stats.values()])")
    return next(report["audioLevel"] for report in reports if report["type"] == "media-source")


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
        assert sent_level(page) == 0
        page.locator("#talk-button").focus()
        page.keyboard.down("Space")
        page.wait_for_timeout(500)
        assert sent_level(page) > 0.01
        page.keyboard.up("Space")
        expect(page.locator(".bot.done .heard")).to_have_text("This was message 0.", timeout=60_000)
        assert sent_level(page) == 0
        sent = [event["type"] for event in wire(page, "sent")]
        assert sent[-3:] == ["input_audio_buffer.clear", "input_audio_buffer.commit", "response.create"]
        page.click("#end")


@contextmanager
def talking(launch: Launch, folder: pytest.TempPathFactory, loss: float, jitter_s: float) -> Iterator[Page]:
    """The page, which asks a question by voice through such a network."""
    try:
        question = np.asarray(read_sample("question"))
    except SampleMissing as error:
        pytest.skip(str(error))
    speech = write_recording(folder.mktemp("speech") / "speech.wav", [8.0, question, 60.0])
    with (
        served("remembering.py") as url,
        launch(FAKE_DEVICE, f"--use-file-for-fake-audio-capture={speech}%noloop") as browser,
        udp_network(loss=loss, jitter_s=jitter_s) as network,
        opened(browser, url, transport="webrtc", noted=True) as page,
    ):
        goes_through(page, network)
        talks(page)
        yield page
        assert network.lost >= 0.5 * loss * network.passed, "the network has lost nothing"


@pytest.mark.models
def test_the_conversation_goes_on_where_packets_are_lost_and_late(
    launch: Launch, tmp_path_factory: pytest.TempPathFactory, tmp_path: pytest.TempPathFactory
) -> None:
    """5 % and up to 100 ms, in which five packets overtake each other: words are understood, and the reply is heard."""
    with talking(launch, tmp_path_factory, 0.05, 0.1) as page:
        page.get_by_text("with frost").wait_for()
        page.get_by_text("smell of bread").wait_for()
        heard, asked = words(captions(page, ".user")), words(SAMPLES["question"].says)
        assert len(set(asked) & set(heard)) >= 0.7 * len(set(asked)), heard
        with page.expect_download() as download:
            page.click("#save-sound")
        path = tmp_path / "conversation.wav"
        download.value.save_as(path)
        _, bot = read_levels(path)
        assert len(times_above(bot, AUDIBLE)) > 500
