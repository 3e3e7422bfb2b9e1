// @ts-check
// Data of the page's script and answers to verdicts, in the orders in which a slow server sends them.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Viewer } from "#viewer/viewer.js";
import { element, find, openPage } from "./page.js";
import { TABLE } from "./tables.js";

/** @import { Judged } from "#viewer/types.js" */

const BEFORE = [5, 100];
const AFTER = [5, 300];
/** @type {Judged} */
const WRONG = { verdict: "wrong_label", accepted: false, note: "", reviewer: "Ada", stale: false };

/** @type {any} */
let root;
/** @type {Viewer} */
let viewer;
/** @type {ReturnType<typeof openPage>["requests"]} */
let requests;
/** @type {URL} */
let location;
/** @type {(string | undefined)[]} The regions that Python was asked for. */
let asked;
let pages = 0;

beforeEach(() => {
  ({ requests, location } = openPage(`http://localhost/${(pages += 1)}`)); // a viewer begins where one was left
  open();
});
afterEach(() => viewer.destroy());

/** Mount a viewer, in place of the one before if there is one. */
function open() {
  root = element();
  viewer = new Viewer(root);
  asked = [];
}

/**
 * Let Python send regions.
 *
 * @param {string[]} names
 * @param {{ judged?: Record<string, Judged | null>, version?: number[], requested?: string }} [said]
 */
function send(names, { judged = {}, version = BEFORE, requested = "" } = {}) {
  const regions = names.map((name) => ({
    name,
    frame: name,
    source: 0,
    box: [0, 0, 1, 1],
    pair: name,
  }));
  const nobody = Object.fromEntries(names.map((name) => [name, null]));
  const progress = { judged: 0, total: 4, wrong: 0, decided: 0, expected_left: 1 };
  const queue = {
    regions,
    sources: [{ base: "", kinds: [] }],
    address: "review/1",
    ledger: "ledger",
    reviewer: "Ada",
    judged: { ...nobody, ...judged },
    progress,
    version,
    requested,
  };
  const data = { labels: TABLE, gallery: null, queue, pictures: [], start: null, layer: "truth" };
  const python = {
    report: null,
    rerun: (/** @type {string | undefined} */ region) => void asked.push(region),
    tag: null,
  };
  viewer.update(/** @type {any} */ ({ ...data, pixel_aspect: 1, address: true }), python);
}

/**
 * Confirm the oldest request.
 *
 * @param {Record<string, Judged | null>} judged
 */
async function confirm(judged) {
  const { content, answer } = /** @type {any} */ (requests.shift());
  const kept = content.changes.map((/** @type {any} */ { id }) => id);
  const progress = { judged: 1, total: 4, wrong: 1, decided: 1, expected_left: 1 };
  await answer({ kept, refused: {}, judged, progress, version: AFTER });
}

/** The regions of the changes that are on their way. */
const onTheirWay = () =>
  requests.at(-1)?.content.changes.map((/** @type {any} */ each) => each.entries[0]);
const state = () => find(root, "state").textContent;
const named = () => new URLSearchParams(location.search).get("frame");

test("a confirmed verdict outlives data that were read before it", async () => {
  send(["a", "b"]);
  viewer.review.judge("wrong_label");
  await confirm({ a: WRONG });
  send(["a", "b"]);
  assert.match(find(root, "counts").textContent, /^1 of 4 judged/);
  viewer.step(-1);
  assert.equal(state(), "Ada: wrong label");
  send(["a", "b"], { version: [6, 50] }); // of a ledger that took its place
  assert.equal(state(), "Not judged yet");
});

test("a verdict by another is not lost to an answer that was read before it", async () => {
  send(["a", "b", "c"]);
  viewer.review.judge("wrong_label");
  send(["a", "b", "c"], { judged: { c: WRONG }, version: [5, 400] });
  await confirm({ a: WRONG, b: null, c: null });
  viewer.step(1);
  assert.equal(state(), "Ada: wrong label");
});

test("data that lack the region asked for, because they were read before, change nothing", async () => {
  send(["a", "b"]);
  viewer.review.judge("wrong_label");
  await confirm({ a: WRONG });
  send(["b"], { version: AFTER });
  viewer.review.undo();
  assert.deepEqual([asked, named(), onTheirWay()], [["a"], "a", ["a"]]);
  send(["b"], { version: AFTER, requested: "b" });
  viewer.saveAddress();
  assert.equal(named(), "a");
  send(["a", "b"], { judged: { a: WRONG }, version: AFTER, requested: "a" });
  assert.equal(state(), "Not judged yet"); // as the undo is on its way
  viewer.review.judge("unclear");
  await confirm({ a: null });
  assert.deepEqual(onTheirWay(), ["a"]);
});

test("a region that is nowhere any more is named, and one can go elsewhere meanwhile", async () => {
  send(["a", "b", "c"]);
  viewer.review.judge("wrong_label");
  await confirm({ a: WRONG });
  send(["b", "c"], { version: AFTER });
  viewer.review.undo();
  send(["b", "c"], { version: AFTER, requested: "a" });
  viewer.saveAddress();
  assert.equal(named(), "b");
  viewer.review.judge("unclear");
  send(["c"], { version: AFTER });
  viewer.review.undo();
  viewer.step(1);
  send(["c", "d"], { version: AFTER, requested: "c" });
  viewer.step(1);
  send(["b", "c", "d"], { version: AFTER, requested: "b" });
  viewer.saveAddress();
  assert.equal(named(), "d");
});

test("a region that does not come is asked for again, ever later", async (context) => {
  /** @type {{ act: () => void, milliseconds: number }[]} */
  const timers = [];
  const later = (/** @type {() => void} */ act, /** @type {number} */ milliseconds) =>
    timers.push({ act, milliseconds });
  context.mock.method(globalThis, "setTimeout", later);
  send(["a", "b"]);
  viewer.review.judge("wrong_label");
  await confirm({ a: WRONG });
  send(["b"], { version: AFTER });
  viewer.review.undo();
  const long = () => timers.filter(({ milliseconds }) => milliseconds >= 4000);
  for (const times of [1, 2, 3]) {
    assert.deepEqual(asked, Array(times).fill("a"));
    assert.equal(long().at(-1)?.milliseconds, 4000 * 2 ** (times - 1));
    long().at(-1)?.act();
  }
  send(["a", "b"], { version: AFTER, requested: "a" });
  long().at(-1)?.act();
  assert.equal(asked.length, 4);
});

test("a note on a region that is not judged yet is kept until its verdict", () => {
  send(["a", "b"]);
  const note = find(root, "note-field").children[0];
  const write = (/** @type {string} */ text) => {
    note.value = text;
    note.onkeydown({ key: "Enter", preventDefault() {}, stopPropagation() {} });
  };
  write("a tram");
  viewer.step(1);
  assert.equal(note.value, "");
  viewer.step(-1);
  assert.equal(note.value, "a tram");
  viewer.destroy();
  open(); // as after a reload
  send(["a", "b"]);
  const again = find(root, "note-field").children[0];
  assert.equal(again.value, "a tram");
  viewer.review.judge("wrong_label");
  assert.equal(requests.at(-1)?.content.changes[0].note, "a tram");
  viewer.review.undo();
  assert.equal(again.value, "");
});

test("a note stays with its region when the queue changes", () => {
  send(["a", "b"]);
  const note = find(root, "note-field").children[0];
  note.value = "of a";
  send(["b"]);
  assert.equal(note.value, "");
  note.value = "of b";
  send(["a", "b"]);
  assert.equal(note.value, "of b");
});

test("an answer to a viewer that was replaced leaves the next one alone", async () => {
  send(["a", "b", "c"]);
  viewer.review.judge("wrong_label");
  viewer.destroy();
  open();
  send(["b", "c"]);
  viewer.review.judge("unclear");
  viewer.saveAddress();
  const [first] = requests;
  await first.answer({
    kept: [first.content.changes[0].id],
    refused: {},
    judged: {},
    version: AFTER,
  });
  viewer.saveAddress();
  assert.equal(named(), "c");
  const waiting = JSON.parse(sessionStorage.getItem("cityseg verdicts ledger") ?? "");
  assert.deepEqual(
    waiting.map((/** @type {any} */ { entries }) => entries[0]),
    ["b"],
  );
});
