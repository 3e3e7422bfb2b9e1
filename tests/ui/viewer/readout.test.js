// @ts-check
// What the viewer says of the pixel under the pointer.

import assert from "node:assert/strict";
import { test } from "node:test";

import { IGNORE } from "#viewer/labels.js";
import { remarksOn } from "#viewer/readout.js";

import { CAR, CARAVAN, EGO, LABELS, ROAD } from "./tables.js";

/** @import { PixelValues } from "#viewer/readout.js" */

/** @param {PixelValues} values */
const texts = (values) => remarksOn(values, LABELS).map(({ text }) => text);

test("a label comes with its category and its train id, or why it has none", () => {
  assert.deepEqual(texts({ labels: CAR }), ["Label 26 → car → vehicle → train id 13"]);
  assert.deepEqual(texts({ labels: EGO }), [
    "Label 1 → ego vehicle → void → ignored, because void is not evaluated",
  ]);
  assert.deepEqual(texts({ labels: CARAVAN }), [
    "Label 29 → caravan → vehicle → ignored, because caravan is not one of the 19 evaluated classes",
  ]);
  assert.deepEqual(texts({ labels: 99 }), ["Label 99 → not a Cityscapes label"]);
  assert.deepEqual(remarksOn({ labels: ROAD }, LABELS)[0].color, [128, 64, 128]);
});

test("what the file holds is named where it is not the label's number", () => {
  const label = "Label 26 → car → vehicle → train id 13";
  assert.deepEqual(texts({ labels: CAR, stored: [CAR] }), [label]);
  assert.deepEqual(texts({ labels: CAR, stored: [13] }), [`Value 13 in the file → ${label}`]);
  assert.deepEqual(texts({ labels: CAR, stored: [0, 0, 142] }), [
    `Colour 0, 0, 142 in the file → ${label}`,
  ]);
});

test("an instance is named only where there is one", () => {
  assert.deepEqual(texts({ labels: CAR, instance: 26003 }).slice(1), ["Instance 26003"]);
  assert.deepEqual(texts({ labels: ROAD, instance: 7 }).slice(1), []);
});

test("a mask is named where it differs from the label, or where there is no label", () => {
  assert.deepEqual(texts({ labels: ROAD, mask: 0 }).slice(1), []);
  assert.deepEqual(texts({ labels: ROAD, mask: IGNORE }).slice(1), ["Mask: ignored"]);
  assert.deepEqual(texts({ mask: 0 }), ["Mask: road, train id 0"]);
  assert.deepEqual(texts({ mask: 77 }), ["Mask: not a class, train id 77"]);
});

test("a prediction comes with how sure the network is, if that is known", () => {
  assert.deepEqual(texts({ prediction: 13 }), ["Predicted: car, train id 13"]);
  assert.deepEqual(texts({ prediction: 0, confidence: 0 }), [
    "Predicted: road, train id 0, 0% sure",
  ]);
  assert.deepEqual(texts({ prediction: 0, confidence: 255 }), [
    "Predicted: road, train id 0, 100% sure",
  ]);
});

test("where nothing is loaded there is nothing to say", () => {
  assert.deepEqual(texts({}), []);
});
