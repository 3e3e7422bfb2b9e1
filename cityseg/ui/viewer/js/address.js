// @ts-check
// The view as parameters of the page's address.

import { ON_REGION } from "./geometry.js";
import { LAYERS, MODES } from "./layers.js";

/** @import { Data, View } from "./types.js" */

/** @type {Readonly<View>} */
export const DEFAULT_VIEW = {
  frame: null,
  layer: "truth",
  mode: "overlay",
  with: "image",
  opacity: 0.6,
  outline: false,
  hidden: new Set(),
  zoom: 1,
  x: null,
  y: null,
  swipe: 0.5,
  first: 0,
  size: 210,
  labelled: false,
  brightness: 1,
  contrast: 1,
};

/**
 * The view that a page begins with.
 *
 * @param {Data} data
 * @returns {Readonly<View>}
 */
export function defaultsOf({ layer, beside, mode, queue }) {
  return {
    ...DEFAULT_VIEW,
    layer,
    ...(beside && { mode: "side", with: beside }),
    ...(mode && { mode }),
    ...(queue && { zoom: ON_REGION }),
  };
}

/** The change of a view that shows the whole picture. */
export const WHOLE = { zoom: 1, x: null, y: null };

/**
 * Panes show the same layers always: the choice of one leaves them.
 *
 * @param {Readonly<View>} view
 * @param {Partial<View>} changes
 * @returns {Partial<View>}
 */
export function outOfPanes({ mode }, { layer }) {
  return layer && mode === "panes" ? { mode: "overlay" } : {};
}

/**
 * An opacity some tenths higher or lower.
 *
 * @param {number} opacity
 * @param {number} steps
 */
export function faded(opacity, steps) {
  return Math.min(10, Math.max(0, Math.round(opacity * 10 + steps))) / 10;
}

/** The viewer's own parameters. All others belong to Streamlit's widgets and stay untouched. */
// prettier-ignore
const PARAMETERS = [
  "frame", "layer", "mode", "with", "opacity", "outline", "off", "view", "swipe",
  "from", "size", "labels", "brightness", "contrast",
];

/** Parameters that hold a property of the view as it is. */
// prettier-ignore
const PLAIN = /** @type {const} */ ([
  "layer", "mode", "with", "opacity", "swipe", "size", "brightness", "contrast",
]);

const NUMBER = /^\d+(\.\d+)?$/;
const LARGEST_POSITION = 1e6; // in pixels of the picture
const LARGEST_ZOOM = 1e4;
const MOST_PICTURES = 1e7;
/** The widths of thumbnails, in CSS pixels. */
export const SIZES = { least: 120, most: 420 };
/** How far brightness and contrast of the photo go. */
export const LEAST_GAIN = 0.2;
export const LARGEST_GAIN = 3;

/**
 * The part of a view that an address holds. Addresses are edited by hand and copied in parts:
 * invalid parameters are ignored, and numbers out of range are clamped.
 *
 * @param {string} search The part of an address that begins with "?".
 * @param {(id: number) => boolean} isLabel Whether a label has that id.
 * @returns {Partial<View>}
 */
export function parseView(search, isLabel) {
  const parameters = new URLSearchParams(search);
  /** @param {string} name */
  const read = (name) => parameters.get(name) ?? "";
  const ids = read("off")
    .split(".")
    .filter((id) => NUMBER.test(id))
    .map(Number);
  return withoutUndefined({
    frame: read("frame") || undefined,
    layer: LAYERS.find(({ name }) => name === read("layer"))?.name,
    mode: MODES.find(({ name }) => name === read("mode"))?.name,
    with: LAYERS.find(({ name }) => name === read("with"))?.name,
    opacity: numberIn(0, 1, read("opacity")),
    swipe: numberIn(0, 1, read("swipe")),
    first: read("from").includes(".") ? undefined : positionOf(read("from")),
    size: numberIn(SIZES.least, SIZES.most, read("size")),
    labelled: read("labels") === "1" || undefined,
    brightness: numberIn(LEAST_GAIN, LARGEST_GAIN, read("brightness")),
    contrast: numberIn(LEAST_GAIN, LARGEST_GAIN, read("contrast")),
    outline: read("outline") === "1" || undefined,
    hidden: new Set(ids.filter(isLabel)),
    ...positionFrom(read("view")),
  });
}

/**
 * A position from a number that counts from 1.
 *
 * @param {string} text
 */
function positionOf(text) {
  const number = numberIn(1, MOST_PICTURES, text);
  return number === undefined ? undefined : number - 1;
}

/**
 * Where the picture lies: all three numbers or nothing. A zoom without a centre is no valid view.
 *
 * @param {string} text "x,y,zoom"
 */
function positionFrom(text) {
  const [x, y, zoom, ...others] = text.split(",");
  const position = {
    x: numberIn(0, LARGEST_POSITION, x),
    y: numberIn(0, LARGEST_POSITION, y),
    zoom: numberIn(1, LARGEST_ZOOM, zoom),
  };
  return others.length || Object.values(position).includes(undefined) ? {} : position;
}

/**
 * @param {number} low
 * @param {number} high
 * @param {string | undefined} text
 */
function numberIn(low, high, text = "") {
  return NUMBER.test(text) ? Math.min(high, Math.max(low, Number(text))) : undefined;
}

/**
 * @template {object} Values
 * @param {Values} values
 * @returns {{ [name in keyof Values]?: Exclude<Values[name], undefined> }}
 */
function withoutUndefined(values) {
  const found = Object.entries(values).filter(([, value]) => value !== undefined);
  return /** @type {any} */ (Object.fromEntries(found));
}

/**
 * The parameters that say where `view` differs from `defaults`.
 *
 * @param {Readonly<View>} view
 * @param {Readonly<View>} defaults
 * @returns {Record<string, string>}
 */
export function describeView(view, defaults) {
  /** @type {Record<string, string>} */
  const parameters = {};
  for (const name of PLAIN) {
    if (view[name] !== defaults[name]) parameters[name] = String(view[name]);
  }
  if (view.frame !== null) parameters.frame = view.frame;
  else if (view.first > 0) parameters.from = String(view.first + 1);
  if (view.labelled) parameters.labels = "1";
  if (view.outline) parameters.outline = "1";
  if (view.hidden.size) parameters.off = [...view.hidden].sort((a, b) => a - b).join(".");
  if (view.zoom > 1 && view.x !== null && view.y !== null) {
    parameters.view = [view.x, view.y, view.zoom].map((number) => +number.toFixed(2)).join();
  }
  return parameters;
}

/**
 * The viewer's own parameters in a query.
 *
 * @param {string} search
 */
export function parametersIn(search) {
  const found = [...new URLSearchParams(search)].filter(([name]) => PARAMETERS.includes(name));
  return Object.fromEntries(found);
}

/**
 * The path, query and fragment of `href`, with `parameters` in place of the viewer's own.
 *
 * @param {string} href
 * @param {Record<string, string>} parameters
 */
export function addressWith(href, parameters) {
  const url = new URL(href);
  for (const name of PARAMETERS) {
    if (name in parameters) url.searchParams.set(name, parameters[name]);
    else url.searchParams.delete(name);
  }
  // Slashes and commas need no escape in a query, and names of frames stay readable.
  const query = url.searchParams.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
  return url.pathname + (query && `?${query}`) + url.hash;
}
