/** How the user takes a turn: by the button of push-to-talk, or by typing. A voice takes it on the server. */

/** @typedef {import("./conversation.js").Conversation} Conversation */

const LEAST_PACKETS = 3; // of 40 ms: a shorter press is a slip, and the server takes no less than 100 ms

export class Turns {
  /** @param {Conversation} conversation */
  constructor(conversation) {
    this.conversation = conversation;
    this.talking = false; // the button is down
    this.packets = 0; // sent since then
    this.replyWanted = false; // as soon as the one that is cancelled has ended
  }

  /** Return whether the next sound of the microphone is for the server. */
  hears() {
    if (!this.conversation.options.pushToTalk) return true;
    if (this.talking) this.packets++;
    return this.talking;
  }

  /** @param {boolean} down of push-to-talk */
  press(down) {
    const { phase, options } = this.conversation;
    if (down === this.talking || phase !== "on" || !options.pushToTalk) return;
    this.talking = down;
    if (down) this.begin();
    else if (this.packets >= LEAST_PACKETS) this.end();
    this.conversation.changed();
  }

  begin() {
    this.packets = 0;
    this.conversation.sound.takeFloor();
    this.conversation.send({ type: "input_audio_buffer.clear" });
  }

  async end() {
    await this.conversation.microphone.flush();
    if (this.talking) return; // the button is down again
    this.conversation.send({ type: "input_audio_buffer.commit" });
    this.requestReply();
  }

  /** @param {string} text that the user has typed */
  type(text) {
    this.conversation.sound.takeFloor();
    const content = [{ type: "input_text", text }];
    this.conversation.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
    this.requestReply();
    this.conversation.changed();
  }

  /** A server answers once at a time: a reply that is in progress ends first. */
  requestReply() {
    if (this.conversation.dialogue.response) this.replyWanted = true;
    else this.conversation.send({ type: "response.create" });
  }

  /** A reply has ended. */
  finished() {
    if (!this.replyWanted) return;
    this.replyWanted = false;
    this.conversation.send({ type: "response.create" });
  }
}
