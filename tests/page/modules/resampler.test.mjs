import assert from "node:assert/strict";
import test from "node:test";
import { Resampler } from "./page/resampler.js";

const tone = (hz, rate, s) => Float32Array.from({ length: rate * s }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
const rms = (samples) => Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);

/** All of a sound in the blocks of an audio thread. */
function resampled(samples, from, to) {
  const resampler = new Resampler(from, to);
  const blocks = [];
  for (let at = 0; at < samples.length; at += 128) blocks.push(...resampler.push(samples.subarray(at, at + 128)));
  return Float32Array.from(blocks);
}

for (const [from, to] of [[48_000, 24_000], [44_100, 24_000], [24_000, 48_000], [24_000, 44_100], [16_000, 24_000]]) {
  test(`a tone keeps its level and pitch from ${from} to ${to} Hz`, () => {
    const output = resampled(tone(1000, from, 1), from, to);
    assert.ok(Math.abs(output.length - to) <= 1, `${output.length}`);
    const middle = output.subarray(to / 10, (to * 9) / 10);
    assert.ok(Math.abs(rms(middle) - Math.SQRT1_2) < 0.005, `${rms(middle)}`);
    const crossings = middle.reduce((n, one, i) => n + (i > 0 && one >= 0 !== middle[i - 1] >= 0 ? 1 : 0), 0);
    assert.ok(Math.abs(crossings - 1600) <= 2, `${crossings}`);
  });
}

test("what the wire cannot carry is removed, and does not come back as another tone", () => {
  assert.ok(rms(resampled(tone(15_000, 48_000, 1), 48_000, 24_000).subarray(1000)) < 0.003);
});

test("at one rate nothing changes", () => {
  const samples = tone(300, 24_000, 0.1);
  assert.deepEqual(resampled(samples, 24_000, 24_000), samples);
});
