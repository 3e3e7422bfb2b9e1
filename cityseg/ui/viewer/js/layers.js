// @ts-check
// The layers that can be shown over a photo, and the files that each needs.

import { ERROR_COLOR, STRIPES } from "./colors.js";
import { JUDGED_LEGEND, judgedValues } from "./judged.js";
import { IGNORE } from "./labels.js";

/** @import { Judged, Kind, LayerName, LegendEntry, ModeName, Picture, Plane, ShownLayers, View } from "./types.js" */
/** @import { Labels } from "./labels.js" */

/** Marks pixels where nothing is drawn in maps computed here; no label or class has this value. */
export const NOTHING = 254;

/**
 * `needs` lists the files that a layer is drawn from; "truth" is the mask if there is one, else the
 * label map.
 *
 * @typedef {object} Layer
 * @property {LayerName} name
 * @property {string} title
 * @property {string} help
 * @property {readonly (Kind | "truth")[]} needs
 */

/** @type {readonly Layer[]} */
export const LAYERS = [
  { name: "image", title: "Photo", help: "The photo alone", needs: [] },
  { name: "truth", title: "Truth", help: "All labels of the annotation", needs: ["labels"] },
  {
    name: "mask",
    title: "Mask",
    help: "What a network learns from: train ids, 0–18; ignored pixels (255) are hatched",
    needs: ["mask"],
  },
  {
    name: "ignored",
    title: "Ignored",
    help: "The original labels of pixels that the mask ignores",
    needs: ["labels", "mask"],
  },
  {
    name: "prediction",
    title: "Prediction",
    help: "What the network predicts",
    needs: ["prediction"],
  },
  {
    name: "errors",
    title: "Errors",
    help: "Where the prediction differs from the truth",
    needs: ["prediction", "truth"],
  },
  {
    name: "mistakes",
    title: "Predicted instead",
    help: "The errors, in the colours of what the network predicts there",
    needs: ["prediction", "truth"],
  },
  {
    name: "confidence",
    title: "Confidence",
    help: "How sure the network is",
    needs: ["confidence"],
  },
  {
    name: "reviewed",
    title: "Reviewed",
    help: "Regions that were judged on the page Review",
    needs: ["reviewed"],
  },
];

/** @type {readonly { name: ModeName, title: string, key: string, help: string }[]} */
export const MODES = [
  { name: "overlay", title: "Overlay", key: "o", help: "The layer over the photo" },
  { name: "side", title: "Side by side", key: "s", help: "Two layers beside each other" },
  { name: "swipe", title: "Swipe", key: "w", help: "Two layers, with a border to drag" },
  { name: "blink", title: "Blink", key: "b", help: "Two layers in turn" },
  {
    name: "panes",
    title: "Panes",
    key: "p",
    help: "Photo, truth and prediction beside each other",
  },
];

/**
 * The layers of the mode "panes", as far as a picture has them; the mask only without a truth.
 *
 * @type {readonly LayerName[]}
 */
const PANES = ["image", "truth", "mask", "prediction", "confidence"];

/**
 * @param {LayerName} name
 * @returns {Layer}
 */
export function layerOf(name) {
  const layer = LAYERS.find((each) => each.name === name);
  if (!layer) throw new Error(`There is no layer ${name}.`);
  return layer;
}

/**
 * The layers that `picture` has files for.
 *
 * @param {Picture} picture
 */
export function layersOf(picture) {
  return LAYERS.filter(({ needs }) => needs.every((need) => kindFor(need, picture)));
}

/**
 * The layer to compare with and the main layer of a view; the photo replaces any that is not among
 * `layers`. In panes, photo, truth and what comes from a network.
 *
 * @param {Pick<View, "layer" | "with" | "mode">} view
 * @param {readonly Layer[]} layers
 * @returns {ShownLayers}
 */
export function shownLayers(view, layers) {
  /** @param {LayerName} name */
  const has = (name) => layers.some((layer) => layer.name === name);
  /** @param {LayerName} name */
  const orPhoto = (name) => (has(name) ? name : "image");
  if (view.mode === "panes") {
    const found = PANES.filter((name) => has(name) && !(name === "mask" && has("truth")));
    const [first = "image", second = "image", ...others] = found;
    return [first, second, ...others];
  }
  return [orPhoto(view.with), orPhoto(view.layer)];
}

/**
 * The files of `picture` that layer `name` is drawn from.
 *
 * @param {LayerName} name
 * @param {Picture} picture
 */
export function kindsOf(name, picture) {
  return layerOf(name).needs.flatMap((need) => kindFor(need, picture) ?? []);
}

/**
 * The files that are needed to draw the `shown` layers and to read labels under the pointer.
 *
 * @param {readonly LayerName[]} shown
 * @param {Picture} picture
 * @returns {Kind[]}
 */
export function kindsToShow(shown, picture) {
  const drawn = shown.flatMap((name) => kindsOf(name, picture));
  const truth = kindFor("labels", picture) ?? kindFor("mask", picture) ?? [];
  const read = [truth, kindFor("prediction", picture) ?? []].flat();
  const outline = picture.url("outline") ? ["outline"] : [];
  return [...new Set(/** @type {Kind[]} */ (["image", ...drawn, ...read, ...outline]))];
}

/**
 * @param {Kind | "truth"} need
 * @param {Picture} picture
 * @returns {Kind | undefined}
 */
function kindFor(need, picture) {
  /** @type {Kind[]} */
  const candidates = need === "truth" ? ["mask", "labels"] : [need];
  return candidates.find((kind) => picture.url(kind));
}

/**
 * @param {LayerName} layer
 * @param {Labels} labels
 * @returns {LegendEntry[]}
 */
export function legendOf(layer, labels) {
  if (layer === "image" || layer === "confidence") return [];
  if (layer === "reviewed") return [...JUDGED_LEGEND];
  if (layer === "truth") return labels.all.map((label) => entry(label.id, label));
  if (layer === "ignored") {
    return labels.all.filter(({ ignored }) => ignored).map((label) => entry(label.id, label));
  }
  const classes = labels.classes.map((label) => entry(label.train_id, label));
  if (layer === "errors") return classes.map((each) => ({ ...each, color: ERROR_COLOR }));
  if (layer === "mistakes") return classes;
  const about = `Pixels with the value ${IGNORE}: nothing is learned from them, and they are not scored.`;
  const ignored = { id: IGNORE, name: "ignored", category: "", color: STRIPES[0], about };
  return [...classes, entry(IGNORE, ignored)];
}

/**
 * @param {number} value
 * @param {Omit<LegendEntry, "value">} label
 * @returns {LegendEntry}
 */
function entry(value, { id, name, category, color, about }) {
  return { value, id, name, category, color, about };
}

/**
 * The values of a layer, in the numbers of its legend, from the decoded files that it needs.
 *
 * @param {LayerName} layer
 * @param {Partial<Record<Kind, Plane>>} planes
 * @param {Labels} labels
 * @param {readonly Judged[]} [judged] The verdicts on regions of the picture.
 * @returns {Plane}
 */
export function valuesOf(layer, planes, labels, judged = []) {
  /** @param {Kind} kind */
  const plane = (kind) => {
    const found = planes[kind];
    if (!found) throw new Error(`The layer ${layer} needs ${kind}.`);
    return found;
  };
  if (layer === "image") throw new Error("A photo has no values.");
  if (layer === "truth") return plane("labels");
  if (layer === "reviewed") return judgedValues(plane("reviewed"), judged);
  if (layer === "ignored") return ignoredLabels(plane("labels"), plane("mask"));
  if (layer !== "errors" && layer !== "mistakes") return plane(layer);
  const trainIds = planes.mask ? IDENTITY : labels.trainIds;
  const truth = planes.mask ?? plane("labels");
  return wrongClasses(truth, trainIds, plane("prediction"), layer === "mistakes");
}

const IDENTITY = Uint8Array.from({ length: 256 }, (_, value) => value);

/**
 * @param {Plane} labelIds
 * @param {Plane} mask
 */
function ignoredLabels(labelIds, mask) {
  return combine(labelIds, mask, (id, trainId) => (trainId === IGNORE ? id : NOTHING));
}

/**
 * The true class of each pixel that has one and was predicted as another, or what it was predicted
 * as.
 *
 * @param {Plane} truth
 * @param {Uint8Array} trainIds Of the values of `truth`.
 * @param {Plane} prediction
 * @param {boolean} asPredicted
 */
function wrongClasses(truth, trainIds, prediction, asPredicted) {
  return combine(truth, prediction, (value, predicted) => {
    const trainId = trainIds[value];
    if (trainId === IGNORE || trainId === predicted) return NOTHING;
    return asPredicted ? predicted : trainId;
  });
}

/**
 * @param {Plane} a
 * @param {Plane} b
 * @param {(a: number, b: number) => number} rule
 * @returns {Plane}
 */
function combine(a, b, rule) {
  const pixels = new Uint8Array(a.pixels.length);
  for (let i = 0; i < pixels.length; i++) pixels[i] = rule(a.pixels[i], b.pixels[i]);
  return { width: a.width, height: a.height, pixels };
}
