// @ts-check
// Keeps the page's address in step with a view.

import { addressWith, describeView, parametersIn } from "./address.js";
import { Delay } from "./delay.js";

/** @import { View } from "./types.js" */

// Browsers limit how often a page may change its address (Safari throws after a hundred changes in
// a few seconds), and a drag changes the view with every frame of the screen.
const DELAY_MS = 200;

/**
 * The views that were left, by the paths of their pages: Streamlit clears the address on the way to
 * another page, and the way back begins where one was.
 *
 * @type {Map<string, Record<string, string>>}
 */
const left = new Map();

export class AddressBar {
  #path = location.pathname;
  #view;
  #writing = new Delay(DELAY_MS, () => this.write());

  /** @param {() => { view: Readonly<View>, defaults: Readonly<View> }} view The present view. */
  constructor(view) {
    this.#view = view;
  }

  /** Whether the viewer's page is open: Streamlit changes the path before it removes a page. */
  get isHere() {
    return location.pathname === this.#path;
  }

  /** The query that the view begins with: of the address, or of the view that was left here. */
  get search() {
    const isGiven = Object.keys(parametersIn(location.search)).length > 0;
    return isGiven ? location.search : `?${new URLSearchParams(left.get(this.#path))}`;
  }

  /**
   * The path, query and fragment of the present address, for the view with `changes`.
   *
   * @param {Partial<View>} changes
   */
  with(changes) {
    const { view, defaults } = this.#view();
    return addressWith(location.href, describeView({ ...view, ...changes }, defaults));
  }

  writeSoon() {
    this.#writing.restart();
  }

  /**
   * Write the view into the address now. Python does not write these parameters: it would need
   * every change, and each would rerun the script.
   *
   * @param {boolean} [remember] Add an entry to the history: Back returns to the address before.
   */
  write(remember = false) {
    this.#writing.stop();
    if (!this.isHere) return;
    const wanted = this.with({});
    if (wanted === location.pathname + location.search + location.hash) return;
    // Streamlit's router may keep a state in the present entry.
    if (remember) history.pushState({}, "", wanted);
    else history.replaceState(history.state, "", wanted);
  }

  /** Stop writing, and remember the view for the way back. */
  close() {
    this.#writing.stop();
    const { view, defaults } = this.#view();
    left.set(this.#path, describeView(view, defaults));
  }
}
