// @ts-check
// Lookups of the label table that Python sends.

/** @import { Label } from "./types.js" */

/** The train id of pixels that are ignored: label maps and masks have it where nothing counts. */
export const IGNORE = 255;

export class Labels {
  /** @type {Map<number, Label>} */
  #byId = new Map();
  /** @type {Map<number, Label>} */
  #byTrainId = new Map();
  /** The train id of each of the 256 label ids that a byte can hold. */
  trainIds = new Uint8Array(256).fill(IGNORE);

  /** @param {Label[]} table In the order of their ids. */
  constructor(table) {
    for (const label of table) {
      this.#byId.set(label.id, label);
      if (label.ignored) continue;
      this.#byTrainId.set(label.train_id, label);
      this.trainIds[label.id] = label.train_id;
    }
  }

  /** All labels that a label map may have, in the order of their ids. */
  get all() {
    return [...this.#byId.values()];
  }

  /** The labels that are evaluated, in the order of their train ids. */
  get classes() {
    return [...this.#byTrainId.values()];
  }

  /** @param {number} id */
  byId(id) {
    return this.#byId.get(id);
  }

  /** @param {number} trainId */
  byTrainId(trainId) {
    return this.#byTrainId.get(trainId);
  }

  /**
   * Whether a legend may have an entry with this id.
   *
   * @param {number} id
   */
  has(id) {
    return id === IGNORE || this.#byId.has(id);
  }
}
