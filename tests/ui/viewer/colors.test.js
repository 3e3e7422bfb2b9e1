// @ts-check
// Values become exactly the colours of their labels.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  colorTables,
  countValues,
  fill,
  keepOutlines,
  ramp,
  RAMP,
  rgba,
  STRIPES,
} from "#viewer/colors.js";
import { IGNORE } from "#viewer/labels.js";
import { legendOf } from "#viewer/layers.js";

import { CAR, CARAVAN, LABELS, ROAD, row } from "./tables.js";

const NONE = new Set();

test("a colour has its bytes in the order of ImageData", () => {
  const bytes = new Uint8Array(Uint32Array.of(rgba([1, 2, 3])).buffer);
  assert.deepEqual([...bytes], [1, 2, 3, 255]);
});

test("each label has its colour, train id 0 too, and what is hidden none", () => {
  const { even, odd } = colorTables("mask", legendOf("mask", LABELS), new Set([CAR]));
  assert.equal(even[0], rgba([128, 64, 128]));
  assert.equal(odd[0], even[0]);
  assert.equal(even[13], 0);
  assert.equal(even[200], 0);
});

test("what is ignored is hatched", () => {
  const mask = colorTables("mask", legendOf("mask", LABELS), NONE);
  assert.deepEqual([mask.even[IGNORE], mask.odd[IGNORE]], STRIPES.map(rgba));
  const ignored = colorTables("ignored", legendOf("ignored", LABELS), NONE);
  assert.deepEqual(
    [ignored.even[CARAVAN], ignored.odd[CARAVAN]],
    [rgba([0, 0, 90]), rgba(STRIPES[1])],
  );
});

test("confidence goes from the first colour of the ramp to the last", () => {
  const { even } = colorTables("confidence", [], NONE);
  assert.equal(even[0], rgba(RAMP[0]));
  assert.equal(even[255], rgba(RAMP[RAMP.length - 1]));
  assert.deepEqual(ramp(0.5), RAMP[2]);
});

test("stripes run diagonally and have the width asked for", () => {
  const [even, odd] = [new Uint32Array(256).fill(1), new Uint32Array(256).fill(2)];
  const out = new Uint32Array(8);
  fill({ width: 4, height: 2, pixels: new Uint8Array(8) }, { even, odd }, 1, out);
  assert.deepEqual([...out], [1, 1, 2, 2, 1, 2, 2, 1]);
});

test("outlines keep both sides of a border, and not the picture's edge", () => {
  const values = row(ROAD, ROAD, ROAD, CAR, CAR, CAR);
  const out = new Uint32Array(6).fill(9);
  keepOutlines(values, 1, out);
  assert.deepEqual([...out], [0, 0, 9, 9, 0, 0]);
});

test("every pixel is counted", () => {
  const counts = countValues(Uint8Array.of(0, 255, 255, 7));
  assert.deepEqual([counts[0], counts[7], counts[255], counts[1]], [1, 1, 2, 0]);
});
