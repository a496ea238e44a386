"""Calls by WebRTC from a real browser: with a few lines of script, and with the official agents SDK as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node import installed
from playwright.sync_api import Browser, Page, Route

from tests.page.conftest import FAKE_DEVICE, RATE_HZ, Launch, opened, served, write_recording

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("page")]

CLIENTS = Path(__file__).parents[1] / "e2e" / "realtime"

CALL = """async () => {
  const peer = new RTCPeerConnection();
  const events = peer.createDataChannel("oai-events");
  const heard = [];
  const speaker = Object.assign(document.createElement("audio"), { autoplay: true });
  peer.ontrack = ({ streams, track }) => { speaker.srcObject = streams[0] ?? new MediaStream([track]); };
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  peer.addTrack(microphone.getAudioTracks()[0], microphone);
  events.onmessage = ({ data }) => heard.push(JSON.parse(data));
  await peer.setLocalDescription(await peer.createOffer());
  const headers = { "Content-Type": "application/sdp" };
  const answer = await fetch("/v1/realtime/calls", { method: "POST", body: peer.localDescription.sdp, headers });
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  const has = (kind) => heard.find(({ type }) => type === kind);
  const received = async () => {
    for (const report of (await peer.getStats()).values()) if (report.type === "inbound-rtp") return report;
  };
  const until = async (kind) => { while (!has(kind)) await new Promise((done) => setTimeout(done, 20)); };
  await until("output_audio_buffer.started");
  const before = await received();
  await until("output_audio_buffer.stopped");
  const after = await received();
  const hangup = await fetch(`${answer.headers.get("Location")}/hangup`, { method: "POST" });
  await new Promise((closed) => { events.onclose = closed; });
  const output = has("response.done").response.output[0].content[0].transcript;
  const bufferedMs = (after.jitterBufferDelay / after.jitterBufferEmittedCount) * 1000;
  const energy = after.totalAudioEnergy - before.totalAudioEnergy;
  return { output, status: answer.status, hangup: hangup.status, energy, lost: after.packetsLost, bufferedMs };
}"""

AGENT = """async (apiKey) => {
  const { RealtimeAgent, RealtimeSession } = await import("/agents/openai-realtime-agents.mjs");
  const session = new RealtimeSession(new RealtimeAgent({ name: "Anna", instructions: "Be brief." }));
  const wire = [], errors = [], ends = [];
  session.on("error", (error) => errors.push(JSON.stringify(error)));
  session.on("transport_event", ({ type }) => wire.push(type));
  session.on("agent_end", (_context, _agent, text) => ends.push(text));
  await session.connect({ apiKey, url: `${location.origin}/v1/realtime/calls` });
  session.sendMessage("Hello.");
  const done = () => ends.length && wire.includes("output_audio_buffer.stopped");
  while (!done()) await new Promise((next) => setTimeout(next, 20));
  session.close();
  return { wire, errors, ends };
}"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served("scripted.py") as url:
        yield url


@pytest.fixture(scope="module")
def speaker(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One whose microphone says something every eight seconds, and that plays without a click."""
    vowel = sum(np.sin(2 * np.pi * 120 * n * np.arange(RATE_HZ) / RATE_HZ) / n for n in range(1, 6)) * 0.15
    speech = write_recording(tmp_path_factory.mktemp("speech") / "speech.wav", [1.5, np.asarray(vowel), 5.5])
    played = "--autoplay-policy=no-user-gesture-required"
    with launch(FAKE_DEVICE, f"--use-file-for-fake-audio-capture={speech}", played) as browser:
        yield browser


def called(page: Page, script: str, *arguments: Any) -> Any:
    page.set_default_timeout(60_000)
    return page.evaluate(script, *arguments)


def test_a_voice_is_heard_and_answered_in_a_call(speaker: Browser, url: str) -> None:
    """The browser hears the reply, with no gap that it had to conceal on loopback."""
    with opened(speaker, url) as page:
        told = called(page, CALL)
    assert (told["status"], told["hangup"], told["lost"]) == (201, 200, 0)
    assert told["output"] == "This was message 1."
    assert told["energy"] > 0.005
    assert told["bufferedMs"] < 250


def test_the_agents_sdk_connects_as_it_is_by_its_default_transport(speaker: Browser, url: str) -> None:
    """With an ephemeral key, which it insists on in a browser."""
    bundle = installed(CLIENTS) / "node_modules" / "@openai" / "agents-realtime" / "dist" / "bundle"

    def give(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        route.fulfill(path=bundle / name, content_type="text/javascript")

    with opened(speaker, url) as page:
        page.route("**/agents/*", give)
        made = page.request.post(f"{url}/v1/realtime/client_secrets", data={"session": {"type": "realtime"}})
        told = called(page, AGENT, made.json()["value"])
    assert told["errors"] == []
    assert told["ends"][0].startswith("This was message")
    assert {"session.created", "session.updated", "output_audio_buffer.started"} <= set(told["wire"])
