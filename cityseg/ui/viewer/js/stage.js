// @ts-check
// The canvas with the picture: handles the pointer, and reads the labels under it.

import { el } from "./dom.js";
import { columnsOf, Geometry } from "./geometry.js";
import { Painter } from "./painter.js";

/** @import { View } from "./types.js" */
/** @import { Remark } from "./readout.js" */
/** @import { Scene } from "./scene.js" */

/** @typedef {{ clientX: number, clientY: number, pointerType?: string }} Pointer */

const GRIP = 12; // CSS pixels to either side of the border of a swipe
const FINGER_GRIP = 28;
const PANE_ASPECT = 0.85; // of each of several panes, which mostly show a part of the picture
const HINT = "Point at the picture to read its labels.";

export class Stage {
  #canvas = el("canvas", { tabIndex: 0, role: "img", ariaLabel: "Picture" });
  #markers = el("div", {});
  #painter = new Painter(this.#canvas);
  #change;
  #hover;
  /** @type {Scene | null} What was painted last. */
  #scene = null;
  /** @type {Pointer | null} Where the pointer is while it is over the canvas. */
  #pointer = null;
  /** @type {{ x: number, y: number, border: boolean } | null} */
  #drag = null;
  /** @type {Map<number, Pointer>} The fingers or the button that are down, by pointer. */
  #down = new Map();

  /**
   * @param {(changes: Partial<View>) => void} change
   * @param {(isOver: boolean) => void} hover Called when the pointer enters or leaves the canvas.
   */
  constructor(change, hover) {
    this.#change = change;
    this.#hover = hover;
    const canvas = this.#canvas;
    this.element = el("div", { className: "stage" }, canvas, this.#markers);
    this.readout = el("div", { className: "readout" });
    canvas.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#onDown(event));
    canvas.addEventListener("pointermove", (event) => this.#onMove(event));
    for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
      canvas.addEventListener(name, (event) => this.#onUp(event));
    }
    canvas.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") this.#pointTo(null); // what a finger pointed at stays readable
    });
    canvas.addEventListener("dblclick", (event) => this.#zoom(2, event));
  }

  /** @returns {Geometry | null} Where the picture lies; null before the first is painted. */
  get geometry() {
    return this.#scene && this.#geometryOf(this.#scene);
  }

  /** @param {Scene} scene */
  #geometryOf({ size, view, pixelAspect, layers, box }) {
    const { clientWidth: width, clientHeight: height } = this.element;
    return new Geometry({ width, height }, size, view, pixelAspect, { layers: layers.length, box });
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
    // The geometry depends on it.
    this.element.style.setProperty("--aspect", String(this.#aspectOf(scene)));
    const geometry = this.#geometryOf(scene);
    // A whole picture leaves one finger to the page, which scrolls by it.
    this.#canvas.style.touchAction = geometry.zoom > 1 ? "none" : "pan-y";
    const values = this.#painter.paint(scene, geometry, swapped);
    this.#read();
    return values;
  }

  /** @param {Scene} scene */
  #aspectOf({ size, view, pixelAspect, layers: { length: count } }) {
    if (view.mode === "panes") {
      const columns = columnsOf(this.element.clientWidth, count);
      return (PANE_ASPECT * columns) / Math.ceil(count / columns);
    }
    return ((size.width * pixelAspect) / size.height) * (view.mode === "side" ? 2 : 1);
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
    this.#down.set(event.pointerId, event);
    const { clientX: x, clientY: y } = event;
    const isAlone = this.#down.size === 1; // two fingers pinch
    this.#drag = isAlone ? { x, y, border: this.#isOnBorder(event) } : null;
    this.#pointTo(event);
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    const { clientX: x, clientY: y } = event;
    if (this.#down.size > 1) this.#pinch(event);
    else if (this.#drag?.border) {
      const swipe = this.#placeOf(event)[0] / this.#canvas.clientWidth;
      this.#change({ swipe: Math.min(1, Math.max(0, swipe)) });
    } else if (this.#drag && this.geometry) {
      this.#change(this.geometry.panned(this.#drag.x - x, this.#drag.y - y));
      Object.assign(this.#drag, { x, y });
    }
    this.#canvas.style.cursor = this.#isOnBorder(event) ? "ew-resize" : "crosshair";
    this.#pointTo(event);
  }

  /** @param {PointerEvent} event */
  #onUp({ pointerId }) {
    this.#down.delete(pointerId);
    const [rest] = this.#down.values(); // a finger that stays goes on moving the picture
    this.#drag = rest ? { x: rest.clientX, y: rest.clientY, border: false } : null;
  }

  /**
   * Zoom and move, so that both fingers stay on the points of the picture that they touch.
   *
   * @param {PointerEvent} event
   */
  #pinch(event) {
    if (!this.#down.has(event.pointerId)) return;
    const before = spanOf(this.#down);
    this.#down.set(event.pointerId, event);
    const after = spanOf(this.#down);
    this.#zoom(after.length / before.length, before);
    const [right, down] = [before.clientX - after.clientX, before.clientY - after.clientY];
    if (this.geometry) this.#change(this.geometry.panned(right, down));
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
    const grip = pointer.pointerType === "touch" ? FINGER_GRIP : GRIP;
    return Math.abs(this.#placeOf(pointer)[0] - border) < grip;
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
   * Mark the points that lie in the other panes where `place` lies in its own.
   *
   * @param {[number, number] | null} place
   */
  #mark(place) {
    const { geometry } = this;
    if (!place || !geometry) {
      this.#markers.replaceChildren();
      return;
    }
    const own = geometry.paneAt(...place);
    const others = geometry.panes.filter((pane) => pane !== own);
    const markers = others.map((pane) => {
      const left = place[0] + pane.left - own.left;
      const top = place[1] + pane.top - own.top;
      return el("div", { className: "marker", style: `left: ${left}px; top: ${top}px` });
    });
    this.#markers.replaceChildren(...markers);
  }
}

/**
 * The middle between the first two fingers, and their distance in CSS pixels.
 *
 * @param {ReadonlyMap<number, Pointer>} fingers
 */
function spanOf(fingers) {
  const [a, b] = [...fingers.values()];
  return {
    clientX: (a.clientX + b.clientX) / 2,
    clientY: (a.clientY + b.clientY) / 2,
    length: Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)),
  };
}

/** @param {Remark} remark */
function asElement({ text, color }) {
  if (!color) return el("span", {}, text);
  const swatch = el("i", { className: "swatch", style: `--color: rgb(${color.join()})` });
  return el("span", {}, swatch, text);
}
