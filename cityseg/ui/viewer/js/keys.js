// @ts-check
// Keyboard shortcuts of the grid and of a picture.

import { MODES } from "./layers.js";

/** @import { Actions } from "./types.js" */
/** @import { Layer } from "./layers.js" */

/** @typedef {Pick<KeyboardEvent, "key" | "shiftKey">} Key */

/** @type {readonly (readonly [keys: string, meaning: string])[]} */
export const HELP = [
  ["← →", "Previous, next picture"],
  ["Page ↑ ↓", "Ten at a time"],
  ["Home End", "First, last"],
  ["+ − 0", "Zoom in, out, whole picture"],
  ["Shift + arrows", "Move the picture"],
  ["1 – 7", "Layer"],
  ["o s w b", "Overlay, side by side, swipe, blink"],
  ["Space", "Hold: the layer to compare with"],
  ["f", "Filled or outlined"],
  ["[ ]", "Opacity"],
  ["a", "All classes on"],
  ["x", "Full screen"],
  ["Esc", "Back to all frames"],
  ["?", "These keys"],
];

export const ZOOM_STEP = 1.5;
const PAN_STEP = 80; // CSS pixels
const STEPS = new Map([
  ["ArrowLeft", -1],
  ["ArrowRight", 1],
  ["PageUp", -10],
  ["PageDown", 10],
  ["Home", -Infinity],
  ["End", Infinity],
]);
/** @type {ReadonlyMap<string, readonly [number, number]>} */
const ARROWS = new Map([
  ["ArrowLeft", [-1, 0]],
  ["ArrowRight", [1, 0]],
  ["ArrowUp", [0, -1]],
  ["ArrowDown", [0, 1]],
]);
/** @type {ReadonlyMap<string, (actions: Actions) => void>} */
const ACTIONS = new Map([
  ["+", (actions) => actions.zoomBy(ZOOM_STEP)],
  ["=", (actions) => actions.zoomBy(ZOOM_STEP)], // the key of "+" without Shift
  ["-", (actions) => actions.zoomBy(1 / ZOOM_STEP)],
  ["0", (actions) => actions.fit()],
  ["f", (actions) => actions.toggleOutline()],
  ["a", (actions) => actions.change({ hidden: new Set() })],
  ["[", (actions) => actions.fade(-1)],
  ["]", (actions) => actions.fade(1)],
  [" ", (actions) => actions.hold(true)],
  ["x", (actions) => actions.toggleFullScreen()],
  ["?", (actions) => actions.toggleHelp()],
  ["Escape", (actions) => actions.escape()],
]);

/**
 * Handle a key, unless another element of the page uses it. `handle` returns whether the key is a
 * shortcut.
 *
 * @param {KeyboardEvent} event
 * @param {(key: Key) => boolean} handle
 */
export function onKey(event, handle) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  // Streamlit mounts components in shadow roots, and at the document `event.target` is their host.
  const [target] = /** @type {Element[]} */ (event.composedPath());
  if (isUsingKeys(target, event.key) || !handle(event)) return;
  event.preventDefault();
  event.stopPropagation();
}

const ROLES_WITH_KEYS = ["slider", "tab", "combobox", "listbox", "menu", "dialog"];
const WITH_KEYS = ["input", "textarea", "select", "[contenteditable]"]
  .concat(ROLES_WITH_KEYS.map((role) => `[role=${role}]`))
  .join();

/**
 * Whether `target` itself uses `key`.
 *
 * @param {Element} target
 * @param {string} key
 */
function isUsingKeys(target, key) {
  if (!target?.closest) return false; // the document and the window have no such method
  if (target.closest(WITH_KEYS)) return true;
  return [" ", "Enter"].includes(key) && target.closest("button, a, summary") !== null;
}

/**
 * Handle a key in the grid; returns false if it is no shortcut.
 *
 * @param {Key} key
 * @param {{ move: (steps: number, rows: number) => boolean, turn: (pages: number) => void }} grid
 */
export function gridKey({ key, shiftKey }, grid) {
  const arrow = ARROWS.get(key);
  if (arrow && !shiftKey) return grid.move(...arrow);
  if (key !== "PageDown" && key !== "PageUp") return false;
  grid.turn(key === "PageDown" ? 1 : -1);
  return true;
}

/**
 * Handle a key in a picture with these `layers`; returns false if it is no shortcut.
 *
 * @param {Key} key
 * @param {readonly Layer[]} layers
 * @param {Actions} actions
 */
export function pictureKey({ key, shiftKey }, layers, actions) {
  const arrow = shiftKey && ARROWS.get(key);
  const step = STEPS.get(key);
  const mode = MODES.find((each) => each.key === key);
  const layer = layers[Number(key) - 1];
  const action = ACTIONS.get(key);
  if (arrow) actions.pan(arrow[0] * PAN_STEP, arrow[1] * PAN_STEP);
  else if (step) actions.step(step);
  else if (mode) actions.change({ mode: mode.name });
  else if (layer) actions.change({ layer: layer.name });
  else if (action) action(actions);
  else return false;
  return true;
}
