// @ts-check
// The edges of a region.

import assert from "node:assert/strict";
import { test } from "node:test";

import { edgesOf } from "#viewer/outline.js";

/**
 * @param {number} width
 * @param {...number} values
 */
function edges(width, ...values) {
  const pixels = Uint8Array.from(values);
  return [...edgesOf({ width, height: values.length / width, pixels })];
}

test("straight edges are one line, those of the box included", () => {
  assert.deepEqual(edges(2, 255, 255), [
    [0, 0, 2, 0],
    [0, 1, 2, 1],
    [0, 0, 0, 1],
    [2, 0, 2, 1],
  ]);
});

test("what lies outside of the region has no edge of its own", () => {
  assert.deepEqual(edges(2, 255, 0, 255, 255), [
    [0, 0, 1, 0],
    [1, 1, 2, 1],
    [0, 2, 2, 2],
    [0, 0, 0, 2],
    [1, 0, 1, 1],
    [2, 1, 2, 2],
  ]);
  assert.deepEqual(edges(1, 0), []);
});
