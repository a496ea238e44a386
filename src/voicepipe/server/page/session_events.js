/** The events of a session from inside, where the server's operator allows it. */

/** @typedef {{at_s: number, event: string, [field: string]: any}} InnerEvent */
/** @typedef {{name: string, events: string[]}} Stage */

export class SessionEvents {
  /**
   * @param {string} key
   * @param {string} pipeline empty: the server's first one
   */
  constructor(key, pipeline) {
    this.query = pipeline ? `?model=${encodeURIComponent(pipeline)}` : "";
    this.headers = key ? { Authorization: `Bearer ${key}` } : {};
    this.stop = new AbortController();
  }

  /** @param {string} path */
  get(path) {
    return fetch(new URL(path, location.href), { cache: "no-store", headers: this.headers, signal: this.stop.signal });
  }

  /** @returns {Promise<Stage[]>} */
  async stages() {
    const answer = await this.get(`v1/pipeline${this.query}`);
    return answer.ok ? answer.json() : [];
  }

  /** The pipeline as a picture, for an `img`. */
  async picture() {
    const answer = await this.get(`v1/pipeline.svg${this.query}`);
    return answer.ok ? `data:image/svg+xml,${encodeURIComponent(await answer.text())}` : "";
  }

  /**
   * Tell each event until the session is over.
   * @param {string} session
   * @param {(event: InnerEvent) => void} tell
   */
  async follow(session, tell) {
    const answer = await this.get(`v1/sessions/${encodeURIComponent(session)}/events`);
    if (!answer.ok || !answer.body) return;
    let rest = "";
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const lines = (rest + read.value).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) tell(JSON.parse(line));
    }
  }
}
