/** A conversation as a marble diagram: which event is a marble on which line, and what cuts a reply. Pure. */

/** @typedef {import("./session_events.js").InnerEvent} InnerEvent */
/** @typedef {import("./session_events.js").Stage} Stage */
/** @typedef {"user" | "turn" | "text" | "bot" | "sound" | "cut" | "other"} Kind */
/** @typedef {{at: number, line: number, kind: Kind, label: string, title: string}} Marble a label without room is empty */
/** @typedef {{at: number, total: number, parts: [string, number][]}} Latency */

export const SECOND_PX = 130;
const LETTER_PX = 6.2; // at 11 px
const LONGEST = 28; // letters of a label
const MOST = 20_000; // an hour of talk has 200,000 of them, half of them sound: the oldest go

/** @type {Record<string, Kind>} */
const KINDS = {
  SpeechStarted: "user",
  SpeechStopped: "user",
  Pause: "user",
  WordRecognised: "user",
  Transcribed: "user",
  ReplyText: "text",
  ReplyTextWritten: "text",
  WordSpoken: "bot",
  ReplyStarted: "bot",
  ReplyEnded: "bot",
  AudioReceived: "sound",
  SpeechEncoded: "sound",
  ReplyInterrupted: "cut",
  StageFailed: "cut",
};

export class Marbles {
  /** @param {Stage[]} stages */
  constructor(stages) {
    this.lines = ["client", ...stages.map(({ name }) => name)];
    /** @type {Map<string, number>} */
    this.lineOf = new Map([
      ["AudioReceived", 0],
      ["SessionOpened", 0],
      ["TurnMeasured", stages.length], // by the session itself, at the end of the pipeline
    ]);
    /** @type {number[]} */
    this.labelled = []; // how far the last label of each line goes, in px
    for (const [place, { events }] of stages.entries()) for (const name of events) this.lineOf.set(name, place + 1);
    /** @type {Marble[]} */
    this.marbles = [];
    /** @type {Latency[]} */
    this.latencies = [];
    /** @type {InnerEvent[]} */
    this.events = [];
    this.dropped = 0; // from the beginning
  }

  /**
   * Take an event, and return its marble.
   * @param {InnerEvent} event
   * @returns {Marble}
   */
  add(event) {
    if (event.event === "TurnMeasured") {
      this.latencies.push({ at: event.at_s, total: event.total_ms, parts: Object.entries(event.parts_ms) });
    }
    const line = this.line(event.event);
    const marble = {
      at: event.at_s,
      line,
      kind: KINDS[event.event] ?? (event.event.startsWith("Turn") ? "turn" : "other"),
      label: this.fitting(label(event), event.at_s * SECOND_PX, line),
      title: describe(event),
    };
    this.events.push(event);
    this.marbles.push(marble);
    if (this.marbles.length > MOST) this.forget(MOST / 10);
    return marble;
  }

  /**
   * The line of the stage that gives an event; what no stage gives by name has a line of its own.
   * @param {string} name
   */
  line(name) {
    const known = this.lineOf.get(name);
    if (known !== undefined) return known;
    if (this.lines.at(-1) !== "other") this.lines.push("other");
    this.lineOf.set(name, this.lines.length - 1);
    return this.lines.length - 1;
  }

  /**
   * The label, where the one before it leaves room.
   * @param {string} text
   * @param {number} x
   * @param {number} line
   */
  fitting(text, x, line) {
    if (!text || x < (this.labelled[line] ?? 0)) return "";
    const short = text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
    this.labelled[line] = x + short.length * LETTER_PX + 4;
    return short;
  }

  /** @param {number} count */
  forget(count) {
    this.marbles.splice(0, count);
    this.events.splice(0, count);
    this.dropped += count;
  }

  /**
   * The places of the marbles between two times.
   * @param {number} from
   * @param {number} to
   */
  between(from, to) {
    return [this.place(from), this.place(to)];
  }

  /** @param {number} at */
  place(at) {
    let [low, high] = [0, this.marbles.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.marbles[middle]?.at ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * How many events a stage gave in the last seconds, per second.
   * @param {number} line
   * @param {number} now
   * @param {number} seconds
   */
  rate(line, now, seconds) {
    const recent = this.marbles.slice(this.place(now - seconds));
    return recent.filter((marble) => marble.line === line).length / seconds;
  }
}

/** @param {InnerEvent} event */
function label({ event, text, word, delta }) {
  if (event === "ReplyInterrupted") return "interrupted";
  return event.startsWith("Reply") && event !== "ReplyText" ? "" : String(word ?? delta ?? text ?? "").trim();
}

/** @param {InnerEvent} event */
function describe({ at_s, event, ...fields }) {
  const told = Object.entries(fields).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return [`${event} at ${at_s.toFixed(2)} s`, ...told].join("\n");
}
