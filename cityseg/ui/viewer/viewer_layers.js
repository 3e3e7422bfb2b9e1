// What can be shown of a picture, and how label values become colours.

const IGNORE = 255;
const NOTHING = 254; // stands in maps made here where nothing is drawn
const HATCH = [[20, 20, 20], [235, 235, 235]];
const ERROR_COLOR = [255, 45, 85];
const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

/** `needs` are kinds of files; `of` says which encoding the values have. */
const LAYERS = [
  { name: "image", title: "Photo", help: "the photo alone", needs: [] },
  { name: "truth", title: "Truth", help: "all labels of the annotation", needs: ["labels"] },
  { name: "mask", title: "Mask", help: "what a network learns from; ignored pixels are hatched", needs: ["mask"] },
  { name: "ignored", title: "Ignored", help: "the original labels of pixels that the mask ignores", needs: ["labels", "mask"] },
  { name: "prediction", title: "Prediction", help: "what the network says", needs: ["prediction"] },
  { name: "errors", title: "Errors", help: "where the prediction differs from the truth", needs: ["prediction", "truth"] },
  { name: "confidence", title: "Confidence", help: "how sure the network is", needs: ["confidence"] },
];
const MODES = [
  { name: "overlay", title: "Overlay", key: "o", help: "the layer over the photo" },
  { name: "side", title: "Side by side", key: "s", help: "two layers beside each other" },
  { name: "swipe", title: "Swipe", key: "w", help: "two layers, with a border to drag" },
  { name: "blink", title: "Blink", key: "b", help: "two layers in turn" },
];
const layerOf = (name) => LAYERS.find((layer) => layer.name === name);

/** Lookups made of the label table that Python sends. */
class Labels {
  constructor(table) {
    this.table = table;
    this.byId = new Map(table.map((label) => [label.id, label]));
    this.byTrainId = new Map(table.filter((l) => !l.ignored).map((label) => [label.train_id, label]));
    this.trainIds = new Uint8Array(256).fill(IGNORE);
    for (const label of this.byTrainId.values()) this.trainIds[label.id] = label.train_id;
  }

  /** What stands in the legend of a layer: {value, id, name, color}; `id` is the label's own. */
  legend(layer) {
    const entry = (value, { id, name, category, color }) => ({ value, id, name, category, color });
    if (layer === "truth" || layer === "ignored") {
      const ignored = this.table.filter((label) => layer === "truth" || label.ignored);
      return ignored.map((label) => entry(label.id, label));
    }
    const classes = [...this.byTrainId].map(([trainId, label]) => entry(trainId, label));
    if (layer === "errors") return classes.map((each) => ({ ...each, color: ERROR_COLOR }));
    return [...classes, { value: IGNORE, id: IGNORE, name: "ignored", category: "", color: HATCH[0] }];
  }
}

/** The values of a layer, (width × height) bytes, from the decoded files it needs. */
function valuesOf(layer, planes, labels) {
  if (layer === "ignored") return combine(planes.labels, planes.mask, (label, mask) => (mask === IGNORE ? label : NOTHING));
  if (layer === "errors") {
    const trainIds = planes.mask ? identity : labels.trainIds;
    return combine(planes.mask ?? planes.labels, planes.prediction, (truth, prediction) => {
      const trainId = trainIds[truth];
      return trainId === IGNORE || trainId === prediction ? NOTHING : trainId;
    });
  }
  return planes[{ truth: "labels" }[layer] ?? layer];
}

const identity = Uint8Array.from({ length: 256 }, (_, value) => value);

function combine(a, b, rule) {
  const pixels = new Uint8Array(a.pixels.length);
  for (let i = 0; i < pixels.length; i++) pixels[i] = rule(a.pixels[i], b.pixels[i]);
  return { width: a.width, height: a.height, pixels };
}

/** Two tables of 256 RGBA colours, for the two stripes of hatching; `hidden` has label ids. */
function colorTables(layer, labels, hidden) {
  const even = new Uint32Array(256);
  const odd = new Uint32Array(256);
  if (layer === "confidence") {
    even.forEach((_, value) => (even[value] = odd[value] = rgba(ramp(value / 255))));
    return { even, odd };
  }
  for (const { value, id, color } of labels.legend(layer)) {
    if (hidden.has(id)) continue;
    even[value] = rgba(color);
    odd[value] = rgba(layer === "ignored" || id === IGNORE ? HATCH[1] : color);
  }
  return { even, odd };
}

const rgba = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

function ramp(share) {
  const at = share * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  return RAMP[low].map((from, i) => Math.round(from + (RAMP[low + 1][i] - from) * (at - low)));
}

/** Colour `values` into `out`, Uint32 RGBA; stripes are 1 << `shift` pixels wide. */
function fill({ width, height, pixels }, { even, odd }, shift, out) {
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      out[i] = (((x + y) >> shift) & 1 ? odd : even)[pixels[i]];
    }
  }
}

/** Clear what `fill` drew except `thickness` pixels along the borders between values. */
function keepOutlines({ width, height, pixels }, thickness, out) {
  for (let y = 0, i = 0; y < height; y++) {
    const down = (y + thickness < height ? thickness : 0) * width;
    const up = (y >= thickness ? thickness : 0) * width;
    for (let x = 0; x < width; x++, i++) {
      const value = pixels[i];
      const right = x + thickness < width ? thickness : 0;
      const left = x >= thickness ? thickness : 0;
      if (
        pixels[i + right] === value && pixels[i - left] === value &&
        pixels[i + down] === value && pixels[i - up] === value
      ) out[i] = 0;
    }
  }
}

/** How many pixels have each of the 256 values. */
function countValues(pixels) {
  const counts = new Uint32Array(256);
  for (let i = 0; i < pixels.length; i++) counts[pixels[i]]++;
  return counts;
}

/** A layer's colours as a canvas of the picture's size, made again only when something changed. */
class Sheet {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.signature = "";
  }

  draw(signature, layer, planes, labels, { hidden, outline, scale }) {
    const shift = Math.max(0, Math.round(Math.log2(6 / scale)));
    const thickness = Math.max(1, Math.round(1.5 / scale));
    const full = [signature, layer, [...hidden], outline ? thickness : "", shift].join("|");
    if (full === this.signature) return;
    const values = valuesOf(layer, planes, labels);
    const { width, height } = values;
    if (this.pixels?.width !== width || this.pixels?.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.context = this.canvas.getContext("2d");
      this.pixels = new ImageData(width, height);
    }
    const out = new Uint32Array(this.pixels.data.buffer);
    fill(values, colorTables(layer, labels, hidden), shift, out);
    if (outline) keepOutlines(values, thickness, out);
    this.context.putImageData(this.pixels, 0, 0);
    this.values = values;
    this.signature = full;
  }
}
