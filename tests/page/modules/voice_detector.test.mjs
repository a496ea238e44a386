import assert from "node:assert/strict";
import test from "node:test";
import { VoiceDetector } from "./page/voice_detector.js";

const RATE = 48_000;

/** When a voice is heard in a sound, in seconds. */
function heard(seconds, sound) {
  const detector = new VoiceDetector(RATE);
  const times = [];
  for (let at = 0; at < seconds * RATE; at += 128) {
    const block = Float32Array.from({ length: 128 }, (_, i) => sound((at + i) / RATE));
    if (detector.push(block)) times.push(at / RATE);
  }
  return times;
}

const noise = (level) => (Math.random() - 0.5) * 2 * level;
/** A vowel: a pitch of 120 Hz with its harmonics. */
const vowel = (t) => [1, 2, 3, 4, 5].reduce((sum, n) => sum + Math.sin(2 * Math.PI * 120 * n * t) / n, 0) * 0.05;

test("a voice is noticed within a tenth of a second, and its end within half of one", () => {
  const times = heard(3, (t) => (t > 1 && t < 2 ? vowel(t) : noise(0.001)));
  assert.ok(times[0] > 1 && times[0] < 1.1, `${times[0]}`);
  assert.ok(times.at(-1) < 2.5, `${times.at(-1)}`);
});

for (const [name, sound] of [
  ["steady noise", () => noise(0.1)],
  ["bursts of noise", (t) => noise(t % 1 < 0.1 ? 0.5 : 0.001)],
  ["clicks", (t) => (t % 0.3 < 0.004 ? noise(1) : 0)],
  ["silence", () => 0],
]) {
  test(`${name} is no voice`, () => assert.deepEqual(heard(5, sound), []));
}
