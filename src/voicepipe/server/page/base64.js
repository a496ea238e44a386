/** Sound as the events carry it: PCM16 in base64. */

const CHUNK = 8192; // arguments of one call: engines have a limit near 65,000

/**
 * Return bytes in base64.
 * @param {ArrayBuffer} buffer
 */
export function toBase64(buffer) {
  const bytes = new Uint8Array(buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

/**
 * Return the samples, between -1 and 1.
 * @param {string} base64
 */
export function fromBase64(base64) {
  const text = atob(base64);
  const samples = new Float32Array(text.length >> 1);
  for (let i = 0; i < samples.length; i++) {
    const value = text.charCodeAt(2 * i) | (text.charCodeAt(2 * i + 1) << 8);
    samples[i] = (value >= 0x8000 ? value - 0x1_0000 : value) / 0x8000;
  }
  return samples;
}
