// @ts-check
// The viewer: one picture with its layers, or a grid of all pictures. Holds the view, and changes it
// when a person does something.

import { AddressBar } from "./address_bar.js";
import { DEFAULT_VIEW, defaultsOf, faded, outOfPanes, parseView, WHOLE } from "./address.js";
import { Controls } from "./controls.js";
import { Delay } from "./delay.js";
import { Display } from "./display.js";
import { toggleFullScreen } from "./dom.js";
import { ON_REGION } from "./geometry.js";
import { Grid } from "./grid.js";
import { isJudgedId } from "./judged.js";
import { Keyboard } from "./keyboard.js";
import { Labels } from "./labels.js";
import { layersOf, legendOf, shownLayers } from "./layers.js";
import { Legend, toggled } from "./legend.js";
import { Review } from "./review.js";
import { Stage } from "./stage.js";
import { Tagging } from "./tagging.js";

/** @import { Actions, Data, Picture, Python, View } from "./types.js" */
/** @import { State } from "./display.js" */

const REPORT_DELAY_MS = 400; // each report runs the whole script

/** @implements {Actions} */
export class Viewer {
  #root;
  /** @type {Data | null} */
  #data = null;
  /** @type {Python} */
  #python = { report: null, rerun: () => {}, tag: null };
  #labels = new Labels([]);
  /** @type {Picture[]} */
  #pictures = [];
  /** @type {Map<string, number>} */
  #indexOf = new Map();
  /** @type {View} Changed in place, because the scene on the screen refers to it. */
  #view = { ...DEFAULT_VIEW };
  /** @type {Readonly<View>} */
  #defaults = DEFAULT_VIEW;
  #notice = "";
  #direction = 1;
  #isHeld = false;
  #address = new AddressBar(() => ({
    view: { ...this.#view, frame: this.review.awaited || this.#view.frame },
    defaults: this.#defaults,
  }));
  #reporting = new Delay(REPORT_DELAY_MS, () => this.#python.report?.(this.#view.frame));
  #stage = new Stage(
    (changes) => this.change(changes),
    (isOver) => this.#display.hover(isOver),
  );
  tagging = new Tagging(() => this.#draw());
  review = new Review({
    open: (frame) => {
      this.#direction = 1;
      this.change({ frame, zoom: ON_REGION });
    },
    show: () => this.#draw(),
    renew: () => {
      this.saveAddress(); // so that a reload leads to the region that is awaited
      this.#python.rerun(this.review.awaited);
    },
  });
  #keyboard;
  grid;
  #display;
  #listening = new AbortController();

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    const stage = this.#stage;
    const legend = new Legend((id, alone) => this.toggleLabel(id, alone));
    const controls = new Controls(
      this,
      [stage.element, stage.readout],
      legend.element,
      this.review.element,
    );
    const grid = new Grid({
      open: (index) => this.#go(index),
      change: (changes) => this.change(changes),
      hrefOf: (frame) => this.#address.with({ frame }),
      toggleHelp: this.toggleHelp,
    });
    this.#keyboard = new Keyboard(root, this, () => this.#situation);
    const { tagging } = this;
    root.replaceChildren(tagging.element, controls.element, grid.element, this.#keyboard.help);
    const renew = () => this.#python.rerun();
    this.#display = new Display(root, { stage, legend, controls, grid }, () => this.#state, renew);
    this.grid = grid;
    const { signal } = this.#listening;
    addEventListener("pagehide", () => this.saveAddress(), { signal });
    addEventListener("popstate", () => this.#onHistory(), { signal });
    addEventListener("focus", () => this.review.look(), { signal });
  }

  /**
   * Take new data from Python. The view stays as far as the new pictures allow.
   *
   * @param {Data} data
   * @param {Python} python
   */
  update(data, python) {
    const before = this.#data;
    this.#data = data;
    this.#python = python;
    this.#pictures = this.tagging.picturesOf(data, python);
    this.#indexOf = new Map(this.#pictures.map(({ name }, index) => [name, index]));
    const { frame } = this.#view;
    this.review.take(data, this.#pictures);
    this.#display.refresh();
    if (!before) this.#begin(data);
    else if (data.start !== null && data.start !== before.start) this.#view.frame = data.start;
    this.#settle(!before || frame !== this.#view.frame);
    this.#draw();
  }

  /** @param {Data} data */
  #begin(data) {
    const { labels, start, address } = data;
    this.#labels = new Labels(labels);
    this.#defaults = defaultsOf(data);
    const given = address && this.#parse(this.#address.search);
    Object.assign(this.#view, this.#defaults, { frame: start }, given);
  }

  /** The browser went back or forward in its history: take the view from the address. */
  #onHistory() {
    if (!this.#data?.address || !this.#address.isHere) return;
    Object.assign(this.#view, this.#defaults, this.#parse(location.search));
    this.#settle(true);
    this.#draw();
  }

  /** @param {string} search */
  #parse(search) {
    return parseView(search, (id) => this.#labels.has(id) || isJudgedId(id));
  }

  /**
   * Replace a frame that is not among the pictures by the grid, or by the first picture.
   *
   * @param {boolean} isRequested Whether it was asked for, which deserves a notice.
   */
  #settle(isRequested) {
    const { frame } = this.#view;
    const isMissing = frame !== null && !this.#indexOf.has(frame);
    const what = this.#data?.queue ? "regions" : "frames";
    this.#notice = isMissing && isRequested ? `${frame} is not among these ${what}.` : "";
    if (isMissing) this.#view.frame = null;
    if (!this.#hasGrid) this.#view.frame ??= this.#pictures[0]?.name ?? null;
  }

  get #hasGrid() {
    return Boolean(this.#data?.gallery);
  }

  get #index() {
    return this.#indexOf.get(this.#view.frame ?? "") ?? -1;
  }

  /** @returns {Picture | undefined} Undefined in the grid. */
  get #picture() {
    return this.#pictures[this.#index];
  }

  /** @param {Partial<View>} changes */
  change(changes) {
    Object.assign(this.#view, outOfPanes(this.#view, changes), changes);
    this.#draw();
  }

  /** @param {number} count */
  step(count) {
    const last = this.#pictures.length - 1;
    this.#direction = Math.sign(count);
    this.#go(Math.min(last, Math.max(0, this.#index + count)));
  }

  /** @param {number} index */
  #go(index) {
    const picture = this.#pictures[index];
    if (!picture || index === this.#index) return;
    const isFromGrid = this.#view.frame === null;
    if (isFromGrid) this.saveAddress(); // Back returns to this grid
    this.change({ frame: picture.name, ...(picture.box && { zoom: ON_REGION }) });
    if (isFromGrid) {
      this.saveAddress(true);
      requestAnimationFrame(() => this.#stage.focus()); // once it is visible
    }
    if (this.#python.report) this.#reporting.restart();
  }

  close() {
    if (!this.#hasGrid || this.#view.frame === null) return;
    const index = this.#index;
    this.change({ frame: null, first: index });
    requestAnimationFrame(() => this.grid.focus(index)); // once it is visible
  }

  /** @param {number} factor */
  zoomBy(factor) {
    this.change(this.#stage.geometry?.zoomed(factor) ?? {});
  }

  fit = () => this.change(WHOLE);

  /**
   * @param {number} right
   * @param {number} down
   */
  pan(right, down) {
    this.change(this.#stage.geometry?.panned(right, down) ?? {});
  }

  /** @param {number} steps */
  fade(steps) {
    this.change({ opacity: faded(this.#view.opacity, steps) });
  }

  toggleOutline = () => this.change({ outline: !this.#view.outline });

  /**
   * @param {number} id
   * @param {boolean} alone
   */
  toggleLabel(id, alone) {
    const ids = legendOf(this.#state.shown[1], this.#labels).map((entry) => entry.id);
    this.change({ hidden: toggled(this.#view.hidden, ids, id, alone) });
  }

  /** @param {boolean} held */
  hold(held) {
    if (this.#isHeld === held) return; // keydown repeats
    this.#isHeld = held;
    this.#draw();
  }

  toggleFullScreen = () => toggleFullScreen(this.#root);
  toggleHelp = () => this.#keyboard.toggleHelp();

  /** @returns {State} */
  get #state() {
    const picture = this.#picture ?? this.#pictures[0];
    const layers = picture ? layersOf(picture) : [];
    return {
      pictures: this.#pictures,
      index: this.#index,
      direction: this.#direction,
      hasGrid: this.#hasGrid,
      view: this.#view,
      labels: this.#labels,
      layers,
      shown: shownLayers(this.#view, layers),
      isHeld: this.#isHeld,
      notice: this.#notice,
    };
  }

  get #situation() {
    return {
      count: this.#pictures.length,
      isGrid: !this.#picture,
      hasGrid: this.#hasGrid,
      layers: this.#state.layers,
      canTag: this.tagging.isOn,
      canReview: this.review.isOn,
      focused: this.#picture ? this.#index : this.grid.focused,
    };
  }

  #draw() {
    if (!this.#data) return;
    this.review.draw(this.#index);
    this.#display.draw();
    if (this.#data.address) this.#address.writeSoon();
  }

  /**
   * Write the view into the page's address at once, not some time after a change.
   *
   * @param {boolean} [remember] Add an entry to the history: Back returns to the address before.
   */
  saveAddress(remember) {
    if (this.#data?.address) this.#address.write(remember);
  }

  destroy() {
    this.#listening.abort();
    this.#reporting.stop();
    const parts = [this.#keyboard, this.review, this.tagging, this.#address, this.#display];
    for (const part of parts) part.close();
  }
}
