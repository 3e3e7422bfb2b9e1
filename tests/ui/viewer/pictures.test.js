// @ts-check
// Pictures from both forms in which Python sends them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { picturesOf } from "#viewer/pictures.js";

test("a gallery makes an address for each kind from the name", () => {
  const gallery = {
    base: "/frames/t/",
    names: ["a/b c&d#é", "e"],
    kinds: ["image", "thumbnail"],
    notes: ["x"],
  };
  const [first, second] = picturesOf({ gallery, pictures: [], pixel_aspect: 2 });
  assert.equal(first.url("image"), "/frames/t/image?frame=a%2Fb%20c%26d%23%C3%A9");
  assert.equal(first.thumbnail, "/frames/t/thumbnail?frame=a%2Fb%20c%26d%23%C3%A9");
  assert.equal(first.url("labels"), null);
  assert.deepEqual(second.urls(), ["/frames/t/image?frame=e"]);
  assert.deepEqual([first.note, second.note], ["x", ""]);
  assert.deepEqual([first.pixelAspect, second.pixelAspect], [2, 2]);
});

test("a list has the addresses in it", () => {
  const none = { labels: null, values: null, instances: null, mask: null, confidence: null };
  const pictures = [{ name: "a", note: "n", image: "/1", prediction: "/2", ...none }];
  const [picture] = picturesOf({ gallery: null, pictures, pixel_aspect: 0.5 });
  assert.deepEqual(picture.urls(), ["/1", "/2"]);
  assert.equal(picture.url("mask"), null);
  assert.equal(picture.pixelAspect, 0.5);
});

test("regions of a queue have the files of their frame, and an outline of their own", () => {
  const [region] = picturesOf({
    gallery: null,
    pictures: [],
    pixel_aspect: 1,
    queue: {
      regions: [
        {
          name: "val/a/b@1,2,3,4",
          frame: "val/a/b",
          source: 1,
          box: [1, 2, 3, 4],
          outline: "promised/1",
          note: "car",
          pair: "island car",
          predicted: "truck",
        },
      ],
      sources: [
        { base: "frames/1/", kinds: [] },
        { base: "frames/2/", kinds: ["image", "prediction", "thumbnail"] },
      ],
      address: "review/1",
      ledger: "1",
      reviewer: "Ada",
      judged: {},
      progress: { judged: 0, total: 1, wrong: 0, decided: 0, expected_left: 0 },
      version: [0, 0],
      requested: "",
    },
  });
  assert.equal(region.url("prediction"), "frames/2/prediction?frame=val%2Fa%2Fb");
  assert.equal(region.url("labels"), null);
  assert.deepEqual(region.urls(), [
    "frames/2/image?frame=val%2Fa%2Fb",
    "frames/2/prediction?frame=val%2Fa%2Fb",
    "promised/1",
  ]);
  assert.deepEqual([region.box, region.predicted], [[1, 2, 3, 4], "truck"]);
});
