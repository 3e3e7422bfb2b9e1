// @ts-check
// Where the picture lies on the stage.

import assert from "node:assert/strict";
import { test } from "node:test";

import { columnsOf, Geometry } from "#viewer/geometry.js";

/** @import { View } from "#viewer/types.js" */

const STAGE = { width: 800, height: 400 };
const SIZE = { width: 200, height: 100 };

/** @param {Partial<View>} view */
function geometry(view = {}, size = SIZE, pixelAspect = 1) {
  const whole = /** @type {const} */ ({ mode: "overlay", zoom: 1, x: null, y: null });
  return new Geometry(STAGE, size, { ...whole, ...view }, pixelAspect);
}

test("the whole picture fits, in the middle", () => {
  assert.equal(geometry().scale, 4);
  assert.deepEqual(geometry().pointAt(0, 0), [0, 0]);
  assert.deepEqual(geometry().pointAt(800, 400), [200, 100]);
  const narrow = geometry({}, { width: 100, height: 100 });
  assert.deepEqual(narrow.pointAt(200, 0), [0, 0]);
});

test("zooming keeps the point under the pointer where it is", () => {
  const before = geometry();
  const point = before.pointAt(600, 100);
  const after = geometry(before.zoomed(3, point));
  const [x, y] = after.pointAt(600, 100);
  assert.ok(Math.abs(x - point[0]) < 1e-9 && Math.abs(y - point[1]) < 1e-9);
});

test("the picture covers what it can", () => {
  const corner = geometry({ zoom: 2, x: 0, y: 0 });
  assert.deepEqual(corner.center, [50, 25]);
  assert.deepEqual(corner.panned(-100, 4000), { x: 50, y: 75, zoom: 2 });
  assert.deepEqual(corner.panned(80, 0), { x: 60, y: 25, zoom: 2 });
});

test("zoom ends at the whole picture and at pixels that are large enough to see", () => {
  assert.equal(geometry({ zoom: 2 }).zoomed(0.1).zoom, 1);
  assert.equal(geometry().zoomed(1000).zoom, 48 / 4);
  const from = geometry({ zoom: 10000, x: 5, y: 5 }); // as an address may say
  assert.equal(from.zoom, 48 / 4);
  assert.equal(from.panned(10, 0).zoom, 48 / 4);
  assert.equal(from.zoomed(1 / 1.5).zoom, 8);
  const tiny = geometry({}, { width: 8, height: 4 });
  assert.equal(tiny.zoomed(2).zoom, 1);
});

test("two panes show the same part of the picture", () => {
  const side = geometry({ mode: "side", zoom: 4, x: 120, y: 40 });
  const [first, second] = side.panes;
  assert.equal(first.width, second.width);
  assert.deepEqual(side.pointAt(first.left + 30, 50), side.pointAt(second.left + 30, 50));
});

test("pixels that are not square are displayed in their proportions", () => {
  const square = { width: 100, height: 100 };
  const wide = geometry({}, square, 2);
  assert.deepEqual([wide.scale, wide.scaleAcross], [4, 8]);
  assert.deepEqual(wide.pointAt(0, 0), [0, 0]);
  assert.deepEqual(wide.pointAt(800, 400), [100, 100]);
  assert.deepEqual(wide.pointAt(8 * 30 + 1, 4 * 70 + 1).map(Math.floor), [30, 70]);
  const narrow = geometry({}, { width: 400, height: 100 }, 0.25);
  assert.deepEqual([narrow.scale, narrow.scaleAcross], [4, 1]);
  assert.deepEqual(narrow.pointAt(200, 0), [0, 0]);
});

test("zooming and panning of such pixels keep the point and the picture's edges", () => {
  const square = { width: 100, height: 100 };
  const before = geometry({}, square, 2);
  const point = before.pointAt(600, 100);
  const [x, y] = geometry(before.zoomed(3, point), square, 2).pointAt(600, 100);
  assert.ok(Math.abs(x - point[0]) < 1e-9 && Math.abs(y - point[1]) < 1e-9);
  const corner = geometry({ zoom: 2, x: 0, y: 0 }, square, 2);
  assert.deepEqual(corner.center, [25, 25]);
  assert.deepEqual(corner.panned(80, 80), { x: 30, y: 35, zoom: 2 });
});

test("panes show the same part, as many beside each other as have room", () => {
  const view = /** @type {const} */ ({ mode: "panes", zoom: 4, x: 120, y: 40 });
  const three = new Geometry(STAGE, SIZE, view, 1, { layers: 3 });
  assert.deepEqual(
    three.panes.map(({ left, top }) => [left, top]),
    [0, 1, 2].map((i) => [i * three.panes[1].left, 0]),
  );
  const four = new Geometry(STAGE, SIZE, view, 1, { layers: 4 });
  const last = four.panes[3];
  assert.deepEqual(last, { left: 403, top: 203, width: 397, height: 197 });
  const [x, y] = four.pointAt(last.left + 30, last.top + 50);
  assert.deepEqual([x, y], four.pointAt(30, 50));
  assert.equal(four.paneAt(500, 100), four.panes[1]);
  assert.deepEqual([columnsOf(1000, 4), columnsOf(1100, 4), columnsOf(100, 3)], [2, 4, 1]);
});

test("a view on a region shows it with its surroundings, and zooming continues from there", () => {
  const view = /** @type {const} */ ({ mode: "overlay", zoom: 0, x: null, y: null });
  const at = (/** @type {[number, number, number, number]} */ ...box) =>
    new Geometry(STAGE, SIZE, view, 1, { box });
  const large = at(40, 80, 60, 120); // 40 columns, 2.5 times as many are half of the picture
  assert.deepEqual([large.zoom, large.center], [2, [100, 50]]);
  assert.equal(large.zoomed(2).zoom, 4);
  assert.equal(large.panned(80, 0).zoom, 2);
  assert.equal(at(10, 10, 11, 11).zoom, 8); // of a small one an eighth of the picture
  assert.deepEqual(at(0, 0, 100, 200).zoom, 1);
  assert.equal(at(0, 0, 0, 0).zoom, 1);
});
