// @ts-check
// The labels of a layer with their shares; each can be switched on and off.

import { countValues, RAMP } from "./colors.js";
import { el } from "./dom.js";
import { STALE_ID } from "./judged.js";
import { IGNORE } from "./labels.js";

/** @import { LayerName, LegendEntry } from "./types.js" */

const HINT = "Click: on or off. Shift-click: only this one.";
const STEPS = new Map([
  ["ArrowUp", -1],
  ["ArrowDown", 1],
]);

/** @typedef {{ entry: LegendEntry, button: HTMLButtonElement, share: HTMLElement }} Row */

/**
 * A list of buttons that is a single tab stop: the arrows up and down move within it. The others are
 * left to the viewer, which steps through the pictures by them.
 *
 * Labels that the picture does not have are folded behind a button.
 */
export class Legend {
  element = el("div", { className: "legend" });
  #list = el("div", { className: "labels", role: "toolbar", ariaLabel: "Labels on and off" });
  #fold = el("button", { type: "button", className: "fold" });
  #isUnfolded = false;
  #toggle;
  /** @type {LayerName | null} */
  #layer = null;
  /** @type {Row[]} */
  #rows = [];
  /** @type {ReadonlySet<Row>} */
  #absent = new Set();

  /** @param {(id: number, alone: boolean) => void} toggle */
  constructor(toggle) {
    this.#toggle = toggle;
    this.#list.setAttribute("aria-orientation", "vertical");
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    this.#list.addEventListener("focusin", () => this.#makeTabStop(this.#focused));
    this.#fold.onclick = () => {
      this.#isUnfolded = !this.#isUnfolded;
      this.#arrange(this.#absent);
    };
  }

  /**
   * @param {LayerName} layer
   * @param {LegendEntry[]} entries
   * @param {ReadonlySet<number>} hidden Ids of labels that are switched off.
   */
  show(layer, entries, hidden) {
    this.element.hidden = layer === "image";
    if (layer !== this.#layer) this.#build(layer, entries);
    for (const { entry, button } of this.#rows) {
      button.ariaPressed = String(!hidden.has(entry.id));
    }
  }

  /**
   * Show the share of each label; returns names with shares, the largest first.
   *
   * @param {Uint8Array | null} pixels Values of the layer; null removes the shares.
   */
  count(pixels) {
    const counts = pixels && countValues(pixels);
    const shares = this.#rows.map((row) => {
      const share = counts && pixels ? counts[row.entry.value] / pixels.length : 0;
      row.share.textContent = share ? percent(share) : "";
      return { row, share, text: `${row.entry.name} ${percent(share)}` };
    });
    const absent = counts ? shares.filter(({ share }) => share === 0) : [];
    this.#arrange(new Set(absent.map(({ row }) => row)));
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
    this.#list.replaceChildren(); // filled when the labels of the picture are counted
    this.element.classList.toggle("hatched", layer === "ignored");
    if (layer === "confidence") this.element.replaceChildren(...confidenceScale());
    else this.element.replaceChildren(el("p", { textContent: HINT }), this.#list);
  }

  /**
   * Put the labels that are present first, then those that are `absent`.
   *
   * @param {ReadonlySet<Row>} absent
   */
  #arrange(absent) {
    this.#absent = absent;
    const present = this.#rows.filter((row) => !absent.has(row));
    const without = this.#layer === "errors" ? "without errors" : "absent";
    this.#fold.textContent = `${this.#isUnfolded ? "▾" : "▸"} ${absent.size} ${without}`;
    this.#fold.ariaExpanded = String(this.#isUnfolded);
    const shown = [
      ...present.map(({ button }) => button),
      ...(absent.size ? [this.#fold] : []),
      ...(this.#isUnfolded ? [...absent].map(({ button }) => button) : []),
    ];
    for (const row of this.#rows) row.button.classList.toggle("absent", absent.has(row));
    const isSame = shown.length === this.#buttons.length;
    if (isSame && shown.every((button, i) => button === this.#buttons[i])) return;
    const focused = this.#focused;
    this.#list.replaceChildren(...shown); // which takes the focus away
    const kept = focused && !shown.includes(focused) ? this.#fold : focused;
    this.#makeTabStop(kept ?? shown[0]);
    kept?.focus();
  }

  get #buttons() {
    return /** @type {HTMLButtonElement[]} */ ([...this.#list.children]);
  }

  get #focused() {
    return this.#buttons.find((button) => button.matches(":focus"));
  }

  /** @param {HTMLButtonElement | undefined} stop */
  #makeTabStop(stop) {
    for (const button of this.#buttons) button.tabIndex = button === stop ? 0 : -1;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = STEPS.get(event.key);
    if (!step || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#buttons.findIndex((button) => button === this.#focused);
    this.#buttons[at + step]?.focus();
    event.preventDefault(); // also keeps the viewer from using the key
  }

  /** @param {LegendEntry} entry */
  #rowOf(entry) {
    const { id, name, color } = entry;
    const className = [IGNORE, STALE_ID].includes(id) ? "swatch hatched" : "swatch";
    const swatch = el("i", { className, style: `--color: rgb(${color.join()})` });
    const share = el("span", { className: "share" });
    const button = el(
      "button",
      { type: "button", title: explanation(entry) },
      swatch,
      el("span", {}, name),
      share,
    );
    button.onclick = (event) => this.#toggle(id, event.shiftKey || event.altKey);
    return { entry, button, share };
  }
}

/** The colours of confidence, with numbers. */
function confidenceScale() {
  const steps = RAMP.map((color) => `rgb(${color.join()})`).join();
  const marks = [0, 25, 50, 75, 100].map((share) => el("span", {}, `${share}%`));
  return [
    el("p", { textContent: "How sure the network is of what it predicts" }),
    el("div", { className: "ramp", style: `--ramp: ${steps}` }),
    el("div", { className: "marks" }, ...marks),
  ];
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

/**
 * What the label of an entry means, to be read under the pointer.
 *
 * @param {Pick<LegendEntry, "name" | "category" | "about">} entry
 */
export function explanation({ name, category, about }) {
  return (category ? `${name} (${category})` : name) + (about ? `: ${about}` : "");
}

/** @param {number} share */
function percent(share) {
  return share < 0.001 ? "<0.1%" : `${(share * 100).toFixed(1)}%`;
}
