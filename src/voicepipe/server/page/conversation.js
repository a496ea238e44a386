/** A conversation: its connection, its sound and its words, and what the user does to it. */

import { Audio } from "./audio.js";
import { BotSound } from "./bot_sound.js";
import { Connection } from "./connection.js";
import { Dialogue } from "./dialogue.js";
import { browserProblem, connectionProblem, contextProblem, microphoneProblem } from "./problems.js";
import { isCurrent, readiness } from "./server_api.js";
import { hasOpus } from "./opus.js";
import { Microphone } from "./microphone.js";
import { sessionUpdate } from "./session.js";
import { Turns } from "./turns.js";

/** @typedef {import("./dialogue.js").ServerEvent} ServerEvent */
/** @typedef {import("./problems.js").Problem} Problem */
/** @typedef {import("./session.js").Options} Options */
/** @typedef {"idle" | "connecting" | "on" | "reconnecting" | "ended"} Phase */

/** @type {Options} */
const DEFAULTS = {
  pipeline: "",
  transport: "auto",
  instructions: "",
  voice: "",
  deviceId: "",
  textOnly: false,
  pushToTalk: false,
  greets: false,
};
const CONNECTED_AGAIN = "Connected again. The conversation goes on.";
const EXPECTED = new Set(["response_cancel_not_active", "input_audio_buffer_commit_empty"]);

export class Conversation {
  /** @param {() => void} changed is called after every change but those of the levels */
  constructor(changed) {
    this.changed = changed;
    this.dialogue = new Dialogue();
    /** @type {Phase} */
    this.phase = "idle";
    /** @type {Problem | null} */
    this.problem = null;
    this.notice = "";
    this.hasOpus = false;
    /** @type {Options} */
    this.options = { ...DEFAULTS };
    this.key = "";
    this.muted = false;
    this.outdated = false;
    /** @type {Audio | null} */
    this.audio = null;
    /** @type {Connection | null} */
    this.connection = null;
    /** @type {import("./recording.js").Recording | null} */
    this.recording = null;
    this.session = ""; // the server's id of it
    this.turns = new Turns(this);
    this.sound = new BotSound(this);
    this.microphone = new Microphone(this);
  }

  get isOn() {
    return this.phase === "on" || this.phase === "reconnecting";
  }

  get levels() {
    return { user: this.microphone.level, bot: this.sound.level };
  }

  /** In a call the sound is in Opus, too, but not in messages. */
  get usesOpus() {
    return this.hasOpus && this.audio !== null && !this.connection?.call;
  }

  get hasMicrophone() {
    return this.audio?.stream != null;
  }

  // ---- its beginning and its end ----

  /** @param {boolean} withMicrophone false: the user types */
  async start(withMicrophone) {
    this.reset();
    const problem = withMicrophone ? (contextProblem() ?? browserProblem()) : null;
    if (problem) return this.fail(problem);
    try {
      if (typeof AudioWorkletNode !== "undefined") this.audio = await Audio.open(this.audioListener());
      if (withMicrophone) await this.audio?.listen(this.options.deviceId);
    } catch (error) {
      return this.fail(microphoneProblem(error));
    }
    this.hasOpus = await hasOpus();
    if (this.phase !== "connecting") return this.release();
    this.recording = this.audio?.recording ?? null;
    const { pipeline, transport } = this.options;
    this.connection = new Connection(this.key, pipeline, transport, this.audio, this.connectionListener());
    this.connection.open();
    this.changed();
  }

  reset() {
    this.dialogue = new Dialogue();
    this.phase = "connecting";
    this.problem = null;
    this.notice = "";
    this.turns = new Turns(this);
    this.sound = new BotSound(this);
    this.changed();
  }

  /** @param {Problem | null} [problem] */
  async end(problem = null) {
    this.phase = this.dialogue.entries.length ? "ended" : "idle";
    this.problem = problem;
    if (problem) this.notice = "";
    this.dialogue.breakOff();
    await this.release();
    this.changed();
  }

  /** @param {Problem} problem */
  fail(problem) {
    return this.end(problem);
  }

  async release() {
    this.connection?.close();
    const { audio } = this;
    this.connection = this.audio = null;
    this.microphone.close();
    this.sound.close();
    await audio?.close();
  }

  // ---- the connection ----

  /** @returns {import("./connection.js").Listener} */
  connectionListener() {
    return {
      opened: (again) => this.opened(again),
      resumed: () => this.resumed(),
      received: (event) => this.receive(event),
      lost: () => {
        this.phase = "reconnecting";
        this.changed();
      },
      closed: (end) => this.closed(end),
    };
  }

  /** @param {boolean} again */
  opened(again) {
    this.phase = "on";
    if (again) this.breakOff();
    if (this.usesOpus) for (const side of [this.microphone, this.sound]) side.useOpus();
    this.configure();
    for (const item of again ? this.dialogue.messages() : []) this.send({ type: "conversation.item.create", item });
    if (again) this.notice = CONNECTED_AGAIN;
    else if (this.options.greets) this.send({ type: "response.create" });
    isCurrent().then(
      (current) => {
        this.outdated = !current;
        this.changed();
      },
      () => {}, // it is asked again when the connection comes back
    );
    this.changed();
  }

  /** The session has outlived the loss of its connection: what was missed follows. */
  resumed() {
    this.phase = "on";
    this.notice = CONNECTED_AGAIN;
    this.changed();
  }

  /** The session is lost, and a new one begins: nothing that is open will be finished. */
  breakOff() {
    this.turns = new Turns(this);
    this.sound.breakOff();
    this.dialogue.breakOff();
  }

  /** @param {Parameters<import("./connection.js").Listener["closed"]>[0]} end */
  async closed(end) {
    const problem = connectionProblem(end, end.code === 1000 ? null : await readiness().catch(() => null));
    if (!problem) this.notice = "The conversation is over.";
    await this.end(problem);
  }

  /** @param {ServerEvent} event */
  send(event) {
    this.connection?.send(event);
  }

  /** @param {ServerEvent} event */
  receive(event) {
    this.sound.receive(event);
    if (event.type === "response.output_audio.delta") return;
    if (event.type === "session.created") this.session = event.session.id;
    this.dialogue.apply(event);
    if (event.type === "error") this.complain(event);
    if (event.type === "response.done") this.finished(event.response);
    this.changed();
  }

  /** @param {any} response */
  finished(response) {
    const failure = response.status_details?.error?.message;
    if (failure) this.notice = failure;
    this.turns.finished();
  }

  /** @param {ServerEvent} event */
  complain({ error }) {
    if (error.code === "conversation_already_has_active_response") this.turns.requestReply();
    else if (!EXPECTED.has(error.code)) this.notice = error.message;
  }

  // ---- the sound ----

  /** @returns {import("./audio.js").Listener} */
  audioListener() {
    return {
      captured: (packet, level) => this.microphone.captured(packet, level),
      reported: (report) => this.sound.reported(report),
      audible: ({ item, afterMs }) => {
        this.dialogue.audible(item, afterMs);
        this.changed();
      },
      flushed: (flushed) => this.sound.flushed(flushed),
      unplugged: () => {
        this.audio?.stopListening();
        this.notice = "The microphone was unplugged. Choose another one in the settings, or type.";
        this.changed();
      },
    };
  }

  // ---- what the user does ----

  configure() {
    this.send(sessionUpdate(this.options, this.usesOpus));
  }

  /** @param {Partial<Options>} options */
  async choose(options) {
    const device = options.deviceId !== undefined && options.deviceId !== this.options.deviceId;
    this.options = { ...this.options, ...options };
    if (this.isOn) this.configure();
    if (device && this.audio) {
      await this.audio.listen(this.options.deviceId).catch((error) => {
        this.notice = microphoneProblem(error).title;
      });
    }
    this.changed();
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.muted = muted;
    this.audio?.mute(muted);
    this.changed();
  }
}
