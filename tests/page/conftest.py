"""A real Chromium with a microphone that plays a recording, and real servers for it to talk with."""

from __future__ import annotations

import base64
import sys
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import require
from node import installed
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from processes import serving

expect.set_options(timeout=20_000)  # of a machine that does other work

HERE = Path(__file__).parent
RATE_HZ = 24_000
FAKE_DEVICE = "--use-fake-device-for-media-stream"
DESKTOP, PHONE = {"width": 1100, "height": 760}, {"width": 390, "height": 844}

Launch = Callable[..., AbstractContextManager[Browser]]


def write_recording(path: Path, parts: Sequence[np.ndarray[Any, Any] | float]) -> Path:
    """Write a WAV of sounds, and of silences in seconds."""
    sounds = [np.zeros(int(part * RATE_HZ)) if isinstance(part, float) else part for part in parts]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.concatenate(sounds) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    """`with launch("--an-option") as browser`: a Chromium of its own. Its contexts have no permissions at first.

    Playwright runs an event loop in this thread until the module's end: tests of other modules run loops of their own.
    """
    chromium = require("chromium")

    @contextmanager
    def launched(*options: str) -> Iterator[Browser]:
        quiet = ["--no-sandbox", "--disable-gpu", "--mute-audio", *options]
        browser = playwright.chromium.launch(executable_path=chromium, args=quiet)
        try:
            yield browser
        finally:
            browser.close()

    with sync_playwright() as playwright:
        yield launched


@pytest.fixture(scope="module")
def browser(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One whose microphone is silent."""
    silence = write_recording(tmp_path_factory.mktemp("microphone") / "silence.wav", [5.0])
    with launch(FAKE_DEVICE, f"--use-file-for-fake-audio-capture={silence}") as browser:
        yield browser


CHOOSE = """addEventListener("DOMContentLoaded", () => {
  const field = document.querySelector("#transport");
  if (field) field.value = "%s";
});"""


NOTE = """window.wire = { sent: [], received: [] };
const note = (kind, text) => window.wire[kind].push(JSON.parse(text));
for (const channel of [WebSocket, RTCDataChannel]) {
  const { send } = channel.prototype;
  const { set } = Object.getOwnPropertyDescriptor(channel.prototype, "onmessage");
  channel.prototype.send = function (text) { note("sent", text); return send.call(this, text); };
  Object.defineProperty(channel.prototype, "onmessage", {
    set(take) { set.call(this, (event) => { note("received", event.data); take(event); }); },
  });
}
const { createDataChannel } = RTCPeerConnection.prototype;
RTCPeerConnection.prototype.createDataChannel = function (name) {
  window.peer = this;
  return createDataChannel.call(this, name);
};"""
"""What the page sends and receives, by either transport, and its last call."""

MICROPHONE = """{
  const context = new AudioContext();
  const sound = context.createMediaStreamDestination();
  navigator.mediaDevices.getUserMedia = async () => {
    await context.resume();
    return sound.stream.clone();
  };
  window.speak = async (encoded) => {
    const file = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    const recording = context.createBufferSource();
    recording.buffer = await context.decodeAudioData(file.buffer);
    recording.connect(sound);
    recording.start();
  };
}"""
"""A microphone that is silent until `speak` is called: a recording of Chromium's own fake device keeps its own time."""


@contextmanager
def opened(
    browser: Browser, url: str, *, transport: str = "auto", noted: bool = False, speaking: bool = False, **options: Any
) -> Iterator[Page]:
    """The page in a window of its own; it fails where a script fails or the policy forbids something.

    `transport` is what is chosen in its settings: by itself it makes a call. With `noted`, its messages are in `wire`.
    With `speaking`, its microphone says what `speak` is given.
    """
    context: BrowserContext = browser.new_context(
        **{"viewport": DESKTOP, "color_scheme": "light", "permissions": ["microphone"], **options}
    )
    context.set_default_timeout(60_000)
    context.add_init_script(CHOOSE % transport + noted * NOTE + speaking * MICROPHONE)
    page, wrong = context.new_page(), list[str]()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    try:
        page.goto(url)
        yield page
    finally:
        context.close()
    assert wrong == []


def served(pipeline: str, *options: str, **environment: str) -> AbstractContextManager[str]:
    """The address of a `voicepipe serve` of one of this folder's pipelines."""
    command = [sys.executable, "-m", "voicepipe", "serve", str(HERE / pipeline), *options]
    return serving(command if "--port" in options else [*command, "--port", "0"], **environment)


@pytest.fixture(scope="module")
def scripted_url() -> Iterator[str]:
    with served("scripted.py", "--max-sessions", "4") as url:
        yield url


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of the lock file: the compiler, the linter and axe-core."""
    return installed(HERE) / "node_modules"


def wire(page: Page, side: str) -> list[dict[str, Any]]:
    """The messages that the page has "sent" or "received"."""
    return page.evaluate(f"window.wire.{side}")


def speak(page: Page, recording: Path) -> None:
    """Play a WAV into the microphone of a page that was opened for `speaking`, from now on."""
    page.evaluate("speak", base64.b64encode(recording.read_bytes()).decode())


Inspect = Callable[[Page, str], None]


@pytest.fixture
def inspect(node_modules: Path, tmp_path: Path) -> Inspect:
    """`inspect(page, "full")`: axe-core finds nothing wrong, light and dark; pictures of both are in `tmp_path`."""
    axe = (node_modules / "axe-core" / "axe.min.js").read_text("utf-8")

    def inspected(page: Page, name: str) -> None:
        page.evaluate(axe)
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.screenshot(path=tmp_path / f"page-{name}-{scheme}.png")
            found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
            told = [
                f"{one['id']}: {node['html'][:200]} {node['failureSummary']}" for one in found for node in one["nodes"]
            ]
            assert told == [], f"{name}, {scheme}"

    return inspected
