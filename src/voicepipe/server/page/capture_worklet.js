/** The microphone on the audio thread: PCM16 of the wire, levels, and the moments at which a voice begins and ends. */

import { WIRE_RATE_HZ, toInt16 } from "./pcm.js";
import { Resampler } from "./resampler.js";
import { VoiceDetector, rms } from "./voice_detector.js";

const PACKET = (WIRE_RATE_HZ * 40) / 1000;
const LOUD = 0.02;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, WIRE_RATE_HZ);
    this.detector = new VoiceDetector(sampleRate);
    this.packet = new Int16Array(PACKET);
    this.filled = 0;
    this.square = 0;
    this.speaking = false;
    this.loud = false;
    this.onsetS = 0;
    this.loudS = 0;
    /** @type {MessagePort | null} */
    this.playback = null;
    this.port.onmessage = ({ data }) => {
      this.playback = data.playback;
    };
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const samples = inputs[0]?.[0];
    if (!samples) return true;
    this.notice(samples);
    for (const sample of this.resampler.push(samples)) {
      this.packet[this.filled++] = toInt16(sample);
      this.square += sample * sample;
      if (this.filled === PACKET) this.send();
    }
    return true;
  }

  /** @param {Float32Array} samples */
  notice(samples) {
    if (rms(samples) > LOUD) {
      if (currentTime - this.loudS > 0.3) this.onsetS = currentTime;
      this.loudS = currentTime;
    }
    const speaking = this.detector.push(samples);
    if (speaking === this.speaking) return;
    this.speaking = speaking;
    this.playback?.postMessage({ speaking, onsetS: this.onsetS, loudS: this.loudS });
  }

  send() {
    const packet = this.packet.slice().buffer;
    const level = Math.sqrt(this.square / PACKET);
    this.playback?.postMessage({ loudS: this.loudS });
    this.port.postMessage({ packet, level }, [packet]);
    this.filled = this.square = 0;
  }
}

registerProcessor("capture", Capture);
