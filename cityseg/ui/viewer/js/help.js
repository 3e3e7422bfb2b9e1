// @ts-check
// The list of keys.

import { el } from "./dom.js";

export class Help {
  element = el("dl", { className: "help", role: "group", ariaLabel: "Keys", hidden: true });

  get isOpen() {
    return !this.element.hidden;
  }

  /** @param {{ shown: string, meaning: string }[]} lines */
  open(lines) {
    const rows = lines.flatMap(({ shown, meaning }) => [
      el("dt", {}, shown),
      el("dd", {}, meaning),
    ]);
    this.element.replaceChildren(...rows);
    this.element.hidden = false;
  }

  close() {
    this.element.hidden = true;
  }
}
