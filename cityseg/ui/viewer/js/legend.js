// @ts-check
// The labels of a layer with their shares; each can be switched on and off.

import { countValues, RAMP } from "./colors.js";
import { el } from "./dom.js";
import { IGNORE } from "./labels.js";

/** @import { LayerName, LegendEntry } from "./types.js" */

const HINT = "Click: on or off. Shift-click: only this one.";

export class Legend {
  element = el("div", { className: "legend", role: "group", ariaLabel: "Labels on and off" });
  #toggle;
  /** @type {LayerName | null} */
  #layer = null;
  /** @type {{ entry: LegendEntry, row: HTMLButtonElement, share: HTMLElement }[]} */
  #rows = [];

  /** @param {(id: number, alone: boolean) => void} toggle */
  constructor(toggle) {
    this.#toggle = toggle;
  }

  /**
   * @param {LayerName} layer
   * @param {LegendEntry[]} entries
   * @param {ReadonlySet<number>} hidden Ids of labels that are switched off.
   */
  show(layer, entries, hidden) {
    this.element.hidden = layer === "image";
    if (layer !== this.#layer) this.#build(layer, entries);
    for (const { entry, row } of this.#rows) row.ariaPressed = String(!hidden.has(entry.id));
  }

  /**
   * Show the share of each label; returns names with shares, the largest first.
   *
   * @param {Uint8Array | null} pixels Values of the layer; null removes the shares.
   */
  count(pixels) {
    const counts = pixels && countValues(pixels);
    const shares = this.#rows.map(({ entry, row, share: text }) => {
      const share = counts && pixels ? counts[entry.value] / pixels.length : 0;
      row.classList.toggle("absent", counts !== null && share === 0);
      text.textContent = share ? percent(share) : "";
      return { share, text: `${entry.name} ${percent(share)}` };
    });
    const present = shares.filter(({ share }) => share > 0);
    return present.sort((a, b) => b.share - a.share).map(({ text }) => text);
  }

  /**
   * @param {LayerName} layer
   * @param {LegendEntry[]} entries
   */
  #build(layer, entries) {
    this.#layer = layer;
    this.#rows = entries.map((entry) => this.#rowOf(entry));
    this.element.classList.toggle("hatched", layer === "ignored");
    if (layer === "confidence") {
      const steps = RAMP.map((color) => `rgb(${color.join()})`).join();
      const ramp = el("div", { className: "ramp", style: `--ramp: ${steps}` });
      this.element.replaceChildren(ramp, "Unsure … sure");
    } else {
      const hint = el("p", { textContent: HINT });
      this.element.replaceChildren(hint, ...this.#rows.map(({ row }) => row));
    }
  }

  /** @param {LegendEntry} entry */
  #rowOf(entry) {
    const { id, name, category, color } = entry;
    const className = id === IGNORE ? "swatch hatched" : "swatch";
    const swatch = el("i", { className, style: `--color: rgb(${color.join()})` });
    const share = el("span", { className: "share" });
    const title = category ? `${name} (${category})` : `Pixels with the value ${IGNORE}`;
    const row = el("button", { type: "button", title }, swatch, el("span", {}, name), share);
    row.onclick = (event) => this.#toggle(id, event.shiftKey || event.altKey);
    return { entry, row, share };
  }
}

/**
 * The ids of hidden labels after label `id` was switched on or off. With `alone` all others of `ids`
 * are hidden, or shown again if they are hidden already.
 *
 * @param {ReadonlySet<number>} hidden
 * @param {number[]} ids
 * @param {number} id
 * @param {boolean} alone
 */
export function toggled(hidden, ids, id, alone) {
  const others = ids.filter((each) => each !== id);
  if (alone) {
    const isAlone = !hidden.has(id) && others.every((each) => hidden.has(each));
    return new Set(isAlone ? [] : others);
  }
  const changed = new Set(hidden);
  if (!changed.delete(id)) changed.add(id);
  return changed;
}

/** @param {number} share */
function percent(share) {
  return share < 0.001 ? "< 0.1 %" : `${(share * 100).toFixed(1)} %`;
}
