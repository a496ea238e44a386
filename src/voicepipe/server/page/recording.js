/**
 * The sound of both sides, for saving. It stays in the browser.
 *
 * An hour is 690 MB at 48 kHz. The pieces are blobs, which browsers move to the disk: the page itself does not grow.
 */

const BLOB_BYTES = 2_000_000; // ten seconds

export class Recording {
  /** @param {AudioContext} context */
  constructor(context) {
    this.rateHz = context.sampleRate;
    this.node = new AudioWorkletNode(context, "recorder", {
      numberOfInputs: 2,
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    /** @type {BlobPart[]} */
    this.recent = [];
    /** @type {Blob[]} */
    this.blobs = [];
    this.recentBytes = 0;
    this.node.port.onmessage = ({ data }) => this.keep(data);
  }

  /** @param {ArrayBuffer} frames */
  keep(frames) {
    this.recent.push(frames);
    this.recentBytes += frames.byteLength;
    if (this.recentBytes >= BLOB_BYTES) this.pack();
  }

  pack() {
    this.blobs.push(new Blob(this.recent));
    this.recent = [];
    this.recentBytes = 0;
  }

  stop() {
    this.node.port.onmessage = null;
    this.node.disconnect();
  }

  /** The recording as a WAV file: the user at the left, the bot at the right. */
  wav() {
    this.pack();
    const bytes = this.blobs.reduce((sum, blob) => sum + blob.size, 0);
    return new Blob([wavHeader(this.rateHz, bytes), ...this.blobs], { type: "audio/wav" });
  }
}

/**
 * @param {number} rateHz
 * @param {number} bytes of the samples
 */
function wavHeader(rateHz, bytes) {
  const view = new DataView(new ArrayBuffer(44));
  const text = (/** @type {number} */ at, /** @type {string} */ word) => {
    for (let i = 0; i < word.length; i++) view.setUint8(at + i, word.charCodeAt(i));
  };
  const [channels, width] = [2, 2];
  text(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, channels, true);
  view.setUint32(24, rateHz, true);
  view.setUint32(28, rateHz * channels * width, true);
  view.setUint16(32, channels * width, true);
  view.setUint16(34, 8 * width, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  return view.buffer;
}
