/** The levels of both sides, around the button: the user's ring and the bot's. */

import { byId } from "./dom.js";

const FALLS = 0.82; // per frame: a ring follows a voice up at once, and down in a fifth of a second
const QUIETEST_DB = -50;
const LOUDEST_DB = -12;

export class LevelsView {
  /** @param {() => {user: number, bot: number}} levels */
  constructor(levels) {
    this.levels = levels;
    this.stage = byId("stage", HTMLElement);
    this.shown = { user: 0, bot: 0 };
    this.running = false;
  }

  /** @param {boolean} running */
  run(running) {
    if (running && !this.running) requestAnimationFrame(() => this.draw());
    this.running = running;
  }

  draw() {
    const levels = this.running ? this.levels() : { user: 0, bot: 0 };
    for (const side of /** @type {const} */ (["user", "bot"])) {
      this.shown[side] = Math.max(loudness(levels[side]), this.shown[side] * FALLS);
      this.stage.style.setProperty(`--${side}`, this.shown[side].toFixed(3));
    }
    if (this.running || this.shown.user + this.shown.bot > 0.01) requestAnimationFrame(() => this.draw());
  }
}

/** @param {number} rms */
function loudness(rms) {
  const db = 20 * Math.log10(Math.max(rms, 1e-6));
  return Math.max(0, Math.min(1, (db - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB)));
}
