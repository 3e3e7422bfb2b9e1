// @ts-check
// Draws a scene on a canvas: the photo, the layers over it, borders and captions.

import { layerOf } from "./layers.js";
import { Outline } from "./outline.js";
import { Sheet } from "./sheet.js";

/** @import { LayerName, Plane, View } from "./types.js" */
/** @import { Geometry, Pane } from "./geometry.js" */
/** @import { Scene } from "./scene.js" */

/**
 * A layer in a part of a pane, from `left` to `right` in CSS pixels.
 *
 * @typedef {{ layer: LayerName, sheet: Sheet, left: number, right: number, pane: Pane }} Part
 */

const SMOOTH_BELOW = 2; // screen pixels for each pixel of the photo; larger ones become squares

export class Painter {
  #canvas;
  #context;
  /** For the layer to compare with, for the main layer, and for those after it. */
  #sheets = [new Sheet(), new Sheet()];
  #outline = new Outline();

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  }

  /**
   * Draw `scene`; if `swapped`, with the layer to compare with in place of the main one. Returns the
   * values of the main layer: null if it has none, undefined if it is not drawn now.
   *
   * @param {Scene} scene
   * @param {Geometry} geometry
   * @param {boolean} swapped
   */
  paint(scene, geometry, swapped) {
    const { mode, swipe } = scene.view;
    const parts = this.#partsOf(scene, geometry, swapped);
    /** @type {Plane | null | undefined} */
    let values;
    this.#clear(geometry);
    for (const part of parts) {
      const drawn = this.#paintPart(part, scene, geometry);
      if (part.sheet === this.#sheets[1]) values = drawn;
      this.#paintOutline(part, scene, geometry);
    }
    if (mode === "swipe") this.#paintBorder(geometry.panes[0], swipe);
    if (mode !== "overlay") for (const part of parts) this.#paintCaption(part);
    return values;
  }

  /** @param {Geometry} geometry */
  #clear({ stage }) {
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(stage.width * ratio), Math.round(stage.height * ratio)];
    // Setting the size reallocates a canvas, even if it does not change.
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      Object.assign(this.#canvas, { width, height });
    }
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#context.clearRect(0, 0, stage.width, stage.height);
  }

  /**
   * @param {Scene} scene
   * @param {Geometry} geometry
   * @param {boolean} swapped
   * @returns {Part[]}
   */
  #partsOf({ layers, view }, { panes }, swapped) {
    if (view.mode === "panes") {
      return layers.map((layer, i) => {
        const pane = panes[i];
        const sheet = (this.#sheets[i] ??= new Sheet());
        return { layer, sheet, pane, left: pane.left, right: pane.left + pane.width };
      });
    }
    const other = { layer: layers[0], sheet: this.#sheets[0] };
    const main = { layer: layers[1], sheet: this.#sheets[1] };
    const [pane, second] = panes.map((each) => ({
      pane: each,
      left: each.left,
      right: each.left + each.width,
    }));
    if (second) {
      return [
        { ...other, ...pane },
        { ...main, ...second },
      ];
    }
    if (swapped) return [{ ...other, ...pane }];
    if (view.mode !== "swipe") return [{ ...main, ...pane }];
    const border = pane.right * view.swipe;
    return [
      { ...other, ...pane, right: border },
      { ...main, ...pane, left: border },
    ];
  }

  /**
   * @param {Part} part
   * @param {Scene} scene
   * @param {Geometry} geometry
   * @returns {Plane | null} The layer's values; null if nothing is drawn over the photo.
   */
  #paintPart({ layer, sheet, left, right, pane }, scene, geometry) {
    const context = this.#context;
    context.save();
    this.#clip(left, right, pane);
    context.imageSmoothingEnabled = geometry.scale * devicePixelRatio < SMOOTH_BELOW;
    if (scene.photo) {
      context.filter = photoFilter(scene.view);
      this.#place(scene.photo, pane, scene, geometry);
      context.filter = "none";
    }
    const planes = scene.planes(layer);
    let values = null;
    if (planes) {
      const { hidden, outline, opacity } = scene.view;
      const { judged } = scene;
      const { scale } = geometry;
      const look = { source: scene.source(layer), layer, hidden, outline, judged, scale };
      values = sheet.draw(look, planes, scene.labels);
      context.imageSmoothingEnabled = false; // a blend of two labels' colours is no label
      context.globalAlpha = opacity;
      this.#place(sheet.canvas, pane, scene, geometry);
    }
    context.restore();
    return values;
  }

  /**
   * @param {number} left
   * @param {number} right
   * @param {Pane} pane
   */
  #clip(left, right, pane) {
    this.#context.beginPath();
    this.#context.rect(left, pane.top, right - left, pane.height);
    this.#context.clip();
  }

  /**
   * The outline of the region that is shown of the picture, if there is one.
   *
   * @param {Part} part
   * @param {Scene} scene
   * @param {Geometry} geometry
   */
  #paintOutline({ left, right, pane }, scene, geometry) {
    const { box, outline } = scene;
    if (!box || !outline) return;
    const context = this.#context;
    context.save();
    this.#clip(left, right, pane);
    context.globalAlpha = 1;
    const [x, y] = cornerOf(pane, geometry);
    const scales = { across: geometry.scaleAcross, down: geometry.scale };
    this.#outline.draw(context, outline, box, { x, y, ...scales });
    context.restore();
  }

  /**
   * Draw `source` over the whole picture.
   *
   * @param {ImageBitmap | HTMLCanvasElement} source
   * @param {Pane} pane
   * @param {Scene} scene
   * @param {Geometry} geometry
   */
  #place(source, pane, { size }, geometry) {
    const [left, top] = cornerOf(pane, geometry);
    const { scale, scaleAcross } = geometry;
    this.#context.drawImage(source, left, top, size.width * scaleAcross, size.height * scale);
  }

  /**
   * The layer's title in the upper left corner of a part; in the right one where the border of a
   * swipe could cover it.
   *
   * @param {Part} part
   */
  #paintCaption({ layer, left, right, pane }) {
    const context = this.#context;
    const { title } = layerOf(layer);
    context.font = `600 13px ${getComputedStyle(this.#canvas).fontFamily}`;
    const width = context.measureText(title).width + 12;
    if (right - left < width + 16) return;
    const x = left === pane.left ? left + 8 : right - width - 8;
    context.globalAlpha = 1;
    context.fillStyle = "rgb(0 0 0 / 70%)";
    context.fillRect(x, pane.top + 8, width, 22);
    context.fillStyle = "#fff";
    context.fillText(title, x + 6, pane.top + 23);
  }

  /**
   * @param {Pane} pane
   * @param {number} swipe
   */
  #paintBorder({ width, height }, swipe) {
    const context = this.#context;
    const x = width * swipe;
    // White on black is visible on any photo.
    for (const { color, thickness } of [
      { color: "#000", thickness: 4 },
      { color: "#fff", thickness: 2 },
    ]) {
      context.strokeStyle = context.fillStyle = color;
      context.lineWidth = thickness;
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, height);
      context.stroke();
      context.beginPath();
      context.arc(x, height / 2, 6 + thickness / 2, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

/**
 * Where the upper left corner of the picture lies, in CSS pixels of the stage.
 *
 * @param {Pane} pane
 * @param {Geometry} geometry
 */
function cornerOf(pane, { center: [x, y], scale, scaleAcross }) {
  return [pane.left + pane.width / 2 - x * scaleAcross, pane.top + pane.height / 2 - y * scale];
}

/** @param {Pick<View, "brightness" | "contrast">} view */
function photoFilter({ brightness, contrast }) {
  if (brightness === 1 && contrast === 1) return "none"; // a filter takes time even then
  return `brightness(${brightness}) contrast(${contrast})`;
}
