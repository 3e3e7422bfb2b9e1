// @ts-check
// What keys do, and to whom they are left.

import assert from "node:assert/strict";
import { test } from "node:test";

import { gridKey, HELP, onKey, pictureKey } from "#viewer/keys.js";
import { LAYERS } from "#viewer/layers.js";

/** @import { Actions } from "#viewer/types.js" */

/** Actions that record what they were asked for. */
function recorder() {
  /** @type {unknown[][]} */
  const calls = [];
  const actions = /** @type {Actions} */ (
    new Proxy(
      {},
      {
        get:
          (_, name) =>
          (/** @type {unknown[]} */ ...args) =>
            calls.push([name, ...args]),
      },
    )
  );
  return { calls, actions };
}

/**
 * What a key does in a picture; undefined if nothing.
 *
 * @param {string} key
 * @param {boolean} [shiftKey]
 */
function pressed(key, shiftKey = false) {
  const { calls, actions } = recorder();
  const isUsed = pictureKey({ key, shiftKey }, LAYERS.slice(0, 3), actions);
  assert.equal(calls.length, isUsed ? 1 : 0);
  return calls[0];
}

test("arrows step through the pictures and, with Shift, move the picture", () => {
  assert.deepEqual(pressed("ArrowRight"), ["step", 1]);
  assert.deepEqual(pressed("ArrowLeft"), ["step", -1]);
  assert.deepEqual(pressed("PageDown"), ["step", 10]);
  assert.deepEqual(pressed("Home"), ["step", -Infinity]);
  assert.deepEqual(pressed("ArrowLeft", true), ["pan", -80, 0]);
  assert.deepEqual(pressed("ArrowDown", true), ["pan", 0, 80]);
  assert.equal(pressed("ArrowDown"), undefined);
});

test("digits choose the layers that there are", () => {
  assert.deepEqual(pressed("1"), ["change", { layer: "image" }]);
  assert.deepEqual(pressed("3"), ["change", { layer: "mask" }]);
  assert.equal(pressed("4"), undefined);
  assert.deepEqual(pressed("0"), ["fit"]);
});

test("letters choose how to compare, and the rest of the view", () => {
  assert.deepEqual(pressed("w"), ["change", { mode: "swipe" }]);
  assert.deepEqual(pressed("a"), ["change", { hidden: new Set() }]);
  assert.deepEqual(pressed(" "), ["hold", true]);
  assert.deepEqual(pressed("["), ["fade", -1]);
  assert.deepEqual(pressed("Escape"), ["escape"]);
  for (const key of ["q", "constructor", "__proto__", "F5", "Tab", "Enter"]) {
    assert.equal(pressed(key), undefined, key);
  }
});

test("every single key that the help names does something", () => {
  const named = HELP.flatMap(([keys]) => keys.split(" ")).filter((key) => key.length === 1);
  const typed = named.map((key) => ({ "←": "ArrowLeft", "→": "ArrowRight", "−": "-" })[key] ?? key);
  for (const key of typed.filter((each) => !"↑↓–7+".includes(each))) assert.ok(pressed(key), key);
});

test("in the grid arrows move the focus and pages are turned", () => {
  /** @type {unknown[][]} */
  const calls = [];
  const grid = {
    /** @param {...number} steps */
    move: (...steps) => calls.push(["move", ...steps]) > 0,
    /** @param {number} pages */
    turn: (pages) => void calls.push(["turn", pages]),
  };
  for (const key of ["ArrowDown", "ArrowLeft", "PageDown", "PageUp"]) {
    assert.ok(gridKey({ key, shiftKey: false }, grid));
  }
  assert.ok(!gridKey({ key: "ArrowDown", shiftKey: true }, grid));
  assert.ok(!gridKey({ key: "x", shiftKey: false }, grid));
  assert.deepEqual(calls, [
    ["move", 0, 1],
    ["move", -1, 0],
    ["turn", 1],
    ["turn", -1],
  ]);
});

/**
 * Whether the viewer takes a key that was pressed at an element.
 *
 * @param {string} key
 * @param {string | null} element What it matches; null is the document, which matches nothing.
 * @param {object} [event]
 */
function takes(key, element, event = {}) {
  /** @param {string} selectors */
  const closest = (selectors) => (selectors.split(/,\s*/).includes(element ?? "") ? {} : null);
  let isPrevented = false;
  const full = {
    key,
    composedPath: () => [element === null ? {} : { closest }],
    preventDefault: () => (isPrevented = true),
    stopPropagation: () => {},
    ...event,
  };
  onKey(/** @type {any} */ (full), () => true);
  return isPrevented;
}

test("keys are left to what uses them", () => {
  assert.ok(takes("ArrowRight", null));
  assert.ok(takes("ArrowRight", "canvas"));
  assert.ok(takes("ArrowRight", "button"));
  assert.ok(!takes(" ", "button"));
  assert.ok(!takes("Enter", "a"));
  for (const element of ["input", "textarea", "select", "[contenteditable]", "[role=slider]"]) {
    assert.ok(!takes("ArrowRight", element), element);
  }
});

test("shortcuts of the browser, and keys that something else took, are left alone", () => {
  for (const event of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }]) {
    assert.ok(!takes("f", null, event), JSON.stringify(event));
  }
  assert.ok(!takes("f", null, { defaultPrevented: true }));
});
