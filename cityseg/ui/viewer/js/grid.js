// @ts-check
// Thumbnails of many pictures, a page at a time.

import { button, el, wholeNumber } from "./dom.js";

/** @import { Picture } from "./types.js" */

export const PER_PAGE = 24;

/**
 * @typedef {object} GridActions
 * @property {(index: number) => void} open Open the picture at that position.
 * @property {(page: number) => void} turnTo Show another page, counted from 1.
 * @property {(name: string) => string} hrefOf The address of a picture, for another tab.
 * @property {() => void} toggleHelp
 */

export class Grid {
  #actions;
  #list = el("div", { className: "thumbnails", role: "list" });
  #previous = el("button", { type: "button", textContent: "‹ Previous page" });
  #next = el("button", { type: "button", textContent: "Next page ›" });
  #where = el("span", { className: "where", role: "status" });
  #page = 1;
  #pages = 1;
  #signature = "";

  /** @param {GridActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#previous.onclick = () => this.turn(-1);
    this.#next.onclick = () => this.turn(1);
    const help = button("?", "Keys (?)", () => actions.toggleHelp());
    const parts = [this.#previous, this.#where, this.#next, help];
    const pager = el("div", { className: "bar pager" }, ...parts);
    this.element = el("div", { className: "grid" }, pager, this.#list);
  }

  /**
   * @param {Picture[]} pictures
   * @param {number} page The nearest one is shown where there are fewer.
   */
  show(pictures, page) {
    this.#pages = Math.max(1, Math.ceil(pictures.length / PER_PAGE));
    this.#page = Math.min(Math.max(1, page), this.#pages);
    const first = (this.#page - 1) * PER_PAGE;
    const shown = pictures.slice(first, first + PER_PAGE);
    this.#previous.disabled = this.#page === 1;
    this.#next.disabled = this.#page === this.#pages;
    const [from, to] = [first + 1, first + shown.length].map(wholeNumber.format);
    const all = wholeNumber.format(pictures.length);
    this.#where.textContent = pictures.length ? `${from}–${to} of ${all}` : "No frames";
    const signature = JSON.stringify([first, shown.map((each) => [each.thumbnail, each.note])]);
    if (signature === this.#signature) return; // thumbnails that stay keep their focus
    this.#signature = signature;
    this.#list.replaceChildren(...shown.map((picture, i) => this.#thumbnail(picture, first + i)));
  }

  /**
   * Show a page further on, or back.
   *
   * @param {number} pages
   */
  turn(pages) {
    this.#actions.turnTo(Math.min(this.#pages, Math.max(1, this.#page + pages)));
  }

  /**
   * Focus the picture at that position, which is on the page that is shown.
   *
   * @param {number} index
   */
  focus(index) {
    this.#links[Math.max(0, index) % PER_PAGE]?.focus();
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
    const root = /** @type {Document | ShadowRoot} */ (this.#list.getRootNode());
    const at = links.findIndex((link) => link === root.activeElement);
    const to = at < 0 ? 0 : at + steps + rows * columns;
    links[to]?.focus();
    return to in links;
  }

  get #links() {
    return [...this.#list.querySelectorAll("a")];
  }

  /**
   * @param {Picture} picture
   * @param {number} index
   */
  #thumbnail({ name, note, thumbnail, pixelAspect }, index) {
    const image = el("img", { alt: "", src: thumbnail, loading: "lazy", width: 320, height: 160 });
    const failed = el("span", { className: "failed", hidden: true, textContent: "No picture" });
    image.onerror = () => {
      image.hidden = true;
      failed.hidden = false;
    };
    if (pixelAspect !== 1) {
      image.classList.add("stretched");
      image.onload = () => {
        const aspect = (image.naturalWidth * pixelAspect) / image.naturalHeight;
        image.style.aspectRatio = String(aspect);
      };
    }
    const [stem, ...folders] = name.split("/").reverse();
    const texts = [el("b", {}, stem), el("span", {}, folders.reverse().join(" / "))];
    if (note) texts.push(el("span", { className: "note" }, note));
    const caption = el("span", { className: "caption" }, ...texts);
    const href = this.#actions.hrefOf(name);
    const link = el("a", { href, title: name }, image, failed, caption);
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab or window
      event.preventDefault();
      this.#actions.open(index);
    };
    return el("div", { role: "listitem" }, link);
  }
}
