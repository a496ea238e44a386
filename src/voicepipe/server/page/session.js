/** The settings of a session, as the GA dialect has them. */

/** @typedef {"auto" | "websocket" | "webrtc"} Transport */

/**
 * @typedef {object} Options
 * @property {string} pipeline empty: the server's first one; of the next session
 * @property {Transport} transport of the next session; "auto": WebRTC where it comes about
 * @property {string} instructions empty: the server's own character
 * @property {string} voice empty: the server's own
 * @property {string} deviceId of the microphone; empty: the default one
 * @property {boolean} textOnly
 * @property {boolean} pushToTalk
 * @property {boolean} greets the bot speaks first
 */

const FORMAT = { type: "audio/pcm", rate: 24_000 };

/**
 * Return the event that sets a session up.
 * @param {Options} options
 */
export function sessionUpdate({ instructions, voice, textOnly, pushToTalk }) {
  return {
    type: "session.update",
    session: {
      type: "realtime",
      instructions: instructions || null,
      output_modalities: [textOnly ? "text" : "audio"],
      audio: {
        input: { format: FORMAT, turn_detection: pushToTalk ? null : { type: "semantic_vad" } },
        output: { format: FORMAT, ...(voice && { voice }) },
      },
    },
  };
}
