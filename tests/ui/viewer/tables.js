// @ts-check
// A label table and pictures for the tests of the viewer's modules.

import { Labels } from "#viewer/labels.js";

/** @import { Kind, Label, Picture, Plane } from "#viewer/types.js" */

export const [EGO, ROAD, CAR, CARAVAN] = [1, 7, 26, 29];

/** @type {Label[]} */
export const TABLE = [
  {
    id: EGO,
    name: "ego vehicle",
    category: "void",
    train_id: 255,
    ignored: true,
    color: [0, 0, 0],
    about: "The car that carries the camera.",
  },
  {
    id: ROAD,
    name: "road",
    category: "flat",
    train_id: 0,
    ignored: false,
    color: [128, 64, 128],
    about: "",
  },
  {
    id: CAR,
    name: "car",
    category: "vehicle",
    train_id: 13,
    ignored: false,
    color: [0, 0, 142],
    about: "",
  },
  {
    id: CARAVAN,
    name: "caravan",
    category: "vehicle",
    train_id: 255,
    ignored: true,
    color: [0, 0, 90],
    about: "",
  },
];

export const LABELS = new Labels(TABLE);

/**
 * A picture that has files of these kinds.
 *
 * @param {string} name
 * @param {Kind[]} kinds
 * @returns {Picture}
 */
export function picture(name, kinds) {
  /** @param {Kind} kind */
  const url = (kind) => (kinds.includes(kind) ? `/${name}/${kind}` : null);
  const urls = () => kinds.map((kind) => url(kind) ?? "");
  return { name, note: "", tags: [], thumbnail: "", overlay: "", pixelAspect: 1, url, urls };
}

/**
 * A label map of one row.
 *
 * @param {...number} values
 * @returns {Plane}
 */
export function row(...values) {
  return { width: values.length, height: 1, pixels: Uint8Array.from(values) };
}
