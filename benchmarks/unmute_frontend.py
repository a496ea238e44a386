"""Unmute's own frontend, unmodified, in a real Chromium: from the user's first sound to a silent loudspeaker.

Takes the folder `frontend` of a checkout of github.com/kyutai-labs/unmute, built with `pnpm install` and `pnpm build`.
Starts it at port 3000 and `voicepipe serve` at port 8000, where the page expects it, on test services; and a Chromium,
whose microphone plays a recording in which a voice interrupts the bot every few seconds.

That page ignores all messages that would let a client drop what it has not played: it plays out what it has. So the
time consists of the server's hold and of how far ahead sound is sent. What the page plays and what its microphone hears
are recorded by the page's own AudioContext, on one clock: a few lines that are loaded before its scripts connect both
to a recorder. What the operating system's output adds is not in it, and neither is what its input adds. Its
canvases are not painted, and no video of them is recorded: without a graphics processor these take more than a core and
delay the sound.

    python -m benchmarks.unmute_frontend ../unmute/frontend              16 interruptions, a minute and a half
    python -m benchmarks.unmute_frontend ../unmute/frontend --quick      6

Needs Node.js, the Python package playwright and a Chromium (VOICEPIPE_CHROMIUM or `chromium` on the PATH).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.common import (
    RATE_HZ,
    SUMMARY,
    Budget,
    Report,
    Server,
    ServerFailed,
    Table,
    fakes,
    percentile,
    summary,
    utterances,
)

COUNT, QUICK_COUNT = 16, 6
SILENT_P95_MS = 400.0
FIRST_S, EVERY_S = 8.0, (4.2, 5.03, 5.86, 4.61)
"""Of the recording, which begins when the page connects."""
LONGEST_S, PEAK = 2.0, 0.8
ANSWER = " ".join(["This is a long story about a man and the sea, which goes on and on."] * 4)
MICROPHONE_LOUD, OUTPUT_LOUD = 0.01, 0.003
PIECE_S = 0.005
SETTLES_S, QUIET_S = 1.5, 0.6
"""Sound that goes on for `SETTLES_S` after an onset has not been stopped; an onset follows `QUIET_S` of silence."""
PAGE, PAGE_PORT, SERVER_PORT = "http://localhost:3000", "3000", "8000"
STARTS_WITHIN_S = 30.0

RECORDER = """
const connect = AudioNode.prototype.connect;
window.heard = [];
const module = `registerProcessor("levels", class extends AudioWorkletProcessor {
  sums = [0, 0]; count = 0;
  process([input]) {
    for (const side of [0, 1]) for (const one of input[side] ?? []) this.sums[side] += one * one;
    this.count += 128;
    if (this.count >= sampleRate * PIECE_S) {
      this.port.postMessage([currentTime, ...this.sums.map((sum) => Math.sqrt(sum / this.count))]);
      this.sums = [0, 0]; this.count = 0;
    }
    return true;
  }
})`;
function recorder(context) {
  if (context.recorder) return context.recorder;
  const merger = context.recorder = context.createChannelMerger(2);
  context.audioWorklet.addModule(URL.createObjectURL(new Blob([module], {type: "text/javascript"}))).then(() => {
    const levels = new AudioWorkletNode(context, "levels");
    levels.port.onmessage = ({data}) => window.heard.push(data);
    connect.call(merger, levels);
    connect.call(levels, context.destination);
  });
  return merger;
}
AudioNode.prototype.connect = function (target, ...rest) {
  if (this instanceof MediaStreamAudioSourceNode && target instanceof AnalyserNode) {
    connect.call(this, recorder(this.context), 0, 0);
  } else if (target instanceof AudioDestinationNode && this.context.recorder) {
    connect.call(this, this.context.recorder, 0, 1);
  }
  return connect.call(this, target, ...rest);
};
window.MediaRecorder = class extends EventTarget {
  static isTypeSupported() { return true; }
  start() {}
  stop() {}
};
for (const paints of ["fill", "stroke", "fillRect", "clearRect", "fillText", "strokeText", "drawImage"]) {
  CanvasRenderingContext2D.prototype[paints] = () => {};
}
window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 1000);
window.cancelAnimationFrame = clearTimeout.bind(window);
localStorage.setItem("cookieConsentV2", "false");
localStorage.setItem("recordingConsent", "false");
""".replace("PIECE_S", str(PIECE_S))


def write_recording(path: Path, count: int) -> float:
    """Write what the microphone hears; return its length in seconds."""
    parts = [np.zeros(round(FIRST_S * RATE_HZ), np.float32)]
    for number, said in enumerate(utterances(count)):
        loud = said.samples[round(said.loud_from_s * RATE_HZ) :][: round(LONGEST_S * RATE_HZ)]
        parts.append(loud / np.abs(loud).max() * PEAK)
        parts.append(np.zeros(round(EVERY_S[number % len(EVERY_S)] * RATE_HZ), np.float32))
    sound = np.concatenate(parts)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return len(sound) / RATE_HZ


@contextmanager
def frontend(folder: Path) -> Iterator[None]:
    """Serve the built frontend. Raises ServerFailed if it does not answer."""
    command = ["node", "node_modules/next/dist/bin/next", "start", "-H", "localhost", "-p", PAGE_PORT]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(PAGE, process)
            yield
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until_s and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise ServerFailed(f"no page at {url}: is the frontend built (pnpm install, pnpm build)?")


def talk(recording: Path, seconds: float) -> tuple[np.ndarray[Any, Any], str]:
    """Let the page talk; return times, levels of the microphone and levels of the output, and the page's subtitles."""
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--mute-audio", "--use-fake-ui-for-media-stream"]
    options += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={recording}%noloop"]
    chromium = os.environ.get("VOICEPIPE_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_context(permissions=["microphone"], viewport={"width": 480, "height": 640}).new_page()
        page.add_init_script(RECORDER)
        page.goto(PAGE)
        page.get_by_role("button", name="connect", exact=True).click()
        page.keyboard.press("s")  # subtitles
        page.wait_for_timeout(seconds * 1000)
        levels = np.array(page.evaluate("window.heard"))
        subtitles = page.inner_text("body")
        browser.close()
    return levels, subtitles


def silent_after_ms(heard: np.ndarray[Any, Any]) -> list[float]:
    """Return, for each voice over the sounding bot, how long the bot is heard behind its onset.

    Args:
        heard: rows of a time in seconds, the level of the microphone and the level of the output
    """
    at_s, loud, audible = heard[:, 0], heard[:, 1] > MICROPHONE_LOUD, heard[:, 2] > OUTPUT_LOUD
    found: list[float] = []
    last_loud_s = 0.0
    for onset_s in at_s[loud]:
        within = (at_s > onset_s - QUIET_S / 2) & (at_s < onset_s + SETTLES_S)
        if (
            onset_s - last_loud_s > QUIET_S
            and audible[within & (at_s < onset_s)].any()
            and at_s[-1] > onset_s + SETTLES_S
        ):
            found.append(1000 * max(0.0, float(at_s[within & audible].max()) - onset_s))
        last_loud_s = onset_s
    return found


def run(folder: Path, count: int, *, embedded: bool = False, arguments: Sequence[str] = ()) -> Report:
    """Measure, and judge the figures."""
    with tempfile.TemporaryDirectory() as temporary:
        recording = Path(temporary) / "user.wav"
        seconds = write_recording(recording, count)
        with (
            fakes("--answers", ANSWER) as services,
            Server(*services[-2 if embedded else 0 :], "--port", SERVER_PORT, *arguments),
            frontend(folder),
        ):
            levels, subtitles = talk(recording, seconds + 2)
    found = silent_after_ms(levels)
    return Report(
        "unmute_frontend",
        "Unmute's frontend in Chromium",
        tables=[Table("From the onset of the user's voice (ms)", ("to", *SUMMARY), [["silence", *summary(found)]])],
        budgets=[Budget("onset → the loudspeaker is silent, p95", percentile(found, 95), SILENT_P95_MS, "ms")],
        notes=[
            f"{len(found)} of {count} voices came over the sounding bot",
            f"the page shows {subtitles[-200:]!r}",
        ],
        raw=[{"silent_ms": one} for one in found],
    )


def main(argv: Sequence[str] | None = None) -> int:
    """0 when it measured; 2 when it could not."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.unmute_frontend",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("frontend", type=Path, help="the folder `frontend` of a checkout of Unmute, built")
    parser.add_argument("--quick", action="store_true", help="fewer interruptions")
    parser.add_argument("--embedded", action="store_true", help="the embedded recogniser and voice")
    parser.add_argument("--pipeline", help="what `voicepipe serve` plays (default: its default)")
    args = parser.parse_args(argv)
    arguments = [args.pipeline] if args.pipeline else []
    try:
        report = run(args.frontend, QUICK_COUNT if args.quick else COUNT, embedded=args.embedded, arguments=arguments)
    except ServerFailed as reason:
        print(f"not measured: {reason}", file=sys.stderr)
        return 2
    report.print(Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
