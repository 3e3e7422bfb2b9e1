// @ts-check
// What is loaded around the picture that is shown, and in which order.

import assert from "node:assert/strict";
import { test } from "node:test";

import { plan } from "#viewer/prefetch.js";

import { picture } from "./tables.js";

/** @import { Kind } from "#viewer/types.js" */

const PICTURES = Array.from({ length: 20 }, (_, i) =>
  picture(String(i), ["image", "labels", "instances"]),
);
/** @type {{ kinds: Kind[], extra: Kind[] }} */
const FILES = { kinds: ["image", "labels"], extra: ["instances", "confidence"] };

test("nothing competes with the picture that is asked for", () => {
  const { wanted } = plan(PICTURES, 10, 1, FILES, (url) => url === "/10/labels");
  assert.deepEqual(wanted, [
    { url: "/10/image", grey: false, urgent: true },
    { url: "/10/labels", grey: true, urgent: true },
  ]);
});

test("then come what is only read under the pointer, three pictures ahead, and one behind", () => {
  /** @param {number} direction */
  const images = (direction) =>
    plan(PICTURES, 10, direction, FILES, () => true)
      .wanted.filter(({ grey }) => !grey)
      .map(({ url, urgent }) => [url, urgent]);
  const { wanted } = plan(PICTURES, 10, 1, FILES, () => true);
  assert.deepEqual(wanted[2], { url: "/10/instances", grey: true, urgent: false });
  assert.deepEqual(images(1), [
    ["/10/image", true],
    ["/11/image", false],
    ["/12/image", false],
    ["/13/image", false],
    ["/9/image", false],
  ]);
  assert.deepEqual(images(-1).slice(1, 3), [
    ["/9/image", false],
    ["/8/image", false],
  ]);
});

test("four pictures to either side are kept, with all their files", () => {
  const { kept } = plan(PICTURES, 10, 1, FILES, () => true);
  assert.deepEqual(kept, new Set(PICTURES.slice(6, 15).flatMap((each) => each.urls())));
});

test("at either end there is nothing further", () => {
  assert.equal(plan(PICTURES, 19, 1, FILES, () => true).wanted.at(-1)?.url, "/18/labels");
  assert.ok(plan(PICTURES, 0, -1, FILES, () => true).kept.has("/4/image"));
});
