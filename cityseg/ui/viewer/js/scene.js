// @ts-check
// One picture with its decoded files, a view, and the layers to draw.

import { kindsOf, kindsToShow } from "./layers.js";
import { remarksOn } from "./readout.js";

/** @import { Decoded, Kind, LayerName, Picture, Plane, ShownLayers, Size, View } from "./types.js" */
/** @import { Labels } from "./labels.js" */
/** @import { PixelValues } from "./readout.js" */

/** @typedef {Partial<Record<Kind, Plane>>} Planes */

/**
 * @typedef {object} Files
 * @property {(url: string) => Decoded | undefined} value
 * @property {(url: string) => string | undefined} error
 */

/**
 * A picture has the size of the first of these that is loaded; the photo is stretched to it.
 *
 * @type {readonly Kind[]}
 */
const SIZED_BY = ["labels", "mask", "prediction", "confidence", "image"];

export class Scene {
  #picture;
  #files;
  /** @type {Set<string>} Sentences: what cannot be shown, and why. */
  problems = new Set();

  /**
   * @param {Picture} picture
   * @param {Files} files
   * @param {Labels} labels
   * @param {Readonly<View>} view
   * @param {ShownLayers} layers
   */
  constructor(picture, files, labels, view, layers) {
    this.#picture = picture;
    this.#files = files;
    this.labels = labels;
    this.view = view;
    this.layers = layers;
    /** @type {Size} */
    this.size = SIZED_BY.map((kind) => this.#decoded(kind)).find((each) => each) ?? NO_SIZE;
    this.pixelAspect = picture.pixelAspect;
    for (const kind of kindsToShow(layers, picture)) {
      const error = files.error(picture.url(kind) ?? "");
      if (error) this.problems.add(error);
    }
  }

  /** The verdicts on regions of the picture. */
  get judged() {
    return this.#picture.judged ?? [];
  }

  /** The region that is shown of the picture, if there is one. */
  get box() {
    return this.#picture.box ?? null;
  }

  /** The address of the region's outline, and its box as a map. */
  get outline() {
    const plane = this.#plane("outline");
    return plane && { url: this.#picture.url("outline"), plane };
  }

  get photo() {
    const photo = this.#decoded("image");
    return photo && !("pixels" in photo) ? photo : undefined;
  }

  /**
   * The label maps that a layer is drawn from; null if it needs none, or if one is missing or has
   * another size than the picture, which is added to the problems.
   *
   * @param {LayerName} layer
   */
  planes(layer) {
    /** @type {Planes} */
    const planes = {};
    for (const kind of kindsOf(layer, this.#picture)) {
      const plane = this.#plane(kind);
      if (!plane) return null;
      const { width, height } = this.size;
      if (plane.width !== width || plane.height !== height) {
        this.problems.add(
          `The ${kind} has ${plane.width}×${plane.height} pixels, the labels ${width}×${height}.`,
        );
        return null;
      }
      planes[kind] = plane;
    }
    return Object.keys(planes).length ? planes : null;
  }

  /**
   * Identifies the files that a layer is drawn from.
   *
   * @param {LayerName} layer
   */
  source(layer) {
    return kindsOf(layer, this.#picture)
      .map((kind) => this.#picture.url(kind))
      .join(" ");
  }

  /**
   * Describe the values of the files at a pixel; null outside the picture.
   *
   * @param {number} x
   * @param {number} y
   */
  remarksAt(x, y) {
    const { width, height } = this.size;
    if (x < 0 || y < 0 || x >= width || y >= height) return null;
    /** @type {PixelValues} */
    const values = {};
    for (const kind of /** @type {const} */ (["labels", "mask", "prediction", "confidence"])) {
      const plane = this.#plane(kind);
      if (plane?.width === width && plane.height === height) {
        values[kind] = plane.pixels[y * width + x];
      }
    }
    values.judged = this.#judgedAt(x, y);
    values.stored = this.#storedAt(x, y);
    const pairs = this.#plane("instances")?.pixels;
    const at = (y * width + x) * 2;
    if (pairs) values.instance = pairs[at] * 256 + pairs[at + 1];
    return remarksOn(values, this.labels);
  }

  /**
   * The verdict on the region at a pixel, where verdicts are shown.
   *
   * @param {number} x
   * @param {number} y
   */
  #judgedAt(x, y) {
    const plane = this.layers.includes("reviewed") ? this.#plane("reviewed") : undefined;
    const position = plane?.width === this.size.width ? plane.pixels[y * plane.width + x] : 0;
    return this.judged[position - 1];
  }

  /**
   * The channels of the annotation's own file at a pixel.
   *
   * @param {number} x
   * @param {number} y
   */
  #storedAt(x, y) {
    const { width, height } = this.size;
    const plane = this.#plane("values");
    if (plane?.height !== height || plane.width % width !== 0) return undefined;
    const channels = plane.width / width;
    const first = (y * width + x) * channels;
    return [...plane.pixels.subarray(first, first + channels)];
  }

  /** @param {Kind} kind */
  #plane(kind) {
    const value = this.#decoded(kind);
    return value && "pixels" in value ? value : undefined;
  }

  /** @param {Kind} kind */
  #decoded(kind) {
    const url = this.#picture.url(kind);
    return url ? this.#files.value(url) : undefined;
  }
}

const NO_SIZE = { width: 2, height: 1 };
