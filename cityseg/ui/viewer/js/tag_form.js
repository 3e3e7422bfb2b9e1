// @ts-check
// The field in which a tag is typed.

import { button, el } from "./dom.js";
import { cleanedTag } from "./tags.js";

/** @import { Picture } from "./types.js" */

export class TagForm {
  #input = el("input", { type: "text", ariaLabel: "Tag", maxLength: 60, autocomplete: "off" });
  #known = el("datalist", { id: "known-tags" });
  #title = el("span", { className: "tagged" });
  #chips = el("span", { className: "chips" });
  /** @type {((tag: string) => void) | null} */
  #toggle = null;
  /** @type {Element | null} What had the focus before. */
  #before = null;

  constructor() {
    this.#input.setAttribute("list", this.#known.id);
    const add = el("button", { type: "submit", textContent: "Add", title: "Add the tag (Enter)" });
    const close = button("Close", "Close (Esc)", () => this.#close());
    const field = el("label", { className: "field" }, "Tag", this.#input);
    this.element = el("form", { className: "tag-form", ariaLabel: "Tags", hidden: true });
    this.element.append(this.#title, this.#chips, field, this.#known, add, close);
    this.element.onsubmit = (event) => {
      event.preventDefault();
      this.#take(cleanedTag(this.#input.value));
    };
    this.element.onkeydown = (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.#close();
    };
  }

  /**
   * Ask for a tag of a picture, with `suggested` to take by Enter.
   *
   * @param {Picture} picture
   * @param {readonly string[]} known
   * @param {string} suggested
   * @param {(tag: string) => void} toggle Called with the tag to add or to remove.
   */
  open(picture, known, suggested, toggle) {
    this.#toggle = toggle;
    const root = /** @type {Document | ShadowRoot} */ (this.element.getRootNode());
    if (this.element.hidden) this.#before = root.activeElement;
    this.#title.textContent = picture.name;
    this.#known.replaceChildren(...known.map((value) => el("option", { value })));
    const chips = picture.tags.map((tag) =>
      button(`${tag} ×`, `Remove the tag ${tag}`, () => this.#take(tag)),
    );
    this.#chips.replaceChildren(...chips);
    this.#input.value = picture.tags.includes(suggested) ? "" : suggested;
    this.element.hidden = false;
    this.#input.focus();
    this.#input.select();
  }

  /** @param {string} tag */
  #take(tag) {
    if (tag) this.#toggle?.(tag);
    this.#close();
  }

  #close() {
    this.#input.blur(); // at once: a hidden field keeps the keys until the next frame of the screen
    this.element.hidden = true;
    if (this.#before instanceof HTMLElement) this.#before.focus({ preventScroll: true });
  }
}
