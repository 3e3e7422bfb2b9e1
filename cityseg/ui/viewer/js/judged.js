// @ts-check
// Verdicts on regions in words and colours.

/** @import { Judged, LegendEntry, Plane, VerdictCode } from "./types.js" */

/** @type {Readonly<Record<VerdictCode, string>>} */
const TITLES = {
  wrong_label: "Wrong label",
  network_wrong: "Label is right",
  unclear: "Unclear",
  not_worth_it: "Not worth it",
};

const FIRST_ID = 200;

/**
 * Colours that stay apart for people who confuse red and green. The ids begin above those of labels.
 *
 * @type {readonly LegendEntry[]}
 */
export const JUDGED_LEGEND = [
  entry(1, TITLES.wrong_label, [214, 39, 40], "Training and scores can leave it out."),
  entry(2, "Wrong, network right", [240, 0, 180], "A corrected copy takes the network's label."),
  entry(3, TITLES.network_wrong, [20, 120, 255], "The annotation is right there."),
  entry(4, TITLES.unclear, [255, 190, 0], "The picture does not show what is right."),
  entry(5, TITLES.not_worth_it, [225, 225, 225], "Too small to matter."),
  entry(6, "Stale", [150, 90, 40], "Its annotation has changed since: it counts for nothing."),
];

/** The id of stale verdicts, which are hatched. */
export const STALE_ID = JUDGED_LEGEND[5].id;

/**
 * @param {number} value
 * @param {string} name
 * @param {import("./types.js").Color} color
 * @param {string} about
 * @returns {LegendEntry}
 */
function entry(value, name, color, about) {
  return { value, id: FIRST_ID + value, name, category: "", color, about };
}

/** @param {number} id Of an entry in a legend. */
export const isJudgedId = (id) => JUDGED_LEGEND.some((each) => each.id === id);

/**
 * The entry of the legend that a verdict belongs to.
 *
 * @param {Judged} judged
 */
export function entryOf({ verdict, accepted, stale }) {
  if (stale) return JUDGED_LEGEND[5];
  if (accepted) return JUDGED_LEGEND[1];
  return JUDGED_LEGEND.find(({ name }) => name === TITLES[verdict]) ?? JUDGED_LEGEND[0];
}

/**
 * A verdict in a line: who says what.
 *
 * @param {Judged} judged
 */
export function described({ verdict, accepted, reviewer, stale, note }) {
  const what = TITLES[verdict].toLowerCase() + (accepted ? ", the network's is right" : "");
  const text = stale
    ? `Stale: ${reviewer} judged another annotation: ${what}`
    : `${reviewer}: ${what}`;
  return note ? `${text} · ${note}` : text;
}

/**
 * The values of JUDGED_LEGEND from the positions of verdicts, which count from 1; 0 stays.
 *
 * @param {Plane} positions
 * @param {readonly Judged[]} judged
 * @returns {Plane}
 */
export function judgedValues({ width, height, pixels }, judged) {
  const values = Uint8Array.from({ length: 256 }, (_, position) => {
    const found = judged[position - 1];
    return found ? entryOf(found).value : 0;
  });
  return { width, height, pixels: pixels.map((position) => values[position]) };
}
