// @ts-check
// How many thumbnails are on a page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { countPerPage } from "#viewer/grid.js";

test("a page fills the window", () => {
  const small = countPerPage({ width: 1216, height: 600 }, 210, 0);
  const large = countPerPage({ width: 1856, height: 880 }, 210, 0);
  assert.equal(small, 5 * 4); // 600 / (116 + 50 + 14) is 3.3
  assert.equal(large, 8 * 6); // 880 / 174 is 5.1
});

test("larger thumbnails and notes below them take more room", () => {
  const room = { width: 1216, height: 700 };
  assert.ok(countPerPage(room, 400, 0) < countPerPage(room, 210, 0));
  assert.ok(countPerPage({ ...room, height: 540 }, 210, 1) <= countPerPage(room, 210, 0));
});

test("a window without room still has some rows", () => {
  assert.equal(countPerPage({ width: 100, height: 0 }, 210, 0), 2);
});
