/** Both sides as they are heard, on one clock: the user at the left, the bot at the right. */

import { toInt16 } from "./pcm.js";

const FRAMES = 16_384;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.frames = new Int16Array(2 * FRAMES);
    this.filled = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const [user, bot] = [inputs[0]?.[0], inputs[1]?.[0]];
    const count = user?.length ?? bot?.length ?? 128;
    for (let i = 0; i < count; i++) {
      this.frames[this.filled++] = toInt16(user?.[i] ?? 0);
      this.frames[this.filled++] = toInt16(bot?.[i] ?? 0);
    }
    if (this.filled >= this.frames.length) {
      const { buffer } = this.frames.slice();
      this.port.postMessage(buffer, [buffer]);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
