// @ts-check
// Which layers a picture has, their legends, and their values.

import assert from "node:assert/strict";
import { test } from "node:test";

import { IGNORE } from "#viewer/labels.js";
import {
  kindsOf,
  kindsToShow,
  layersOf,
  legendOf,
  NOTHING,
  shownLayers,
  valuesOf,
} from "#viewer/layers.js";

import { CAR, CARAVAN, EGO, LABELS, picture, ROAD, row } from "./tables.js";

/** @import { Kind } from "#viewer/types.js" */

/** @param {Kind[]} kinds */
const names = (...kinds) => layersOf(picture("p", kinds)).map(({ name }) => name);

test("a picture has the layers that it has files for", () => {
  assert.deepEqual(names("image"), ["image"]);
  assert.deepEqual(names("image", "labels"), ["image", "truth"]);
  assert.deepEqual(names("image", "labels", "mask"), ["image", "truth", "mask", "ignored"]);
  assert.deepEqual(names("image", "prediction"), ["image", "prediction"]);
  assert.deepEqual(names("image", "labels", "prediction", "confidence"), [
    "image",
    "truth",
    "prediction",
    "errors",
    "mistakes",
    "confidence",
  ]);
});

test("the photo stands for a layer that a picture does not have", () => {
  const layers = layersOf(picture("p", ["image", "mask"]));
  assert.deepEqual(shownLayers({ layer: "errors", with: "mask", mode: "side" }, layers), [
    "mask",
    "image",
  ]);
});

test("the truth is the mask where there is one, else the label map", () => {
  assert.deepEqual(kindsOf("errors", picture("p", ["labels", "mask", "prediction"])), [
    "prediction",
    "mask",
  ]);
  assert.deepEqual(kindsOf("errors", picture("p", ["labels", "prediction"])), [
    "prediction",
    "labels",
  ]);
});

test("what is read under the pointer is loaded with what is drawn, once", () => {
  const all = picture("p", ["image", "labels", "instances", "mask", "prediction", "confidence"]);
  assert.deepEqual(kindsToShow(["image", "image"], all), ["image", "labels", "prediction"]);
  assert.deepEqual(kindsToShow(["mask", "errors"], all), ["image", "mask", "prediction", "labels"]);
  assert.deepEqual(kindsToShow(["image", "image"], picture("p", ["image", "mask"])), [
    "image",
    "mask",
  ]);
});

test("a legend names the values of its layer", () => {
  /** @param {Parameters<typeof legendOf>[0]} layer */
  const legend = (layer) => legendOf(layer, LABELS).map(({ value, id }) => [value, id]);
  assert.deepEqual(
    legend("truth"),
    [EGO, ROAD, CAR, CARAVAN].map((id) => [id, id]),
  );
  assert.deepEqual(
    legend("ignored"),
    [EGO, CARAVAN].map((id) => [id, id]),
  );
  assert.deepEqual(legend("mask"), [
    [0, ROAD],
    [13, CAR],
    [IGNORE, IGNORE],
  ]);
  assert.deepEqual(legend("errors"), [
    [0, ROAD],
    [13, CAR],
  ]);
  assert.deepEqual(legend("mistakes"), legend("errors"));
  assert.deepEqual(legend("confidence"), []);
});

test("layers of one file have its values", () => {
  const planes = { labels: row(ROAD), mask: row(0), prediction: row(13), confidence: row(200) };
  assert.equal(valuesOf("truth", planes, LABELS), planes.labels);
  assert.equal(valuesOf("mask", planes, LABELS), planes.mask);
  assert.equal(valuesOf("prediction", planes, LABELS), planes.prediction);
  assert.equal(valuesOf("confidence", planes, LABELS), planes.confidence);
  assert.throws(() => valuesOf("mask", {}, LABELS), /The layer mask needs mask/);
});

test("the layer of ignored pixels has their labels and nothing else", () => {
  const planes = { labels: row(ROAD, EGO, CARAVAN), mask: row(0, IGNORE, IGNORE) };
  assert.deepEqual(valuesOf("ignored", planes, LABELS), row(NOTHING, EGO, CARAVAN));
});

test("errors have the true class where it counts and another was predicted", () => {
  const prediction = row(0, 13, 0, 0, IGNORE);
  const wrong = row(NOTHING, 0, 13, NOTHING, 0);
  const mask = row(0, 0, 13, IGNORE, 0);
  assert.deepEqual(valuesOf("errors", { mask, prediction }, LABELS), wrong);
  const labels = row(ROAD, ROAD, CAR, CARAVAN, ROAD);
  assert.deepEqual(valuesOf("errors", { labels, prediction }, LABELS), wrong);
});

test("mistakes have the predicted class, in its own colour, where errors have the true one", () => {
  const planes = { mask: row(0, 0, 13, IGNORE), prediction: row(0, 13, 0, 0) };
  assert.deepEqual(valuesOf("mistakes", planes, LABELS), row(NOTHING, 13, 0, NOTHING));
  const colors = legendOf("mask", LABELS).map(({ color }) => color);
  const own = legendOf("mistakes", LABELS).map(({ color }) => color);
  assert.deepEqual(own, colors.slice(0, own.length));
});

test("no label and no class has the value that stands for nothing", () => {
  assert.ok(!LABELS.has(NOTHING));
  assert.ok(!LABELS.trainIds.includes(NOTHING));
});

test("panes are the photo, the truth and what comes from a network", () => {
  const view = /** @type {const} */ ({ layer: "errors", with: "image", mode: "panes" });
  /** @param {import("#viewer/types.js").Kind[]} kinds */
  const shown = (...kinds) => shownLayers(view, layersOf(picture("p", kinds)));
  assert.deepEqual(shown("image", "labels", "mask"), ["image", "truth"]);
  assert.deepEqual(shown("image", "mask", "prediction", "confidence"), [
    "image",
    "mask",
    "prediction",
    "confidence",
  ]);
  assert.deepEqual(shown("image"), ["image", "image"]);
});

test("the outline of a region is loaded with whatever is shown", () => {
  assert.deepEqual(kindsToShow(["image"], picture("p", ["image", "outline"])), [
    "image",
    "outline",
  ]);
});
