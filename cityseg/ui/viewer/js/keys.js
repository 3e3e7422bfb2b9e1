// @ts-check
// Keyboard shortcuts of the grid and of a picture: one table for the keys and for the help.

import { ON_REGION } from "./geometry.js";
import { LAYERS, MODES } from "./layers.js";

/** @import { Actions } from "./types.js" */
/** @import { Layer } from "./layers.js" */

/** @typedef {Pick<KeyboardEvent, "key" | "shiftKey">} Key */

/**
 * What is on the screen, as far as keys depend on it.
 *
 * @typedef {object} Situation
 * @property {number} count How many pictures there are.
 * @property {boolean} isGrid Whether they are shown as a grid, not one of them.
 * @property {boolean} hasGrid Whether there is a grid to return to.
 * @property {boolean} isHelpOpen
 * @property {readonly Layer[]} layers Of the picture.
 * @property {boolean} canTag Whether pictures can be tagged.
 * @property {boolean} [canReview] Whether regions can be judged.
 * @property {number} focused The position of the picture that is shown or has the focus, or -1.
 */

/**
 * Keys that belong together, and the line of the help about them.
 *
 * @typedef {object} Shortcut
 * @property {string | ((situation: Situation) => string)} shown The keys, as the help names them.
 * @property {string} meaning
 * @property {(situation: Situation) => boolean} when
 * @property {Record<string, (actions: Actions, situation: Situation) => unknown>} keys What each
 *   does; named keys that are held with Shift begin with "Shift+". False leaves the key to others.
 */

export const ZOOM_STEP = 1.5;
const PAN_STEP = 80; // CSS pixels

/** @param {Situation} situation */
const inGrid = ({ isGrid }) => isGrid;
/** @param {Situation} situation */
const inPicture = ({ isGrid }) => !isGrid;
/** @param {Situation} situation */
const isOneOfMany = ({ isGrid, count }) => !isGrid && count > 1;
/** @param {Situation} situation */
const hasLayers = ({ isGrid, layers }) => !isGrid && layers.length > 1;

/** @param {Situation} situation */
const isReview = ({ isGrid, canReview }) => !isGrid && canReview === true;

/** @type {readonly Shortcut[]} */
export const SHORTCUTS = [
  {
    shown: "e A",
    meaning: "Wrong label; and what the network says is right",
    when: isReview,
    keys: {
      e: ({ review }) => review.judge("wrong_label"),
      A: ({ review }) => review.judge("wrong_label", true),
    },
  },
  {
    shown: "n",
    meaning: "The label is right, the network wrong",
    when: isReview,
    keys: { n: ({ review }) => review.judge("network_wrong") },
  },
  {
    shown: "u d",
    meaning: "Unclear, not worth it",
    when: isReview,
    keys: {
      u: ({ review }) => review.judge("unclear"),
      d: ({ review }) => review.judge("not_worth_it"),
    },
  },
  {
    shown: "z k",
    meaning: "Undo, skip",
    when: isReview,
    keys: { z: ({ review }) => review.undo(), k: ({ review }) => review.skip() },
  },
  {
    shown: "c",
    meaning: "Note on the region (Enter keeps it)",
    when: isReview,
    keys: { c: ({ review }) => review.askNote() },
  },
  {
    shown: "L",
    meaning: "The next verdict is for all like this one",
    when: isReview,
    keys: { L: ({ review }) => review.toggleAlike() },
  },
  {
    shown: "r",
    meaning: "Back to the region",
    when: isReview,
    keys: { r: (actions) => actions.change({ zoom: ON_REGION }) },
  },
  {
    shown: "Arrows",
    meaning: "Another picture",
    when: inGrid,
    keys: {
      ArrowLeft: (actions) => actions.grid.move(-1, 0),
      ArrowRight: (actions) => actions.grid.move(1, 0),
      ArrowUp: (actions) => actions.grid.move(0, -1),
      ArrowDown: (actions) => actions.grid.move(0, 1),
    },
  },
  {
    shown: "Page ↑ ↓",
    meaning: "Previous, next page",
    when: inGrid,
    keys: {
      PageUp: (actions) => actions.grid.turn(-1),
      PageDown: (actions) => actions.grid.turn(1),
    },
  },
  {
    shown: "l",
    meaning: "Labels over the thumbnails",
    when: ({ isGrid, layers }) => isGrid && layers.some(({ name }) => name === "truth"),
    keys: { l: (actions) => actions.grid.toggleLabels() },
  },
  {
    shown: "← →",
    meaning: "Previous, next picture",
    when: isOneOfMany,
    keys: {
      ArrowLeft: (actions) => actions.step(-1),
      ArrowRight: (actions) => actions.step(1),
    },
  },
  {
    shown: "Page ↑ ↓",
    meaning: "Ten at a time",
    when: isOneOfMany,
    keys: { PageUp: (actions) => actions.step(-10), PageDown: (actions) => actions.step(10) },
  },
  {
    shown: "Home End",
    meaning: "First, last",
    when: isOneOfMany,
    keys: { Home: (actions) => actions.step(-Infinity), End: (actions) => actions.step(Infinity) },
  },
  {
    shown: "+ − 0",
    meaning: "Zoom in, out, whole picture",
    when: inPicture,
    keys: {
      "+": (actions) => actions.zoomBy(ZOOM_STEP),
      "=": (actions) => actions.zoomBy(ZOOM_STEP), // the key of "+" without Shift
      "-": (actions) => actions.zoomBy(1 / ZOOM_STEP),
      0: (actions) => actions.fit(),
    },
  },
  {
    shown: "Shift + arrows",
    meaning: "Move the picture",
    when: inPicture,
    keys: {
      "Shift+ArrowLeft": (actions) => actions.pan(-PAN_STEP, 0),
      "Shift+ArrowRight": (actions) => actions.pan(PAN_STEP, 0),
      "Shift+ArrowUp": (actions) => actions.pan(0, -PAN_STEP),
      "Shift+ArrowDown": (actions) => actions.pan(0, PAN_STEP),
    },
  },
  {
    shown: ({ layers }) => `1 – ${layers.length}`,
    meaning: "Layer",
    when: hasLayers,
    keys: Object.fromEntries(
      LAYERS.map((_, i) => [
        String(i + 1),
        (/** @type {Actions} */ actions, /** @type {Situation} */ { layers }) =>
          i < layers.length && actions.change({ layer: layers[i].name }),
      ]),
    ),
  },
  {
    shown: MODES.map(({ key }) => key).join(" "),
    meaning: MODES.map(({ title }, i) => (i ? title.toLowerCase() : title)).join(", "),
    when: hasLayers,
    keys: Object.fromEntries(
      MODES.map(({ key, name }) => [
        key,
        (/** @type {Actions} */ actions) => actions.change({ mode: name }),
      ]),
    ),
  },
  {
    shown: "Space",
    meaning: "Hold: the layer to compare with",
    when: hasLayers,
    keys: { " ": (actions) => actions.hold(true) },
  },
  {
    shown: "f",
    meaning: "Filled or outlined",
    when: hasLayers,
    keys: { f: (actions) => actions.toggleOutline() },
  },
  {
    shown: "[ ]",
    meaning: "Opacity",
    when: hasLayers,
    keys: { "[": (actions) => actions.fade(-1), "]": (actions) => actions.fade(1) },
  },
  {
    shown: "a",
    meaning: "All classes on",
    when: hasLayers,
    keys: { a: (actions) => actions.change({ hidden: new Set() }) },
  },
  {
    shown: "x",
    meaning: "Full screen",
    when: inPicture,
    keys: { x: (actions) => actions.toggleFullScreen() },
  },
  {
    shown: "t",
    meaning: "Tag the frame",
    when: ({ canTag }) => canTag,
    keys: { t: (actions, { focused }) => actions.tagging.ask(focused) },
  },
  {
    shown: "T",
    meaning: "The last tag again, on or off",
    when: ({ canTag }) => canTag,
    keys: { T: (actions, { focused }) => actions.tagging.repeat(focused) },
  },
  {
    shown: "Esc",
    meaning: "Close this list",
    when: ({ isHelpOpen }) => isHelpOpen,
    keys: { Escape: (actions) => actions.toggleHelp() },
  },
  {
    shown: "Esc",
    meaning: "Back to all frames",
    when: ({ isGrid, hasGrid }) => hasGrid && !isGrid,
    keys: { Escape: (actions) => actions.close() },
  },
  {
    shown: "?",
    meaning: "These keys",
    when: () => true,
    keys: { "?": (actions) => actions.toggleHelp() },
  },
];

/**
 * Handle a key in a situation; returns false if it is no shortcut there.
 *
 * @param {Key} key
 * @param {Situation} situation
 * @param {Actions} actions
 */
export function press({ key, shiftKey }, situation, actions) {
  // Shift is part of the character that another key types, such as "?".
  const name = shiftKey && key.length > 1 ? `Shift+${key}` : key;
  const found = available(situation).find(({ keys }) => Object.hasOwn(keys, name));
  return found !== undefined && found.keys[name](actions, situation) !== false;
}

/**
 * The lines of the help in a situation: what can be pressed there, and what it does.
 *
 * @param {Situation} situation
 */
export function helpOn(situation) {
  return available(situation).map(({ shown, meaning }) => ({
    shown: typeof shown === "string" ? shown : shown(situation),
    meaning,
  }));
}

/** @param {Situation} situation */
function available(situation) {
  return SHORTCUTS.filter(({ when }) => when(situation));
}
