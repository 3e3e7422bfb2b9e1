// @ts-check
// Tags of pictures: changes that wait for Python, and what a tag is.

import assert from "node:assert/strict";
import { test } from "node:test";

import { picturesOf } from "#viewer/pictures.js";
import { cleanedTag, TagChanges } from "#viewer/tags.js";

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

test("a tag is one line without commas", () => {
  assert.equal(cleanedTag("  night,\train  drops "), "night rain drops");
  assert.equal(cleanedTag(" , "), "");
  assert.equal([...cleanedTag("é".repeat(99))].length, 60);
});
