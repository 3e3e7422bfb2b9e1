// @ts-check
// The buttons and texts with which regions are judged.

import { el, wholeNumber } from "./dom.js";
import { described } from "./judged.js";

/** @import { Actions, Judged, Progress } from "./types.js" */

/**
 * What is known of the region that is shown, and of the queue.
 *
 * @typedef {object} Known
 * @property {Judged | null} judged
 * @property {string} predicted The label that a network has there; empty if none was asked.
 * @property {boolean} canUndo
 * @property {number} alike How many regions the next verdict may hold for.
 * @property {boolean} isAlike Whether it does.
 * @property {Progress | null} progress
 * @property {string} problem Why verdicts are not kept; empty if they are.
 * @property {boolean} isPending Whether verdicts are on their way.
 */

export class VerdictBar {
  #wrong;
  #accept;
  #right;
  #unclear;
  #small;
  #undo;
  #skip;
  #alike;
  #note = el("input", { type: "text", ariaLabel: "Note", maxLength: 2000, autocomplete: "off" });
  #state = el("span", { className: "state" });
  #counts = el("span", { className: "counts", role: "status" });
  #problem = el("div", { className: "problem", role: "alert", hidden: true });

  /**
   * @param {Actions["review"]} review
   * @param {(isKept: boolean) => void} leaveNote Called when the note is typed, or given up.
   */
  constructor(review, leaveNote) {
    this.#wrong = button("Wrong label", "e", () => review.judge("wrong_label"));
    this.#accept = button("", "A", () => review.judge("wrong_label", true));
    this.#right = button("", "n", () => review.judge("network_wrong"));
    this.#unclear = button("Unclear", "u", () => review.judge("unclear"));
    this.#small = button("Not worth it", "d", () => review.judge("not_worth_it"));
    this.#undo = button("Undo", "z", () => review.undo());
    this.#skip = button("Skip", "k", () => review.skip());
    this.#alike = button("", "L", () => review.toggleAlike());
    const verdicts = el("div", { className: "choice", role: "group", ariaLabel: "Verdict" });
    verdicts.append(this.#wrong, this.#accept, this.#right, this.#unclear, this.#small);
    const others = el("div", { className: "choice", role: "group", ariaLabel: "Other regions" });
    others.append(this.#undo, this.#skip, this.#alike);
    const note = el("label", { className: "field note-field" }, "Note", this.#note);
    this.#note.onkeydown = (event) => this.#onNoteKey(event, leaveNote);
    const bar = el("div", { className: "bar verdicts" }, verdicts, others, note);
    const line = el("div", { className: "bar" }, this.#state, this.#counts);
    this.element = el("div", { className: "review", hidden: true }, this.#problem, bar, line);
  }

  /** The text of the note. */
  get note() {
    return this.#note.value.trim();
  }

  set note(text) {
    this.#note.value = text;
  }

  askNote() {
    this.#note.focus();
    this.#note.select();
  }

  /** @param {Known} known */
  show({ judged, predicted, canUndo, alike, isAlike, progress, problem, isPending }) {
    this.#showVerdict(judged, predicted);
    this.#undo.disabled = !canUndo;
    label(this.#alike, alike > 1 ? `All ${wholeNumber.format(alike)} like this` : "All like this");
    this.#alike.ariaPressed = String(isAlike);
    this.#alike.disabled = alike < 2;
    this.#state.textContent = judged ? described(judged) : "Not judged yet";
    this.#state.classList.toggle("stale", judged?.stale === true);
    const text = progress ? progressText(progress) : "";
    if (this.#counts.textContent !== text) this.#counts.textContent = text; // announced when set
    if (this.#problem.textContent !== problem) this.#problem.textContent = problem;
    this.#problem.hidden = !problem;
    this.element.toggleAttribute("data-pending", isPending);
  }

  /**
   * @param {Judged | null} judged
   * @param {string} predicted
   */
  #showVerdict(judged, predicted) {
    const code = judged && !judged.stale ? judged.verdict : null;
    const isAccepted = judged?.accepted === true;
    this.#accept.hidden = !predicted;
    label(this.#accept, `It is ${predicted}`);
    label(this.#right, predicted ? "Network wrong" : "Label is right");
    this.#wrong.ariaPressed = String(code === "wrong_label" && !isAccepted);
    this.#accept.ariaPressed = String(code === "wrong_label" && isAccepted);
    this.#right.ariaPressed = String(code === "network_wrong");
    this.#unclear.ariaPressed = String(code === "unclear");
    this.#small.ariaPressed = String(code === "not_worth_it");
  }

  /**
   * @param {KeyboardEvent} event
   * @param {(isKept: boolean) => void} leave
   */
  #onNoteKey(event, leave) {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    this.#note.blur();
    leave(event.key === "Enter");
  }
}

/**
 * @param {string} text
 * @param {string} key
 * @param {() => void} onclick
 */
function button(text, key, onclick) {
  const hint = el("kbd", { ariaHidden: "true" }, key);
  return el("button", { type: "button", onclick }, el("span", {}, text), hint);
}

/**
 * @param {HTMLButtonElement} each
 * @param {string} text
 */
function label(each, text) {
  if (each.children[0].textContent !== text) each.children[0].textContent = text;
}

/** @param {Progress} progress */
export function progressText({ judged, total, wrong, decided, expected_left: left }) {
  const parts = [`${wholeNumber.format(judged)} of ${wholeNumber.format(total)} judged`];
  if (decided) {
    const share = Math.round((100 * wrong) / decided);
    parts.push(`${share}% of ${wholeNumber.format(decided)} decided are wrong labels`);
    parts.push(`about ${wholeNumber.format(Math.round(left))} more expected`);
  }
  return parts.join(" · ");
}
