/**
 * The WebSocket to `/v1/realtime`, in the GA dialect. After a dropped network it comes back: to the session that the
 * server has kept, or else to a new one.
 */

const RETRY_MS = [300, 1000, 2000, 4000, 8000, 15_000];
const GIVE_UP_AFTER_MS = 180_000;
const TRY_AGAIN_LATER = 1013;
const MOST_UNSENT = 100;
const OF_ANY_SESSION = new Set(["conversation.item.create", "response.create"]);
const COMES_BACK = new Set([1001, 1005, 1006, 1012]);

/** @typedef {import("./dialogue.js").ServerEvent} ServerEvent */

/**
 * @typedef {object} Listener
 * @property {(again: boolean) => void} opened a session has begun; again: after one that was lost
 * @property {() => void} resumed the session goes on
 * @property {(event: ServerEvent) => void} received
 * @property {(delayMs: number) => void} lost it comes back after this time
 * @property {(end: {code: number, reason: string, error: ServerEvent | null, opened: boolean}) => void} closed
 */

export class Connection {
  /**
   * @param {string} key empty: none
   * @param {string} pipeline empty: the server's first one
   * @param {Listener} listener
   */
  constructor(key, pipeline, listener) {
    this.key = key;
    this.pipeline = pipeline;
    this.listener = listener;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.hasOpened = false;
    this.attempts = 0;
    this.lostAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.over = false;
    /** @type {{id: string, token: string} | null} */
    this.session = null; // the one that can be resumed
    this.lastEvent = "";
    /** @type {ServerEvent[]} */
    this.unsent = []; // what the user did while the connection was lost
    this.online = () => this.lostAt && this.open();
    addEventListener("online", this.online);
  }

  open() {
    if (this.over || this.socket) return;
    clearTimeout(this.timer);
    const socket = new WebSocket(this.address(), this.protocols());
    this.socket = socket;
    /** @type {ServerEvent | null} */
    let error = null;
    let greeted = false;
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "error") error = event;
      if (event.type === "session.created" || event.type === "session.resumed") {
        greeted = true;
        this.greeted(event);
      } else if (event.type !== "error" || greeted) this.lastEvent = event.event_id;
      this.listener.received(event);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.ended(code, reason, error, greeted);
    };
  }

  address() {
    const url = new URL("v1/realtime", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const begins = { resumable: "true", ...(this.pipeline && { model: this.pipeline }) };
    const query = this.session ? { session_id: this.session.id, last_event_id: this.lastEvent } : begins;
    url.search = new URLSearchParams(query).toString();
    return url;
  }

  /** Browsers cannot send a header with a WebSocket: the key goes as a subprotocol, as OpenAI has it. */
  protocols() {
    const told = this.key ? [`openai-insecure-api-key.${this.key}`] : [];
    if (this.session) told.push(`voicepipe-resume.${this.session.token}`);
    return told.length ? ["realtime", ...told] : [];
  }

  /** @param {ServerEvent} event */
  greeted({ type, event_id, session, resume }) {
    const again = this.hasOpened;
    this.hasOpened = true;
    this.attempts = this.lostAt = 0;
    const unsent = this.unsent.splice(0);
    if (type === "session.resumed") {
      this.listener.resumed();
      for (const one of unsent) this.send(one);
      return;
    }
    this.session = resume ? { id: session.id, token: resume.token } : null;
    this.lastEvent = event_id;
    this.listener.opened(again);
    for (const one of unsent) if (OF_ANY_SESSION.has(one.type)) this.send(one);
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @param {ServerEvent | null} error
   * @param {boolean} greeted
   */
  ended(code, reason, error, greeted) {
    if (this.over) return;
    const refused = error?.error?.code === "session_not_resumable";
    // A server that closes by a handshake, or that does not know the session, has ended it.
    if (refused || (greeted && code !== 1005 && code !== 1006)) this.session = null;
    if (refused) return this.open();
    // A server that is being restarted is full or loading for a while.
    const returns = COMES_BACK.has(code) || (code === TRY_AGAIN_LATER && !greeted);
    this.lostAt ||= Date.now();
    if (!this.hasOpened || !returns || Date.now() - this.lostAt > GIVE_UP_AFTER_MS) {
      this.close();
      this.listener.closed({ code, reason, error, opened: this.hasOpened });
      return;
    }
    const delay = RETRY_MS[Math.min(this.attempts++, RETRY_MS.length - 1)] ?? 0;
    this.timer = setTimeout(() => this.open(), delay);
    this.listener.lost(delay);
  }

  /** @param {ServerEvent} event */
  send(event) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(event));
    else if (this.unsent.length < MOST_UNSENT && event.type !== "input_audio_buffer.append") this.unsent.push(event);
  }

  close() {
    this.over = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.online);
    this.socket?.close(1000);
    this.socket = null;
  }
}
