// @ts-check
// Loads the files of a picture and draws it when they are loaded; or draws the grid.

import { Delay } from "./delay.js";
import { kindsToShow, layerOf, legendOf } from "./layers.js";
import { plan } from "./prefetch.js";
import { Scene } from "./scene.js";
import { Store, startWorker } from "./store.js";

/** @import { Kind, Picture, Plane, ShownLayers, View } from "./types.js" */
/** @import { Controls } from "./controls.js" */
/** @import { Grid } from "./grid.js" */
/** @import { Labels } from "./labels.js" */
/** @import { Layer } from "./layers.js" */
/** @import { Legend } from "./legend.js" */
/** @import { Stage } from "./stage.js" */

/**
 * Everything that determines what is on the screen.
 *
 * @typedef {object} State
 * @property {Picture[]} pictures
 * @property {number} index Of the picture that is shown; -1 in the grid.
 * @property {number} direction Of the last step: 1 is forward, -1 backward.
 * @property {boolean} hasGrid
 * @property {Readonly<View>} view
 * @property {Labels} labels
 * @property {readonly Layer[]} layers The layers that the picture has.
 * @property {ShownLayers} shown
 * @property {boolean} isHeld Whether to show the layer to compare with instead of the main one.
 * @property {string} notice
 */

/**
 * @typedef {{ stage: Stage, legend: Legend, controls: Controls, grid: Grid }} Parts
 */

const BLINK_MS = 700;
const CALM_BLINK_MS = 2000; // for people who asked their system for less motion
const COUNT_DELAY_MS = 120; // longer than a picture is shown while a key is held
const RENEW_MS = 2000;
const MOST_RENEWALS = 10;
const MOST_SHARES = 6; // in the description of the canvas
/** @type {Kind[]} Read under the pointer, but not needed to draw. */
const HOVER_KINDS = ["values", "instances", "confidence"];

export class Display {
  #root;
  #parts;
  #state;
  #renew;
  #store = new Store(startWorker(), (url) => this.#onLoaded(url));
  /** @type {number | undefined} */
  #drawing;
  #blinking = new Delay(wantsLessMotion() ? CALM_BLINK_MS : BLINK_MS, () => this.#blink());
  #counting = new Delay(COUNT_DELAY_MS, () => this.#count());
  #renewing = new Delay(RENEW_MS, () => this.#retryLost());
  #renewals = 0;
  #isOtherPhase = false;
  #isHovering = false;
  /** @type {Plane | null | undefined} Values of the main layer, as `Painter.paint` returns them. */
  #values;
  #resizing = new ResizeObserver(() => this.draw());

  /**
   * @param {HTMLElement} root
   * @param {Parts} parts
   * @param {() => State} state
   * @param {() => void} renew Request new addresses from Python.
   */
  constructor(root, parts, state, renew) {
    this.#root = root;
    this.#parts = parts;
    this.#state = state;
    this.#renew = renew;
    for (const { element } of [parts.stage, parts.grid]) this.#resizing.observe(element);
  }

  /** Draw at the next frame of the screen, however often this is called until then. */
  draw() {
    this.#drawing ??= requestAnimationFrame(() => {
      this.#drawing = undefined;
      this.#drawNow(this.#state());
    });
  }

  /** Load again what failed: Python has sent new data. */
  refresh() {
    this.#renewals = 0;
    this.#store.forgetFailures();
  }

  /**
   * Load the files that are only read under the pointer while it is over the picture.
   *
   * @param {boolean} isHovering
   */
  hover(isHovering) {
    this.#isHovering = isHovering;
    if (isHovering) this.draw();
  }

  close() {
    this.#resizing.disconnect();
    cancelAnimationFrame(this.#drawing ?? 0);
    for (const delay of [this.#blinking, this.#counting, this.#renewing]) delay.stop();
    this.#store.close();
  }

  /** @param {State} state */
  #drawNow(state) {
    const { controls, grid } = this.#parts;
    const picture = state.pictures[state.index];
    controls.update(state);
    grid.element.hidden = Boolean(picture) || !state.hasGrid;
    if (picture) this.#drawPicture(picture, state);
    else this.#drawGrid(state);
  }

  /** @param {State} state */
  #drawGrid({ hasGrid, pictures, view }) {
    delete this.#root.dataset.painted;
    this.#store.want([], new Set());
    if (hasGrid) this.#parts.grid.show(pictures, view);
  }

  /**
   * @param {Picture} picture
   * @param {State} state
   */
  #drawPicture(picture, state) {
    const { labels, shown, view } = state;
    const { controls, legend, stage } = this.#parts;
    legend.show(shown[1], legendOf(shown[1], labels), view.hidden);
    if (view.mode === "blink") this.#blinking.start();
    else this.#isOtherPhase = false;
    const urls = this.#load(picture, state);
    const isHere = urls.every((url) => this.#store.isSettled(url));
    this.#root.toggleAttribute("data-waiting", !isHere);
    this.#counting.stop();
    if (!isHere) return; // the previous picture stays on the screen meanwhile
    const scene = new Scene(picture, this.#store, labels, view, shown);
    this.#values = stage.paint(scene, state.isHeld || this.#isOtherPhase);
    this.#root.dataset.painted = picture.name;
    controls.report(scene.problems);
    this.#counting.start();
    if (urls.some((url) => this.#store.isLost(url))) this.#requestAddresses();
  }

  /**
   * Load the files of `picture` and of those around it; returns the addresses of its own.
   *
   * @param {Picture} picture
   * @param {State} state
   */
  #load(picture, { pictures, index, direction, shown }) {
    const kinds = kindsToShow(shown, picture);
    const extra = this.#isHovering ? HOVER_KINDS : [];
    /** @param {string} url */
    const isSettled = (url) => this.#store.isSettled(url);
    const { wanted, kept } = plan(pictures, index, direction, { kinds, extra }, isSettled);
    this.#store.want(wanted, kept);
    return kinds.flatMap((kind) => picture.url(kind) ?? []);
  }

  /** @param {string} url */
  #onLoaded(url) {
    const { pictures, index } = this.#state();
    if (pictures[index]?.urls().includes(url)) this.draw();
  }

  /** The server was restarted and no longer knows these addresses. */
  #requestAddresses() {
    if (this.#renewing.isRunning || this.#renewals >= MOST_RENEWALS) return;
    this.#renewals += 1;
    this.#renew();
    this.#renewing.start();
  }

  #retryLost() {
    this.#store.forgetLost();
    this.draw();
  }

  #blink() {
    this.#isOtherPhase = !this.#isOtherPhase;
    this.draw();
  }

  /** Show the share of each label, and put the largest shares into the canvas's description. */
  #count() {
    const { pictures, index, shown } = this.#state();
    const picture = pictures[index];
    if (!picture || this.#values === undefined) return;
    const shares = this.#parts.legend.count(this.#values?.pixels ?? null).slice(0, MOST_SHARES);
    const title = layerOf(shown[1]).title.toLowerCase();
    const list = shares.length ? `: ${shares.join(", ")}` : "";
    this.#parts.stage.describe(`${picture.name}, ${title}${list}`);
  }
}

function wantsLessMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
