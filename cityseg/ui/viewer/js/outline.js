// @ts-check
// The outline of a region of a picture.

/** @import { Box, Plane } from "./types.js" */

/** @typedef {{ url: string | null, plane: Plane }} Source The region in its box: not 0 inside. */

/**
 * Where the picture's corner lies on a canvas, and how large its pixels are, in CSS pixels.
 *
 * @typedef {{ x: number, y: number, across: number, down: number }} Position
 */

// White in black is visible on any photo and any label.
const LINES = [
  { color: "#000", width: 4 },
  { color: "#fff", width: 1.75 },
];

/** Draws outlines; remembers the edges of the last region. */
export class Outline {
  /** @type {string | null} */
  #url = null;
  #edges = new Path2D();

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Source} source
   * @param {Box} box
   * @param {Position} position
   */
  draw(context, { url, plane }, [top, left], { x, y, across, down }) {
    if (url !== this.#url) {
      this.#url = url;
      this.#edges = new Path2D();
      for (const [column, row, toColumn, toRow] of edgesOf(plane)) {
        this.#edges.moveTo(column, row);
        this.#edges.lineTo(toColumn, toRow);
      }
    }
    const path = new Path2D();
    // The lines keep their width: only the path is enlarged.
    const matrix = new DOMMatrix([across, 0, 0, down, x + left * across, y + top * down]);
    path.addPath(this.#edges, matrix);
    context.lineCap = "square";
    for (const { color, width } of LINES) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.stroke(path);
    }
  }
}

/**
 * The edges between inside and outside, as columns and rows of their ends: straight runs in one.
 *
 * @param {Plane} plane
 * @returns {Generator<[number, number, number, number]>}
 */
export function* edgesOf({ width, height, pixels }) {
  /**
   * @param {number} column
   * @param {number} row
   */
  const inside = (column, row) =>
    column >= 0 && row >= 0 && column < width && row < height && pixels[row * width + column] > 0;
  for (let row = 0; row <= height; row++) {
    for (const [from, to] of runs(width, (i) => inside(i, row) !== inside(i, row - 1))) {
      yield [from, row, to, row];
    }
  }
  for (let column = 0; column <= width; column++) {
    for (const [from, to] of runs(height, (i) => inside(column, i) !== inside(column - 1, i))) {
      yield [column, from, column, to];
    }
  }
}

/**
 * @param {number} length
 * @param {(i: number) => boolean} isEdge
 * @returns {Generator<[number, number]>}
 */
function* runs(length, isEdge) {
  let start = -1;
  for (let i = 0; i <= length; i++) {
    const isOne = i < length && isEdge(i);
    if (isOne && start < 0) start = i;
    if (!isOne && start >= 0) {
      yield [start, i];
      start = -1;
    }
  }
}
