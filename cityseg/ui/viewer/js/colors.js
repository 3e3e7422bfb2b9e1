// @ts-check
// Colours for the values of a layer.

import { STALE_ID } from "./judged.js";
import { IGNORE } from "./labels.js";

/** @import { Color, LayerName, LegendEntry, Plane } from "./types.js" */

/**
 * The two stripes that hatch ignored pixels. No label has these colours, and together they are
 * visible on dark and on light photos.
 *
 * @type {readonly [Color, Color]}
 */
export const STRIPES = [
  [20, 20, 20],
  [235, 235, 235],
];

/** @type {Color} */
export const ERROR_COLOR = [255, 45, 85];

/**
 * From unsure to sure: the colour map viridis, whose lightness increases evenly.
 *
 * @type {readonly Color[]}
 */
export const RAMP = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];

/**
 * RGBA colours of the 256 values, one table for each stripe of the hatching. A value with the same
 * colour in both is not hatched; 0 is transparent.
 *
 * @typedef {{ even: Uint32Array, odd: Uint32Array }} ColorTables
 */

/**
 * @param {LayerName} layer
 * @param {readonly LegendEntry[]} legend
 * @param {ReadonlySet<number>} hidden Ids of labels.
 * @returns {ColorTables}
 */
export function colorTables(layer, legend, hidden) {
  if (layer === "confidence") return { even: CONFIDENCE, odd: CONFIDENCE };
  const even = new Uint32Array(256);
  const odd = new Uint32Array(256);
  for (const { value, id, color } of legend) {
    if (hidden.has(id)) continue;
    even[value] = rgba(color);
    const isHatched = layer === "ignored" || id === IGNORE || id === STALE_ID;
    odd[value] = rgba(isHatched ? STRIPES[1] : color);
  }
  return { even, odd };
}

/**
 * A colour as a number in a Uint32Array over ImageData. Red comes first in memory, which is the
 * lowest byte, because every machine that browsers run on is little-endian.
 *
 * @param {Color} color
 */
export function rgba([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/**
 * The colour of a confidence.
 *
 * @param {number} share 0–1
 * @returns {Color}
 */
export function ramp(share) {
  const at = share * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  /** @param {0 | 1 | 2} i */
  const channel = (i) => Math.round(RAMP[low][i] + (RAMP[low + 1][i] - RAMP[low][i]) * (at - low));
  return [channel(0), channel(1), channel(2)];
}

const CONFIDENCE = Uint32Array.from({ length: 256 }, (_, value) => rgba(ramp(value / 255)));

/**
 * Colour `values` into `out`. Stripes are 1 << `shift` pixels wide.
 *
 * @param {Plane} values
 * @param {ColorTables} tables
 * @param {number} shift
 * @param {Uint32Array} out
 */
export function fill({ width, height, pixels }, { even, odd }, shift, out) {
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      out[i] = (((x + y) >> shift) & 1 ? odd : even)[pixels[i]];
    }
  }
}

/**
 * Clear all but `thickness` pixels on either side of the borders between values.
 *
 * @param {Plane} values
 * @param {number} thickness
 * @param {Uint32Array} out
 * @param {number} [kept] The bits that are kept of the colours of all others.
 */
export function keepOutlines({ width, height, pixels }, thickness, out, kept = 0) {
  for (let y = 0, i = 0; y < height; y++) {
    // The edge of the picture is no border: a pixel there is compared with itself.
    const down = (y + thickness < height ? thickness : 0) * width;
    const up = (y >= thickness ? thickness : 0) * width;
    for (let x = 0; x < width; x++, i++) {
      const value = pixels[i];
      const right = x + thickness < width ? thickness : 0;
      const left = x >= thickness ? thickness : 0;
      if (
        pixels[i + right] === value &&
        pixels[i - left] === value &&
        pixels[i + down] === value &&
        pixels[i - up] === value
      ) {
        out[i] &= kept;
      }
    }
  }
}

/**
 * How many pixels have each of the 256 values.
 *
 * @param {Uint8Array} pixels
 */
export function countValues(pixels) {
  const counts = new Uint32Array(256);
  for (let i = 0; i < pixels.length; i++) counts[pixels[i]]++;
  return counts;
}
