/**
 * Notice a voice in the microphone's own sound, within a tenth of a second.
 *
 * The server decides what a voice means. It has sent a third of a second of the reply ahead by then, and that would still
 * be heard. So the page holds its playback as soon as it hears a voice, and plays on when it was none.
 * A voice is loud, louder than the room, and has a pitch; keys, clicks and breath have none.
 */

const FRAME_MS = 20;
const RATE_HZ = 8000; // of the search for a pitch: enough for 400 Hz, and a third of the work
const LOUD = 0.008; // RMS, -42 dBFS: speech into a headset has -30 to -18
const ABOVE_ROOM = 4; // 12 dB
const GOES_ON = 0.3; // of the level at which a voice begins: words end softly
const PITCHED = 0.6; // normalised autocorrelation; vowels have 0.7 to 0.98, noise below 0.5
const LOWEST_HZ = 75;
const HIGHEST_HZ = 400;
const FRAMES_ON = 3; // of the last five: 60 ms, when Silero's VAD on the server has just noticed it, too
const FRAMES_SEEN = 5;
const FRAMES_OFF = 15; // 300 ms without any: words have gaps of up to 200 ms

export class VoiceDetector {
  /** @param {number} rateHz of the samples */
  constructor(rateHz) {
    this.decimate = Math.max(1, Math.round(rateHz / RATE_HZ));
    this.rateHz = rateHz / this.decimate;
    this.frame = new Float32Array(Math.round((this.rateHz * FRAME_MS) / 1000));
    this.window = new Float32Array(this.frame.length * 2);
    this.filled = 0;
    this.skipped = 0;
    this.sum = 0;
    this.room = LOUD / ABOVE_ROOM;
    /** @type {boolean[]} */
    this.recent = [];
    this.off = FRAMES_OFF;
    this.speaking = false;
  }

  /**
   * Take the next samples, and return whether a voice is heard now.
   * @param {Float32Array} samples
   */
  push(samples) {
    for (const sample of samples) {
      this.sum += sample;
      if (++this.skipped < this.decimate) continue;
      this.frame[this.filled++] = this.sum / this.decimate;
      this.skipped = this.sum = 0;
      if (this.filled === this.frame.length) this.judge();
    }
    return this.speaking;
  }

  judge() {
    this.window.copyWithin(0, this.frame.length);
    this.window.set(this.frame, this.frame.length);
    this.filled = 0;
    const level = rms(this.frame);
    const least = Math.max(LOUD, this.room * ABOVE_ROOM);
    const voiced = level > least && pitch(this.window, this.rateHz) > PITCHED;
    // The room's level follows silence at once, and noise within seconds.
    this.room = level < this.room ? Math.max(level, 1e-4) : this.room * (voiced ? 1.002 : 1.01);
    this.recent = [...this.recent.slice(1 - FRAMES_SEEN), voiced];
    this.off = level > least * GOES_ON ? 0 : this.off + 1;
    const on = this.recent.filter(Boolean).length >= FRAMES_ON;
    this.speaking = this.speaking ? this.off < FRAMES_OFF : on;
  }
}

/** @param {Float32Array} samples */
export function rms(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return samples.length ? Math.sqrt(sum / samples.length) : 0;
}

/**
 * Return how much a sound repeats itself at the distance of a voice's pitch: the peak of the normalised autocorrelation.
 * @param {Float32Array} samples
 * @param {number} rateHz
 */
function pitch(samples, rateHz) {
  let best = 0;
  for (let lag = Math.floor(rateHz / HIGHEST_HZ); lag <= rateHz / LOWEST_HZ; lag++) {
    let product = 0;
    let former = 0;
    let latter = 0;
    for (let i = lag; i < samples.length; i++) {
      const [a, b] = [samples[i - lag] ?? 0, samples[i] ?? 0];
      product += a * b;
      former += a * a;
      latter += b * b;
    }
    best = Math.max(best, product / Math.sqrt(former * latter + 1e-12));
  }
  return best;
}
