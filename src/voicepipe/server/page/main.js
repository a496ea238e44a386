/** The page: its parts, and what connects them. */

import { CaptionsView } from "./captions_view.js";
import { Conversation } from "./conversation.js";
import { byId, save } from "./dom.js";
import { LevelsView } from "./levels_view.js";
import { keyProblem } from "./problems.js";
import { ServerView } from "./server_view.js";
import { SettingsView } from "./settings_view.js";
import { StatusView } from "./status_view.js";

const button = byId("talk-button", HTMLButtonElement);
const mute = byId("mute", HTMLButtonElement);
const end = byId("end", HTMLButtonElement);
const textField = byId("text", HTMLInputElement);
const conversation = new Conversation(() => showSoon());
const captions = new CaptionsView();
const status = new StatusView();
const levels = new LevelsView(() => conversation.levels);
const server = new ServerView(() => conversation.isOn);
const settings = new SettingsView((options) => conversation.choose(options));

let shownPhase = "";
let isPlanned = false;
const HIDDEN_MS = 100;

/** Show the conversation with the next frame, once for all events until then. A hidden page has no frames. */
function showSoon() {
  if (isPlanned) return;
  isPlanned = true;
  const now = () => {
    isPlanned = false;
    show();
  };
  if (document.hidden) setTimeout(now, HIDDEN_MS);
  else requestAnimationFrame(now);
}

const seeButton = byId("see-button", HTMLButtonElement);
const seeAllowed = document.querySelector("meta[name=session-events]")?.getAttribute("content") === "true";
/** @type {import("./see.js").See | null} */
let see = null;

/** Show the conversation from inside, or stop to. */
async function toggleSee() {
  const opens = seeButton.getAttribute("aria-expanded") === "false";
  seeButton.setAttribute("aria-expanded", String(opens));
  byId("see", HTMLElement).hidden = !opens;
  see?.stop();
  see = null;
  if (opens) await follow();
}

/** Follow the session that is on. */
async function follow() {
  const { See } = await import("./see.js");
  see = new See(conversation.session, conversation.key, conversation.connection?.pipeline ?? "");
  await see.start().catch(() => {}); // its end, or that of the network, which the conversation tells
}

/** Show the conversation as it stands. */
function show() {
  const { phase, dialogue, isOn, muted, options } = conversation;
  const { talking } = conversation.turns;
  const pushes = isOn && options.pushToTalk;
  Object.assign(document.body.dataset, {
    phase,
    problem: conversation.problem !== null,
    floor: isOn ? dialogue.floor : "",
    talking,
    pushes,
  });
  if (phase !== shownPhase) server.ask();
  if (phase === "on" && see && see.session !== conversation.session) {
    see.stop();
    follow();
  }
  seeButton.hidden = !seeAllowed || (!isOn && !see);
  shownPhase = phase;
  status.show(conversation);
  captions.show(dialogue.entries);
  levels.run(isOn);
  byId("button-label", HTMLElement).textContent = label();
  button.disabled = phase === "connecting";
  mute.setAttribute("aria-pressed", String(muted));
  byId("mute-label", HTMLElement).textContent = muted ? "Unmute" : "Mute";
  mute.hidden = !isOn || options.pushToTalk || !conversation.hasMicrophone;
  end.hidden = !pushes;
  byId("say", HTMLElement).hidden = !isOn;
  byId("keep", HTMLElement).hidden = !dialogue.entries.length;
  byId("save-sound", HTMLButtonElement).hidden = !conversation.recording;
}

function label() {
  const { phase, options, turns, isOn } = conversation;
  if (isOn && options.pushToTalk) return turns.talking ? "Listening" : "Hold to talk";
  if (isOn) return "End";
  return phase === "connecting" ? "Connecting" : "Talk";
}

/** @param {boolean} withMicrophone */
async function start(withMicrophone) {
  await conversation.choose(settings.options());
  await conversation.start(withMicrophone);
  await settings.showDevices();
}

function press() {
  if (!conversation.isOn) start(true);
  else if (!conversation.options.pushToTalk) conversation.end();
}

button.addEventListener("click", press);
button.addEventListener("contextmenu", (event) => event.preventDefault()); // of a long press on a phone
button.addEventListener("pointerdown", () => conversation.turns.press(true));
for (const name of ["pointerup", "pointercancel", "blur"])
  addEventListener(name, () => conversation.turns.press(false));

/** @param {KeyboardEvent} event */
function isForTalking(event) {
  const typing = event.target instanceof Element && event.target.matches("input, textarea, select, summary, a");
  return event.code === "Space" && !typing && conversation.isOn && conversation.options.pushToTalk;
}
addEventListener("keydown", (event) => {
  if (!isForTalking(event)) return;
  event.preventDefault();
  conversation.turns.press(true);
});
addEventListener("keyup", (event) => {
  if (!isForTalking(event)) return;
  event.preventDefault();
  conversation.turns.press(false);
});

mute.addEventListener("click", () => conversation.mute(!conversation.muted));
seeButton.addEventListener("click", toggleSee);
end.addEventListener("click", () => conversation.end());
byId("type-instead", HTMLButtonElement).addEventListener("click", () => start(false));
byId("reload", HTMLButtonElement).addEventListener("click", () => location.reload());
byId("loudspeaker", HTMLSelectElement).addEventListener("change", ({ target }) => {
  if (target instanceof HTMLSelectElement) conversation.audio?.speakTo(target.value);
});
byId("say", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const text = textField.value.trim();
  if (text) conversation.turns.type(text);
  textField.value = "";
});
byId("save-sound", HTMLButtonElement).addEventListener("click", () => {
  if (conversation.recording) save(conversation.recording.wav(), `${fileName()}.wav`);
});
byId("save-text", HTMLButtonElement).addEventListener("click", () => {
  save(new Blob([conversation.dialogue.transcript()], { type: "text/plain" }), `${fileName()}.txt`);
});
byId("key-form", HTMLFormElement).addEventListener("submit", async (event) => {
  event.preventDefault();
  conversation.key = byId("key", HTMLInputElement).value.trim();
  if (await load("That key was refused.")) start(true);
});

function fileName() {
  return `conversation-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}`;
}

/**
 * Ask what the server offers, and for a key where it needs one.
 * @param {string} why
 */
async function load(why) {
  const allowed = await settings.load(conversation.key);
  conversation.problem = allowed ? null : keyProblem(why);
  show();
  return allowed;
}

server.start();
settings.showDevices();
load("Enter the key that its operator has given you.");
