// @ts-check
// Tags pictures: asks for tags, shows them at once, and reports them to Python.

import { picturesOf } from "./pictures.js";
import { TagForm } from "./tag_form.js";
import { TagChanges } from "./tags.js";

/** @import { Data, Picture, Python } from "./types.js" */

const SEND_AGAIN_MS = 4000;

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
  #attempts = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #sending;
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
    if (!this.#changes.pending.length) this.close();
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
    this.#send(SEND_AGAIN_MS);
    this.#show();
  }

  /**
   * Report what Python has not confirmed, and again if it does not: the next click may end its call.
   * Each report ends the run before, so a slow server gets more time.
   *
   * @param {number} patienceMs
   */
  #send(patienceMs) {
    this.close();
    this.#sending = setTimeout(() => this.#send(2 * patienceMs), patienceMs);
    this.#report?.({ attempt: (this.#attempts += 1), changes: this.#changes.pending });
  }

  /** Report nothing again. */
  close() {
    clearTimeout(this.#sending);
  }
}
