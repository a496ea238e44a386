// What the scripts of both clients share: a microphone, and a way to wait.
import { readFileSync } from 'node:fs';

// What the bot shall be, and, as PCM16 at 24 kHz in a file, what the user says: a tone where there is none.
export const { INSTRUCTIONS = 'Be brief.', SPEECH } = process.env;

const FRAME = 480; // 20 ms at 24 kHz

const frame = (amplitude) => Int16Array.from({ length: FRAME }, (_, at) => Math.round(Math.sin(at * 0.1) * amplitude));
const LOUD = frame(16000);
const SILENT = frame(0);

/** Frames of speech: the whole recording, or so much of the tone. */
export function speech(seconds) {
  if (!SPEECH) return Array(Math.round(seconds * 50)).fill(LOUD);
  const samples = new Int16Array(new Uint8Array(readFileSync(SPEECH)).buffer);
  return Array.from({ length: Math.floor(samples.length / FRAME) }, (_, at) => samples.slice(at * FRAME, (at + 1) * FRAME));
}

/** Root mean square of all samples; full scale is 1. */
export function loudness(pieces) {
  const samples = pieces.flatMap((piece) => [...piece]);
  return Math.sqrt(samples.reduce((sum, sample) => sum + (sample / 32768) ** 2, 0) / Math.max(1, samples.length));
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Calls `send(Int16Array)` for each frame of speech, then of silence, in real time. */
export async function speak(send, { speechS, silenceS }) {
  const frames = [...speech(speechS), ...Array(Math.round(silenceS * 50)).fill(SILENT)];
  const began = Date.now();
  for (const [number, samples] of frames.entries()) {
    await sleep(Math.max(0, began + number * 20 - Date.now()));
    send(samples);
  }
}

/** When `test()` is true; fails after `timeoutMs`, and says what was waited for. */
export async function until(what, test, timeoutMs = 60000) {
  const began = Date.now();
  while (!test()) {
    if (Date.now() - began > timeoutMs) throw new Error(`waited in vain for ${what}`);
    await sleep(10);
  }
}

/** The script's result: its last line. */
export function tell(result) {
  console.log(JSON.stringify(result));
  process.exit(0);
}
