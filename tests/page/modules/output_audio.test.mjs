import assert from "node:assert/strict";
import test from "node:test";
import { OutputAudio } from "./page/output_audio.js";

const ADDED = { type: "response.output_item.added", response_id: "r1", item: { type: "message", id: "i1" } };
const STARTED = { type: "output_audio_buffer.started", response_id: "r1" };

test("the sound of a response is that of its message", () => {
  const output = new OutputAudio();
  assert.equal(output.take(ADDED), null);
  assert.equal(output.take(STARTED), "started");
  assert.equal(output.item, "i1");
  assert.equal(output.take({ type: "output_audio_buffer.stopped", response_id: "r1" }), "stopped");
  assert.ok(!output.sounds);
});

test("what was cut is told once", () => {
  const output = new OutputAudio();
  output.take(ADDED);
  output.take(STARTED);
  assert.equal(output.take({ type: "output_audio_buffer.cleared", response_id: "r1" }), "cleared");
  assert.equal(output.takeCut(), "i1");
  assert.equal(output.takeCut(), "");
});

test("where nothing sounds, nothing is cut", () => {
  const output = new OutputAudio();
  output.take(ADDED);
  output.take({ type: "output_audio_buffer.cleared", response_id: "r1" });
  assert.equal(output.takeCut(), "");
});
