// @ts-check
// Keeps the page's address in step with a view.

import { addressWith, describeView } from "./address.js";
import { Delay } from "./delay.js";

/** @import { View } from "./types.js" */

// Browsers refuse more than some hundred changes in half a minute, and a drag would make more.
const DELAY_MS = 200;

export class AddressBar {
  #path = location.pathname;
  #view;
  #writing = new Delay(DELAY_MS, () => this.write());

  /** @param {() => { view: Readonly<View>, defaults: Readonly<View> }} view What to write. */
  constructor(view) {
    this.#view = view;
  }

  /** Whether the page is still the viewer's: Streamlit changes the path before the page. */
  get isHere() {
    return location.pathname === this.#path;
  }

  /**
   * The address of the view with `changes`, from its path on.
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
   * Write the view into the address now. Python never does: Streamlit would run the script again.
   *
   * @param {boolean} [remember] Whether the button Back is to lead to the address of before.
   */
  write(remember = false) {
    this.#writing.stop();
    if (!this.isHere) return;
    const wanted = this.with({});
    if (wanted === location.pathname + location.search + location.hash) return;
    // Whatever state Streamlit's router keeps in the present entry stays there.
    if (remember) history.pushState({}, "", wanted);
    else history.replaceState(history.state, "", wanted);
  }

  close() {
    this.#writing.stop();
  }
}
