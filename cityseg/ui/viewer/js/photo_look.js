// @ts-check
// Brightness and contrast of the photo.

import { LARGEST_GAIN, LEAST_GAIN } from "./address.js";
import { button, el } from "./dom.js";

/** @import { View } from "./types.js" */

export class PhotoLook {
  element = el("details", { className: "photo-look" });
  #brightness = slider("Brightness");
  #contrast = slider("Contrast");

  /** @param {(changes: Partial<View>) => void} change */
  constructor(change) {
    this.#brightness.oninput = () => change({ brightness: this.#brightness.valueAsNumber });
    this.#contrast.oninput = () => change({ contrast: this.#contrast.valueAsNumber });
    const reset = button("Reset", "Reset: the photo as it was taken", () =>
      change({ brightness: 1, contrast: 1 }),
    );
    const panel = el(
      "div",
      { className: "panel" },
      el("label", { className: "field" }, "Brightness", this.#brightness),
      el("label", { className: "field" }, "Contrast", this.#contrast),
      reset,
    );
    const summary = el("summary", { title: "Brightness and contrast of the photo" }, "Brightness");
    this.element.append(summary, panel);
  }

  /** @param {Pick<View, "brightness" | "contrast">} view */
  show({ brightness, contrast }) {
    this.#brightness.value = String(brightness);
    this.#contrast.value = String(contrast);
    this.element.classList.toggle("changed", brightness !== 1 || contrast !== 1);
  }
}

/** @param {string} label */
function slider(label) {
  const range = { min: LEAST_GAIN, max: LARGEST_GAIN, step: 0.05 };
  return el("input", { type: "range", ...range, ariaLabel: label });
}
