// @ts-check
// Buttons and texts around the canvas.

import { button, el, tagList, wholeNumber } from "./dom.js";
import { ZOOM_STEP } from "./keys.js";
import { MODES } from "./layers.js";
import { PhotoLook } from "./photo_look.js";

/** @import { Actions, LayerName } from "./types.js" */
/** @import { State } from "./display.js" */
/** @import { Layer } from "./layers.js" */

export class Controls {
  #actions;
  #back;
  #previous;
  #next;
  #steps;
  #where = el("span", { className: "where" });
  #name = el("span", { className: "name", role: "status" });
  #note = el("span", { className: "note" });
  #tags = el("span", {});
  #layers = el("div", { className: "choice", role: "group", ariaLabel: "Layer" });
  #modes = el("div", { className: "choice", role: "group", ariaLabel: "How to compare" });
  #with = el("select", { ariaLabel: "Compare with" });
  #compared = el("label", { className: "field" }, "With", this.#with);
  #opacity = el("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    ariaLabel: "Opacity of the layer",
  });
  #faded = el("label", { className: "field" }, "Opacity", this.#opacity);
  #outline;
  #photo;
  #zoomed;
  #problems = el("div", { className: "problem", role: "alert", hidden: true });
  #notice = el("div", { className: "problem", role: "alert", hidden: true });
  #columns = el("div", { className: "columns" });
  #judging;
  #frame;
  #titles = "";

  /**
   * @param {Actions} actions
   * @param {HTMLElement[]} stage The canvas and the readout below it.
   * @param {HTMLElement} legend
   * @param {HTMLElement} judging What a region is judged with.
   */
  constructor(actions, stage, legend, judging) {
    const modes = MODES.map(({ name, title, help, key }) =>
      choice(name, title, `${help} (${key})`, () => actions.change({ mode: name })),
    );
    this.#modes.append(...modes);
    this.#actions = actions;
    this.#judging = judging;
    this.#back = button("‹‹ All frames", "Back to all frames (Esc)", () => actions.close());
    this.#previous = button("‹", "Previous picture (←)", () => actions.step(-1));
    this.#next = button("›", "Next picture (→)", () => actions.step(1));
    this.#steps = el("div", { className: "choice", role: "group", ariaLabel: "Picture" });
    this.#steps.append(this.#previous, this.#next);
    this.#with.onchange = () =>
      actions.change({ with: /** @type {LayerName} */ (this.#with.value) });
    this.#opacity.oninput = () => actions.change({ opacity: Number(this.#opacity.value) });
    this.#outline = button("Outlines", "Only the outlines of labels (f)", () =>
      actions.toggleOutline(),
    );
    this.#photo = new PhotoLook((changes) => actions.change(changes));
    this.#zoomed = button("", "Show the whole picture (0)", () => actions.fit());
    const main = el("div", { className: "main" }, ...stage);
    this.#columns.append(main, legend);
    this.#frame = el(
      "div",
      { className: "frame" },
      this.#top(),
      this.#bottom(),
      this.#judging,
      this.#problems,
      this.#columns,
    );
    this.element = el("div", {}, this.#notice, this.#frame);
  }

  /** The upper bar: position among the pictures, name, look of the photo, zoom. */
  #top() {
    const actions = this.#actions;
    const zoom = el("div", { className: "choice zoom", role: "group", ariaLabel: "Zoom" });
    zoom.append(
      button("−", "Zoom out (−)", () => actions.zoomBy(1 / ZOOM_STEP)),
      this.#zoomed,
      button("+", "Zoom in (+)", () => actions.zoomBy(ZOOM_STEP)),
    );
    const full = button("Full screen", "Full screen (x)", () => actions.toggleFullScreen());
    full.className = "full";
    const help = button("?", "Keys (?)", () => actions.toggleHelp());
    const title = el("div", { className: "title" }, this.#name, this.#note, this.#tags);
    // Together, so that a narrow page sets none of them alone in a row.
    const tools = el("div", { className: "tools" }, this.#photo.element, zoom, full, help);
    return el("div", { className: "bar" }, this.#back, this.#steps, this.#where, title, tools);
  }

  /** The lower bar: layer, comparison, opacity. */
  #bottom() {
    const details = el("div", { className: "tools" }, this.#compared, this.#faded, this.#outline);
    return el("div", { className: "bar" }, this.#layers, this.#modes, details);
  }

  /**
   * Update everything to `state`. In the grid only its notice is visible.
   *
   * @param {State} state
   */
  update({ pictures, index, hasGrid, view, layers, shown, notice }) {
    this.#notice.textContent = notice;
    this.#notice.hidden = !notice;
    const picture = pictures[index];
    this.#frame.hidden = !picture;
    if (!picture) return;
    const last = pictures.length - 1;
    this.#back.hidden = !hasGrid;
    this.#steps.hidden = this.#where.hidden = last === 0;
    this.#previous.disabled = index === 0;
    this.#next.disabled = index === last;
    this.#where.textContent = `${wholeNumber.format(index + 1)} of ${wholeNumber.format(last + 1)}`;
    // Screen readers announce the name whenever it is set.
    const title = picture.title ?? picture.name;
    if (this.#name.textContent !== title) this.#name.textContent = title;
    this.#note.textContent = picture.note;
    this.#tags.replaceChildren(tagList(picture.tags));
    this.#tags.hidden = picture.tags.length === 0; // or it would take a line below a long note
    this.#buildLayers(layers);
    const [other, layer] = shown;
    press(this.#layers, view.mode === "panes" ? "" : layer);
    press(this.#modes, view.mode);
    this.#compared.hidden = ["overlay", "panes"].includes(view.mode);
    this.#with.value = other;
    this.#faded.hidden = this.#outline.hidden = layer === "image" && other === "image";
    this.#opacity.value = String(view.opacity);
    this.#outline.ariaPressed = String(view.outline);
    this.#photo.show(view);
    this.#columns.dataset.mode = view.mode;
    this.#zoomed.textContent = view.zoom ? `${Math.round(view.zoom * 100)}%` : "Region";
    // A name that does not contain the visible text cannot be spoken to software.
    this.#zoomed.ariaLabel = `${this.#zoomed.textContent}: show the whole picture (0)`;
  }

  /**
   * A button for each layer; they are replaced only if the layers change.
   *
   * @param {readonly Layer[]} layers
   */
  #buildLayers(layers) {
    const titles = layers.map(({ title }) => title).join();
    if (titles === this.#titles) return;
    this.#titles = titles;
    const buttons = layers.map(({ name, title, help }, i) =>
      choice(name, title, `${help} (${i + 1})`, () => this.#actions.change({ layer: name })),
    );
    const focused = [...this.#layers.children].find((each) => each.matches(":focus"));
    this.#layers.replaceChildren(...buttons);
    if (focused) buttons.find(({ value }) => value === focused.getAttribute("value"))?.focus();
    const options = layers.map(({ name, title }) => el("option", { value: name }, title));
    this.#with.replaceChildren(...options);
  }

  /** @param {Iterable<string>} sentences What cannot be shown, and why. */
  report(sentences) {
    this.#problems.replaceChildren(...[...sentences].map((sentence) => el("div", {}, sentence)));
    this.#problems.hidden = this.#problems.children.length === 0;
  }
}

/**
 * @param {string} name
 * @param {string} title
 * @param {string} help
 * @param {() => void} onclick
 */
function choice(name, title, help, onclick) {
  return el("button", { type: "button", value: name, textContent: title, title: help, onclick });
}

/**
 * Show which button of a group is chosen.
 *
 * @param {HTMLElement} group
 * @param {string} value
 */
function press(group, value) {
  for (const each of group.children) {
    each.ariaPressed = String(each.getAttribute("value") === value);
  }
}
