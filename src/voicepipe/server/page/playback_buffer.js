/**
 * What is to be played, block by block: a buffer that adapts to the network, stays small, and can be held and emptied.
 * Pure: it knows no clock but the samples that it gives.
 */

const FIRST_TARGET_MS = 60; // from the first sound to its playback
const LEAST_TARGET_MS = 40;
const MOST_TARGET_MS = 400;
const GROWS_BY_MS = 40; // after an underrun
const SHRINKS_BY_MS = 10; // after each CALM_MS without one
const CALM_MS = 10_000;
// The server sends 320 ms ahead. What is beyond that and the target is a delay, and is made up for in pauses of the voice.
const LEAD_MS = 320;
const QUIET = 0.004; // peak, -48 dBFS
const FADE_MS = 5; // a cut without it clicks

/** @typedef {{item: string, samples: Float32Array}} Piece */

export class PlaybackBuffer {
  /** @param {number} rateHz of the samples */
  constructor(rateHz) {
    this.rateHz = rateHz;
    /** @type {Piece[]} */
    this.pieces = [];
    this.offset = 0; // in the first piece
    this.bufferedSamples = 0;
    this.targetMs = FIRST_TARGET_MS;
    this.waiting = true; // for the target
    this.ended = true; // no more sound of this item comes
    this.item = "";
    this.heardSamples = 0; // of the item
    this.soundedSamples = 0; // of all
    this.calmSamples = 0;
    this.underruns = 0;
    this.dry = false; // a block was played without sound, in the middle of an item
    this.held = false;
    this.wasHeld = false; // since the last sound came: a dry buffer is then no fault of the network
    this.gain = 1;
    this.leadMs = LEAD_MS;
  }

  get bufferedMs() {
    return this.ms(this.bufferedSamples);
  }

  get heardMs() {
    return this.ms(this.heardSamples);
  }

  /** Whether the next block has sound. */
  get isPlaying() {
    return this.bufferedSamples > 0 && (!this.waiting || this.ended);
  }

  /** @param {number} samples */
  ms(samples) {
    return (samples * 1000) / this.rateHz;
  }

  /**
   * @param {string} item
   * @param {Float32Array} samples
   */
  push(item, samples) {
    if (!samples.length) return;
    const goesOn = this.item === item && !this.ended;
    if (goesOn && this.dry) this.ranDry();
    if (!goesOn && !this.bufferedSamples) this.waiting = true;
    this.ended = this.dry = this.wasHeld = false;
    this.pieces.push({ item, samples });
    this.bufferedSamples += samples.length;
  }

  /** Sound was missing in the middle of an item, and has come too late. */
  ranDry() {
    this.waiting = true;
    if (this.wasHeld) return;
    this.underruns++;
    this.calmSamples = 0;
    this.targetMs = Math.min(MOST_TARGET_MS, this.targetMs + GROWS_BY_MS);
  }

  /** The item is whole: what is buffered is played without waiting for more. */
  end() {
    this.ended = true;
  }

  /** Play nothing until `resume`, and lose nothing. */
  hold() {
    this.held = this.wasHeld = true;
  }

  resume() {
    this.held = false;
  }

  /** Throw everything away, and return what was heard of the item. */
  flush() {
    const begun = this.item !== "";
    const item = begun ? this.item : (this.pieces[0]?.item ?? "");
    const heard = { item, heardMs: begun ? this.heardMs : 0, unheardMs: this.bufferedMs };
    this.pieces = [];
    this.offset = this.bufferedSamples = 0;
    this.held = false;
    this.waiting = this.ended = true;
    this.dry = false;
    this.item = "";
    this.heardSamples = 0;
    return heard;
  }

  /**
   * Write the next block, and return whether it has sound.
   * @param {Float32Array} block
   */
  pull(block) {
    block.fill(0);
    if (this.waiting && (this.ended || this.bufferedMs >= this.targetMs)) this.waiting = false;
    const silent = this.waiting || !this.bufferedSamples || (this.held && this.gain === 0);
    if (silent) {
      this.dry ||= !this.waiting && !this.bufferedSamples && !this.ended;
      this.gain = this.held ? 0 : 1;
      return false;
    }
    if (this.bufferedMs > this.leadMs + this.targetMs + 100) this.skipQuiet(block.length);
    this.read(block);
    this.fade(block);
    this.settle(block.length);
    return true;
  }

  /** @param {Float32Array} block */
  read(block) {
    for (let at = 0; at < block.length; ) {
      const piece = this.pieces[0];
      if (!piece) return;
      if (piece.item !== this.item) {
        this.item = piece.item;
        this.heardSamples = 0;
      }
      const count = Math.min(block.length - at, piece.samples.length - this.offset);
      block.set(piece.samples.subarray(this.offset, this.offset + count), at);
      at += count;
      this.advance(piece, count);
    }
  }

  /**
   * @param {Piece} piece
   * @param {number} count
   */
  advance(piece, count) {
    this.offset += count;
    this.heardSamples += count;
    this.soundedSamples += count;
    this.bufferedSamples -= count;
    if (this.offset === piece.samples.length) {
      this.pieces.shift();
      this.offset = 0;
    }
  }

  /**
   * Skip a block that is a pause of the voice.
   * @param {number} count
   */
  skipQuiet(count) {
    const piece = this.pieces[0];
    if (piece?.item !== this.item) return;
    const next = piece.samples.subarray(this.offset, this.offset + count);
    if (next.every((sample) => Math.abs(sample) < QUIET)) this.advance(piece, next.length);
  }

  /**
   * Bring the gain to 0 while it is held, and else back to 1.
   * @param {Float32Array} block
   */
  fade(block) {
    const step = 1000 / (FADE_MS * this.rateHz);
    for (let i = 0; i < block.length; i++) {
      this.gain = Math.max(0, Math.min(1, this.gain + (this.held ? -step : step)));
      block[i] = (block[i] ?? 0) * this.gain;
    }
  }

  /** @param {number} count */
  settle(count) {
    this.calmSamples += count;
    if (this.ms(this.calmSamples) < CALM_MS) return;
    this.calmSamples = 0;
    this.targetMs = Math.max(LEAST_TARGET_MS, this.targetMs - SHRINKS_BY_MS);
  }
}
