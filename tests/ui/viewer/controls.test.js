// @ts-check
// What stands together in the bars above a picture and above the thumbnails.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Controls } from "#viewer/controls.js";
import { Grid } from "#viewer/grid.js";
import { element, find, openPage } from "./page.js";

/** @type {any} */
const actions = {};

beforeEach(() => void openPage("http://localhost/"));

/** @param {{ element: any }} owner */
function tools(owner) {
  const { children } = find(owner.element, "tools");
  return children.map((/** @type {any} */ each) => each.className || each.textContent);
}

test("the button of the keys cannot be broken into a row of its own", () => {
  const controls = new Controls(actions, [], element(), element());
  assert.deepEqual(tools(controls), ["photo-look", "choice zoom", "full", "?"]);
  assert.deepEqual(tools(new Grid(actions)), ["Labels", "field", "?"]);
});
