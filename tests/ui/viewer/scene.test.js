// @ts-check
// What is read of a picture's files at a pixel.

import assert from "node:assert/strict";
import { test } from "node:test";

import { DEFAULT_VIEW } from "#viewer/address.js";
import { Scene } from "#viewer/scene.js";

import { CAR, LABELS, ROAD, picture, row } from "./tables.js";

/** @import { Decoded } from "#viewer/types.js" */

/**
 * What is said of the second pixel, where the file holds `stored`.
 *
 * @param {...number} stored
 */
function textsAt(...stored) {
  /** @type {Record<string, Decoded>} */
  const files = { "/a/labels": row(ROAD, CAR), "/a/values": row(...stored) };
  const scene = new Scene(
    picture("a", ["labels", "values"]),
    { value: (url) => files[url], error: () => undefined },
    LABELS,
    DEFAULT_VIEW,
    ["image", "truth"],
  );
  return scene.remarksAt(1, 0)?.map(({ text }) => text);
}

test("values of an annotation's file are one byte or three for a pixel", () => {
  const label = "Label 26 → car → vehicle → train id 13";
  assert.deepEqual(textsAt(0, 13), [`Value 13 in the file → ${label}`]);
  assert.deepEqual(textsAt(1, 2, 3, 0, 0, 142), [`Colour 0, 0, 142 in the file → ${label}`]);
  assert.deepEqual(textsAt(1, 2, 3), [label]); // of another size than the labels
});
