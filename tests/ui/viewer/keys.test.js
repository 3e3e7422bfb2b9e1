// @ts-check
// What keys do, and to whom they are left.

import assert from "node:assert/strict";
import { test } from "node:test";

import { onKey } from "#viewer/key_events.js";
import { helpOn, press, SHORTCUTS } from "#viewer/keys.js";
import { LAYERS } from "#viewer/layers.js";

/** @import { Actions } from "#viewer/types.js" */
/** @import { Situation } from "#viewer/keys.js" */

/** Actions that record what they were asked for. */
function recorder() {
  /** @type {unknown[][]} */
  const calls = [];
  const actions = /** @type {Actions} */ (
    new Proxy(
      {},
      {
        get: (_, name) => {
          if (name === "grid" || name === "review") return actions;
          return (/** @type {unknown[]} */ ...args) => calls.push([name, ...args]);
        },
      },
    )
  );
  return { calls, actions };
}

/** Situations of the pages: several frames with a grid, a picture alone, a grid. */
const MANY = {
  count: 9,
  isGrid: false,
  hasGrid: true,
  isHelpOpen: false,
  layers: LAYERS.slice(0, 3),
  canTag: false,
  focused: 4,
};
const ALONE = { ...MANY, count: 1, hasGrid: false };
const GRID = { ...MANY, isGrid: true };

/**
 * What a key does; undefined if nothing.
 *
 * @param {string} key
 * @param {boolean} [shiftKey]
 * @param {Situation} [situation]
 */
function pressed(key, shiftKey = false, situation = MANY) {
  const { calls, actions } = recorder();
  const isUsed = press({ key, shiftKey }, situation, actions);
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
  assert.deepEqual(pressed("?", true), ["toggleHelp"]);
  assert.deepEqual(pressed("Escape"), ["close"]);
  for (const key of ["q", "constructor", "__proto__", "F5", "Tab", "Enter"]) {
    assert.equal(pressed(key), undefined, key);
  }
});

test("with the list of keys open, Escape closes the list", () => {
  for (const situation of [MANY, ALONE, GRID]) {
    assert.deepEqual(pressed("Escape", false, { ...situation, isHelpOpen: true }), ["toggleHelp"]);
  }
});

test("a picture alone has no keys for others, and leaves them to the page", () => {
  for (const key of ["ArrowRight", "ArrowLeft", "PageDown", "PageUp", "Home", "End", "Escape"]) {
    assert.equal(pressed(key, false, ALONE), undefined, key);
  }
  assert.deepEqual(pressed("ArrowRight", true, ALONE), ["pan", 80, 0]);
  const named = helpOn({ ...ALONE, isHelpOpen: true }).map(({ meaning }) => meaning);
  assert.ok(named.includes("Move the picture"));
  for (const meaning of ["Previous, next picture", "First, last", "Back to all frames"]) {
    assert.ok(!named.includes(meaning), meaning);
  }
});

test("a photo alone has no keys for layers", () => {
  const photo = { ...ALONE, layers: LAYERS.slice(0, 1) };
  for (const key of ["1", "f", "[", "a", "s", " "]) {
    assert.equal(pressed(key, false, photo), undefined, key);
  }
});

test("every line of the help does something where it is shown", () => {
  for (const situation of [MANY, ALONE, GRID]) {
    for (const { meaning } of helpOn(situation)) {
      const shortcut = SHORTCUTS.find((each) => each.meaning === meaning && each.when(situation));
      const [name] = Object.keys(shortcut?.keys ?? {});
      const isShifted = name.startsWith("Shift+");
      assert.ok(pressed(name.replace("Shift+", ""), isShifted, situation), meaning);
    }
  }
  assert.ok(helpOn(MANY).some(({ shown, meaning }) => shown === "1 – 3" && meaning === "Layer"));
});

test("in the grid arrows move the focus and pages are turned", () => {
  assert.deepEqual(pressed("ArrowDown", false, GRID), ["move", 0, 1]);
  assert.deepEqual(pressed("ArrowLeft", false, GRID), ["move", -1, 0]);
  assert.deepEqual(pressed("PageDown", false, GRID), ["turn", 1]);
  assert.deepEqual(pressed("PageUp", false, GRID), ["turn", -1]);
  assert.equal(pressed("ArrowDown", true, GRID), undefined);
  assert.equal(pressed("f", false, GRID), undefined);
  assert.deepEqual(pressed("l", false, GRID), ["toggleLabels"]);
  assert.equal(pressed("l", false, { ...GRID, layers: LAYERS.slice(0, 1) }), undefined);
});

test("an arrow that moves nothing is left to the page", () => {
  const actions = /** @type {Actions} */ (/** @type {unknown} */ ({ grid: { move: () => false } }));
  assert.ok(!press({ key: "ArrowDown", shiftKey: false }, GRID, actions));
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

test("frames are tagged where tags can be kept", () => {
  /** @type {unknown[]} */
  const calls = [];
  const tagging = {
    ask: (/** @type {number} */ index) => calls.push("ask", index) > 0,
    repeat: (/** @type {number} */ index) => calls.push("repeat", index) > 0,
  };
  const actions = /** @type {Actions} */ (/** @type {unknown} */ ({ tagging }));
  for (const situation of [MANY, GRID]) {
    assert.equal(press({ key: "t", shiftKey: false }, situation, actions), false);
    const canTag = { ...situation, canTag: true };
    assert.ok(press({ key: "t", shiftKey: false }, canTag, actions));
    assert.ok(press({ key: "T", shiftKey: true }, canTag, actions));
    assert.ok(helpOn(canTag).some(({ shown }) => shown === "t"));
  }
  assert.deepEqual(calls, ["ask", 4, "repeat", 4, "ask", 4, "repeat", 4]);
});

test("regions are judged with one key, where there are some to judge", () => {
  const desk = { ...MANY, hasGrid: false, canReview: true };
  assert.deepEqual(pressed("e", false, desk), ["judge", "wrong_label"]);
  assert.deepEqual(pressed("A", true, desk), ["judge", "wrong_label", true]);
  assert.deepEqual(pressed("n", false, desk), ["judge", "network_wrong"]);
  assert.deepEqual(pressed("u", false, desk), ["judge", "unclear"]);
  assert.deepEqual(pressed("d", false, desk), ["judge", "not_worth_it"]);
  assert.deepEqual(pressed("z", false, desk), ["undo"]);
  assert.deepEqual(pressed("k", false, desk), ["skip"]);
  assert.deepEqual(pressed("c", false, desk), ["askNote"]);
  assert.deepEqual(pressed("L", true, desk), ["toggleAlike"]);
  assert.deepEqual(pressed("r", false, desk), ["change", { zoom: 0 }]);
  for (const key of "eAnudzkcLr") assert.equal(pressed(key), undefined);
});
