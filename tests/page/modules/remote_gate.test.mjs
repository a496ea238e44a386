import assert from "node:assert/strict";
import test from "node:test";
import { RemoteGate } from "./page/remote_gate.js";

const LOUD = new Float32Array(128).fill(0.1);
const SILENT = new Float32Array(128);

test("sound passes, and half a second of the silence behind it", () => {
  const gate = new RemoteGate();
  assert.ok(!gate.passes(SILENT, 1));
  assert.ok(gate.passes(LOUD, 1.1));
  assert.ok(gate.passes(SILENT, 1.5));
  assert.ok(!gate.passes(SILENT, 1.7));
});

test("of an interrupted reply nothing more passes, and the next one does", () => {
  const gate = new RemoteGate();
  assert.ok(gate.passes(LOUD, 1));
  gate.cut();
  assert.ok(!gate.passes(LOUD, 1.05));
  assert.ok(!gate.passes(SILENT, 1.1));
  assert.ok(!gate.passes(LOUD, 1.12)); // still the same reply: it was no longer quiet than a pause between words
  assert.ok(!gate.passes(SILENT, 1.3));
  assert.ok(gate.passes(LOUD, 1.4));
});

test("a reply that follows at once passes as soon as the server tells of it", () => {
  const gate = new RemoteGate();
  gate.passes(LOUD, 1);
  gate.cut();
  gate.open();
  assert.ok(gate.passes(LOUD, 1.05));
});
