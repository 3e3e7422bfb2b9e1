// The canvas: where the picture lies on it, what a pointer does, what is under it.

const MAX_SCALE = 48; // CSS pixels a pixel of the picture

class Stage {
  constructor(viewer) {
    this.viewer = viewer;
    this.canvas = el("canvas", { tabIndex: 0, role: "img" });
    this.context = this.canvas.getContext("2d");
    this.marker = el("div", { className: "marker", hidden: true });
    this.element = el("div", { className: "stage" }, this.canvas, this.marker);
    this.readout = el("div", { className: "readout" });
    this.element.focus = (options) => this.canvas.focus(options);
    this.canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.onDown(event));
    this.canvas.addEventListener("pointermove", (event) => this.onMove(event));
    this.canvas.addEventListener("pointerup", () => (this.drag = null));
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    this.canvas.addEventListener("dblclick", (event) => this.zoom(2, this.at(event)));
  }

  // Where the picture lies

  /** Width and height of the picture: that of its label maps, to which the photo is stretched. */
  get size() {
    const { viewer } = this;
    const kinds = ["labels", "mask", "prediction", "confidence", "image"].filter((kind) => viewer.picture?.urls(kind));
    return kinds.map((kind) => viewer.plane(kind)).find(Boolean) ?? { width: 2, height: 1 };
  }

  get panes() {
    const { clientWidth: width, clientHeight: height } = this.element;
    const gap = 6;
    if (this.viewer.view.mode !== "side") return [{ left: 0, width, height }];
    const half = (width - gap) / 2;
    return [{ left: 0, width: half, height }, { left: half + gap, width: half, height }];
  }

  /** CSS pixels a pixel of the picture when all of it is seen. */
  get fitScale() {
    const [{ width, height }] = this.panes;
    return Math.min(width / this.size.width, height / this.size.height);
  }

  get scale() {
    return this.fitScale * this.viewer.view.zoom;
  }

  /** The picture's point in the middle of a pane; the picture always covers what it can. */
  get center() {
    const [pane] = this.panes;
    const { view } = this.viewer;
    const within = (wanted, size, length) => {
      const half = length / 2 / this.scale;
      return half * 2 >= size ? size / 2 : Math.min(size - half, Math.max(half, wanted ?? size / 2));
    };
    return [within(view.x, this.size.width, pane.width), within(view.y, this.size.height, pane.height)];
  }

  moveTo([x, y]) {
    Object.assign(this.viewer.view, { x, y });
    [this.viewer.view.x, this.viewer.view.y] = this.center;
    this.viewer.draw();
  }

  /** Zoom by `factor`, with the point [x, y] of the picture staying where it is. */
  zoom(factor, point = this.center) {
    const { view } = this.viewer;
    const [x, y] = this.center;
    const before = view.zoom;
    view.zoom = Math.min(MAX_SCALE / this.fitScale, Math.max(1, before * factor));
    const kept = before / view.zoom;
    this.moveTo([point[0] + (x - point[0]) * kept, point[1] + (y - point[1]) * kept]);
  }

  fit() {
    this.viewer.change({ zoom: 1, x: null, y: null });
  }

  pan(right, down) {
    const [x, y] = this.center;
    this.moveTo([x + right / this.scale, y + down / this.scale]);
  }

  // What a pointer does

  /** The point of the picture under the pointer. */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const left = event.clientX - box.left;
    const pane = this.panes.findLast((each) => left >= each.left) ?? this.panes[0];
    const [x, y] = this.center;
    return [
      x + (left - pane.left - pane.width / 2) / this.scale,
      y + (event.clientY - box.top - pane.height / 2) / this.scale,
    ];
  }

  onWheel(event) {
    event.preventDefault();
    this.zoom(2 ** (-event.deltaY / (event.ctrlKey ? 80 : 240)), this.at(event));
  }

  onDown(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.drag = { x: event.clientX, y: event.clientY, border: this.isOnBorder(event) };
  }

  onMove(event) {
    if (this.drag?.border) {
      const box = this.canvas.getBoundingClientRect();
      this.viewer.change({ swipe: Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) });
    } else if (this.drag) {
      this.pan(this.drag.x - event.clientX, this.drag.y - event.clientY);
      Object.assign(this.drag, { x: event.clientX, y: event.clientY });
    }
    this.canvas.style.cursor = this.isOnBorder(event) ? "ew-resize" : "crosshair";
    this.hover(event);
  }

  isOnBorder(event) {
    const { mode, swipe } = this.viewer.view;
    const box = this.canvas.getBoundingClientRect();
    return mode === "swipe" && Math.abs(event.clientX - box.left - swipe * box.width) < 12;
  }

  /** Say what is under the pointer, and in the other pane mark the same place. */
  hover(event) {
    this.pointer = event;
    const wasHovering = this.viewer.hovering;
    this.viewer.hovering = event !== null;
    if (event && !wasHovering) this.viewer.draw(); // instance ids are loaded now
    this.describe();
  }

  describe() {
    const { pointer, viewer } = this;
    const [x, y] = pointer ? this.at(pointer).map(Math.floor) : [-1, -1];
    const { width, height } = this.size;
    const inside = x >= 0 && y >= 0 && x < width && y < height && viewer.picture;
    const hint = el("span", { className: "hint", textContent: "Point at the picture to read its labels." });
    this.readout.replaceChildren(...(inside ? describePixel(viewer, x, y) : [hint]));
    const panes = this.panes;
    this.marker.hidden = !inside || panes.length === 1;
    if (this.marker.hidden) return;
    const left = pointer.clientX - this.canvas.getBoundingClientRect().left;
    const [from, to] = left < panes[1].left ? panes : [panes[1], panes[0]];
    this.marker.style.left = `${left - from.left + to.left}px`;
    this.marker.style.top = `${pointer.clientY - this.canvas.getBoundingClientRect().top}px`;
  }

  // What is drawn

  /** Draw the picture as the view says; returns sentences about what could not be drawn. */
  paint() {
    const { viewer, canvas, context } = this;
    const { view } = viewer;
    const sentences = new Set(viewer.failures());
    this.element.style.setProperty("--aspect", (this.size.width / this.size.height) * (view.mode === "side" ? 2 : 1));
    const ratio = devicePixelRatio;
    const { clientWidth, clientHeight } = this.element;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, clientWidth, clientHeight);
    for (const { layer, sheet, left, right, pane } of this.parts()) {
      context.save();
      context.beginPath();
      context.rect(left, 0, right - left, pane.height);
      context.clip();
      const overlay = this.sheet(layer, sheet, sentences);
      this.place(pane, viewer.plane("image"), ratio, 1);
      if (overlay) this.place(pane, overlay, Infinity, view.opacity);
      context.restore();
    }
    if (view.mode === "swipe") this.drawBorder();
    if (view.mode !== "overlay") for (const part of this.parts()) this.caption(part);
    this.describe();
    return [...sentences];
  }

  /** Which layer goes where: [left, right) of a pane, in CSS pixels. */
  parts() {
    const { view, shown, phase, held } = this.viewer;
    const [other, layer] = [{ layer: shown[0], sheet: 0 }, { layer: shown[1], sheet: 1 }];
    const [pane, second] = this.panes;
    const all = { left: pane.left, right: pane.left + pane.width, pane };
    if (view.mode === "side") {
      return [{ ...other, ...all }, { ...layer, left: second.left, right: second.left + second.width, pane: second }];
    }
    if (held || phase) return [{ ...other, ...all }];
    if (view.mode !== "swipe") return [{ ...layer, ...all }];
    const border = pane.width * view.swipe;
    return [{ ...other, ...all, right: border }, { ...layer, ...all, left: border }];
  }

  /** The canvas with a layer's colours; null if it has none or its files are missing. */
  sheet(layer, number, sentences) {
    const { viewer } = this;
    const kinds = layerOf(layer).needs.map((kind) => viewer.kindOf(kind));
    const planes = Object.fromEntries(kinds.map((kind) => [kind, viewer.plane(kind)]));
    if (!kinds.length || Object.values(planes).some((plane) => !plane)) return null;
    const { width, height } = this.size;
    const odd = kinds.find((kind) => planes[kind].width !== width || planes[kind].height !== height);
    if (odd) {
      sentences.add(`The ${odd} has ${planes[odd].width}×${planes[odd].height} pixels, the labels ${width}×${height}.`);
      return null;
    }
    const sheet = viewer.sheets[number];
    const signature = kinds.map((kind) => viewer.picture.urls(kind)).join(" ");
    const { hidden, outline } = viewer.view;
    sheet.draw(signature, layer, planes, viewer.labels, { hidden, outline, scale: this.scale });
    return sheet.canvas;
  }

  /** Draw `source` over the whole picture; smoothly while its pixels are smaller than two of ours. */
  place(pane, source, ratio, opacity) {
    if (!source) return;
    const { context, scale } = this;
    const [x, y] = this.center;
    context.imageSmoothingEnabled = scale * ratio < 2;
    context.globalAlpha = opacity;
    const left = pane.left + pane.width / 2 - x * scale;
    const top = pane.height / 2 - y * scale;
    context.drawImage(source, left, top, this.size.width * scale, this.size.height * scale);
  }

  /** A part's layer by name, in its upper corner: left, or right where a border may cover that. */
  caption({ layer, left, right, pane }) {
    const { context } = this;
    const { title } = layerOf(layer);
    context.font = `600 13px ${getComputedStyle(this.element).fontFamily}`;
    const width = context.measureText(title).width + 12;
    if (right - left < width + 16) return;
    const x = left === pane.left ? left + 8 : right - width - 8;
    context.globalAlpha = 1;
    context.fillStyle = "rgb(0 0 0 / 70%)";
    context.fillRect(x, 8, width, 22);
    context.fillStyle = "#fff";
    context.fillText(title, x + 6, 23);
  }

  drawBorder() {
    const [{ width, height }] = this.panes;
    const x = width * this.viewer.view.swipe;
    for (const [color, thickness] of [["#000", 4], ["#fff", 2]]) {
      this.context.strokeStyle = this.context.fillStyle = color;
      this.context.lineWidth = thickness;
      this.context.beginPath();
      this.context.moveTo(x, 0);
      this.context.lineTo(x, height);
      this.context.stroke();
      this.context.beginPath();
      this.context.arc(x, height / 2, 6 + thickness / 2, 0, 7);
      this.context.fill();
    }
  }
}

/** Elements that say what the files hold at the pixel (x, y). */
function describePixel(viewer, x, y) {
  const { labels } = viewer;
  const { width, height } = viewer.stage.size;
  const value = (kind) => {
    const plane = viewer.plane(kind);
    return plane?.width === width && plane.height === height ? plane.pixels?.[y * width + x] : undefined;
  };
  const parts = [el("b", { textContent: `x ${x}, y ${y}` })];
  const say = (text, color) => {
    const swatch = color ? [el("i", { className: "swatch", style: `--color: rgb(${color})` })] : [];
    parts.push(el("span", {}, ...swatch, text));
  };
  const id = value("labels");
  const mask = value("mask");
  if (id !== undefined) {
    const { name, category, color, train_id: trainId, ignored } = labels.byId.get(id);
    const fate = ignored ? `ignored, because ${whyIgnored(name, category)}` : `train id ${trainId}`;
    say(`label ${id} → ${name} → ${category} → ${fate}`, color);
    const instances = viewer.plane("instances")?.pixels;
    const instance = instances ? instances[(y * width + x) * 2] * 256 + instances[(y * width + x) * 2 + 1] : 0;
    if (instance >= 1000) say(`instance ${instance}`);
  }
  if (mask !== undefined && (id === undefined || mask !== labels.trainIds[id])) {
    const label = labels.byTrainId.get(mask);
    say(mask === IGNORE ? "mask: ignored" : `mask: ${label.name}, train id ${mask}`, label?.color);
  }
  const prediction = value("prediction");
  if (prediction !== undefined) {
    const label = labels.byTrainId.get(prediction);
    const sure = value("confidence");
    const text = `predicted: ${label?.name ?? "ignored"}, train id ${prediction}`;
    say(sure === undefined ? text : `${text}, ${Math.round(sure / 2.55)} % sure`, label?.color);
  }
  return parts;
}

function whyIgnored(name, category) {
  return category === "void" ? "void is not evaluated" : `${name} is not one of the 19 evaluated classes`;
}
