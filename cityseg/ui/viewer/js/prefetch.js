// @ts-check
// Which pictures are loaded and kept around the one that is shown.

/** @import { Kind, Picture } from "./types.js" */
/** @import { Wanted } from "./store.js" */

const AHEAD = [1, 2, 3, -1]; // steps in the direction of travel, in the order of loading
const KEPT = 4; // pictures that stay decoded to either side

/**
 * What to load and what to keep while the picture at `index` is shown. Its `extra` files and the
 * other pictures wait until its `kinds` are loaded, so that nothing competes with these.
 *
 * @param {readonly Picture[]} pictures
 * @param {number} index
 * @param {number} direction Of the last step: 1 is forward, -1 backward.
 * @param {{ kinds: Kind[], extra: Kind[] }} files
 * @param {(url: string) => boolean} isSettled
 * @returns {{ wanted: Wanted[], kept: Set<string> }}
 */
export function plan(pictures, index, direction, { kinds, extra }, isSettled) {
  const near = pictures.slice(Math.max(0, index - KEPT), index + KEPT + 1);
  const kept = new Set(near.flatMap((picture) => picture.urls()));
  const now = filesOf(pictures[index], kinds, true);
  if (!now.every(({ url }) => isSettled(url))) return { wanted: now, kept };
  const ahead = AHEAD.map((step) => pictures[index + step * direction]);
  const soon = ahead.flatMap((picture) => filesOf(picture, kinds, false));
  return { wanted: [...now, ...filesOf(pictures[index], extra, false), ...soon], kept };
}

/**
 * @param {Picture | undefined} picture
 * @param {Kind[]} kinds
 * @param {boolean} urgent
 * @returns {Wanted[]}
 */
function filesOf(picture, kinds, urgent) {
  return kinds.flatMap((kind) => {
    const url = picture?.url(kind);
    return url ? [{ url, grey: kind !== "image", urgent }] : [];
  });
}
