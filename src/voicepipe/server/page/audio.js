/** The sound of a conversation: microphone, loudspeaker and recording, in one graph and on one clock. */

import { Recording } from "./recording.js";

/** @typedef {{level: number, item: string, heardMs: number, bufferedMs: number, targetMs: number, underruns: number,
 *   held: boolean}} Report */
/** @typedef {{item: string, heardMs: number, unheardMs: number, silentAfterMs: number}} Flushed */

/**
 * @typedef {object} Listener
 * @property {(packet: ArrayBuffer, level: number) => void} captured 40 ms of the microphone
 * @property {(report: Report) => void} reported of the loudspeaker, each 40 ms
 * @property {(first: {item: string, afterMs: number | null}) => void} audible
 * @property {(flushed: Flushed) => void} flushed
 * @property {() => void} unplugged
 */

export class Audio {
  /**
   * @param {AudioContext} context
   * @param {Listener} listener
   */
  constructor(context, listener) {
    this.context = context;
    this.listener = listener;
    this.speaker = new AudioWorkletNode(context, "playback", { numberOfInputs: 1, outputChannelCount: [2] });
    this.recording = new Recording(context);
    this.speaker.connect(context.destination);
    this.speaker.connect(this.recording.node, 0, 1);
    this.speaker.port.onmessage = ({ data }) => {
      if (data.report) listener.reported(data.report);
      if (data.audible) listener.audible(data.audible);
      if (data.flushed) listener.flushed({ ...data.flushed, heardMs: this.heard(data.flushed.heardMs) });
    };
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {AudioNode[]} */
    this.microphone = [];
    this.muted = false;
    this.isOpen = true; // in a call: what the microphone gives is sent
    /** @type {RTCRtpSender | null} */
    this.sender = null;
    /** @type {MediaStreamTrack | null} */
    this.sent = null; // a track of the microphone's own for the sender: what is not sent is heard by the page still
    /** @type {AudioNode | null} */
    this.remote = null;
    this.pump = document.createElement("audio");
  }

  /**
   * Must be called in a click: browsers make no sound before one.
   * @param {Listener} listener
   */
  static async open(listener) {
    const context = new AudioContext({ latencyHint: "interactive" });
    const worklets = ["capture", "playback", "recorder"];
    const urls = worklets.map((name) => new URL(`${name}_worklet.js`, import.meta.url).href);
    await Promise.all([context.resume(), ...urls.map((url) => context.audioWorklet.addModule(url))]);
    return new Audio(context, listener);
  }

  /**
   * Use a microphone, instead of the one before. Throws what `getUserMedia` throws.
   * @param {string} deviceId empty: the default one
   */
  async listen(deviceId) {
    const audio = {
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      channelCount: 1,
      ...(deviceId && { deviceId: { exact: deviceId } }),
    };
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    this.stopListening();
    this.stream = stream;
    stream.getAudioTracks()[0]?.addEventListener("ended", () => this.stream === stream && this.listener.unplugged());
    const source = new MediaStreamAudioSourceNode(this.context, { mediaStream: stream });
    const capture = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0, channelCount: 1 });
    capture.port.onmessage = ({ data }) => this.listener.captured(data.packet, data.level);
    // A voice holds the playback, from one audio thread to the other: the page itself may be busy.
    const { port1, port2 } = new MessageChannel();
    capture.port.postMessage({ playback: port1 }, [port1]);
    this.speaker.port.postMessage({ microphone: port2 }, [port2]);
    source.connect(capture);
    source.connect(this.recording.node, 0, 0);
    this.microphone = [source, capture];
    this.send();
    this.mute(this.muted);
  }

  stopListening() {
    for (const node of this.microphone) node.disconnect();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.sent?.stop();
    this.microphone = [];
    this.stream = this.sent = null;
  }

  /** @param {boolean} muted the microphone gives silence, with which the server ends a turn */
  mute(muted) {
    this.muted = muted;
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted;
    if (this.sent) this.sent.enabled = !muted && this.isOpen;
  }

  // ---- of a call ----

  /** @param {RTCRtpSender} sender takes the microphone */
  sends(sender) {
    this.sender = sender;
    this.send();
  }

  send() {
    this.sent?.stop();
    this.sent = (this.sender && this.stream?.getAudioTracks()[0]?.clone()) ?? null;
    this.sender?.replaceTrack(this.sent).catch(() => {}); // the call is over
  }

  /** @param {boolean} isOpen false: the call gets silence */
  gate(isOpen) {
    if (isOpen === this.isOpen) return;
    this.isOpen = isOpen;
    this.mute(this.muted);
  }

  /**
   * Play the bot's track, instead of the one before. Chromium gives the sound of a track that plays in an element only.
   * @param {MediaStreamTrack} track
   */
  hear(track) {
    const mediaStream = new MediaStream([track]);
    Object.assign(this.pump, { muted: true, srcObject: mediaStream })
      .play()
      .catch(() => {}); // replaced by the next one
    this.remote?.disconnect();
    this.remote = new MediaStreamAudioSourceNode(this.context, { mediaStream });
    this.remote.connect(this.speaker);
  }

  /**
   * The sound of an item begins in the bot's track.
   * @param {string} item
   */
  begin(item) {
    this.speaker.port.postMessage({ begin: item });
  }

  /**
   * Play a loudspeaker's device; where the browser cannot choose one, the default.
   * @param {string} deviceId
   */
  async speakTo(deviceId) {
    const context = /** @type {AudioContext & {setSinkId?: (id: string) => Promise<void>}} */ (this.context);
    await context.setSinkId?.(deviceId);
  }

  /**
   * @param {string} item
   * @param {Float32Array<ArrayBuffer>} samples
   * @param {number} rateHz
   */
  play(item, samples, rateHz) {
    this.speaker.port.postMessage({ item, samples, rateHz }, [samples.buffer]);
  }

  /** The item is whole. */
  end() {
    this.speaker.port.postMessage({ end: true });
  }

  /** Silence the loudspeaker at once; `flushed` follows. */
  flush() {
    this.speaker.port.postMessage({ flush: true });
  }

  /**
   * What was heard of what was played: sound is still on its way to the loudspeaker.
   * @param {number} playedMs
   */
  heard(playedMs) {
    const latencyS = this.context.baseLatency + (this.context.outputLatency || 0);
    return Math.max(0, Math.round(playedMs - latencyS * 1000));
  }

  async close() {
    this.stopListening();
    this.recording.stop();
    this.pump.srcObject = null;
    await this.context.close();
  }
}
