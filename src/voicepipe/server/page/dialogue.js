/**
 * The conversation as the server's events tell it: who said what, how much of it was heard, and who has the floor.
 * Pure: it knows no socket, no sound and no element.
 */

/** @typedef {{type: string, [field: string]: any}} ServerEvent */

/**
 * What one side said. `unheard` is the rest of a reply that was interrupted.
 * @typedef {object} Entry
 * @property {string} id
 * @property {"user" | "bot"} side
 * @property {string} text
 * @property {string} unheard
 * @property {"open" | "done" | "cut" | "failed"} state
 * @property {boolean} written
 * @property {number | null} afterMs from the user's last sound to the first of this one
 * @property {number | null} silentMs from the user's first sound to the bot's last, where it was interrupted
 */

/** @typedef {"listening" | "hearing" | "thinking" | "speaking"} Floor */

const NO_WORDS = "…";

export class Dialogue {
  constructor() {
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Floor} */
    this.floor = "listening";
    /** @type {string | null} */
    this.response = null; // the one that is in progress
    this.userSpeaks = false;
    this.owed = false; // the user has finished, and no reply has begun
    this.playing = false;
    /** @type {Set<string>} */
    this.committed = new Set(); // utterances whose words are still to come
  }

  /** @param {string} id */
  find(id) {
    return this.entries.find((entry) => entry.id === id);
  }

  /**
   * @param {string} id
   * @param {"user" | "bot"} side
   * @returns {Entry}
   */
  entry(id, side) {
    const found = this.find(id);
    if (found) return found;
    /** @type {Entry} */
    const made = { id, side, text: "", unheard: "", state: "open", written: false, afterMs: null, silentMs: null };
    this.entries.push(made);
    return made;
  }

  /**
   * Take an event of the server.
   * @param {ServerEvent} event
   */
  apply(event) {
    switch (event.type) {
      case "response.created":
        this.response = event.response.id;
        this.owed = false;
        break;
      case "response.done":
        this.finish(event.response);
        break;
      case "response.output_audio_transcript.delta":
      case "response.output_text.delta":
        this.say(event);
        break;
      case "conversation.item.retrieved":
        this.correct(event.item);
        break;
      default:
        this.ofUser(event);
    }
    this.settle();
  }

  /** @param {ServerEvent} event */
  ofUser(event) {
    const id = event.item_id;
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.userSpeaks = true;
        this.entry(id, "user").text ||= NO_WORDS;
        break;
      case "input_audio_buffer.speech_stopped":
        this.userSpeaks = false;
        break;
      case "input_audio_buffer.committed":
        this.userSpeaks = false;
        this.owed = true;
        this.committed.add(id);
        this.entry(id, "user").text ||= NO_WORDS;
        break;
      case "conversation.item.input_audio_transcription.completed":
        this.hear(id, event.transcript.trim());
        break;
      case "conversation.item.added":
        this.typed(event.item);
        break;
    }
  }

  /**
   * The final words of an utterance; none where it was no speech.
   * @param {string} id
   * @param {string} text
   */
  hear(id, text) {
    this.committed.delete(id);
    if (!text) {
      this.owed = false;
      this.drop(id);
      return;
    }
    Object.assign(this.entry(id, "user"), { text, state: "done" });
  }

  /** @param {string} id */
  drop(id) {
    this.entries = this.entries.filter((entry) => entry.id !== id);
  }

  /** @param {any} item that the user has typed */
  typed(item) {
    const text = item.content?.map((/** @type {any} */ part) => part.text ?? "").join(" ");
    if (item.role !== "user" || item.content?.[0]?.type !== "input_text" || this.find(item.id)) return;
    Object.assign(this.entry(item.id, "user"), { text, written: true, state: "done" });
    this.owed = true;
  }

  /** @param {ServerEvent} event */
  say({ type, item_id, delta }) {
    const entry = this.entry(item_id, "bot");
    entry.written = type === "response.output_text.delta";
    if (entry.state !== "cut") entry.text += delta;
    else entry.unheard += delta;
  }

  /** @param {any} response */
  finish(response) {
    if (this.response === response.id) this.response = null;
    const failed = response.status === "failed";
    for (const item of response.output) {
      const entry = this.find(item.id);
      if (entry?.state === "open") entry.state = failed ? "failed" : response.status === "cancelled" ? "cut" : "done";
    }
  }

  /** What was not committed had no words: a cough. */
  forget() {
    this.entries = this.entries.filter(({ id, text }) => text !== NO_WORDS || this.committed.has(id));
  }

  /**
   * A reply was cut. What of it was heard is known when the server has cut its own text.
   * @param {string} id
   * @param {number | null} silentMs
   */
  cut(id, silentMs) {
    const entry = this.find(id);
    if (entry && entry.state !== "failed") Object.assign(entry, { state: "cut", silentMs });
  }

  /** @param {any} item as the server has it: of a reply, what was heard */
  correct(item) {
    const entry = this.find(item.id);
    const heard = item.content?.[0]?.transcript;
    if (entry?.state !== "cut" || typeof heard !== "string") return;
    const whole = entry.text + entry.unheard;
    entry.text = whole.startsWith(heard) ? heard : entry.text;
    entry.unheard = whole.slice(entry.text.length);
  }

  /**
   * @param {string} id
   * @param {number | null} afterMs
   */
  audible(id, afterMs) {
    this.entry(id, "bot").afterMs = afterMs;
  }

  /** @param {boolean} playing */
  plays(playing) {
    this.playing = playing;
    this.settle();
  }

  settle() {
    if (!this.userSpeaks && !this.owed) this.forget();
    if (this.userSpeaks) this.floor = "hearing";
    else if (this.playing) this.floor = "speaking";
    else this.floor = this.response || this.owed ? "thinking" : "listening";
  }

  /** The connection is lost: nothing that is open will be finished. */
  breakOff() {
    this.response = null;
    this.userSpeaks = this.owed = this.playing = false;
    this.committed.clear();
    for (const entry of this.entries) if (entry.state === "open") entry.state = entry.side === "bot" ? "cut" : "done";
    this.settle();
  }

  /** The messages that a new session is told, so that the conversation goes on. */
  messages() {
    return this.entries
      .filter(({ text }) => text && text !== NO_WORDS)
      .map(({ side, text }) => {
        const [role, type] = side === "user" ? ["user", "input_text"] : ["assistant", "output_text"];
        return { type: "message", role, content: [{ type, text }] };
      });
  }

  /** The conversation as text. */
  transcript() {
    const lines = this.entries.map(({ side, text, unheard }) => {
      const rest = unheard ? ` [not heard: ${unheard.trim()}]` : "";
      return `${side === "user" ? "You" : "Bot"}: ${text}${rest}`;
    });
    return `${lines.join("\n")}\n`;
  }
}
