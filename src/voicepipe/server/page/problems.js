/** What went wrong, as a person reads it: what it is, and what to do. */

/**
 * @typedef {object} Problem
 * @property {string} code
 * @property {string} title
 * @property {string} text
 * @property {number} [retryAfterS]
 * @property {boolean} [canType] the conversation is possible without a microphone
 */

/** @type {Record<string, Problem>} */
const MICROPHONE = {
  NotAllowedError: {
    code: "permission",
    title: "The microphone is blocked",
    text: "Allow it with the icon at the left of the address bar, and press the button again.",
  },
  NotFoundError: {
    code: "no-microphone",
    title: "There is no microphone",
    text: "Connect one, or choose another device in the settings, and press the button again.",
  },
  NotReadableError: {
    code: "busy-microphone",
    title: "The microphone is in use",
    text: "Another program holds it. Close that program, and press the button again.",
  },
};

/** @type {Record<string, string>} */
const ALIASES = { OverconstrainedError: "NotFoundError", SecurityError: "NotAllowedError" };

/** @type {Record<string, string>} */
const TITLES = { loading: "The server is starting", stopping: "The server is shutting down" };

/**
 * Return the problem behind an error of `getUserMedia`.
 * @param {unknown} error
 * @returns {Problem}
 */
export function microphoneProblem(error) {
  const name = error instanceof DOMException ? error.name : "";
  const known = MICROPHONE[ALIASES[name] ?? name];
  const text = `The browser says: ${error instanceof Error ? error.message : error}. Try another device or browser.`;
  return { ...(known ?? { code: "microphone", title: "The microphone does not work", text }), canType: true };
}

/** @returns {Problem | null} */
export function contextProblem() {
  if (isSecureContext && navigator.mediaDevices) return null;
  return {
    code: "insecure",
    title: "This address gives no microphone",
    text: `Browsers allow one on https pages and on this machine only. Open the page by https, or by
      http://localhost:${location.port || 80} on the server's own machine.`,
    canType: true,
  };
}

/** @returns {Problem | null} */
export function browserProblem() {
  if (typeof AudioWorkletNode !== "undefined" || !isSecureContext) return null;
  return {
    code: "browser",
    title: "This browser is too old",
    text: "It has no AudioWorklet. Chrome 80, Firefox 113, Safari 16.4 and all later ones work.",
  };
}

/**
 * Return the problem that ended a connection, or kept it from being made; null where the conversation is over.
 * @param {{code: number, reason: string, error: import("./dialogue.js").ServerEvent | null, opened: boolean}} end
 * @param {import("./server_api.js").Readiness | null} ready null: the server does not answer
 * @returns {Problem | null}
 */
export function connectionProblem({ code, reason, error, opened }, ready) {
  const why = error?.error?.message ?? sentence(reason);
  const told = error?.error?.code;
  if (told === "no_call") return noCall(why);
  if (told === "invalid_api_key") return keyProblem(why);
  if (code === 1000) return null;
  if (told === "full" || told === "too_many_sessions") {
    return {
      code: "full",
      title: "The server is full",
      text: withoutAdvice(why),
      retryAfterS: ready?.retryAfterS ?? 10,
    };
  }
  if (code === 1013) return notReady(told ?? "later", ready?.reasons.join(" ") || why, ready?.retryAfterS ?? 10);
  if (!ready) return gone();
  if (!ready.ready) return notReady("service_down", ready.reasons.join(" "), ready.retryAfterS);
  if (code === 1011) return { code: "failed", title: "The conversation broke off", text: why };
  if (code === 1008) return { code: "ended", title: "The server has ended the conversation", text: why };
  return opened ? gone() : refused();
}

/**
 * @param {string} code
 * @param {string} text
 * @param {number} retryAfterS
 * @returns {Problem}
 */
function notReady(code, text, retryAfterS) {
  return { code, title: TITLES[code] ?? "A service is down", text: withoutAdvice(text), retryAfterS };
}

/**
 * The page counts down to the moment, which says more than the server's "in a moment".
 * @param {string} text
 */
function withoutAdvice(text) {
  return text.replaceAll(" Please try again in a moment.", "");
}

/**
 * @param {string} why
 * @returns {Problem}
 */
function noCall(why) {
  return {
    code: "no-call",
    title: "WebRTC does not come through",
    text: `${why.charAt(0).toUpperCase()}${why.slice(1).replace(/\.$/, "")}. Many networks let no UDP
      through. Choose another connection in the settings.`,
  };
}

/** @returns {Problem} */
function gone() {
  return {
    code: "gone",
    title: "The server does not answer",
    text: "Check that it is running, and that this device has a network.",
    retryAfterS: 5,
  };
}

/** @returns {Problem} */
function refused() {
  return {
    code: "refused",
    title: "The server refuses this page",
    text: `It answers, but accepts no conversation from ${location.origin}. Its operator can allow this address with
      the setting cors_origins, or a proxy in between does not pass WebSockets on.`,
  };
}

/**
 * @param {string} why
 * @returns {Problem}
 */
export function keyProblem(why) {
  return { code: "key", title: "This server needs a key", text: `${why} It is kept until this page is closed.` };
}

/** @param {string} reason */
function sentence(reason) {
  return reason ? `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.` : "The server gave no reason.";
}
