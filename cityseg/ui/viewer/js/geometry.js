// @ts-check
// Where a picture lies on the stage, for a view.

/** @import { Box, Size, View } from "./types.js" */

/**
 * A part of the stage, in CSS pixels.
 *
 * @typedef {{ left: number, top: number, width: number, height: number }} Pane
 */
/** @typedef {readonly [number, number]} Point Column and row of the picture; need not be whole. */

const MAX_SCALE = 48; // CSS pixels for each pixel of the picture
const GAP = 6; // CSS pixels between two panes
const LEAST_PANE = 260; // CSS pixels: narrower ones go below each other
/** The zoom that shows a region: so many times its size, and at least that part of the picture. */
export const ON_REGION = 0;
const CONTEXT = 2.5;
const LEAST_PART = 1 / 8;

/**
 * If there are several panes, all show the same part. The picture covers as much of a pane as it can.
 * Its pixels need not be square: places on the stage are in proportion to what is displayed, points
 * of the picture count its stored pixels.
 */
export class Geometry {
  #size;
  #pixelAspect;
  #view;
  #fitScale;
  #shown;

  /**
   * @param {Size} stage In CSS pixels.
   * @param {Size} size Of the picture.
   * @param {Pick<View, "mode" | "zoom" | "x" | "y">} view
   * @param {number} [pixelAspect] The width of the picture's pixels divided by their height.
   * @param {{ layers?: number, box?: Box | null }} [shown] The number of layers that panes show, and
   *   the region on which the view may be.
   */
  constructor(stage, size, view, pixelAspect = 1, shown = {}) {
    this.#size = size;
    this.#pixelAspect = pixelAspect;
    this.#shown = shown;
    this.panes = panesOf(stage, view.mode, shown.layers ?? 1);
    const [{ width, height }] = this.panes;
    this.#fitScale = Math.min(width / (size.width * pixelAspect), height / size.height);
    const onRegion = view.zoom === ON_REGION ? this.#around(shown.box ?? null) : {};
    const wanted = { ...view, ...onRegion };
    this.#view = { ...wanted, zoom: Math.min(this.#mostZoom, wanted.zoom) };
    /** 1 is the whole picture. */
    this.zoom = this.#view.zoom;
    /** CSS pixels for each row of the picture. */
    this.scale = this.#fitScale * this.zoom;
    /** CSS pixels for each column of the picture. */
    this.scaleAcross = this.scale * pixelAspect;
    /** @type {Point} The picture's point in the middle of each pane. */
    this.center = [
      within(this.#view.x, size.width, width / this.scaleAcross),
      within(this.#view.y, size.height, height / this.scale),
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
    const pane = this.paneAt(left, top);
    const [x, y] = this.center;
    return [
      x + (left - pane.left - pane.width / 2) / this.scaleAcross,
      y + (top - pane.top - pane.height / 2) / this.scale,
    ];
  }

  /**
   * The pane at a place of the stage.
   *
   * @param {number} left
   * @param {number} top
   */
  paneAt(left, top) {
    const found = this.panes.findLast((each) => left >= each.left && top >= each.top);
    return found ?? this.panes[0];
  }

  /**
   * The part of the picture that shows a region with its surroundings.
   *
   * @param {Box | null} box
   */
  #around(box) {
    const [top, left, bottom, right] = box ?? [0, 0, 0, 0];
    if (bottom <= top || right <= left) return { zoom: 1, x: null, y: null };
    const [{ width, height }] = this.panes;
    const across = Math.max((right - left) * CONTEXT, this.#size.width * LEAST_PART);
    const down = Math.max((bottom - top) * CONTEXT, this.#size.height * LEAST_PART);
    const scale = Math.min(width / (across * this.#pixelAspect), height / down);
    const zoom = Math.min(this.#mostZoom, Math.max(1, scale / this.#fitScale));
    return { zoom, x: (left + right) / 2, y: (top + bottom) / 2 };
  }

  get #mostZoom() {
    return Math.max(1, MAX_SCALE / this.#fitScale);
  }

  /**
   * The change of the view that zooms by `factor` and keeps `point` where it is.
   *
   * @param {number} factor
   * @param {Point} [point]
   */
  zoomed(factor, point = this.center) {
    const { zoom: before } = this.#view;
    const zoom = Math.min(this.#mostZoom, Math.max(1, before * factor));
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
    return this.#movedTo(x + right / this.scaleAcross, y + down / this.scale, this.zoom);
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} zoom
   */
  #movedTo(x, y, zoom) {
    const view = { ...this.#view, x, y, zoom };
    const moved = new Geometry(this.stage, this.#size, view, this.#pixelAspect, this.#shown);
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
 * @param {number} layers
 * @returns {Pane[]}
 */
function panesOf({ width, height }, mode, layers) {
  const count = mode === "panes" ? layers : mode === "side" ? 2 : 1;
  const columns = mode === "panes" ? columnsOf(width, count) : count;
  const rows = Math.ceil(count / columns);
  const size = {
    width: (width - GAP * (columns - 1)) / columns,
    height: (height - GAP * (rows - 1)) / rows,
  };
  return Array.from({ length: count }, (_, i) => ({
    left: (i % columns) * (size.width + GAP),
    top: Math.floor(i / columns) * (size.height + GAP),
    ...size,
  }));
}

/**
 * How many panes of `count` stand beside each other.
 *
 * @param {number} width Of the stage, in CSS pixels.
 * @param {number} count
 */
export function columnsOf(width, count) {
  const most = Math.max(1, Math.floor((width + GAP) / (LEAST_PANE + GAP)));
  const columns = Math.min(count, most);
  return Math.ceil(count / Math.ceil(count / columns)); // four are two by two, not three and one
}
