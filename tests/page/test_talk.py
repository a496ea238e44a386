"""A whole conversation in a real browser, with real speech: heard, answered, interrupted, saved."""

from __future__ import annotations

import re
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import FAKE_DEVICE, Inspect, Launch, opened, served, speak, wire, write_recording
from tests.page.remembering import STORY
from voicepipe.client.samples import SAMPLES, SampleMissing, read_sample

pytestmark = [pytest.mark.e2e, pytest.mark.models, pytest.mark.xdist_group("page")]

SILENT_WITHIN_MS = 300
LEVEL = "Number(getComputedStyle(document.querySelector('#stage')).getPropertyValue('--bot'))"
"""The level of the bot as the page draws it, from 0 to 1."""
AUDIBLE = 0.003
"""The level of 10 ms of the page's output, above which the bot is heard."""


@dataclass
class Talk:
    """The page after the conversation, and what went over its connection."""

    page: Page
    transport: str
    question: Path

    def one(self, side: str, kind: str) -> dict[str, Any]:
        return next(message for message in wire(self.page, side) if message["type"] == kind)

    def kinds(self, side: str) -> set[str]:
        return {message["type"] for message in wire(self.page, side)}


@pytest.fixture(scope="module", params=["webrtc", "websocket"])
def talk(request: Any, launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """A question, its long answer, and words into the answer."""
    folder = tmp_path_factory.mktemp("speech")
    try:
        question, more = (recorded(folder, name) for name in ("question", "two_cities"))
    except SampleMissing as error:
        pytest.skip(str(error))
    with (
        served("remembering.py", "--session-events", "true") as url,
        launch(FAKE_DEVICE) as browser,
        opened(browser, url, transport=request.param, noted=True, speaking=True) as page,
    ):
        page.click("#talk-button")
        expect(page.locator("body")).to_have_attribute("data-phase", "on")
        speak(page, question)
        page.get_by_text("with frost").wait_for()
        look(page, tmp_path_factory.mktemp("pictures"))
        speak(page, more)
        page.wait_for_selector(".bot.cut .heard")
        page.wait_for_selector(".bot.cut + .user.done + .bot.done .note")
        yield Talk(page, request.param, question)


def recorded(folder: Path, name: str) -> Path:
    return write_recording(folder / f"{name}.wav", [np.asarray(read_sample(name))])


def look(page: Page, folder: Path) -> None:
    """Make the pictures of a bot that speaks, light and dark."""
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        while page.evaluate(LEVEL) < 0.6:
            page.wait_for_timeout(20)
        page.screenshot(path=folder / f"page-speaking-{scheme}.png")


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def captions(page: Page, selector: str) -> str:
    return page.inner_text(f"#captions {selector} .heard >> nth=0")


def test_captions_have_the_words_that_were_spoken(talk: Talk) -> None:
    heard = words(captions(talk.page, ".user"))
    asked = words(SAMPLES["question"].says)
    assert len(set(asked) & set(heard)) >= 0.7 * len(set(asked)), heard


def test_what_was_not_heard_is_struck_out(talk: Talk) -> None:
    """The words of the caption are the first ones of the answer, and end where the history ends."""
    heard, struck = captions(talk.page, ".bot.cut"), talk.page.locator(".bot.cut del").all_inner_texts()
    whole = " ".join([heard, *struck])
    assert STORY.startswith(heard)
    assert len(heard) < len(STORY)
    assert STORY.startswith(whole)


def test_the_server_cuts_its_history_where_the_user_has_stopped_hearing(talk: Talk) -> None:
    """On a WebSocket it is told; in a call it knows."""
    if talk.transport == "websocket":
        told = talk.one("sent", "conversation.item.truncate")
        done = talk.one("received", "conversation.item.truncated")
        assert done["item_id"] == told["item_id"]
        assert done["audio_end_ms"] == told["audio_end_ms"] > 3000
    else:
        assert "output_audio_buffer.cleared" in talk.kinds("received")
        assert not {"conversation.item.truncate", "input_audio_buffer.append"} & talk.kinds("sent")
        assert "response.output_audio.delta" not in talk.kinds("received")
    kept = talk.one("received", "conversation.item.retrieved")["item"]
    assert kept["content"][0]["transcript"] == captions(talk.page, ".bot.cut")


def test_it_says_how_it_is_connected(talk: Talk) -> None:
    name = {"webrtc": "WebRTC", "websocket": "WebSocket"}[talk.transport]
    expect(talk.page.locator("#figures")).to_contain_text(re.compile(rf"^{name} · \d+ gaps? in the sound"))


def test_the_saved_sound_has_both_sides_and_the_interruption_silences_the_bot(talk: Talk, tmp_path: Path) -> None:
    """The page's own output is in it: audible for seconds, and silent within 300 ms of the user's first sound."""
    with talk.page.expect_download() as download:
        talk.page.click("#save-sound")
    path = tmp_path / "conversation.wav"
    download.value.save_as(path)
    user_s, bot_s = (times_above(side) for side in read_levels(path))
    began_s = bot_s[0]
    assert len(bot_s) > 300, "the reply is heard for less than 3 s"
    onset_s = next(s for s in user_s if s > began_s + 1)
    last_s = max(s for s in bot_s if s < onset_s + 1.5)
    assert (last_s - onset_s) * 1000 <= SILENT_WITHIN_MS


def read_levels(path: Path) -> list[np.ndarray[Any, Any]]:
    """Return the level of each 10 ms of the user and of the bot."""
    with wave.open(str(path)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2) / 32768
        step = file.getframerate() // 100
    whole = frames[: len(frames) // step * step].reshape(-1, step, 2)
    return list(np.sqrt((whole**2).mean(axis=1)).T)


def times_above(levels: np.ndarray[Any, Any], least: float = AUDIBLE) -> list[float]:
    return [number / 100 for number in np.flatnonzero(levels > least)]


def test_the_saved_words_tell_what_was_not_heard(talk: Talk, tmp_path: Path) -> None:
    with talk.page.expect_download() as download:
        talk.page.click("#save-text")
    path = tmp_path / "conversation.txt"
    download.value.save_as(path)
    lines = path.read_text("utf-8").splitlines()
    assert [line.partition(":")[0] for line in lines[:4]] == ["You", "Bot", "You", "Bot"]
    assert captions(talk.page, ".bot.cut") in lines[1]


def test_a_conversation_looks_well(talk: Talk, inspect: Inspect) -> None:
    """And is accessible."""
    talk.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    inspect(talk.page, "conversation")


def test_it_can_be_seen_from_inside(talk: Talk, inspect: Inspect) -> None:
    """The real stages, with the words that they hear and speak."""
    page = talk.page
    page.set_viewport_size({"width": 1300, "height": 1000})
    page.click("#see-button")
    speak(page, talk.question)
    page.wait_for_selector(".latency")
    page.get_by_text("with frost").nth(1).wait_for()
    page.evaluate("document.querySelector('#see').scrollIntoView()")
    names = " ".join(page.locator("#see-marbles text").all_text_contents())
    assert all(stage in names for stage in ("STT", "endpoint", "detect_turns", "TTS", "respond", "encode"))
    assert "remember" in names
    assert "tts" in (page.get_attribute(".bar", "aria-label") or "")
    inspect(page, "see")
