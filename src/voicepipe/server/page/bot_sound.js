/**
 * The bot's sound in a conversation, and what an interruption does to it. It comes in messages, ahead of its time, and
 * the page tells the server what was heard; or in a call, where the server knows.
 */

import { fromBase64 } from "./base64.js";
import { OpusReceiver } from "./opus.js";
import { OutputAudio } from "./output_audio.js";
import { WIRE_RATE_HZ } from "./pcm.js";

/** @typedef {import("./dialogue.js").ServerEvent} ServerEvent */
/** @typedef {import("./conversation.js").Conversation} Conversation */

const MOST_SILENT_MS = 5000; // a longer time is that of an earlier voice
const FIGURES_EVERY_MS = 1000;

export class BotSound {
  /** @param {Conversation} conversation */
  constructor(conversation) {
    this.conversation = conversation;
    this.output = new OutputAudio();
    /** @type {Set<string>} */
    this.dropped = new Set(); // items whose sound is not played any more
    /** @type {OpusReceiver | null} */
    this.opus = null; // where the session's sound is in Opus
    this.level = 0;
    this.buffer = { targetMs: 0, underruns: 0 };
    this.askedAt = 0;
    this.gaps = 0; // of the call, when it was asked last
  }

  get call() {
    return this.conversation.connection?.call ?? null;
  }

  /** @param {ServerEvent} event */
  receive(event) {
    const { audio } = this.conversation;
    if (event.type === "response.output_audio.delta") this.take(event.item_id, event.delta);
    if (event.type === "response.output_audio.done") this.finish();
    if (event.type === "input_audio_buffer.speech_started") this.interrupt();
    const change = this.output.take(event);
    if (!change) return;
    if (change === "started") audio?.begin(this.output.item);
    if (change === "cleared") audio?.flush();
    this.conversation.dialogue.plays(change === "started");
  }

  /** A session begins on a WebSocket, with sound in Opus. */
  useOpus() {
    this.opus?.close();
    this.opus = new OpusReceiver(
      (item, samples, rateHz) => this.play(item, samples, rateHz),
      () => this.conversation.audio?.end(),
    );
  }

  /**
   * Take sound out of a message.
   * @param {string} item
   * @param {string} base64
   */
  take(item, base64) {
    if (this.opus) this.opus.push(item, base64);
    else this.play(item, fromBase64(base64), WIRE_RATE_HZ);
  }

  /**
   * @param {string} item
   * @param {Float32Array<ArrayBuffer>} samples
   * @param {number} rateHz
   */
  play(item, samples, rateHz) {
    if (!this.dropped.has(item)) this.conversation.audio?.play(item, samples, rateHz);
  }

  finish() {
    if (this.opus) this.opus.finish();
    else this.conversation.audio?.end();
  }

  /** @param {import("./audio.js").Report} report */
  reported({ level, bufferedMs, targetMs, underruns }) {
    this.level = level;
    if (this.call) return this.askFigures();
    const { dialogue } = this.conversation;
    const playing = bufferedMs > 0;
    const told = underruns !== this.buffer.underruns;
    this.buffer = { targetMs, underruns };
    if (playing === dialogue.playing && !told) return;
    dialogue.plays(playing);
    this.conversation.changed();
  }

  /** In a call the browser buffers, and conceals what is lost. */
  async askFigures() {
    if (performance.now() - this.askedAt < FIGURES_EVERY_MS) return;
    this.askedAt = performance.now();
    const figures = await this.call?.figures();
    if (!figures) return;
    const { gaps, targetMs } = figures;
    const heard = this.output.sounds ? Math.max(0, gaps - this.gaps) : 0; // those in silence are no loss
    this.gaps = gaps;
    this.buffer = { targetMs, underruns: this.buffer.underruns + heard };
    this.conversation.changed();
  }

  /** The user takes the floor: the loudspeaker falls silent at once. */
  interrupt() {
    const { dialogue, audio } = this.conversation;
    if (dialogue.playing || dialogue.response) audio?.flush();
  }

  /** The user takes the floor by other means than a voice: the server does not know it yet. */
  takeFloor() {
    this.interrupt();
    const { dialogue } = this.conversation;
    if (this.call && this.output.sounds) this.conversation.send({ type: "output_audio_buffer.clear" });
    else if (dialogue.response) this.conversation.send({ type: "response.cancel" });
  }

  /** @param {import("./audio.js").Flushed} flushed */
  flushed({ item, heardMs, unheardMs, silentAfterMs }) {
    if (this.call) return this.cut(this.output.takeCut(), silentAfterMs);
    const entry = this.conversation.dialogue.find(item);
    if (this.dropped.has(item) || (entry?.state === "done" && unheardMs === 0)) return;
    this.cut(item, silentAfterMs, heardMs);
  }

  /**
   * @param {string} item
   * @param {number} silentAfterMs
   * @param {number} [heardMs] which the server does not know by itself
   */
  cut(item, silentAfterMs, heardMs) {
    const { conversation } = this;
    if (!item) return;
    this.dropped.add(item);
    conversation.dialogue.cut(item, silentAfterMs > 0 && silentAfterMs < MOST_SILENT_MS ? silentAfterMs : null);
    if (heardMs !== undefined)
      conversation.send({ type: "conversation.item.truncate", item_id: item, content_index: 0, audio_end_ms: heardMs });
    conversation.send({ type: "conversation.item.retrieve", item_id: item });
    conversation.changed();
  }

  /** The session is lost, and the new one does not know its items. */
  breakOff() {
    const { dialogue, audio } = this.conversation;
    for (const { id } of dialogue.entries) this.dropped.add(id);
    this.output = new OutputAudio();
    audio?.flush();
  }

  close() {
    this.level = 0;
    this.opus?.close();
    this.opus = null;
  }
}
