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

const PCM = { type: "audio/pcm", rate: 24_000 };
const OPUS = { type: "audio/opus" };

/**
 * Return the event that sets a session up.
 * @param {Options} options
 * @param {boolean} inOpus the sound in messages, both ways
 */
export function sessionUpdate({ instructions, voice, textOnly, pushToTalk }, inOpus) {
  const format = inOpus ? OPUS : PCM;
  return {
    type: "session.update",
    session: {
      type: "realtime",
      instructions: instructions || null,
      output_modalities: [textOnly ? "text" : "audio"],
      audio: {
        input: { format, turn_detection: pushToTalk ? null : { type: "semantic_vad" } },
        output: { format, ...(voice && { voice }) },
      },
    },
  };
}
