"""An hour of talk in some seconds: what the page keeps of it are its words."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.page.conftest import opened

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("page")]

TURNS_A_MINUTE = 6
SCRIPT_BYTES, CAPTION_BYTES, NODES_A_TURN = 3_000_000, 40_000, 20
"""What the scripts hold more after 330 turns: their words, 0.4 MB, where their sound would be 150 MB; and what the
browser holds for the captions of one turn, of 70 words."""

SERVER = """
class Server extends EventTarget {
  static OPEN = 1;
  constructor() {
    super();
    window.server = this;
    this.readyState = Server.OPEN;
    this.turns = 0;
    this.sound = btoa("\\x10\\x00".repeat(1920)); // 80 ms
    setTimeout(() => this.tell("session.created", { session: { id: "sess_1" } }));
  }
  send() {}
  close() { this.readyState = 3; }
  tell(type, fields) {
    this.onmessage({ data: JSON.stringify({ type, event_id: `event_${Math.random()}`, ...fields }) });
  }
  async talk(turns) {
    for (let turn = 0; turn < turns; turn++) {
      this.turn(++this.turns);
      if (turn % 10 === 9) await new Promise((done) => setTimeout(done, 50));
    }
  }
  turn(number) {
    const [user, bot, response] = [`user_${number}`, `bot_${number}`, `resp_${number}`];
    const words = Array(60).fill(`word${number}`);
    this.tell("input_audio_buffer.speech_started", { item_id: user });
    this.tell("input_audio_buffer.speech_stopped", { item_id: user });
    this.tell("input_audio_buffer.committed", { item_id: user });
    const kind = "conversation.item.input_audio_transcription.completed";
    this.tell(kind, { item_id: user, transcript: `This is what the user says in turn ${number}.` });
    this.tell("response.created", { response: { id: response } });
    for (const word of words) {
      this.tell("response.output_audio.delta", { item_id: bot, delta: this.sound });
      this.tell("response.output_audio_transcript.delta", { item_id: bot, delta: ` ${word}` });
    }
    this.tell("response.output_audio.done", { item_id: bot });
    this.tell("response.done", { response: { id: response, status: "completed", output: [{ id: bot }] } });
  }
}
window.WebSocket = Server;
window.AudioDecoder = undefined; // the sound above is PCM16
"""


@dataclass
class Kept:
    """The objects that the page holds after a collection of garbage."""

    script_bytes: int
    page_bytes: int
    nodes: int


def kept(page: Page, chromium: CDPSession) -> Kept:
    page.wait_for_timeout(300)
    chromium.send("HeapProfiler.collectGarbage")
    heap = chromium.send("Runtime.getHeapUsage")
    script_bytes = int(heap["usedSize"] + heap["backingStorageSize"])
    return Kept(script_bytes, int(heap["embedderHeapUsedSize"]), chromium.send("Memory.getDOMCounters")["nodes"])


def test_an_hour_of_talk_does_not_grow_its_memory(browser: Browser, scripted_url: str) -> None:
    """The same page, with a server in its own script that talks faster than anyone can."""
    with opened(browser, "about:blank", transport="websocket") as page:
        page.add_init_script(SERVER)
        page.goto(scripted_url)
        page.click("#talk-button")
        expect(page.locator("body")).to_have_attribute("data-phase", "on")
        chromium = page.context.new_cdp_session(page)
        page.evaluate("server.talk(30)")
        early = kept(page, chromium)
        turns = 55 * TURNS_A_MINUTE
        page.evaluate(f"server.talk({turns})")
        late = kept(page, chromium)
        expect(page.locator(".caption")).to_have_count(2 * (30 + turns))
        assert late.script_bytes - early.script_bytes < SCRIPT_BYTES, (early, late)
        assert late.page_bytes - early.page_bytes < CAPTION_BYTES * turns, (early, late)
        assert late.nodes - early.nodes < NODES_A_TURN * turns, (early, late)
