import assert from "node:assert/strict";
import test from "node:test";
import { PlaybackBuffer } from "./page/playback_buffer.js";

const RATE = 24_000;
const BLOCK = 120; // 5 ms

/** Sound of this length. */
const sound = (ms, level = 0.5) => new Float32Array((RATE * ms) / 1000).fill(level);

/** What is played in the next milliseconds, one value for each block. */
function play(buffer, ms) {
  const levels = [];
  for (let at = 0; at < ms; at += 5) {
    const block = new Float32Array(BLOCK);
    buffer.pull(block);
    levels.push(block.at(-1));
  }
  return levels;
}

test("it waits for its target, and then plays without a gap", () => {
  const buffer = new PlaybackBuffer(RATE);
  buffer.push("a", sound(40));
  assert.ok(play(buffer, 40).every((level) => level === 0));
  buffer.push("a", sound(40));
  assert.ok(play(buffer, 80).every((level) => level === 0.5));
  assert.equal(buffer.heardMs, 80);
});

test("a whole item is played however short it is", () => {
  const buffer = new PlaybackBuffer(RATE);
  buffer.push("a", sound(20));
  buffer.end();
  assert.deepEqual(play(buffer, 30), [0.5, 0.5, 0.5, 0.5, 0, 0]);
  assert.equal(buffer.underruns, 0);
});

test("an underrun is counted, and lets the buffer grow", () => {
  const buffer = new PlaybackBuffer(RATE);
  buffer.push("a", sound(80));
  play(buffer, 120);
  buffer.push("a", sound(80));
  assert.equal(buffer.underruns, 1);
  assert.equal(buffer.targetMs, 100);
  assert.ok(play(buffer, 40).every((level) => level === 0), "it waits for the larger target");
});

test("it shrinks when nothing was missing for ten seconds", () => {
  const buffer = new PlaybackBuffer(RATE);
  for (let s = 0; s < 10; s++) {
    buffer.push("a", sound(1000));
    play(buffer, 1000);
  }
  assert.equal(buffer.targetMs, 50);
  assert.equal(buffer.underruns, 0);
});

test("what is flushed is silent at once, and what was heard is told", () => {
  const buffer = new PlaybackBuffer(RATE);
  buffer.push("a", sound(200));
  play(buffer, 50);
  assert.deepEqual(buffer.flush(), { item: "a", heardMs: 50, unheardMs: 150 });
  assert.ok(play(buffer, 200).every((level) => level === 0));
});

test("what has not begun was not heard", () => {
  const buffer = new PlaybackBuffer(RATE);
  buffer.push("a", sound(20));
  assert.deepEqual(buffer.flush(), { item: "a", heardMs: 0, unheardMs: 20 });
});

test("a held buffer is silent, loses nothing, and its emptiness is no underrun", () => {
  const buffer = new PlaybackBuffer(RATE);
  buffer.push("a", sound(200));
  play(buffer, 50);
  buffer.hold();
  const held = play(buffer, 100);
  assert.ok(held.slice(1).every((level) => level === 0), "it fades within a block");
  buffer.resume();
  play(buffer, 200);
  assert.equal(buffer.heardMs, 200);
  buffer.push("a", sound(100));
  assert.equal(buffer.underruns, 0);
});

test("a delay is made up for in the pauses of the voice", () => {
  const buffer = new PlaybackBuffer(RATE);
  buffer.push("a", sound(100));
  buffer.push("a", sound(600, 0));
  play(buffer, 300);
  assert.equal(buffer.heardMs, 360);
  assert.equal(buffer.bufferedMs, 340);
});
