/**
 * A call by WebRTC: events in a data channel, sound as Opus in RTP. Its user sees it as a WebSocket: `onmessage`,
 * `onclose`, `readyState`, `send` and `close`.
 */

/** @typedef {import("./dialogue.js").ServerEvent} ServerEvent */
/** @typedef {{code: number, reason: string, error?: ServerEvent}} End */
/** @typedef {{sends: (sender: RTCRtpSender) => void, hear: (track: MediaStreamTrack) => void}} Sound */

const LOST_AFTER_MS = 2000; // in "disconnected", which the browser says some seconds after the last answer
const ABNORMAL = 1006;
/** The close codes of a WebSocket for the same refusals. @type {Record<number, number>} */
const CLOSE_CODES = { 403: ABNORMAL, 429: 1013, 503: 1013 };

export class Call {
  /**
   * @param {URL} address
   * @param {Record<string, string>} headers
   * @param {Sound} sound
   * @param {number} setupMs until the channel is open: it never opens where the network lets no UDP through
   */
  constructor(address, headers, sound, setupMs) {
    this.address = address;
    this.setupMs = setupMs;
    this.headers = headers;
    /** @type {((message: {data: string}) => void) | null} */
    this.onmessage = null;
    /** @type {((end: End) => void) | null} */
    this.onclose = null;
    this.hangup = "";
    this.peer = new RTCPeerConnection();
    this.channel = this.peer.createDataChannel("oai-events");
    this.channel.onmessage = ({ data }) => this.onmessage?.({ data });
    this.channel.onopen = () => clearTimeout(this.timer);
    this.channel.onclose = () => this.end({ code: ABNORMAL, reason: "" });
    this.peer.ontrack = ({ track }) => sound.hear(track);
    this.peer.onconnectionstatechange = () => this.watch();
    sound.sends(this.peer.addTransceiver("audio", { direction: "sendrecv" }).sender);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.begin().catch((error) => this.end(noCall(String(error))));
  }

  get readyState() {
    return this.channel.readyState === "open" ? WebSocket.OPEN : WebSocket.CONNECTING;
  }

  async begin() {
    await this.peer.setLocalDescription();
    const headers = { ...this.headers, "Content-Type": "application/sdp" };
    const body = this.peer.localDescription?.sdp ?? "";
    const asked = { method: "POST", headers, body };
    const answer = await fetch(this.address, asked).catch(() => null);
    if (!answer) return this.end({ code: ABNORMAL, reason: "" }); // the server cannot be reached
    const text = await answer.text();
    if (answer.status !== 201) return this.end(refusal(answer.status, text));
    const id = answer.headers.get("Location")?.split("/").pop();
    this.hangup = `${this.address.origin}${this.address.pathname}/${id}/hangup`; // also behind a proxy with a prefix
    if (this.peer.signalingState === "closed") return this.hangUp(); // the user has ended it meanwhile
    const late = noCall(`no connection came about in ${this.setupMs / 1000} s`);
    this.timer = setTimeout(() => this.end(late), this.setupMs);
    await this.peer.setRemoteDescription({ type: "answer", sdp: text });
  }

  watch() {
    const { connectionState } = this.peer;
    if (connectionState === "failed") this.end(this.broken());
    if (connectionState !== "disconnected") return;
    setTimeout(() => this.peer.connectionState === "disconnected" && this.end(this.broken()), LOST_AFTER_MS);
  }

  broken() {
    return this.channel.readyState === "connecting"
      ? noCall("no UDP packet came through")
      : { code: ABNORMAL, reason: "" };
  }

  /** @param {string} text */
  send(text) {
    this.channel.send(text);
  }

  /** The user ends it. */
  close() {
    this.onclose = null;
    this.end({ code: 1000, reason: "" });
    this.hangUp();
  }

  async hangUp() {
    if (!this.hangup) return;
    await fetch(this.hangup, { method: "POST", headers: this.headers, keepalive: true }).catch(() => {});
  }

  /** @param {End} end */
  async end(end) {
    clearTimeout(this.timer);
    this.channel.onclose = null;
    this.peer.close();
    const closed = this.onclose;
    this.onclose = null;
    if (end.error) await this.hangUp(); // its place on the server would be taken for a while
    closed?.(end);
  }

  /** How the sound comes in: the gaps that the browser has bridged, and its jitter buffer. */
  async figures() {
    for (const report of (await this.peer.getStats()).values()) {
      if (report.type !== "inbound-rtp") continue;
      const { jitterBufferDelay, jitterBufferEmittedCount, concealmentEvents } = report;
      return {
        gaps: concealmentEvents ?? 0,
        targetMs: jitterBufferEmittedCount ? (jitterBufferDelay / jitterBufferEmittedCount) * 1000 : 0,
      };
    }
    return null;
  }
}

/**
 * @param {string} reason
 * @returns {End}
 */
function noCall(reason) {
  return { code: 1008, reason, error: { type: "error", error: { code: "no_call", message: reason } } };
}

/**
 * What the server answers, as it would say it on a WebSocket; of another answer, of a proxy: that there is no call.
 * @param {number} status
 * @param {string} text
 * @returns {End}
 */
function refusal(status, text) {
  try {
    const { error } = JSON.parse(text);
    if (error.code === "not_offered") return noCall(error.message);
    return { code: CLOSE_CODES[status] ?? 1008, reason: "", error: { type: "error", error } };
  } catch {
    return noCall(`the address of calls answers ${status}`);
  }
}
