import assert from "node:assert/strict";
import test from "node:test";
import { Dialogue } from "./page/dialogue.js";

/** A conversation after these events. */
function after(...events) {
  const dialogue = new Dialogue();
  for (const event of events) dialogue.apply(event);
  return dialogue;
}

const started = { type: "input_audio_buffer.speech_started", item_id: "u1" };
const stopped = { type: "input_audio_buffer.speech_stopped", item_id: "u1" };
const committed = { type: "input_audio_buffer.committed", item_id: "u1" };
const heard = (transcript) => ({
  type: "conversation.item.input_audio_transcription.completed",
  item_id: "u1",
  transcript,
});
const created = { type: "response.created", response: { id: "r1" } };
const said = (delta) => ({ type: "response.output_audio_transcript.delta", item_id: "b1", delta });
const done = (status) => ({ type: "response.done", response: { id: "r1", status, output: [{ id: "b1" }] } });
const item = (transcript) => ({
  type: "conversation.item.retrieved",
  item: { id: "b1", content: [{ type: "output_audio", transcript }] },
});

test("the floor goes from one to the other", () => {
  const dialogue = after(started);
  assert.equal(dialogue.floor, "hearing");
  dialogue.apply(stopped);
  dialogue.apply(committed);
  assert.equal(dialogue.floor, "thinking");
  dialogue.apply(heard("Hello."));
  dialogue.apply(created);
  dialogue.apply(said("Hi"));
  dialogue.plays(true);
  assert.equal(dialogue.floor, "speaking");
  dialogue.apply(done("completed"));
  dialogue.plays(false);
  assert.equal(dialogue.floor, "listening");
  assert.deepEqual(
    dialogue.entries.map(({ side, text, state }) => [side, text, state]),
    [["user", "Hello.", "done"], ["bot", "Hi", "done"]],
  );
});

test("of an interrupted reply what was heard is told from what was not", () => {
  const dialogue = after(created, said("One"), said(" two"), said(" three"));
  dialogue.cut("b1", 120);
  dialogue.apply(said(" four"));
  dialogue.apply(done("cancelled"));
  dialogue.apply(item("One two"));
  const [entry] = dialogue.entries;
  assert.deepEqual([entry.text, entry.unheard, entry.state, entry.silentMs], ["One two", " three four", "cut", 120]);
  assert.equal(dialogue.transcript(), "Bot: One two [not heard: three four]\n");
});

test("a reply that was not interrupted is not cut by what the server has", () => {
  const dialogue = after(created, said("One two"), done("completed"), item("One"));
  assert.equal(dialogue.entries[0].text, "One two");
});

test("words that come behind the reply stand before it", () => {
  const dialogue = after(started, stopped, committed, created, said("Hi"), heard("Hello."));
  assert.deepEqual(dialogue.entries.map(({ text }) => text), ["Hello.", "Hi"]);
});

test("a cough leaves no caption", () => {
  const dialogue = after(started);
  assert.equal(dialogue.entries.length, 1);
  dialogue.apply(stopped);
  assert.deepEqual(dialogue.entries, []);
  assert.equal(dialogue.floor, "listening");
});

test("a new session is told what was said", () => {
  const dialogue = after(started, stopped, heard("Hello."), created, said("Hi"));
  dialogue.breakOff();
  assert.deepEqual(dialogue.messages(), [
    { type: "message", role: "user", content: [{ type: "input_text", text: "Hello." }] },
    { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hi" }] },
  ]);
  assert.equal(dialogue.floor, "listening");
});

test("a lost connection leaves no question open", () => {
  const dialogue = after(started, stopped, committed, heard("Hello."));
  assert.equal(dialogue.floor, "thinking");
  dialogue.breakOff();
  assert.equal(dialogue.floor, "listening");
});

test("a failed reply says so", () => {
  assert.equal(after(created, said("Hi"), done("failed")).entries[0].state, "failed");
});
