/** The server's state: a dot and a word in the header, each service in the panel. */

import { byId, element } from "./dom.js";
import { health, readiness } from "./server_api.js";

const EVERY_MS = 5000;
const NAMES = {
  stt_up: "speech recognition",
  llm_up: "language model",
  tts_up: "speech synthesis",
  voice_cloning_up: "voice cloning",
};

/** @type {Record<string, string>} */
const WORDS = { full: "full at the moment", loading: "starting", stopping: "shutting down" };

export class ServerView {
  /** @param {() => boolean} isOn whether one talks with it: it may then be full for others */
  constructor(isOn) {
    this.isOn = isOn;
  }

  start() {
    const url = new URL("v1/realtime", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    byId("address", HTMLElement).textContent = url.href;
    byId("talk", HTMLElement).textContent += ` --url ${location.origin}`;
    this.ask();
    setInterval(() => document.hidden || this.ask(), EVERY_MS);
  }

  async ask() {
    const [now, ready] = await Promise.all([health(), readiness()]).catch(() => [null, null]);
    const up = this.isOn() ? now !== null : (ready?.ready ?? false);
    byId("state-word", HTMLElement).textContent = up
      ? this.isOn()
        ? "connected"
        : "ready to talk"
      : trouble(now, ready);
    byId("state-dot", HTMLElement).className = `dot ${up ? "up" : "down"}`;
    const known = Object.entries(NAMES).filter(([key]) => now && key in now);
    byId("services", HTMLElement).replaceChildren(...known.map(([key, name]) => service(name, now?.[key] ?? false)));
  }
}

/**
 * @param {import("./server_api.js").Health | null} now
 * @param {import("./server_api.js").Readiness | null} ready
 */
function trouble(now, ready) {
  if (!now || !ready) return "no answer";
  const down = Object.entries(NAMES).find(([key]) => key !== "voice_cloning_up" && now[key] === false);
  return WORDS[ready.code] ?? (down ? `${down[1]} is down` : "not ready");
}

/**
 * @param {string} name
 * @param {boolean} up
 */
function service(name, up) {
  const dot = element("span", `dot ${up ? "up" : name === NAMES.voice_cloning_up ? "" : "down"}`);
  return element("li", "", dot, `${name}: ${up ? "up" : name === NAMES.voice_cloning_up ? "not offered" : "down"}`);
}
