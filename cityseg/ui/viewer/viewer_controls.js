// Buttons, legend and texts around the canvas.

class Controls {
  constructor(viewer) {
    this.viewer = viewer;
    const { stage } = viewer;
    const button = (text, label, onclick) => el("button", { type: "button", textContent: text, title: label, ariaLabel: label, onclick });
    this.back = button("‹‹ All frames", "Back to all frames (Esc)", () => viewer.close());
    this.previous = button("‹", "Previous picture (←)", () => viewer.step(-1));
    this.next = button("›", "Next picture (→)", () => viewer.step(1));
    this.where = el("span", { className: "where" });
    this.name = el("span", { className: "name", role: "status" });
    this.note = el("span", { className: "note" });
    this.layers = el("div", { className: "choice", role: "group", ariaLabel: "Layer" });
    this.modes = el("div", { className: "choice", role: "group", ariaLabel: "How to compare" });
    this.with = el("select", { ariaLabel: "Compare with", onchange: () => viewer.change({ with: this.with.value }) });
    this.opacity = el("input", { type: "range", min: 0, max: 1, step: 0.05, ariaLabel: "Opacity of the layer" });
    this.opacity.oninput = () => viewer.change({ opacity: Number(this.opacity.value) });
    this.outline = button("Outlines", "Only the outlines of labels (f)", () => viewer.change({ outline: !viewer.view.outline }));
    this.zoomed = button("", "Show the whole picture (0)", () => stage.fit());
    this.complaint = el("div", { className: "complaint", role: "alert", hidden: true });
    this.legend = el("div", { className: "legend", role: "group", ariaLabel: "Labels on and off" });
    const full = button("Full screen", "Full screen (x)", () => viewer.toggleFullScreen());
    full.className = "full";
    const help = button("?", "Keys (?)", () => this.toggleHelp());
    this.help = el("dl", { className: "help", hidden: true });
    for (const [keys, meaning] of HELP) this.help.append(el("dt", { textContent: keys }), el("dd", { textContent: meaning }));
    const zoom = el("div", { className: "choice zoom", role: "group", ariaLabel: "Zoom" });
    zoom.append(button("−", "Zoom out (−)", () => stage.zoom(1 / 1.5)), this.zoomed, button("+", "Zoom in (+)", () => stage.zoom(1.5)));
    const title = el("div", { className: "title" }, this.name, this.note);
    this.steps = el("div", { className: "choice", role: "group", ariaLabel: "Picture" }, this.previous, this.next);
    const top = el("div", { className: "bar" }, this.back, this.steps, this.where, title, zoom, full, help);
    this.compared = el("label", { className: "field" }, "with", this.with);
    this.faded = el("label", { className: "field" }, "opacity", this.opacity);
    const bottom = el("div", { className: "bar" }, this.layers, this.modes, this.compared, this.faded, this.outline);
    const main = el("div", { className: "main" }, stage.element, stage.readout, this.help);
    this.notice = el("div", { className: "complaint", role: "alert", hidden: true });
    this.frame = el("div", { className: "frame" }, top, bottom, this.complaint, el("div", { className: "columns" }, main, this.legend));
    this.element = el("div", {}, this.notice, this.frame);
  }

  /** Make the buttons that depend on what there is to show. */
  build() {
    const { viewer } = this;
    const choose = (name, { title, help, key }, change) => {
      const label = `${help} (${key})`;
      return el("button", { type: "button", textContent: title, title: label, value: name, onclick: change });
    };
    const layers = viewer.layers.map((layer, i) => choose(layer.name, { ...layer, key: i + 1 }, () => viewer.change({ layer: layer.name })));
    const modes = MODES.map((mode) => choose(mode.name, mode, () => viewer.change({ mode: mode.name })));
    const had = viewer.root.getRootNode().activeElement?.value;
    if (layers.map((each) => each.title).join() !== this.built) {
      this.built = layers.map((each) => each.title).join();
      this.layers.replaceChildren(...layers);
      this.modes.replaceChildren(...modes);
      this.with.replaceChildren(...viewer.layers.map(({ name, title }) => el("option", { value: name, textContent: title })));
      if (had) [...layers, ...modes].find((each) => each.value === had)?.focus();
    }
  }

  /** Make everything say what the view is. */
  update() {
    const { viewer } = this;
    const { view, picture, index, shown } = viewer;
    this.notice.textContent = viewer.notice;
    this.notice.hidden = !viewer.notice;
    this.frame.hidden = !picture;
    if (!picture) return;
    const last = viewer.pictures.length - 1;
    this.back.hidden = !viewer.data.grid;
    this.steps.hidden = this.where.hidden = last === 0;
    this.previous.disabled = index === 0;
    this.next.disabled = index === last;
    this.where.textContent = `${count.format(index + 1)} of ${count.format(last + 1)}`;
    if (this.name.textContent !== picture.name) this.name.textContent = picture.name;
    this.note.textContent = picture.note;
    const [other, layer] = shown;
    press(this.layers, layer);
    press(this.modes, view.mode);
    this.compared.hidden = view.mode === "overlay";
    this.with.value = other;
    this.faded.hidden = this.outline.hidden = layer === "image" && other === "image";
    this.opacity.value = view.opacity;
    this.outline.ariaPressed = view.outline;
    this.zoomed.textContent = `${Math.round(view.zoom * 100)} %`;
    this.showLegend(layer);
  }

  showLegend(layer) {
    const { viewer } = this;
    this.legend.hidden = layer === "image";
    if (layer !== this.shownLegend) {
      this.shownLegend = layer;
      if (layer === "confidence") {
        const steps = RAMP.map((color) => `rgb(${color})`).join(", ");
        this.legend.replaceChildren(el("div", { className: "ramp", style: `--ramp: ${steps}` }), "unsure … sure");
      } else {
        const entries = layer === "image" ? [] : viewer.labels.legend(layer);
        this.legend.classList.toggle("hatched", layer === "ignored");
        const hint = el("p", { textContent: "Click: on or off. Shift-click: only this one." });
        this.legend.replaceChildren(hint, ...entries.map((entry) => this.entry(entry)));
      }
      this.shares = new Map();
    }
    for (const row of this.legend.querySelectorAll("button")) row.ariaPressed = !viewer.view.hidden.has(Number(row.value));
  }

  entry({ id, value, name, category, color }) {
    const swatch = el("i", { className: id === IGNORE ? "swatch hatched" : "swatch", style: `--color: rgb(${color})` });
    const share = el("span", { className: "share" });
    const title = category ? `${name} (${category})` : "pixels with the value 255";
    const row = el("button", { type: "button", value: id, title }, swatch, el("span", { textContent: name }), share);
    row.dataset.value = value;
    row.onclick = (event) => this.viewer.toggle(id, event.shiftKey || event.altKey);
    return row;
  }

  /** Put the share of each label beside its name, and into the canvas's description. */
  count() {
    const { viewer } = this;
    const [, layer] = viewer.shown;
    const { values } = viewer.sheets[1];
    const sheetShows = layer !== "image" && viewer.root.dataset.painted === viewer.view.frame;
    const told = [];
    if (sheetShows && values) {
      const counts = countValues(values.pixels);
      for (const row of this.legend.querySelectorAll("button")) {
        const share = counts[row.dataset.value] / values.pixels.length;
        row.classList.toggle("absent", share === 0);
        row.querySelector(".share").textContent = share ? percent(share) : "";
        if (share) told.push([share, `${row.children[1].textContent} ${percent(share)}`]);
      }
    }
    told.sort(([a], [b]) => b - a);
    const parts = told.slice(0, 6).map(([, text]) => text).join(", ");
    const title = layerOf(layer).title.toLowerCase();
    viewer.stage.canvas.ariaLabel = `${viewer.view.frame}, ${title}${parts && `: ${parts}`}`;
  }

  complain(sentences) {
    this.complaint.replaceChildren(...sentences.map((sentence) => el("div", { textContent: sentence })));
    this.complaint.hidden = sentences.length === 0;
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
  }
}

function press(group, value) {
  for (const button of group.children) button.ariaPressed = button.value === value;
}

function percent(share) {
  return share < 0.001 ? "< 0.1 %" : `${(share * 100).toFixed(1)} %`;
}
