"""A conversation seen from inside, in a real browser: marbles, latencies, the drawn pipeline, the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.conftest import FAKE_DEVICE, RATE_HZ, Inspect, Launch, opened, served, write_recording

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("page")]

TALL = {"width": 1300, "height": 1000}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served("scripted.py", "--session-events", "true") as url:
        yield url


@pytest.fixture(scope="module")
def speaker(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One whose microphone says something after three seconds: to the scripted ear any loud sound is speech."""
    vowel = sum(np.sin(2 * np.pi * 120 * n * np.arange(RATE_HZ) / RATE_HZ) / n for n in range(1, 6)) * 0.15
    speech = write_recording(tmp_path_factory.mktemp("speech") / "speech.wav", [3.0, np.asarray(vowel), 60.0])
    with launch(FAKE_DEVICE, f"--use-file-for-fake-audio-capture={speech}%noloop") as browser:
        yield browser


def sees(page: Page) -> None:
    """Begin to talk, and open the view."""
    page.click("#talk-button")
    page.click("#see-button")
    expect(page.locator("#see-marbles svg")).to_be_visible()


def test_the_diagram_shows_a_turn_and_its_latency(speaker: Browser, url: str, inspect: Inspect, tmp_path: Path) -> None:
    with opened(speaker, url, viewport=TALL) as page:
        sees(page)
        expect(page.locator(".latency")).to_have_count(1, timeout=30_000)
        expect(page.locator(".bot.done .heard")).to_have_text("This was message 1.", timeout=30_000)
        names = " ".join(page.locator("#see-marbles text").all_text_contents())
        assert all(stage in names for stage in ("client", "detect_turns", "respond", "encode"))
        titles = page.locator("#see-marbles title").all_text_contents()
        for event in ("TurnEnded", "ReplyStarted", "WordSpoken", "SpeechEncoded"):
            assert any(title.startswith(event) for title in titles), event
        assert "endpointing" in (page.get_attribute(".bar", "aria-label") or "")
        page.fill("#see-filter", "turnended")
        expect(page.locator("#see-log b").first).to_have_text("TurnEnded")
        assert set(page.locator("#see-log b").all_text_contents()) == {"TurnEnded"}
        page.fill("#see-filter", "")
        inspect(page, "see-turn")
        with page.expect_download() as download:
            page.click("#see-save")
        download.value.save_as(tmp_path / "events.jsonl")
        events = [json.loads(line)["event"] for line in (tmp_path / "events.jsonl").read_text("utf-8").splitlines()]
        assert events.index("TurnEnded") < events.index("ReplyStarted") < events.index("WordSpoken")


def test_an_interruption_cuts_the_diagram_which_can_be_held_and_scrolled(browser: Browser, url: str) -> None:
    with opened(browser, url, viewport=TALL) as page:
        sees(page)
        page.fill("#text", "A long one, please.")
        page.press("#text", "Enter")
        expect(page.locator(".bot .heard")).to_contain_text("and so it")
        page.fill("#text", "Stop.")
        page.press("#text", "Enter")
        expect(page.locator(".marble.cut")).to_have_count(1)
        page.click("#see-pause")
        expect(page.locator("#see-pause")).to_have_text("Go on")
        moved = "document.querySelector('#see-marbles g[transform]').getAttribute('transform')"
        held = page.evaluate(moved)
        page.wait_for_timeout(300)
        assert page.evaluate(moved) == held
        page.locator("#see-back").fill("100")
        page.wait_for_timeout(300)
        assert page.evaluate(moved) != held
        page.click("#see-pause")
        page.click("#see-button")
        expect(page.locator("#see")).to_be_hidden()


def test_a_talker_loads_nothing_of_it_and_is_not_offered_it_without_leave(browser: Browser, scripted_url: str) -> None:
    with opened(browser, "about:blank") as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(scripted_url)
        page.click("#talk-button")
        expect(page.locator("body")).to_have_attribute("data-phase", "on")
        expect(page.locator("#see-button")).to_be_hidden()
        assert not [url for url in asked if "see.js" in url or "marbles" in url or "/events" in url]
