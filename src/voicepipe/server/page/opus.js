/** Opus by WebCodecs, for the WebSocket: a tenth of the bandwidth of PCM16. */

import { fromBase64Bytes, toBase64 } from "./base64.js";
import { OggWriter, packetsIn } from "./ogg.js";
import { WIRE_RATE_HZ } from "./pcm.js";

const PACKET_MS = 40; // what the microphone gives at a time
const DECODED_HZ = 48_000;
const SENT = {
  codec: "opus",
  sampleRate: WIRE_RATE_HZ,
  numberOfChannels: 1,
  bitrate: 32_000,
  opus: { frameDuration: PACKET_MS * 1000, application: "voip", signal: "voice" },
};
const HEARD = { codec: "opus", sampleRate: DECODED_HZ, numberOfChannels: 1 };

/** Return whether this browser encodes and decodes it. */
export async function hasOpus() {
  if (typeof AudioEncoder === "undefined" || typeof AudioDecoder === "undefined") return false;
  const both = [AudioEncoder.isConfigSupported(SENT), AudioDecoder.isConfigSupported(HEARD)];
  return Promise.all(both).then(
    (found) => found.every(({ supported }) => supported === true),
    () => false,
  );
}

/** The microphone's sound as an Ogg-Opus stream. */
export class OpusSender {
  /** @param {(base64: string) => void} send takes the next pages */
  constructor(send) {
    this.ogg = new OggWriter();
    this.waiting = this.ogg.headers();
    this.samples = 0;
    this.encoder = new AudioEncoder({
      output: (chunk) => {
        const packet = new Uint8Array(chunk.byteLength);
        chunk.copyTo(packet);
        const pages = [...this.waiting.splice(0), this.ogg.packet(packet, PACKET_MS)];
        send(toBase64(joined(pages).buffer));
      },
      error: (error) => console.warn("the microphone's sound cannot be encoded", error),
    });
    this.encoder.configure(SENT);
  }

  /** @param {ArrayBuffer} pcm */
  push(pcm) {
    if (this.encoder.state !== "configured") return;
    const numberOfFrames = pcm.byteLength / 2;
    const timestamp = (this.samples / WIRE_RATE_HZ) * 1e6;
    this.samples += numberOfFrames;
    const sound = new AudioData({
      format: "s16",
      sampleRate: WIRE_RATE_HZ,
      numberOfChannels: 1,
      numberOfFrames,
      timestamp,
      data: pcm,
    });
    this.encoder.encode(sound);
    sound.close();
  }

  /** Wait until all that was pushed has been sent. */
  async flush() {
    if (this.encoder.state === "configured") await this.encoder.flush().catch(() => {});
  }

  close() {
    if (this.encoder.state !== "closed") this.encoder.close();
  }
}

/** The bot's sound, from Ogg-Opus. */
export class OpusReceiver {
  /**
   * @param {(item: string, samples: Float32Array<ArrayBuffer>, rateHz: number) => void} play
   * @param {() => void} end
   */
  constructor(play, end) {
    this.play = play;
    this.end = end;
    /** @type {(string | null)[]} */
    this.items = []; // of the packets that are being decoded; null: an item is whole
    this.over = false;
    this.decoder = this.opened();
  }

  opened() {
    const decoder = new AudioDecoder({
      output: (sound) => this.decoded(sound),
      error: (error) => this.broken(error),
    });
    decoder.configure(HEARD);
    return decoder;
  }

  /**
   * A packet was not Opus, which closes the decoder: what it had not decoded yet is lost.
   * @param {DOMException} error
   */
  broken(error) {
    console.warn("a part of the bot's sound cannot be decoded", error);
    this.items = this.items.filter((item) => item === null);
    this.tellEnds();
  }

  /**
   * @param {string} item
   * @param {string} base64
   */
  push(item, base64) {
    if (this.over) return;
    for (const data of packetsIn(fromBase64Bytes(base64))) {
      if (this.decoder.state === "closed") this.decoder = this.opened();
      this.items.push(item);
      this.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: 0, data }));
    }
  }

  /** The item is whole: so it is told when all of it has been decoded. */
  finish() {
    this.items.push(null);
    this.tellEnds();
  }

  /** @param {AudioData} sound */
  decoded(sound) {
    const samples = new Float32Array(sound.numberOfFrames);
    sound.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    this.play(this.items.shift() ?? "", samples, sound.sampleRate);
    sound.close();
    this.tellEnds();
  }

  tellEnds() {
    while (this.items[0] === null) {
      this.items.shift();
      this.end();
    }
  }

  close() {
    this.over = true;
    if (this.decoder.state !== "closed") this.decoder.close();
  }
}

/** @param {Uint8Array[]} pieces */
function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
