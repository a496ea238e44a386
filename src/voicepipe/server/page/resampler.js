/**
 * Change the rate of a stream of samples, with a windowed sinc filter.
 *
 * Browsers resample by themselves when an `AudioContext` has the rate of the wire, but Firefox refuses to connect a
 * microphone to such a context (bug 1674892). So the context has the rate of the hardware, and the worklets resample.
 */

const ZERO_CROSSINGS = 16; // each side: 0.1 dB of ripple up to 90 % of the band, and a delay of 0.7 ms at 24 kHz
const PHASES = 256;

export class Resampler {
  /**
   * @param {number} fromHz
   * @param {number} toHz
   */
  constructor(fromHz, toHz) {
    this.step = fromHz / toHz;
    const cutoff = Math.min(1, toHz / fromHz);
    this.half = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.kernel = kernel(this.half, cutoff);
    this.history = new Float32Array(2 * this.half);
    this.position = 0; // of the next output sample, in input samples behind the history's middle
  }

  /**
   * Return the next output samples; all samples of one stream must come in order.
   * @param {Float32Array} input
   */
  push(input) {
    if (this.step === 1) return input.slice();
    const taps = 2 * this.half;
    const samples = new Float32Array(taps + input.length);
    samples.set(this.history);
    samples.set(input, taps);
    const count = Math.max(0, Math.ceil((input.length - this.position) / this.step));
    const output = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const at = this.position + i * this.step;
      output[i] = this.filtered(samples, Math.floor(at), at - Math.floor(at));
    }
    this.position += count * this.step - input.length;
    this.history = samples.slice(samples.length - taps);
    return output;
  }

  /**
   * @param {Float32Array} samples
   * @param {number} start
   * @param {number} fraction
   */
  filtered(samples, start, fraction) {
    const taps = 2 * this.half;
    const row = Math.round(fraction * PHASES) * taps;
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      sum += (samples[start + tap + 1] ?? 0) * (this.kernel[row + tap] ?? 0);
    }
    return sum;
  }
}

/**
 * Return the taps of each phase, one row after the other. Each row has a gain of 1.
 * @param {number} half
 * @param {number} cutoff as a part of the input's band
 */
function kernel(half, cutoff) {
  const taps = 2 * half;
  const table = new Float32Array((PHASES + 1) * taps);
  for (let phase = 0; phase <= PHASES; phase++) {
    const row = table.subarray(phase * taps, (phase + 1) * taps);
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const at = tap - half + 1 - phase / PHASES;
      const window = Math.abs(at) < half ? Math.cos((Math.PI * at) / (2 * half)) ** 2 : 0;
      const angle = Math.PI * at * cutoff;
      row[tap] = (angle === 0 ? 1 : Math.sin(angle) / angle) * window;
      sum += row[tap] ?? 0;
    }
    for (let tap = 0; tap < taps; tap++) row[tap] = (row[tap] ?? 0) / sum;
  }
  return table;
}
