/** The loudspeaker on the audio thread: plays the buffer, holds it for a voice, and says what was heard, and when. */

import { Hold } from "./hold.js";
import { WIRE_RATE_HZ } from "./pcm.js";
import { PlaybackBuffer } from "./playback_buffer.js";
import { RemoteGate } from "./remote_gate.js";
import { Resampler } from "./resampler.js";
import { rms } from "./voice_detector.js";

const REPORT_EVERY_S = 0.04;
const AUDIBLE = 0.003;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.buffer = new PlaybackBuffer(sampleRate);
    this.resampler = new Resampler(WIRE_RATE_HZ, sampleRate);
    this.rateHz = WIRE_RATE_HZ; // of what comes in messages
    this.gate = new RemoteGate();
    this.remoteItem = "";
    this.hold = new Hold();
    this.onsetS = this.loudS = 0; // of the user
    this.audibleS = 0; // of the bot, the last time
    this.reportedS = this.level = 0;
    this.heard = ""; // the item whose first sound was reported
    this.port.onmessage = ({ data }) => this.take(data);
  }

  /** @param {any} data a command of the page, or what the microphone has noticed */
  take(data) {
    if (data.microphone) data.microphone.onmessage = this.voice.bind(this);
    if (data.samples) this.buffer.push(data.item, this.resampled(data.samples, data.rateHz));
    if (data.begin) this.begin(data.begin);
    if (data.end) this.buffer.end();
    if (data.flush) this.flush();
  }

  /**
   * @param {Float32Array} samples
   * @param {number} rateHz
   */
  resampled(samples, rateHz) {
    if (rateHz !== this.rateHz) this.resampler = new Resampler(rateHz, sampleRate);
    this.rateHz = rateHz;
    return this.resampler.push(samples);
  }

  /** @param {MessageEvent} message */
  voice({ data }) {
    this.loudS = data.loudS;
    if (data.speaking === undefined) return;
    if (data.speaking) this.onsetS = data.onsetS;
    this.hold.voice(data.speaking, currentTime);
  }

  /** @param {string} item of a call */
  begin(item) {
    this.remoteItem = item;
    this.buffer.leadMs = 0;
    this.gate.open();
  }

  /**
   * The sound of a call comes block by block, at its own pace: nothing is buffered but while a voice holds it.
   * @param {Float32Array} block
   */
  hear(block) {
    if (this.gate.passes(block, currentTime)) this.buffer.push(this.remoteItem, block.slice());
    this.buffer.end();
  }

  flush() {
    this.gate.cut();
    const silentAfterMs = Math.max(0, this.audibleS - this.onsetS) * 1000;
    this.port.postMessage({ flushed: { ...this.buffer.flush(), silentAfterMs } });
    this.hold.release();
  }

  /**
   * @param {Float32Array[][]} inputs
   * @param {Float32Array[][]} outputs
   */
  process(inputs, outputs) {
    const block = outputs[0]?.[0];
    if (!block) return true;
    const { buffer } = this;
    const remote = inputs[0]?.[0];
    if (remote) this.hear(remote);
    const held = this.hold.at(currentTime, buffer.isPlaying, buffer.soundedSamples / sampleRate);
    if (held) buffer.hold();
    else if (buffer.held) buffer.resume();
    buffer.pull(block);
    for (const channel of outputs[0]?.slice(1) ?? []) channel.set(block);
    this.listen(rms(block));
    return true;
  }

  /** @param {number} level of the block that is played now */
  listen(level) {
    this.level = Math.max(this.level, level);
    if (level > AUDIBLE) {
      this.audibleS = currentTime;
      if (this.heard !== this.buffer.item) this.audible();
    }
    if (currentTime - this.reportedS < REPORT_EVERY_S) return;
    this.reportedS = currentTime;
    const { item, heardMs, bufferedMs, targetMs, underruns, held } = this.buffer;
    this.port.postMessage({ report: { level: this.level, item, heardMs, bufferedMs, targetMs, underruns, held } });
    this.level = 0;
  }

  /** The first sound of an item that can be heard. */
  audible() {
    this.heard = this.buffer.item;
    const afterMs = this.loudS > 0 ? (currentTime - this.loudS) * 1000 : null;
    this.port.postMessage({ audible: { item: this.heard, afterMs } });
  }
}

registerProcessor("playback", Playback);
