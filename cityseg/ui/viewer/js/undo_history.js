// @ts-check
// The verdicts of this tab that can be undone, also after a reload.

/** @import { VerdictChange } from "./types.js" */

const MOST_UNDONE = 500; // the storage has only some megabytes

export class UndoHistory {
  #key = "";
  /** @type {VerdictChange[]} */
  #changes = [];

  /** @param {string} ledger */
  open(ledger) {
    this.#key = `cityseg history ${ledger}`;
    this.#changes = JSON.parse(sessionStorage.getItem(this.#key) ?? "[]");
  }

  get isEmpty() {
    return this.#changes.length === 0;
  }

  /** @param {VerdictChange} change */
  add(change) {
    this.#remember([...this.#changes, change]);
  }

  /** Remove the last change, and return it. */
  takeLast() {
    const last = this.#changes.at(-1);
    if (last) this.#remember(this.#changes.slice(0, -1));
    return last;
  }

  /** @param {VerdictChange[]} changes */
  #remember(changes) {
    this.#changes = changes.slice(-MOST_UNDONE);
    sessionStorage.setItem(this.#key, JSON.stringify(this.#changes));
  }
}
