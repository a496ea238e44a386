/**
 * The bot's sound in a call, as the server's events tell it: it travels beside them, and the server knows what it has
 * sent. Pure.
 */

/** @typedef {import("./dialogue.js").ServerEvent} ServerEvent */

export class OutputAudio {
  constructor() {
    /** @type {Map<string, string>} */
    this.items = new Map(); // by response
    this.item = ""; // whose sound comes
    this.cut = ""; // whose rest was thrown away, until it is taken
    this.sounds = false;
  }

  /**
   * Take an event, and return what it does to the sound.
   * @param {ServerEvent} event
   * @returns {"started" | "stopped" | "cleared" | null}
   */
  take({ type, response_id, item }) {
    switch (type) {
      case "response.output_item.added":
        if (item.type === "message") this.items.set(response_id, item.id);
        return null;
      case "output_audio_buffer.started":
        this.item = this.items.get(response_id) ?? "";
        this.items.clear();
        this.sounds = true;
        return "started";
      case "output_audio_buffer.cleared":
        if (this.sounds) this.cut = this.item;
        this.sounds = false;
        return "cleared";
      case "output_audio_buffer.stopped":
        this.sounds = false;
        return "stopped";
      default:
        return null;
    }
  }

  /** The item that was cut, once. */
  takeCut() {
    const { cut } = this;
    this.cut = "";
    return cut;
  }
}
