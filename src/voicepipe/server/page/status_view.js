/** What is going on, in one line, and what stands in the way. */

import { byId } from "./dom.js";

/** @typedef {import("./conversation.js").Conversation} Conversation */

const FLOORS = {
  listening: "Listening",
  hearing: "You are speaking",
  thinking: "Thinking",
  speaking: "Speaking. Interrupt at any time",
};

export class StatusView {
  constructor() {
    this.status = byId("status", HTMLElement);
    this.problem = byId("problem", HTMLElement);
    this.title = byId("problem-title", HTMLElement);
    this.text = byId("problem-text", HTMLElement);
    this.again = byId("again", HTMLElement);
    this.notice = byId("notice", HTMLElement);
    this.figures = byId("figures", HTMLElement);
    /** @type {import("./problems.js").Problem | null} */
    this.shown = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.countdown = undefined;
  }

  /** @param {Conversation} conversation */
  show(conversation) {
    set(this.status, line(conversation));
    set(this.notice, conversation.notice);
    byId("outdated", HTMLElement).hidden = !conversation.outdated;
    set(this.figures, conversation.isOn ? figures(conversation) : "");
    if (conversation.problem !== this.shown) this.showProblem(conversation.problem);
  }

  /** @param {import("./problems.js").Problem | null} problem */
  showProblem(problem) {
    this.shown = problem;
    clearInterval(this.countdown);
    this.problem.hidden = !problem;
    set(this.title, problem?.title ?? "");
    set(this.text, problem?.text ?? "");
    this.problem.dataset.code = problem?.code ?? "";
    byId("key-form", HTMLElement).hidden = problem?.code !== "key";
    byId("type-instead", HTMLElement).hidden = !problem?.canType;
    if (problem?.code === "key") byId("key", HTMLInputElement).focus();
    this.countDown(problem?.retryAfterS);
  }

  /** @param {number | undefined} seconds until it is worth while to try again */
  countDown(seconds) {
    let left = seconds ?? 0;
    const tell = () => {
      set(this.again, seconds === undefined ? "" : left > 0 ? `Try again in ${left} s.` : "Try again now.");
      if (left-- <= 0) clearInterval(this.countdown);
    };
    tell();
    if (left >= 0 && seconds !== undefined) this.countdown = setInterval(tell, 1000);
  }
}

/** @param {Conversation} conversation */
function figures({ sound, connection }) {
  const { underruns, targetMs } = sound.buffer;
  const gaps = underruns === 1 ? "1 gap" : `${underruns} gaps`;
  return `${connection?.transport ?? ""} · ${gaps} in the sound · buffer ${Math.round(targetMs)} ms`;
}

/** @param {Conversation} conversation */
function line(conversation) {
  const { phase, dialogue, options, muted, turns } = conversation;
  if (phase === "connecting") return "Connecting …";
  if (phase === "reconnecting") return "The connection was lost. Reconnecting …";
  if (phase === "ended") return "Press to talk again";
  if (phase === "idle") return "Press and talk";
  if (turns.talking) return "Release when you have finished";
  if (dialogue.floor !== "listening") return FLOORS[dialogue.floor];
  if (!conversation.hasMicrophone) return "Type something";
  if (muted) return "You are muted";
  return options.pushToTalk ? "Hold the button, or the space bar, and talk" : FLOORS.listening;
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
