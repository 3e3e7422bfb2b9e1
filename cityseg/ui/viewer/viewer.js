// The viewer: one picture with its layers on a canvas, controls around it, a grid of all pictures.

const AHEAD = [0, 1, 2, 3, -1]; // pictures that are loaded, in this order, seen in the direction of travel
const KEPT = 4; // pictures that stay decoded to either side
const BLINK_MS = 700;
const RENEW_MS = 2000;
const viewers = new WeakMap();
let active = null; // the viewer that gets keys while nothing has the focus

class Viewer {
  constructor(root) {
    this.root = root;
    this.view = { ...DEFAULTS, hidden: new Set() };
    this.path = location.pathname;
    this.pictures = [];
    this.direction = 1;
    this.store = new Store((url) => this.picture?.all().includes(url) && this.draw());
    this.sheets = [new Sheet(), new Sheet()];
    this.stage = new Stage(this);
    this.controls = new Controls(this);
    this.grid = new Grid({
      open: (index) => this.go(index),
      turn: (page) => this.change({ page }),
      hrefOf: (name) => `?${new URLSearchParams([...new URLSearchParams(location.search), ["frame", name]])}`,
    });
    root.replaceChildren(this.controls.element, this.grid.element);
    this.listening = new AbortController();
    const { signal } = this.listening;
    document.addEventListener("keydown", (event) => active === this && onKey(this, event), { signal });
    document.addEventListener("keyup", (event) => event.key === " " && this.hold(false), { signal });
    addEventListener("pagehide", () => this.tellAddress(), { signal });
    addEventListener("popstate", () => this.goBack(), { signal });
    for (const name of ["pointerenter", "focusin"]) root.addEventListener(name, () => (active = this), { signal });
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this.stage.element);
    active = this;
  }

  /** New data from Python; the view stays where it is, if it still exists. */
  update(data, tellPython, rerun) {
    const first = !this.data;
    this.rerun = rerun;
    this.renewals = 0;
    this.labels ??= new Labels(data.labels);
    this.tellPython = data.tell ? tellPython : null;
    this.pictures = picturesOf(data);
    this.indexOf = new Map(this.pictures.map((picture, index) => [picture.name, index]));
    this.store.forgetFailures();
    if (first) {
      const start = { layer: data.layer, ...(data.beside && { mode: "side", with: data.beside }) };
      this.defaults = { ...DEFAULTS, ...start };
      Object.assign(this.view, start);
      if (data.address) Object.assign(this.view, dropUndefined(readAddress()));
    }
    if (data.start !== null && (first || data.start !== this.data.start) && !(first && this.view.frame)) {
      this.view.frame = data.start;
    }
    this.data = data;
    this.settle(first);
    this.controls.build();
    this.draw();
  }

  /** The browser went to another address of its history: show what that says. */
  goBack() {
    if (!this.data?.address || location.pathname !== this.path) return;
    Object.assign(this.view, this.defaults, dropUndefined(readAddress()));
    this.settle(true);
    this.draw();
  }

  /** A frame that is not among the pictures gives way to the grid, or to the first picture. */
  settle(first) {
    const missing = this.view.frame !== null && !this.indexOf.has(this.view.frame);
    this.notice = missing && first ? `${this.view.frame} is not among these frames.` : "";
    if (missing) this.view.frame = null;
    if (this.view.frame === null && !this.data.grid && this.pictures.length) {
      this.view.frame = this.pictures[0].name;
    }
  }

  get index() {
    return this.indexOf?.get(this.view.frame) ?? -1;
  }

  get picture() {
    return this.pictures[this.index];
  }

  get layers() {
    return LAYERS.filter((layer) => layer.needs.every((kind) => this.kindOf(kind)));
  }

  /** The layers on screen: what is compared with, then what is compared. */
  get shown() {
    const has = (name) => (this.layers.some((layer) => layer.name === name) ? name : "image");
    return [has(this.view.with), has(this.view.layer)];
  }

  /** The kind of file that stands for `kind` in this picture, or undefined. */
  kindOf(kind) {
    const { urls } = this.picture ?? this.pictures[0] ?? { urls: () => null };
    const candidates = kind === "truth" ? ["mask", "labels"] : [kind];
    return candidates.find((each) => urls(each));
  }

  // What a person does

  change(changes) {
    Object.assign(this.view, changes);
    this.draw();
  }

  step(count) {
    const last = this.pictures.length - 1;
    this.direction = Math.sign(count);
    this.go(Math.min(last, Math.max(0, this.index + count)));
  }

  go(index) {
    if (!this.pictures[index] || index === this.index) return;
    const fromGrid = this.view.frame === null;
    if (fromGrid) this.tellAddress();
    this.change({ frame: this.pictures[index].name, page: Math.floor(index / PER_PAGE) + 1 });
    if (fromGrid) {
      this.tellAddress(true);
      this.stage.element.focus({ preventScroll: true });
    }
    clearTimeout(this.telling);
    if (this.tellPython) this.telling = setTimeout(() => this.tellPython("frame", this.view.frame), 400);
  }

  close() {
    if (!this.data.grid || this.view.frame === null) return;
    const { index } = this;
    this.change({ frame: null });
    requestAnimationFrame(() => this.grid.focus(index));
  }

  toggle(id, alone) {
    const ids = this.labels.legend(this.shown[1]).map((each) => each.id);
    const others = ids.filter((each) => each !== id);
    const hidden = new Set(this.view.hidden);
    if (alone) {
      const isAlone = !hidden.has(id) && others.every((each) => hidden.has(each));
      this.change({ hidden: new Set(isAlone ? [] : others) });
    } else {
      if (!hidden.delete(id)) hidden.add(id);
      this.change({ hidden });
    }
  }

  hold(held) {
    if (this.held === held) return;
    this.held = held;
    this.draw();
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen();
  }

  // What is drawn

  /** Draw soon, once, whatever happens until then. */
  draw() {
    if (!this.data) return;
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      if (!this.closed) this.drawNow();
    });
    clearTimeout(this.addressing);
    this.addressing = setTimeout(() => this.tellAddress(), 200);
  }

  drawNow() {
    const inGrid = this.view.frame === null;
    this.root.dataset.shows = inGrid ? "grid" : "frame";
    this.grid.element.hidden = !inGrid || !this.data.grid;
    this.controls.update();
    if (inGrid) {
      delete this.root.dataset.painted;
      this.store.want([], () => false);
      if (this.data.grid) this.grid.show(this.pictures, this.view.page);
      return;
    }
    this.load();
    this.blink();
    if (!this.kinds().every((kind) => this.settled(kind))) {
      this.root.dataset.waiting = "";
      return;
    }
    delete this.root.dataset.waiting;
    this.controls.complain(this.stage.paint());
    this.renew();
    if (this.root.dataset.painted !== this.view.frame) this.root.dataset.painted = this.view.frame;
    this.idle ??= setTimeout(() => {
      this.idle = null;
      if (!this.closed && this.picture) this.controls.count();
    }, 120);
  }

  /** When pictures are lost because the server was restarted, ask Python for new addresses. */
  renew() {
    const lost = this.kinds().some((kind) => this.store.get(this.picture.urls(kind)).lost);
    if (!lost || this.renewing || this.renewals > 10) return;
    this.renewals += 1;
    this.rerun();
    this.renewing = setTimeout(() => {
      this.renewing = null;
      this.store.forgetFailures(true);
      this.draw();
    }, RENEW_MS);
  }

  /** The kinds of files that are needed to draw and to hover. */
  kinds() {
    const needs = this.shown.flatMap((layer) => layerOf(layer).needs.map((kind) => this.kindOf(kind)));
    const hover = [this.kindOf("labels") ?? this.kindOf("mask"), this.kindOf("prediction")];
    return [...new Set(["image", ...needs, ...hover.filter(Boolean)])];
  }

  load() {
    const { index, direction } = this;
    const ask = (at, kinds, urgent) =>
      kinds.map((kind) => ({ url: this.pictures[at].urls(kind), grey: kind !== "image", urgent })).filter(({ url }) => url);
    const ahead = AHEAD.map((step) => index + step * direction).filter((at) => this.pictures[at]);
    const near = this.pictures.slice(Math.max(0, index - KEPT), index + KEPT + 1);
    const kept = new Set(near.flatMap((picture) => picture.all()));
    const extra = ["instances", "confidence"].filter((kind) => this.kindOf(kind));
    const now = ask(index, this.kinds(), true);
    // Others wait until this picture is here, so that nothing competes with it.
    const isHere = now.every(({ url }) => this.settledUrl(url));
    const soon = isHere ? ahead.slice(1).flatMap((at) => ask(at, this.kinds(), false)) : [];
    const forHovering = isHere && this.hovering ? ask(index, extra, false) : [];
    this.store.want([...now, ...forHovering, ...soon], (url) => kept.has(url));
  }

  settledUrl(url) {
    const item = this.store.get(url);
    return item.value !== undefined || item.error !== undefined;
  }

  settled(kind) {
    return this.settledUrl(this.picture.urls(kind));
  }

  /** The decoded file of `kind` of this picture; undefined while it is missing or if it failed. */
  plane(kind) {
    const url = this.picture.urls(kind);
    return url ? this.store.get(url).value : undefined;
  }

  /** Sentences about files of the shown layers that could not be had. */
  failures() {
    const sentences = this.kinds().map((kind) => this.store.get(this.picture.urls(kind)).error);
    return [...new Set(sentences.filter(Boolean))];
  }

  blink() {
    const blinking = this.view.mode === "blink";
    if (blinking && !this.blinking) {
      this.blinking = setInterval(() => {
        this.phase = !this.phase;
        this.draw();
      }, BLINK_MS);
    } else if (!blinking && this.blinking) {
      clearInterval(this.blinking);
      this.blinking = this.phase = null;
    }
  }

  tellAddress(remember) {
    if (this.data?.address && !this.closed) writeAddress(describeView(this.view, this.defaults), remember);
  }

  destroy() {
    this.closed = true;
    this.listening.abort();
    this.resizing.disconnect();
    clearInterval(this.blinking);
    clearTimeout(this.addressing);
    clearTimeout(this.telling);
    clearTimeout(this.renewing);
    this.store.close();
    if (active === this) active = null;
  }
}

const dropUndefined = (view) => Object.fromEntries(Object.entries(view).filter(([, value]) => value !== undefined));

export default function ({ parentElement, data, setStateValue, setTriggerValue }) {
  let viewer = viewers.get(parentElement);
  if (!viewer || viewer.closed) {
    viewer = new Viewer(parentElement.querySelector(".viewer"));
    viewers.set(parentElement, viewer);
  }
  const turn = (viewer.turn = (viewer.turn ?? 0) + 1);
  viewer.update(data, setStateValue, () => setTriggerValue("renewed", true));
  // A run that a newer one overtook is cleaned up too, and must leave the newer one's viewer alone.
  return () => setTimeout(() => viewer.turn === turn && viewer.destroy());
}
