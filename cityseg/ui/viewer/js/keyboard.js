// @ts-check
// Listens to the keys of a viewer, and shows the list of them.

import { Help } from "./help.js";
import { onKey } from "./key_events.js";
import { helpOn, press } from "./keys.js";

/** @import { Actions } from "./types.js" */
/** @import { Situation } from "./keys.js" */

/** @type {Keyboard | null} Of the viewer that was used last on the page: only this one listens. */
let active = null;

export class Keyboard {
  #help = new Help();
  #actions;
  #situation;
  #listening = new AbortController();

  /**
   * @param {HTMLElement} root
   * @param {Actions} actions
   * @param {() => Omit<Situation, "isHelpOpen">} situation
   */
  constructor(root, actions, situation) {
    this.#actions = actions;
    this.#situation = situation;
    const { signal } = this.#listening;
    // At the document, so that keys work before the first click on the picture.
    document.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    document.addEventListener("keyup", ({ key }) => key === " " && actions.hold(false), { signal });
    for (const name of ["pointerenter", "focusin"]) {
      root.addEventListener(name, () => (active = this), { signal });
    }
    active = this;
  }

  /** The list of keys. */
  get help() {
    return this.#help.element;
  }

  toggleHelp() {
    if (this.#help.isOpen) this.#help.close();
    else this.#help.open(helpOn({ ...this.#situation(), isHelpOpen: true }));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (active !== this) return;
    const situation = { ...this.#situation(), isHelpOpen: this.#help.isOpen };
    onKey(event, (key) => press(key, situation, this.#actions));
  }

  close() {
    this.#listening.abort();
    if (active === this) active = null;
  }
}
