import assert from "node:assert/strict";
import test from "node:test";
import { Hold } from "./page/hold.js";

test("a voice holds the playback until the server has decided", () => {
  const hold = new Hold();
  hold.voice(true, 10);
  assert.ok(hold.at(10, true, 5));
  assert.ok(hold.at(11, true, 5));
  hold.release();
  assert.ok(!hold.at(11.1, true, 5));
});

test("a cough holds it for a moment", () => {
  const hold = new Hold();
  hold.voice(true, 10);
  assert.ok(hold.at(10, true, 5));
  hold.voice(false, 10.3);
  assert.ok(hold.at(10.8, true, 5));
  assert.ok(!hold.at(11, true, 5));
});

test("a sound that the server does not take for a voice holds it once", () => {
  const hold = new Hold();
  hold.voice(true, 10);
  assert.ok(hold.at(10, true, 5));
  assert.ok(!hold.at(11.7, true, 5));
  assert.ok(!hold.at(12, true, 5));
  hold.voice(false, 13);
  hold.voice(true, 14);
  assert.ok(hold.at(14, true, 5));
});

test("nothing is held while the echo canceller learns, or while nothing is played", () => {
  const hold = new Hold();
  hold.voice(true, 1);
  assert.ok(!hold.at(1, true, 2.9));
  assert.ok(!hold.at(1, false, 5));
});
