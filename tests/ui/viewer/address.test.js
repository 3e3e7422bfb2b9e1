// @ts-check
// The view in an address: written, read back, and ignored where it is not valid.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  DEFAULT_VIEW,
  addressWith,
  describeView,
  outOfPanes,
  parametersIn,
  parseView,
} from "#viewer/address.js";

/** @import { View } from "#viewer/types.js" */

const LABEL_IDS = [7, 26, 255];

/** @param {string} search */
const parse = (search) => parseView(search, (id) => LABEL_IDS.includes(id));

/** @param {Partial<View>} changes */
const describe = (changes) => describeView({ ...DEFAULT_VIEW, ...changes }, DEFAULT_VIEW);

test("a view comes back from the address that holds it", () => {
  /** @type {View} */
  const view = {
    frame: "train/köln/a b&c#d_000000_000019",
    layer: "mask",
    mode: "swipe",
    with: "truth",
    opacity: 0.35,
    outline: true,
    hidden: new Set([26, 7]),
    zoom: 2.25,
    x: 10.5,
    y: 20,
    swipe: 0.25,
    first: 0,
    size: 300,
    labelled: true,
    brightness: 1.5,
    contrast: 0.75,
  };
  const address = addressWith("http://h/browse?split=val", describeView(view, DEFAULT_VIEW));
  const { first, ...others } = view;
  assert.deepEqual(parse(new URL(address, "http://h").search), others);
  assert.equal(first, 0);
});

test("the defaults need no parameter", () => {
  assert.deepEqual(describe({}), {});
  assert.deepEqual(parse(""), { hidden: new Set() });
});

test("the place in the grid counts from 1, and is left out where a picture is shown", () => {
  assert.deepEqual(describe({ first: 24 }), { from: "25" });
  assert.equal(parse("?from=25").first, 24);
  assert.deepEqual(describe({ first: 24, frame: "a" }), { frame: "a" });
});

test("the viewer's own parameters are told from others", () => {
  assert.deepEqual(parametersIn("?text=a&split=val"), {});
  assert.deepEqual(parametersIn("?text=a&layer=mask&from=3"), { layer: "mask", from: "3" });
});

test("parameters of others, their order and the fragment stay", () => {
  const before = "http://h:8501/browse?text=a%20b&frame=old&layer=mask&sort=car#there";
  assert.equal(
    addressWith(before, { frame: "val/a/b", view: "1,2,3" }),
    "/browse?text=a+b&frame=val/a/b&sort=car&view=1,2,3#there",
  );
  assert.equal(addressWith("http://h/browse?frame=a", {}), "/browse");
});

test("a place that is not valid as a whole is ignored", () => {
  const places = [
    ",,3",
    "1,2",
    "1,2,",
    "1,,3",
    ",2,3",
    "1,2,3,4",
    "nan,1,2",
    "1,2,Infinity",
    "1,2,x",
  ];
  for (const place of [...places, "-1,2,3", "1e3,2,3", "0x1,2,3", " 1,2,3", ","]) {
    const view = parse(`?view=${place}`);
    assert.deepEqual(view, { hidden: new Set() }, place);
    assert.deepEqual(describe({ ...view, layer: "mask" }), { layer: "mask" }, place);
  }
});

test("a zoom without a place is not written", () => {
  assert.deepEqual(describe({ zoom: 3 }), {});
  assert.deepEqual(describe({ zoom: 3, x: 1.234, y: 2 }), { view: "1.23,2,3" });
});

test("other parameters that are not valid are ignored", () => {
  const invalid = ["frame=", "layer=roads", "layer=toString", "mode=", "with=Photo", "outline=yes"];
  const numbers = ["opacity=", "opacity=half", "opacity=NaN", "swipe=1/2", "from=2.5", "from=two"];
  const labels = ["off=", "off=.", "off=car", "off=NaN.8", "off=7.5e1", "off=-26"];
  for (const parameter of [...invalid, ...numbers, ...labels]) {
    const { hidden, ...others } = parse(`?${parameter}`);
    assert.deepEqual(others, {}, parameter);
    assert.deepEqual(
      [...(hidden ?? [])].filter((id) => !LABEL_IDS.includes(id)),
      [],
      parameter,
    );
  }
  assert.deepEqual(parse("?off=26.car.7.999").hidden, new Set([26, 7]));
});

test("numbers out of range become the nearest one in it", () => {
  assert.equal(parse("?opacity=7").opacity, 1);
  assert.equal(parse("?from=0").first, 0);
  assert.equal(parse("?size=1").size, 120);
  assert.equal(parse("?brightness=99").brightness, 3);
  assert.equal(parse("?view=5,5,0.5").zoom, 1);
  assert.equal(parse("?view=5,5,99999999").zoom, 1e4);
});

test("a layer that is chosen is shown alone, not among the panes", () => {
  const panes = { ...DEFAULT_VIEW, mode: /** @type {const} */ ("panes") };
  assert.deepEqual(outOfPanes(panes, { layer: "errors" }), { mode: "overlay" });
  assert.deepEqual(outOfPanes(panes, { opacity: 1 }), {});
  assert.deepEqual(outOfPanes(DEFAULT_VIEW, { layer: "errors" }), {});
});
