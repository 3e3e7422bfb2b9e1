// @ts-check
// Where a picture lies on the stage, for a view.

/** @import { Size, View } from "./types.js" */

/** @typedef {{ left: number, width: number, height: number }} Pane A part of the stage, CSS pixels. */
/** @typedef {readonly [number, number]} Point Column and row of the picture; need not be whole. */

const MAX_SCALE = 48; // CSS pixels for each pixel of the picture
const GAP = 6; // CSS pixels between two panes

/**
 * If there are two panes, both show the same part. The picture covers as much of a pane as it can.
 * Its pixels need not be square: places on the stage are in proportion to what is displayed, points
 * of the picture count its stored pixels.
 */
export class Geometry {
  #size;
  #pixelAspect;
  #view;
  #fitScale;

  /**
   * @param {Size} stage In CSS pixels.
   * @param {Size} size Of the picture.
   * @param {Pick<View, "mode" | "zoom" | "x" | "y">} view
   * @param {number} [pixelAspect] The width of the picture's pixels divided by their height.
   */
  constructor(stage, size, view, pixelAspect = 1) {
    this.#size = size;
    this.#pixelAspect = pixelAspect;
    this.#view = view;
    this.panes = panesOf(stage, view.mode);
    const [{ width, height }] = this.panes;
    this.#fitScale = Math.min(width / (size.width * pixelAspect), height / size.height);
    /** CSS pixels for each row of the picture. */
    this.scale = this.#fitScale * view.zoom;
    /** CSS pixels for each column of the picture. */
    this.scaleAcross = this.scale * pixelAspect;
    /** @type {Point} The picture's point in the middle of each pane. */
    this.center = [
      within(view.x, size.width, width / this.scaleAcross),
      within(view.y, size.height, height / this.scale),
    ];
    this.stage = stage;
  }

  /**
   * The picture's point at a place of the stage.
   *
   * @param {number} left
   * @param {number} top
   * @returns {Point}
   */
  pointAt(left, top) {
    const pane = this.panes.findLast((each) => left >= each.left) ?? this.panes[0];
    const [x, y] = this.center;
    return [
      x + (left - pane.left - pane.width / 2) / this.scaleAcross,
      y + (top - pane.height / 2) / this.scale,
    ];
  }

  /**
   * The change of the view that zooms by `factor` and keeps `point` where it is.
   *
   * @param {number} factor
   * @param {Point} [point]
   */
  zoomed(factor, point = this.center) {
    const { zoom: before } = this.#view;
    const most = Math.max(1, MAX_SCALE / this.#fitScale);
    const zoom = Math.min(most, Math.max(1, before * factor));
    const kept = before / zoom;
    const [x, y] = this.center;
    return this.#movedTo(point[0] + (x - point[0]) * kept, point[1] + (y - point[1]) * kept, zoom);
  }

  /**
   * The change of the view that moves it by CSS pixels.
   *
   * @param {number} right
   * @param {number} down
   */
  panned(right, down) {
    const [x, y] = this.center;
    return this.#movedTo(x + right / this.scaleAcross, y + down / this.scale, this.#view.zoom);
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} zoom
   */
  #movedTo(x, y, zoom) {
    const view = { ...this.#view, x, y, zoom };
    const moved = new Geometry(this.stage, this.#size, view, this.#pixelAspect);
    return { x: moved.center[0], y: moved.center[1], zoom };
  }
}

/**
 * @param {number | null} wanted A column or row of the picture.
 * @param {number} size The picture's width or height.
 * @param {number} length Of the pane, in columns or rows of the picture.
 */
function within(wanted, size, length) {
  const half = length / 2;
  return half * 2 >= size ? size / 2 : Math.min(size - half, Math.max(half, wanted ?? size / 2));
}

/**
 * @param {Size} stage
 * @param {View["mode"]} mode
 * @returns {Pane[]}
 */
function panesOf({ width, height }, mode) {
  if (mode !== "side") return [{ left: 0, width, height }];
  const half = (width - GAP) / 2;
  return [
    { left: 0, width: half, height },
    { left: half + GAP, width: half, height },
  ];
}
