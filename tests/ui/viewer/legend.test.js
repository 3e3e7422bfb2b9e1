// @ts-check
// Labels are switched on and off, or seen alone, and explained.

import assert from "node:assert/strict";
import { test } from "node:test";

import { legendOf } from "#viewer/layers.js";
import { explanation, toggled } from "#viewer/legend.js";

import { LABELS } from "./tables.js";

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

test("a label is explained where its name does not say what it means", () => {
  const [ego, road] = legendOf("truth", LABELS);
  assert.equal(explanation(ego), "ego vehicle (void): The car that carries the camera.");
  assert.equal(explanation(road), "road (flat)");
  const ignored = legendOf("mask", LABELS).at(-1);
  assert.match(ignored ? explanation(ignored) : "", /^ignored: Pixels with the value 255: .*\.$/);
});
