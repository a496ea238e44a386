/**
 * Which of a call's sound is played: what can be heard, and after an interruption nothing until it was quiet. What the
 * browser still had on its way does not come through. Pure: the time is told.
 */

import { rms } from "./voice_detector.js";

const SOUND = 0.0005; // RMS, -66 dBFS: a decoded silence is below
const OPEN_S = 0.5; // behind the last sound: pauses of the voice keep their length
const QUIET_S = 0.1; // five packets: then an interrupted reply has ended

export class RemoteGate {
  constructor() {
    this.soundedS = -OPEN_S;
    this.quietFromS = 0;
    this.isCut = false;
  }

  /**
   * Return whether a block is played.
   * @param {Float32Array} block
   * @param {number} nowS
   */
  passes(block, nowS) {
    if (rms(block) > SOUND) {
      this.quietFromS = nowS + QUIET_S;
      if (!this.isCut) this.soundedS = nowS;
    } else if (nowS > this.quietFromS) this.isCut = false;
    return !this.isCut && nowS - this.soundedS < OPEN_S;
  }

  /** The reply was interrupted. */
  cut() {
    this.isCut = true;
    this.soundedS = -OPEN_S;
  }

  /** Another reply begins. */
  open() {
    this.isCut = false;
  }
}
