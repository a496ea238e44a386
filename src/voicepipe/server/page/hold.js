/**
 * When a voice holds the playback: at once, and until the server has said what it means. Pure: the time is told.
 * The numbers follow the server's `INTERRUPTION`.
 */

const LEARNING_S = 3; // of the bot's sound, in which the echo canceller learns: its own voice comes back meanwhile
const RESUMES_AFTER_S = 0.6; // after the end of a voice that was no word: the server waits for 0.35 s, and notices it later
const DECIDED_AFTER_S = 1.6; // the server interrupts after 0.8 s of voice, which it hears later by the way there and back

export class Hold {
  constructor() {
    this.speaking = false;
    this.changedS = 0;
    /** @type {number | null} */
    this.sinceS = null;
    this.spent = false; // this voice has held it for long enough
  }

  /**
   * @param {boolean} speaking
   * @param {number} nowS
   */
  voice(speaking, nowS) {
    this.speaking = speaking;
    this.changedS = nowS;
    if (!speaking) this.spent = false;
  }

  /**
   * Return whether the playback is held now.
   * @param {number} nowS
   * @param {boolean} playing
   * @param {number} soundedS of the bot, since the page has sound
   */
  at(nowS, playing, soundedS) {
    if (this.sinceS === null) {
      if (this.speaking && !this.spent && playing && soundedS >= LEARNING_S) this.sinceS = nowS;
    } else if (this.speaking ? nowS - this.sinceS > DECIDED_AFTER_S : nowS - this.changedS > RESUMES_AFTER_S) {
      this.sinceS = null;
      this.spent = this.speaking;
    }
    return this.sinceS !== null;
  }

  /** The server has decided. */
  release() {
    this.sinceS = null;
    this.spent = true;
  }
}
