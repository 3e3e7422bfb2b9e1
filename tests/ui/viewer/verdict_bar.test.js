// @ts-check
// The line that says how far a review is.

import assert from "node:assert/strict";
import { test } from "node:test";

import { progressText } from "#viewer/verdict_bar.js";

test("the progress has no precision before something is decided", () => {
  const nothing = { judged: 0, total: 1200, wrong: 0, decided: 0, expected_left: 600 };
  assert.equal(progressText(nothing), "0 of 1,200 judged");
  const some = { judged: 12, total: 1200, wrong: 9, decided: 11, expected_left: 950.4 };
  assert.equal(
    progressText(some),
    "12 of 1,200 judged · 82% of 11 decided are wrong labels · about 950 more expected",
  );
});
