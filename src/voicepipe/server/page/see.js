/** A conversation from inside: marbles, latencies, the drawn pipeline, and a log. Loaded only when one asks for it. */

import { byId, element, save } from "./dom.js";
import { Marbles } from "./marbles.js";
import { MarblesView, latencyBar } from "./marbles_view.js";
import { SessionEvents } from "./session_events.js";

/** @typedef {import("./session_events.js").InnerEvent} InnerEvent */

const LOG_LINES = 40; // a filter finds the older ones
const RATE_S = 5;
const RATE_EVERY_MS = 500;
const QUIET = new Set(["AudioReceived", "SpeechEncoded"]); // 40 a second: they are marbles, and no lines of the log

export class See {
  /**
   * @param {string} session
   * @param {string} key
   * @param {string} pipeline empty: the server's first one
   */
  constructor(session, key, pipeline) {
    this.session = session;
    this.feed = new SessionEvents(key, pipeline);
    this.marbles = new Marbles([]);
    this.view = new MarblesView(this.marbles);
    this.began = 0; // of the session, on this page's clock
    this.ratedMs = 0;
    this.paused = false;
    this.shownS = 0;
    this.running = true;
    this.back = byId("see-back", HTMLInputElement);
    this.pause = byId("see-pause", HTMLButtonElement);
    this.filter = byId("see-filter", HTMLInputElement);
    this.log = byId("see-log", HTMLOListElement);
    this.pause.onclick = () => this.setPaused(!this.paused);
    this.back.oninput = () => this.scrollBack();
    this.filter.oninput = () => this.showLog();
    byId("see-save", HTMLButtonElement).onclick = () => this.save();
  }

  async start() {
    this.setPaused(false);
    this.marbles = new Marbles(await this.feed.stages());
    this.view = new MarblesView(this.marbles);
    byId("see-marbles", HTMLElement).replaceChildren(this.view.svg);
    byId("see-latencies", HTMLOListElement).replaceChildren();
    this.log.replaceChildren();
    byId("see-picture", HTMLImageElement).src = await this.feed.picture();
    requestAnimationFrame(() => this.draw());
    await this.feed.follow(this.session, (event) => this.take(event));
    this.running = false;
  }

  stop() {
    this.running = false;
    this.feed.stop.abort();
  }

  /** @param {InnerEvent} event */
  take(event) {
    const now = performance.now() / 1000;
    // The event that was the fastest on its way tells when the session began.
    this.began = this.began ? Math.min(this.began, now - event.at_s) : now - event.at_s;
    const measured = this.marbles.latencies.length;
    this.marbles.add(event);
    const latency = this.marbles.latencies[measured];
    if (latency) byId("see-latencies", HTMLOListElement).prepend(latencyBar(latency));
    if (!QUIET.has(event.event) && !this.paused && this.matches(event)) this.addLine(event);
  }

  draw() {
    if (!this.paused) this.shownS = performance.now() / 1000 - this.began;
    if (this.began) this.view.draw(this.shownS);
    if (performance.now() - this.ratedMs > RATE_EVERY_MS) this.showRates();
    if (this.running || this.paused) requestAnimationFrame(() => this.draw());
  }

  showRates() {
    this.ratedMs = performance.now();
    const texts = this.view.names.querySelectorAll("text");
    for (const [place, name] of this.marbles.lines.entries()) {
      const rate = this.marbles.rate(place, this.shownS, RATE_S);
      const shown = rate >= 0.1 ? `${name}  ${rate.toFixed(rate < 10 ? 1 : 0)}/s` : name;
      const text = texts[place];
      if (text && text.textContent !== shown) text.textContent = shown;
    }
  }

  /** @param {boolean} paused */
  setPaused(paused) {
    this.paused = paused;
    this.pause.textContent = paused ? "Go on" : "Pause";
    if (!paused) this.back.value = this.back.max;
    if (!paused) this.showLog();
  }

  scrollBack() {
    this.setPaused(true);
    const endS = this.marbles.marbles.at(-1)?.at ?? 0;
    this.shownS = (endS * Number(this.back.value)) / Number(this.back.max);
  }

  /** @param {InnerEvent} event */
  matches(event) {
    const wanted = this.filter.value.trim().toLowerCase();
    return !wanted || JSON.stringify(event).toLowerCase().includes(wanted);
  }

  showLog() {
    const shown = this.marbles.events.filter((event) => !QUIET.has(event.event) && this.matches(event));
    this.log.replaceChildren();
    for (const event of shown.slice(-LOG_LINES)) this.addLine(event);
  }

  /** @param {InnerEvent} event */
  addLine({ at_s, event, ...fields }) {
    const told = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    const at = element("span", "at", at_s.toFixed(2));
    this.log.prepend(element("li", "", at, element("b", "", event), ` ${told.join(" ")}`));
    while (this.log.children.length > LOG_LINES) this.log.lastChild?.remove();
  }

  save() {
    const lines = this.marbles.events.map((event) => JSON.stringify(event));
    save(new Blob([`${lines.join("\n")}\n`], { type: "application/x-ndjson" }), `${this.session}.jsonl`);
  }
}
