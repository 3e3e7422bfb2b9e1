// @ts-check
// Labels are switched on and off, or seen alone.

import assert from "node:assert/strict";
import { test } from "node:test";

import { toggled } from "#viewer/legend.js";

const IDS = [7, 26, 29];

test("a label is switched off and on again, and the set it was given stays as it is", () => {
  const none = new Set();
  assert.deepEqual(toggled(none, IDS, 26, false), new Set([26]));
  assert.deepEqual(toggled(new Set([26, 7]), IDS, 26, false), new Set([7]));
  assert.deepEqual(none, new Set());
});

test("a label is seen alone, and all are seen again", () => {
  assert.deepEqual(toggled(new Set([26]), IDS, 26, true), new Set([7, 29]));
  assert.deepEqual(toggled(new Set([7, 29]), IDS, 26, true), new Set());
});
