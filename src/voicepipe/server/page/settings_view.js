/** The choices: character, voice, devices, and how one talks. */

import { byId, element } from "./dom.js";
import { hasCalls } from "./connection.js";
import { KeyNeeded, characters, pipelines, voices } from "./server_api.js";

/** @typedef {import("./session.js").Options} Options */
/** @typedef {import("./server_api.js").Choice} Choice */

const OWN = "own";

export class SettingsView {
  /** @param {(options: Partial<Options>) => void} chosen */
  constructor(chosen) {
    this.chosen = chosen;
    this.pipeline = byId("pipeline", HTMLSelectElement);
    this.transport = byId("transport", HTMLSelectElement);
    this.character = byId("character", HTMLSelectElement);
    this.instructions = byId("instructions", HTMLTextAreaElement);
    this.voice = byId("voice", HTMLSelectElement);
    this.microphone = byId("microphone", HTMLSelectElement);
    this.loudspeaker = byId("loudspeaker", HTMLSelectElement);
    this.textOnly = byId("text-only", HTMLInputElement);
    this.pushToTalk = byId("push-to-talk", HTMLInputElement);
    this.greets = byId("greets", HTMLInputElement);
    this.form = byId("settings-form", HTMLFormElement);
    this.form.addEventListener("change", () => this.tell());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    hide(this.transport, !hasCalls);
    navigator.mediaDevices?.addEventListener("devicechange", () => this.showDevices());
  }

  /** @returns {Options} */
  options() {
    const own = this.character.value === OWN;
    return {
      pipeline: this.pipeline.value,
      transport: /** @type {import("./session.js").Transport} */ (this.transport.value),
      instructions: own ? this.instructions.value.trim() : this.character.value,
      voice: this.voice.value,
      deviceId: this.microphone.value,
      textOnly: this.textOnly.checked,
      pushToTalk: this.pushToTalk.checked,
      greets: this.greets.checked,
    };
  }

  tell() {
    byId("own", HTMLElement).hidden = this.character.value !== OWN;
    this.summarise();
    this.chosen(this.options());
  }

  /** What is chosen, in one line. */
  summarise() {
    const shown = [this.pipeline, this.character, this.voice, this.microphone].filter((select) => !isHidden(select));
    const names = shown.map((select) => select.selectedOptions[0]?.text ?? "").filter(Boolean);
    if (this.transport.value !== "auto") names.push(this.transport.selectedOptions[0]?.text ?? "");
    if (this.pushToTalk.checked) names.push("push to talk");
    if (this.textOnly.checked) names.push("text only");
    byId("chosen", HTMLElement).textContent = names.join(" · ");
  }

  /**
   * Ask the server what there is, and return whether the key was right.
   * @param {string} key
   */
  async load(key) {
    try {
      const [what, who, how] = await Promise.all([pipelines(key), characters(key), voices(key)]);
      offer(this.pipeline, what);
      hide(this.pipeline, !what.length);
      offer(this.character, [{ name: "The server's character", value: "" }, ...who]);
      this.character.add(new Option("Your own words …", OWN));
      offer(this.voice, how.length > 1 ? [{ name: "The server's voice", value: "" }, ...how] : how);
      hide(this.character, !who.length);
      hide(this.voice, !how.length);
    } catch (error) {
      if (error instanceof KeyNeeded) return false;
      for (const select of [this.pipeline, this.character, this.voice]) hide(select, true);
    }
    this.tell();
    return true;
  }

  /** Browsers tell the names of devices only when the microphone was allowed. */
  async showDevices() {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    offer(this.microphone, named(devices, "audioinput", "Default microphone"));
    const outputs = "setSinkId" in AudioContext.prototype ? named(devices, "audiooutput", "Default loudspeaker") : [];
    offer(this.loudspeaker, outputs);
    hide(this.loudspeaker, outputs.length < 2);
    this.summarise();
  }
}

/**
 * @param {MediaDeviceInfo[]} devices
 * @param {string} kind
 * @param {string} standard
 * @returns {Choice[]}
 */
function named(devices, kind, standard) {
  const own = devices.filter(({ kind: k, deviceId }) => k === kind && deviceId && deviceId !== "default");
  return [{ name: standard, value: "" }, ...own.map(({ label, deviceId }) => ({ name: label, value: deviceId }))];
}

/**
 * Fill a choice, and keep what is chosen.
 * @param {HTMLSelectElement} select
 * @param {Choice[]} choices
 */
function offer(select, choices) {
  const before = select.value;
  select.replaceChildren(
    ...choices.map(({ name, value }) => {
      const option = element("option", "", name);
      option.value = value;
      return option;
    }),
  );
  if (choices.some(({ value }) => value === before)) select.value = before;
}

/**
 * @param {HTMLSelectElement} select
 * @param {boolean} hidden
 */
function hide(select, hidden) {
  const field = select.closest(".field");
  if (field instanceof HTMLElement) field.hidden = hidden;
}

/** @param {HTMLSelectElement} select */
function isHidden(select) {
  const field = select.closest(".field");
  return field instanceof HTMLElement && field.hidden;
}
