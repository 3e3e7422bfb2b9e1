// @ts-check
// The canvas with the picture: handles the pointer, and reads the labels under it.

import { el } from "./dom.js";
import { Geometry } from "./geometry.js";
import { Painter } from "./painter.js";

/** @import { View } from "./types.js" */
/** @import { Remark } from "./readout.js" */
/** @import { Scene } from "./scene.js" */

/** @typedef {{ clientX: number, clientY: number }} Pointer */

const GRIP = 12; // CSS pixels to either side of the border of a swipe
const HINT = "Point at the picture to read its labels.";

export class Stage {
  #canvas = el("canvas", { tabIndex: 0, role: "img" });
  #marker = el("div", { className: "marker", hidden: true });
  #painter = new Painter(this.#canvas);
  #change;
  #hover;
  /** @type {Scene | null} What was painted last. */
  #scene = null;
  /** @type {Pointer | null} Where the pointer is while it is over the canvas. */
  #pointer = null;
  /** @type {{ x: number, y: number, border: boolean } | null} */
  #drag = null;

  /**
   * @param {(changes: Partial<View>) => void} change
   * @param {(isOver: boolean) => void} hover Called when the pointer enters or leaves the canvas.
   */
  constructor(change, hover) {
    this.#change = change;
    this.#hover = hover;
    const canvas = this.#canvas;
    this.element = el("div", { className: "stage" }, canvas, this.#marker);
    this.readout = el("div", { className: "readout" });
    canvas.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#onDown(event));
    canvas.addEventListener("pointermove", (event) => this.#onMove(event));
    canvas.addEventListener("pointerup", () => (this.#drag = null));
    canvas.addEventListener("pointerleave", () => this.#pointTo(null));
    canvas.addEventListener("dblclick", (event) => this.#zoom(2, event));
  }

  /** @returns {Geometry | null} Where the picture lies; null before the first is painted. */
  get geometry() {
    if (!this.#scene) return null;
    const { clientWidth: width, clientHeight: height } = this.element;
    const { size, view, pixelAspect } = this.#scene;
    return new Geometry({ width, height }, size, view, pixelAspect);
  }

  focus() {
    this.#canvas.focus({ preventScroll: true });
  }

  /**
   * Set the description for screen readers.
   *
   * @param {string} text
   */
  describe(text) {
    this.#canvas.ariaLabel = text;
  }

  /**
   * Draw `scene`; see `Painter.paint`.
   *
   * @param {Scene} scene
   * @param {boolean} swapped
   */
  paint(scene, swapped) {
    this.#scene = scene;
    const { size, view, pixelAspect } = scene;
    const aspect = ((size.width * pixelAspect) / size.height) * (view.mode === "side" ? 2 : 1);
    this.element.style.setProperty("--aspect", String(aspect)); // the geometry depends on it
    const { clientWidth: width, clientHeight: height } = this.element;
    const geometry = new Geometry({ width, height }, size, view, pixelAspect);
    const values = this.#painter.paint(scene, geometry, swapped);
    this.#read();
    return values;
  }

  /** @param {WheelEvent} event */
  #onWheel(event) {
    event.preventDefault();
    // Browsers report a pinch on a touchpad as a wheel with Ctrl, in small steps.
    this.#zoom(2 ** (-event.deltaY / (event.ctrlKey ? 80 : 240)), event);
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    if (event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#drag = { x: event.clientX, y: event.clientY, border: this.#isOnBorder(event) };
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    const { clientX: x, clientY: y } = event;
    if (this.#drag?.border) {
      const swipe = this.#placeOf(event)[0] / this.#canvas.clientWidth;
      this.#change({ swipe: Math.min(1, Math.max(0, swipe)) });
    } else if (this.#drag && this.geometry) {
      this.#change(this.geometry.panned(this.#drag.x - x, this.#drag.y - y));
      Object.assign(this.#drag, { x, y });
    }
    this.#canvas.style.cursor = this.#isOnBorder(event) ? "ew-resize" : "crosshair";
    this.#pointTo(event);
  }

  /**
   * @param {number} factor
   * @param {Pointer} pointer The point of the picture there stays where it is.
   */
  #zoom(factor, pointer) {
    const { geometry } = this;
    if (!geometry) return;
    this.#change(geometry.zoomed(factor, geometry.pointAt(...this.#placeOf(pointer))));
  }

  /** @param {Pointer} pointer */
  #isOnBorder(pointer) {
    if (this.#scene?.view.mode !== "swipe") return false;
    const border = this.#scene.view.swipe * this.#canvas.clientWidth;
    return Math.abs(this.#placeOf(pointer)[0] - border) < GRIP;
  }

  /**
   * Where a pointer is on the canvas, in CSS pixels from its corner.
   *
   * @param {Pointer} pointer
   * @returns {[number, number]}
   */
  #placeOf({ clientX, clientY }) {
    const { left, top } = this.#canvas.getBoundingClientRect();
    return [clientX - left, clientY - top];
  }

  /** @param {Pointer | null} pointer */
  #pointTo(pointer) {
    const wasOver = this.#pointer !== null;
    this.#pointer = pointer;
    const isOver = pointer !== null;
    if (isOver !== wasOver) this.#hover(isOver);
    this.#read();
  }

  /** Show the labels under the pointer. */
  #read() {
    const { geometry } = this;
    const place = this.#pointer && this.#placeOf(this.#pointer);
    const [x, y] = place && geometry ? geometry.pointAt(...place).map(Math.floor) : [-1, -1];
    const remarks = this.#scene?.remarksAt(x, y);
    const texts = remarks
      ? [el("b", { textContent: `x ${x}, y ${y}` }), ...remarks.map(asElement)]
      : [el("span", { className: "hint", textContent: HINT })];
    this.readout.replaceChildren(...texts);
    this.#mark(remarks ? place : null);
  }

  /**
   * Mark the point that lies in the other pane where `place` lies in its own.
   *
   * @param {[number, number] | null} place
   */
  #mark(place) {
    const [first, second] = this.geometry?.panes ?? [];
    this.#marker.hidden = !place || !second;
    if (!place || !second) return;
    const shift = second.left - first.left;
    const left = place[0] + (place[0] < second.left ? shift : -shift);
    Object.assign(this.#marker.style, { left: `${left}px`, top: `${place[1]}px` });
  }
}

/** @param {Remark} remark */
function asElement({ text, color }) {
  if (!color) return el("span", {}, text);
  const swatch = el("i", { className: "swatch", style: `--color: rgb(${color.join()})` });
  return el("span", {}, swatch, text);
}
