/**
 * The connection to `/v1/realtime`, in the GA dialect: a call by WebRTC, or a WebSocket. After a dropped network it comes
 * back: to the session that the server has kept, or else to a new one.
 */

import { Call } from "./call.js";

const RETRY_MS = [300, 1000, 2000, 4000, 8000, 15_000];
const GIVE_UP_AFTER_MS = 180_000;
const TRY_AGAIN_LATER = 1013;
const SETUP_MS = 4000; // of a call for which the WebSocket can stand in
const CHOSEN_SETUP_MS = 12_000; // the server gives up after 15 s
const MOST_UNSENT = 100;
const OF_ANY_SESSION = new Set(["conversation.item.create", "response.create"]);
const COMES_BACK = new Set([1001, 1005, 1006, 1012]);

/** @typedef {import("./dialogue.js").ServerEvent} ServerEvent */
/** @typedef {import("./call.js").Sound} Sound */
/** @typedef {import("./session.js").Transport} Transport */

/**
 * @typedef {object} Listener
 * @property {(again: boolean) => void} opened a session has begun; again: after one that was lost
 * @property {() => void} resumed the session goes on
 * @property {(event: ServerEvent) => void} received
 * @property {(delayMs: number) => void} lost it comes back after this time
 * @property {(end: {code: number, reason: string, error: ServerEvent | null, opened: boolean}) => void} closed
 */

const calls = document.querySelector("meta[name=webrtc]")?.getAttribute("content"); // "local": to this machine only
const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
export const hasCalls = calls === "all" || (calls === "local" && isLocal);
let callsFail = false; // what has not come about once is not waited for again

export class Connection {
  /**
   * @param {string} key empty: none
   * @param {string} pipeline empty: the server's first one
   * @param {Transport} transport
   * @param {Sound | null} sound of a call; without it there is none
   * @param {Listener} listener
   */
  constructor(key, pipeline, transport, sound, listener) {
    this.key = key;
    this.pipeline = pipeline;
    this.isChosen = transport === "webrtc";
    this.sound = transport === "websocket" || !hasCalls || (callsFail && !this.isChosen) ? null : sound;
    this.listener = listener;
    /** @type {WebSocket | Call | null} */
    this.link = null;
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
    this.left = () => this.call?.hangUp(); // a server keeps the session of a call that breaks
    addEventListener("online", this.online);
    addEventListener("pagehide", this.left);
  }

  /** The call, while there is one. */
  get call() {
    return this.link instanceof Call ? this.link : null;
  }

  /** By which means, for people. */
  get transport() {
    if (this.sound) return "WebRTC";
    return callsFail ? "WebSocket, since WebRTC does not come through" : "WebSocket";
  }

  open() {
    if (this.over || this.link) return;
    clearTimeout(this.timer);
    const link = this.linked();
    this.link = link;
    /** @type {ServerEvent | null} */
    let error = null;
    let greeted = false;
    /** @param {import("./call.js").End} end */
    const closed = (end) => {
      if (this.link !== link) return;
      this.link = null;
      this.ended(end.code, end.reason, end.error ?? error, greeted);
    };
    link.onmessage = (/** @type {{data: string}} */ { data }) => {
      const event = JSON.parse(data);
      if (event.type === "session.closed") {
        closed(event);
        return link.close();
      }
      if (event.type === "error") error = event;
      if (event.type === "session.created" || event.type === "session.resumed") {
        greeted = true;
        this.greeted(event);
      } else if (event.type !== "error" || greeted) this.lastEvent = event.event_id;
      this.listener.received(event);
    };
    link.onclose = closed;
  }

  linked() {
    const { sound, session } = this;
    if (!sound) return new WebSocket(this.address("v1/realtime", "ws"), this.protocols());
    const headers = {
      ...(this.key && { Authorization: `Bearer ${this.key}` }),
      ...(session && { "Voicepipe-Resume": session.token }),
    };
    return new Call(
      this.address("v1/realtime/calls", "http"),
      headers,
      sound,
      this.isChosen ? CHOSEN_SETUP_MS : SETUP_MS,
    );
  }

  /**
   * @param {string} path
   * @param {string} scheme
   */
  address(path, scheme) {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" ? `${scheme}s:` : `${scheme}:`;
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
    const why = error?.error?.code;
    const refused = why === "session_not_resumable";
    // A server that closes by a handshake, or that does not know the session, has ended it.
    if (refused || (greeted && code !== 1005 && code !== 1006)) this.session = null;
    if (refused) return this.open();
    if (why === "no_call" && !this.isChosen) return this.withoutCall();
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

  /** No call comes about: the conversation goes by the WebSocket, in a session of its own. */
  withoutCall() {
    callsFail = true;
    this.sound = this.session = null;
    this.open();
  }

  /** @param {ServerEvent} event */
  send(event) {
    if (this.link?.readyState === WebSocket.OPEN) this.link.send(JSON.stringify(event));
    else if (this.unsent.length < MOST_UNSENT && event.type !== "input_audio_buffer.append") this.unsent.push(event);
  }

  close() {
    this.over = true;
    clearTimeout(this.timer);
    removeEventListener("online", this.online);
    removeEventListener("pagehide", this.left);
    this.link?.close(1000);
    this.link = null;
  }
}
