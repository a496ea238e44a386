/** PCM16 as `audio/pcm` has it on the wire: 24 kHz, mono, little endian. */

export const WIRE_RATE_HZ = 24_000;

/**
 * Return a sample as PCM16.
 * @param {number} sample
 */
export function toInt16(sample) {
  return Math.round(Math.max(-1, Math.min(1, sample)) * 0x7fff);
}
