// @ts-check
// The layer Reviewed: which verdict lies where, in which colour, and what is said of it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { colorTables, fill, keepOutlines, rgba, STRIPES } from "#viewer/colors.js";
import { described, entryOf, isJudgedId, JUDGED_LEGEND, STALE_ID } from "#viewer/judged.js";
import { layersOf, legendOf, shownLayers, valuesOf } from "#viewer/layers.js";
import { picturesOf } from "#viewer/pictures.js";
import { Scene } from "#viewer/scene.js";
import { DEFAULT_VIEW } from "#viewer/address.js";

import { LABELS, row as plane } from "./tables.js";

/** @import { Judged } from "#viewer/types.js" */

/** @type {Judged} */
const WRONG = { verdict: "wrong_label", accepted: false, note: "", reviewer: "Ada", stale: false };
/** @type {Judged} */
const STALE = { ...WRONG, verdict: "unclear", note: "dark", stale: true };
/** @type {Judged} */
const ACCEPTED = { ...WRONG, accepted: true };
const JUDGED = [STALE, WRONG, ACCEPTED];

function gallery() {
  const reviewed = { address: "reviewed/1?frame=", judged: { "val/a/b": JUDGED } };
  return picturesOf({
    gallery: {
      base: "frames/1/",
      names: ["val/a/b", "val/a/c"],
      kinds: ["image", "labels"],
      notes: [],
      reviewed,
    },
    pictures: [],
    pixel_aspect: 1,
  });
}

test("every frame of a dataset with verdicts has the layer, so that keys stay the same", () => {
  const [judged, other] = gallery();
  for (const each of [judged, other]) assert.equal(layersOf(each).at(-1)?.name, "reviewed");
  assert.equal(judged.url("reviewed"), "reviewed/1?frame=val%2Fa%2Fb");
  assert.deepEqual([judged.judged, other.judged], [JUDGED, []]);
  const view = { ...DEFAULT_VIEW, layer: /** @type {const} */ ("reviewed") };
  assert.deepEqual(shownLayers(view, layersOf(judged)), ["image", "reviewed"]);
});

test("a verdict has the colour of what it says, of what is accepted, or of what is stale", () => {
  assert.deepEqual(
    JUDGED.map((each) => entryOf(each).name),
    ["Stale", "Wrong label", "Wrong, network right"],
  );
  const colors = new Set(JUDGED_LEGEND.map(({ color }) => color.join()));
  assert.equal(colors.size, JUDGED_LEGEND.length);
  assert.ok(JUDGED_LEGEND.every(({ id }) => isJudgedId(id) && !LABELS.has(id)));
});

test("positions become values of the legend, and stale verdicts are hatched", () => {
  const values = valuesOf("reviewed", { reviewed: plane(0, 1, 2, 3, 9) }, LABELS, JUDGED);
  assert.deepEqual([...values.pixels], [0, 6, 1, 2, 0]);
  const tables = colorTables("reviewed", legendOf("reviewed", LABELS), new Set());
  assert.equal(tables.even[0], 0);
  assert.deepEqual([tables.odd[6], tables.odd[1]], [rgba(STRIPES[1]), tables.even[1]]);
  const hidden = colorTables("reviewed", legendOf("reviewed", LABELS), new Set([STALE_ID]));
  assert.deepEqual([hidden.even[6], hidden.odd[6]], [0, 0]);
});

test("two regions of one verdict that touch have an outline each, and are faint inside", () => {
  const positions = plane(0, 1, 1, 1, 2, 2, 2, 0);
  const values = valuesOf("reviewed", { reviewed: positions }, LABELS, [WRONG, WRONG]);
  const out = new Uint32Array(8);
  fill(values, colorTables("reviewed", legendOf("reviewed", LABELS), new Set()), 0, out);
  keepOutlines(positions, 1, out, 0x40ffffff);
  const opacities = [...out].map((color) => color >>> 24);
  assert.deepEqual(opacities, [0, 255, 64, 255, 255, 64, 255, 0]);
});

test("what lies under the pointer is said with who says it, while the layer is shown", () => {
  const [picture] = gallery();
  const files = {
    value: (/** @type {string} */ url) => (url.startsWith("reviewed") ? plane(0, 1, 2) : undefined),
    error: () => undefined,
  };
  /** @param {import("#viewer/types.js").LayerName} layer */
  const scene = (layer) => {
    const found = new Scene(picture, files, LABELS, DEFAULT_VIEW, ["image", layer]);
    found.size = { width: 3, height: 1 };
    return found;
  };
  const texts = [0, 1, 2].map((x) =>
    scene("reviewed")
      .remarksAt(x, 0)
      ?.map(({ text }) => text),
  );
  assert.deepEqual(texts, [
    [],
    ["Stale: Ada judged another annotation: unclear · dark"],
    ["Ada: wrong label"],
  ]);
  assert.deepEqual(scene("truth").remarksAt(2, 0), []);
  assert.equal(described(ACCEPTED), "Ada: wrong label, the network's is right");
});
