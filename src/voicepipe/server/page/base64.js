/** Sound as the events carry it, in base64. */

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

/** @param {string} base64 */
export function fromBase64Bytes(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/**
 * Return the samples of PCM16, between -1 and 1.
 * @param {string} base64
 */
export function fromBase64(base64) {
  const bytes = fromBase64Bytes(base64);
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, i) => view.getInt16(2 * i, true) / 0x8000);
}
