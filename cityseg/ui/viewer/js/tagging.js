// @ts-check
// Tags pictures: asks for tags, shows them at once, and reports them to Python.

import { picturesOf } from "./pictures.js";
import { TagForm } from "./tag_form.js";
import { TagChanges } from "./tags.js";

/** @import { Data, Picture, Python } from "./types.js" */

export class Tagging {
  #changes = new TagChanges();
  #form = new TagForm();
  /** @type {Python["tag"]} */
  #report = null;
  /** @type {string[]} */
  #known = [];
  #last = "";
  /** @type {Picture[]} */
  #pictures = [];
  #show;

  /** @param {() => void} show Called when the tags of a picture have changed. */
  constructor(show) {
    this.#show = show;
  }

  get element() {
    return this.#form.element;
  }

  get isOn() {
    return this.#report !== null;
  }

  /**
   * The pictures that Python has sent, with changes that it does not know yet.
   *
   * @param {Data} data
   * @param {Python} python
   */
  picturesOf(data, python) {
    this.#report = python.tag;
    this.#known = data.tagging?.known ?? [];
    this.#changes.confirm(data.tagging?.confirmed ?? []);
    this.#pictures = picturesOf(data);
    this.#changes.applyTo(this.#pictures);
    return this.#pictures;
  }

  /**
   * Ask for a tag of the picture at a position; false if there is none.
   *
   * @param {number} index
   */
  ask(index) {
    const picture = this.#pictures[index];
    if (!picture) return false;
    const toggle = (/** @type {string} */ tag) => this.#toggle(picture.name, tag);
    this.#form.open(picture, this.#known, this.#last, toggle);
    return true;
  }

  /**
   * Add the last tag to the picture at a position, or remove it; false if there is no such tag or
   * picture.
   *
   * @param {number} index
   */
  repeat(index) {
    const picture = this.#pictures[index];
    if (!picture || !this.#last) return false;
    this.#toggle(picture.name, this.#last);
    return true;
  }

  /**
   * @param {string} name The pictures may have been replaced since the form was opened.
   * @param {string} tag
   */
  #toggle(name, tag) {
    const picture = this.#pictures.find((each) => each.name === name);
    if (!picture) return;
    this.#last = tag;
    this.#changes.toggle(picture, tag);
    this.#report?.(this.#changes.pending);
    this.#show();
  }
}
