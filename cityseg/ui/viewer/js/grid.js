// @ts-check
// Thumbnails of many pictures, a page at a time.

import { SIZES } from "./address.js";
import { button, el, tagList, wholeNumber } from "./dom.js";

/** @import { Picture, Size, View } from "./types.js" */

const GAP = 14; // CSS pixels between thumbnails, as in viewer.css
const CAPTION = 50; // CSS pixels below a thumbnail
const NOTE = 17; // CSS pixels of a line more
const LEAST_ROWS = 2;

/**
 * @typedef {object} GridActions
 * @property {(index: number) => void} open Open the picture at that position.
 * @property {(changes: Partial<View>) => void} change
 * @property {(name: string) => string} hrefOf The address of a picture, for another tab.
 * @property {() => void} toggleHelp
 */

export class Grid {
  #actions;
  #list = el("div", { className: "thumbnails", role: "list" });
  #previous = el("button", { type: "button", textContent: "‹ Previous" });
  #next = el("button", { type: "button", textContent: "Next ›" });
  #where = el("span", { className: "where", role: "status" });
  #jump = el("input", { type: "number", min: 1, step: 1, ariaLabel: "Page" });
  #of = el("span", { className: "where" });
  #pager = el("div", { className: "bar" });
  #labels = button("Labels", "The labels over the thumbnails (l)", () => this.toggleLabels());
  #size = el("input", { type: "range", min: SIZES.least, max: SIZES.most, step: 10 });
  #page = 1;
  #pages = 1;
  #perPage = 1;
  #isLabelled = false;
  #signature = "";
  #start = 0; // the position of the first thumbnail

  /** @param {GridActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#previous.onclick = () => this.turn(-1);
    this.#next.onclick = () => this.turn(1);
    this.#jump.onchange = () => this.#turnTo(Math.round(this.#jump.valueAsNumber) || this.#page);
    this.#size.oninput = () => actions.change({ size: this.#size.valueAsNumber });
    const jump = el("label", { className: "field" }, "Page", this.#jump, this.#of);
    this.#pager.append(this.#previous, jump, this.#next);
    const size = el("label", { className: "field" }, "Size", this.#size);
    const help = button("?", "Keys (?)", () => actions.toggleHelp());
    const tools = el("div", { className: "tools" }, this.#labels, size, help);
    const bar = el("div", { className: "bar" }, this.#where, this.#pager, tools);
    this.element = el("div", { className: "grid" }, bar, this.#list);
  }

  /**
   * Show the page with the picture at `view.first`, or the last page where there are fewer.
   *
   * @param {Picture[]} pictures
   * @param {Pick<View, "first" | "size" | "labelled">} view
   */
  show(pictures, { first, size, labelled }) {
    this.element.style.setProperty("--thumbnail", `${size}px`);
    const lines = [pictures.some(({ note }) => note), pictures.some(({ tags }) => tags.length > 0)];
    this.#perPage = countPerPage(this.#room, size, lines.filter(Boolean).length);
    this.#pages = Math.max(1, Math.ceil(pictures.length / this.#perPage));
    this.#page = Math.min(Math.floor(first / this.#perPage) + 1, this.#pages);
    this.#isLabelled = labelled;
    const start = (this.#page - 1) * this.#perPage;
    const shown = pictures.slice(start, start + this.#perPage);
    this.#showBar(pictures, start, shown.length);
    this.#size.value = String(size);
    const addresses = shown.map((each) => [
      each.thumbnail,
      labelled && each.overlay,
      each.note,
      each.tags,
    ]);
    const signature = JSON.stringify([start, addresses]);
    if (signature === this.#signature) return; // thumbnails that stay keep their focus
    this.#signature = signature;
    const focused = this.focused;
    this.#start = start;
    this.#list.replaceChildren(...shown.map((picture, i) => this.#thumbnail(picture, start + i)));
    if (focused >= start) this.#links[focused - start]?.focus(); // its tags have changed
  }

  /**
   * @param {Picture[]} pictures
   * @param {number} start
   * @param {number} count
   */
  #showBar(pictures, start, count) {
    this.element.hidden ||= pictures.length === 0; // the page says what to do then
    this.#pager.hidden = this.#pages === 1;
    this.#previous.disabled = this.#page === 1;
    this.#next.disabled = this.#page === this.#pages;
    const [from, to] = [start + 1, start + count].map(wholeNumber.format);
    const all = wholeNumber.format(pictures.length);
    this.#where.textContent = `${from}–${to} of ${all}`;
    this.#jump.max = String(this.#pages);
    this.#jump.value = String(this.#page);
    this.#of.textContent = `of ${wholeNumber.format(this.#pages)}`;
    this.#labels.hidden = !pictures[0]?.overlay;
    this.#labels.ariaPressed = String(this.#isLabelled);
  }

  /** The room for thumbnails: from the top of the list to the bottom of the window. */
  get #room() {
    const { top, width } = this.#list.getBoundingClientRect();
    return { width, height: innerHeight - Math.max(0, top) };
  }

  /**
   * Show a page further on, or back.
   *
   * @param {number} pages
   */
  turn(pages) {
    this.#turnTo(this.#page + pages);
  }

  /** @param {number} page */
  #turnTo(page) {
    const nearest = Math.min(this.#pages, Math.max(1, page));
    this.#jump.value = String(nearest);
    this.#actions.change({ first: (nearest - 1) * this.#perPage });
  }

  toggleLabels() {
    this.#actions.change({ labelled: !this.#isLabelled });
  }

  /**
   * Focus the picture at that position, which is on the page that is shown.
   *
   * @param {number} index
   */
  focus(index) {
    this.#links[Math.max(0, index) % this.#perPage]?.focus();
  }

  /**
   * Move the focus by thumbnails and rows; false if there is none.
   *
   * @param {number} steps
   * @param {number} rows
   */
  move(steps, rows) {
    const links = this.#links;
    const columns = getComputedStyle(this.#list).gridTemplateColumns.split(" ").length;
    const at = this.#focusedLink;
    const to = at < 0 ? 0 : at + steps + rows * columns;
    links[to]?.focus();
    return to in links;
  }

  /** The position of the picture that has the focus; -1 if none has. */
  get focused() {
    return this.#focusedLink < 0 ? -1 : this.#start + this.#focusedLink;
  }

  get #focusedLink() {
    const root = /** @type {Document | ShadowRoot} */ (this.#list.getRootNode());
    return this.#links.findIndex((link) => link === root.activeElement);
  }

  get #links() {
    return [...this.#list.querySelectorAll("a")];
  }

  /**
   * @param {Picture} picture
   * @param {number} index
   */
  #thumbnail({ name, note, tags, thumbnail, overlay, pixelAspect }, index) {
    const photo = el("span", { className: "photo" }, thumbnailImage(thumbnail, pixelAspect));
    if (this.#isLabelled && overlay) {
      const labels = el("img", { alt: "", src: overlay, loading: "lazy", className: "overlay" });
      labels.onerror = () => labels.remove(); // a frame without a readable annotation
      photo.append(labels);
    }
    const [stem, ...folders] = name.split("/").reverse();
    const texts = [el("b", {}, stem), el("span", {}, folders.reverse().join(" / "))];
    if (note) texts.push(el("span", { className: "note" }, note));
    if (tags.length) texts.push(tagList(tags));
    const caption = el("span", { className: "caption" }, ...texts);
    const href = this.#actions.hrefOf(name);
    const link = el("a", { href, title: name }, photo, caption);
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab or window
      event.preventDefault();
      this.#actions.open(index);
    };
    return el("div", { role: "listitem" }, link);
  }
}

/**
 * @param {string} address
 * @param {number} pixelAspect
 */
function thumbnailImage(address, pixelAspect) {
  const image = el("img", { alt: "", src: address, loading: "lazy", width: 320, height: 160 });
  image.onerror = () => {
    image.replaceWith(el("span", { className: "failed", textContent: "No picture" }));
  };
  if (pixelAspect !== 1) {
    image.classList.add("stretched");
    image.onload = () => {
      const aspect = (image.naturalWidth * pixelAspect) / image.naturalHeight;
      image.style.aspectRatio = String(aspect);
    };
  }
  return image;
}

/**
 * How many thumbnails fill a room; the last row may be cut.
 *
 * @param {Size} room In CSS pixels.
 * @param {number} size Their least width.
 * @param {number} lines Below a thumbnail, beside those of its name.
 */
export function countPerPage({ width, height }, size, lines) {
  const columns = Math.max(1, Math.floor((width + GAP) / (size + GAP)));
  const across = (width + GAP) / columns - GAP;
  const rowHeight = across / 2 + CAPTION + lines * NOTE + GAP;
  return columns * Math.max(LEAST_ROWS, Math.ceil(height / rowHeight));
}
