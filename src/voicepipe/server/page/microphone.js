/** The way of the microphone's sound to the server: in messages, as PCM16 or Opus, or in a call, which takes it itself. */

import { toBase64 } from "./base64.js";
import { OpusSender } from "./opus.js";

const CALL_TAIL_MS = 120; // what is on its way through a call

export class Microphone {
  /** @param {import("./conversation.js").Conversation} conversation */
  constructor(conversation) {
    this.conversation = conversation;
    this.level = 0;
    /** @type {OpusSender | null} */
    this.opus = null;
  }

  /** A session begins on a WebSocket, with sound in Opus. */
  useOpus() {
    this.opus?.close();
    this.opus = new OpusSender((audio) => this.send(audio));
  }

  /**
   * Take 40 ms.
   * @param {ArrayBuffer} packet
   * @param {number} level
   */
  captured(packet, level) {
    const { muted, phase, turns, audio, connection } = this.conversation;
    this.level = muted ? 0 : level;
    const hears = phase === "on" && turns.hears();
    audio?.gate(hears);
    if (!hears || connection?.call) return;
    if (this.opus) this.opus.push(packet);
    else this.send(toBase64(packet));
  }

  /** @param {string} audio */
  send(audio) {
    this.conversation.send({ type: "input_audio_buffer.append", audio });
  }

  /** Wait until the server has what was captured. */
  async flush() {
    if (this.conversation.connection?.call) await new Promise((done) => setTimeout(done, CALL_TAIL_MS));
    else await this.opus?.flush();
  }

  close() {
    this.level = 0;
    this.opus?.close();
    this.opus = null;
  }
}
