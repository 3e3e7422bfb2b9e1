// @ts-check
// A layer's colours on a canvas of its own.

import { colorTables, fill, keepOutlines } from "./colors.js";
import { legendOf, valuesOf } from "./layers.js";

/** @import { Judged, Kind, LayerName, Plane, Size } from "./types.js" */
/** @import { Labels } from "./labels.js" */

/**
 * How to draw a layer. `source` identifies the files: the same source means the same planes and
 * verdicts.
 *
 * @typedef {object} Look
 * @property {string} source
 * @property {LayerName} layer
 * @property {ReadonlySet<number>} hidden Ids of labels that are not drawn.
 * @property {boolean} outline
 * @property {readonly Judged[]} judged The verdicts on regions of the picture.
 * @property {number} scale Of the screen, CSS pixels for each pixel of the picture.
 */

const STRIPE_WIDTH = 6; // CSS pixels, about: stripes are powers of two in pixels of the picture
const FAINT = 0x40ffffff; // a quarter of the opacity: judged regions within their outlines
const OUTLINE_WIDTH = 1.5; // CSS pixels

/** A canvas of the picture's size that is redrawn only if something changed. */
export class Sheet {
  canvas = document.createElement("canvas");
  #context = this.canvas.getContext("2d");
  /** @type {ImageData | null} */
  #pixels = null;
  #signature = "";
  /** @type {Plane | null} */
  #values = null;

  /**
   * Draw a layer; returns its values, which are those of its legend.
   *
   * @param {Look} look
   * @param {Partial<Record<Kind, Plane>>} planes
   * @param {Labels} labels
   */
  draw({ source, layer, hidden, outline, judged, scale }, planes, labels) {
    const shift = Math.max(0, Math.round(Math.log2(STRIPE_WIDTH / scale)));
    const thickness = Math.max(1, Math.round(OUTLINE_WIDTH / scale));
    const signature = [source, layer, [...hidden], outline ? thickness : "", shift].join("|");
    if (this.#values && signature === this.#signature) return this.#values;
    const values = valuesOf(layer, planes, labels, judged);
    const pixels = this.#pixelsOf(values);
    const out = new Uint32Array(pixels.data.buffer);
    fill(values, colorTables(layer, legendOf(layer, labels), hidden), shift, out);
    // Regions that were judged have an outline each, also where two of one verdict touch.
    if (planes.reviewed) keepOutlines(planes.reviewed, 2 * thickness, out, outline ? 0 : FAINT);
    else if (outline) keepOutlines(values, thickness, out);
    this.#context?.putImageData(pixels, 0, 0);
    this.#values = values;
    this.#signature = signature;
    return values;
  }

  /** @param {Size} size */
  #pixelsOf({ width, height }) {
    if (this.#pixels?.width !== width || this.#pixels.height !== height) {
      Object.assign(this.canvas, { width, height });
      this.#pixels = new ImageData(width, height);
    }
    return this.#pixels;
  }
}
