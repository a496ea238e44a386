import assert from "node:assert/strict";
import test from "node:test";
import { Marbles } from "./page/marbles.js";

const stages = [
  { name: "STT", events: ["WordRecognised"] },
  { name: "TTS", events: ["WordSpoken"] },
  { name: "respond", events: ["ReplyInterrupted"] },
];

test("each event is a marble on the line of the stage that gives it", () => {
  const marbles = new Marbles(stages);
  const word = marbles.add({ at_s: 1.5, event: "WordRecognised", text: "Hello", start_s: 1 });
  assert.deepEqual([marbles.lines[word.line], word.kind, word.label], ["STT", "user", "Hello"]);
  assert.equal(word.title, 'WordRecognised at 1.50 s\ntext: "Hello"\nstart_s: 1');
  const sound = marbles.add({ at_s: 1.6, event: "AudioReceived", bytes: 1920 });
  assert.deepEqual([marbles.lines[sound.line], sound.kind], ["client", "sound"]);
  assert.equal(marbles.add({ at_s: 2, event: "ReplyInterrupted" }).kind, "cut");
});

test("what no stage gives by name has a line of its own", () => {
  const marbles = new Marbles(stages);
  const own = marbles.add({ at_s: 0, event: "KeywordHeard", keyword: "voicepipe" });
  assert.equal(marbles.lines[own.line], "other");
  marbles.add({ at_s: 0, event: "Another" });
  assert.equal(marbles.lines.length, 5);
});

test("a label is left out where the one before it needs the room", () => {
  const marbles = new Marbles(stages);
  const labels = [0, 0.05, 1].map((at_s) => marbles.add({ at_s, event: "WordSpoken", word: "frost" }).label);
  assert.deepEqual(labels, ["frost", "", "frost"]);
});

test("the latency of a turn is kept with its parts", () => {
  const marbles = new Marbles(stages);
  marbles.add({ at_s: 3, event: "TurnMeasured", total_ms: 900, parts_ms: { endpointing: 700, tts: 200 } });
  assert.deepEqual(marbles.latencies, [{ at: 3, total: 900, parts: [["endpointing", 700], ["tts", 200]] }]);
});

test("marbles are found by their time, and counted by their stage", () => {
  const marbles = new Marbles(stages);
  for (let at_s = 0; at_s < 10; at_s++) marbles.add({ at_s, event: "WordSpoken", word: "a" });
  assert.deepEqual(marbles.between(2.5, 5.5), [3, 6]);
  assert.equal(marbles.rate(2, 10, 5), 1);
  assert.equal(marbles.rate(1, 10, 5), 0);
});

test("it does not grow without end", () => {
  const marbles = new Marbles(stages);
  for (let i = 0; i < 50_000; i++) marbles.add({ at_s: i / 40, event: "AudioReceived", bytes: 1920 });
  assert.ok(marbles.marbles.length <= 20_000);
  assert.equal(marbles.marbles.length + marbles.dropped, 50_000);
});
