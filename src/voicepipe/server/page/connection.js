/** The WebSocket to `/v1/realtime`, in the GA dialect; it comes back after a dropped network. */

const RETRY_MS = [300, 1000, 2000, 4000, 8000, 15_000];
const GIVE_UP_AFTER_MS = 180_000;
const TRY_AGAIN_LATER = 1013;
const COMES_BACK = new Set([1001, 1005, 1006, 1012]);

/** @typedef {import("./dialogue.js").ServerEvent} ServerEvent */

/**
 * @typedef {object} Listener
 * @property {(again: boolean) => void} opened
 * @property {(event: ServerEvent) => void} received
 * @property {(delayMs: number) => void} lost it comes back after this time
 * @property {(end: {code: number, reason: string, error: ServerEvent | null, opened: boolean}) => void} closed
 */

export class Connection {
  /**
   * @param {string} key empty: none
   * @param {Listener} listener
   */
  constructor(key, listener) {
    this.key = key;
    this.listener = listener;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.hasOpened = false;
    this.attempts = 0;
    this.lostAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.over = false;
    this.online = () => this.lostAt && this.open();
    addEventListener("online", this.online);
  }

  open() {
    if (this.over || this.socket) return;
    clearTimeout(this.timer);
    const url = new URL("v1/realtime", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    // Browsers cannot send a header with a WebSocket: the key goes as a subprotocol, as OpenAI has it.
    const socket = new WebSocket(url, this.key ? ["realtime", `openai-insecure-api-key.${this.key}`] : []);
    this.socket = socket;
    /** @type {ServerEvent | null} */
    let error = null;
    let greeted = false;
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "error") error = event;
      if (event.type === "session.created") {
        greeted = true;
        this.greeted();
      }
      this.listener.received(event);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.ended(code, reason, error, greeted);
    };
  }

  greeted() {
    const again = this.hasOpened;
    this.hasOpened = true;
    this.attempts = this.lostAt = 0;
    this.listener.opened(again);
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @param {ServerEvent | null} error
   * @param {boolean} greeted
   */
  ended(code, reason, error, greeted) {
    if (this.over) return;
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
  }

  close() {
    this.over = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.online);
    this.socket?.close(1000);
    this.socket = null;
  }
}
