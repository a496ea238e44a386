// What the scripts of both clients share: a microphone, and a way to wait.

const FRAME = 480; // 20 ms at 24 kHz

const frame = (amplitude) => Int16Array.from({ length: FRAME }, (_, at) => Math.round(Math.sin(at * 0.1) * amplitude));
export const LOUD = frame(16000);
const SILENT = frame(0);

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Calls `send(Int16Array)` for each frame of speech, then of silence, in real time. */
export async function speak(send, { speechS, silenceS }) {
  const frames = [...Array(Math.round(speechS * 50)).fill(LOUD), ...Array(Math.round(silenceS * 50)).fill(SILENT)];
  const began = Date.now();
  for (const [number, samples] of frames.entries()) {
    await sleep(Math.max(0, began + number * 20 - Date.now()));
    send(samples);
  }
}

/** When `test()` is true; fails after `timeoutMs`, and says what was waited for. */
export async function until(what, test, timeoutMs = 15000) {
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
