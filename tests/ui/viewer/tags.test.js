// @ts-check
// Tags of pictures: changes that wait for Python, and what a tag is.

import assert from "node:assert/strict";
import { test } from "node:test";

import { picturesOf } from "#viewer/pictures.js";
import { Tagging } from "#viewer/tagging.js";
import { cleanedTag, TagChanges } from "#viewer/tags.js";
import { find, openPage } from "./page.js";

/** @param {string[]} tags */
function pictures(...tags) {
  const gallery = { base: "/", names: ["a", "b"], kinds: ["image"], notes: [], tags };
  return picturesOf({ gallery, pictures: [], pixel_aspect: 1 });
}

test("a gallery has the tags of its pictures", () => {
  assert.deepEqual(
    pictures("night,wet road").map(({ tags }) => tags),
    [["night", "wet road"], []],
  );
});

test("a tag is added, and removed where a picture has it", () => {
  const changes = new TagChanges();
  const [first] = pictures("night");
  changes.toggle(first, "fog");
  assert.deepEqual(first.tags, ["fog", "night"]);
  changes.toggle(first, "night");
  assert.deepEqual(first.tags, ["fog"]);
  assert.deepEqual(
    changes.pending.map(({ frame, tag, is_set: isSet }) => [frame, tag, isSet]),
    [
      ["a", "fog", true],
      ["a", "night", false],
    ],
  );
});

test("changes that Python does not know yet are sent again and shown in its new data", () => {
  const changes = new TagChanges();
  const [first, second] = pictures();
  changes.toggle(first, "fog");
  changes.toggle(second, "rain");
  const [{ id }] = changes.pending;
  assert.match(id, /^[0-9a-f]{16}$/);
  changes.confirm([id]);
  const renewed = pictures("fog");
  changes.applyTo(renewed);
  assert.deepEqual(
    renewed.map(({ tags }) => tags),
    [["fog"], ["rain"]],
  );
  assert.equal(changes.pending.length, 1);
});

test("a change that Python refused is no longer shown", () => {
  const changes = new TagChanges();
  changes.toggle(pictures()[0], "fog");
  changes.confirm(changes.pending.map(({ id }) => id));
  const renewed = pictures();
  changes.applyTo(renewed);
  assert.deepEqual(renewed[0].tags, []);
});

test("what Python does not confirm is reported again, ever later", (context) => {
  openPage("http://localhost/");
  /** @type {{ act: () => void, milliseconds: number }[]} */
  const timers = [];
  const later = (/** @type {() => void} */ act, /** @type {number} */ milliseconds) =>
    timers.push({ act, milliseconds });
  context.mock.method(globalThis, "setTimeout", later);
  /** @type {any[]} */
  const reports = [];
  const tagging = new Tagging(() => {});
  const show = (/** @type {string[]} */ confirmed) => {
    const gallery = { base: "/", names: ["a"], kinds: ["image"], notes: [], tags: [] };
    const data = { gallery, pictures: [], pixel_aspect: 1, tagging: { known: [], confirmed } };
    const tag = (/** @type {any} */ report) => void reports.push(report);
    tagging.picturesOf(/** @type {any} */ (data), { report: null, rerun: () => {}, tag });
  };
  show([]);
  tagging.ask(0);
  const form = /** @type {any} */ (tagging.element);
  find(form, "field").children[0].value = "night";
  form.onsubmit({ preventDefault() {} });
  for (const times of [1, 2, 3]) {
    assert.equal(reports.length, times);
    assert.equal(reports.at(-1).attempt, times); // Streamlit passes on only what has changed
    assert.deepEqual(reports.at(-1).changes, reports[0].changes);
    assert.equal(timers.at(-1)?.milliseconds, 4000 * 2 ** (times - 1));
    timers.at(-1)?.act();
  }
  const stopped = context.mock.method(globalThis, "clearTimeout", () => {});
  show([reports[0].changes[0].id]);
  assert.equal(stopped.mock.callCount(), 1);
});

test("a tag is one line without commas", () => {
  assert.equal(cleanedTag("  night,\train  drops "), "night rain drops");
  assert.equal(cleanedTag(" , "), "");
  assert.equal([...cleanedTag("é".repeat(99))].length, 60);
});
