/** The words of both sides. Only what has changed is touched, so that a screen reader reads each word once. */

import { byId, element } from "./dom.js";

/** @typedef {import("./dialogue.js").Entry} Entry */

export class CaptionsView {
  constructor() {
    this.list = byId("captions", HTMLOListElement);
    this.spoken = byId("spoken", HTMLElement);
    /** @type {Map<string, {line: HTMLLIElement, shown: string}>} */
    this.lines = new Map();
    this.announced = new Set();
  }

  /** @param {Entry[]} entries */
  show(entries) {
    const follows = this.isAtEnd();
    const kept = new Set(entries.map((entry) => entry.id));
    for (const [id, { line }] of this.lines) {
      if (kept.has(id)) continue;
      line.remove();
      this.lines.delete(id);
    }
    for (const [place, entry] of entries.entries()) this.showEntry(entry, place);
    if (follows) this.toEnd();
  }

  /**
   * @param {Entry} entry
   * @param {number} place
   */
  showEntry(entry, place) {
    const version = JSON.stringify(entry);
    const known = this.lines.get(entry.id);
    if (known?.shown === version) return;
    const line = known?.line ?? element("li", "");
    line.className = `caption ${entry.side} ${entry.state}`;
    line.dataset.id = entry.id;
    line.replaceChildren(...parts(entry));
    if (this.list.children[place] !== line) this.list.insertBefore(line, this.list.children[place] ?? null);
    this.lines.set(entry.id, { line, shown: version });
    this.announce(entry);
  }

  /**
   * Tell a screen reader what was said, when it is whole.
   * @param {Entry} entry
   */
  announce({ id, side, text, state }) {
    if (state === "open" || this.announced.has(id)) return;
    this.announced.add(id);
    this.spoken.append(element("p", "", `${side === "user" ? "You" : "Reply"}: ${text}`));
    while (this.spoken.children.length > 4) this.spoken.firstChild?.remove();
  }

  isAtEnd() {
    const page = document.documentElement;
    return page.scrollHeight - scrollY - innerHeight < 120;
  }

  toEnd() {
    scrollTo({ top: document.documentElement.scrollHeight });
  }
}

/** @param {Entry} entry */
function parts(entry) {
  const { side, text, unheard, state } = entry;
  const words = element("p", "words", element("span", "heard", text.trim()));
  if (unheard.trim()) {
    const rest = element("del", "", unheard.trim());
    rest.title = "You did not hear this: you interrupted.";
    words.append(" ", rest);
  } else if (state === "cut") {
    words.append(element("span", "break", " —"));
  }
  const who = element("span", "side", side === "user" ? "You" : "Bot");
  const note = element("span", "note", notes(entry));
  return note.textContent ? [who, words, note] : [who, words];
}

/** @param {Entry} entry */
function notes({ side, written, state, afterMs, silentMs }) {
  const told = [];
  if (side === "user" && written) told.push("typed");
  if (side === "bot" && afterMs !== null && afterMs < 60_000) told.push(`answered after ${seconds(afterMs)}`);
  if (silentMs !== null) told.push(`silent ${Math.round(silentMs)} ms after you spoke`);
  else if (state === "cut") told.push("interrupted");
  if (state === "failed") told.push("broke off");
  return told.join(" · ");
}

/** @param {number} ms */
function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
