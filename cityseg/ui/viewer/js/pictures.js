// @ts-check
// Pictures from the two forms in which Python sends them: a list, or a gallery.

/** @import { Data, Gallery, Kind, ListedPicture, Picture, Queue } from "./types.js" */

/** @type {readonly Exclude<Kind, "reviewed" | "outline">[]} */
export const KINDS = ["image", "labels", "values", "instances", "mask", "prediction", "confidence"];

/** @typedef {Pick<Data, "gallery" | "queue" | "pictures" | "pixel_aspect">} Sent */

/**
 * @param {Sent} data
 * @returns {Picture[]}
 */
export function picturesOf({ gallery, queue, pictures, pixel_aspect: pixelAspect }) {
  if (queue) return inQueue(queue, pixelAspect);
  return gallery
    ? inGallery(gallery, pixelAspect)
    : pictures.map((picture) => listed(picture, pixelAspect));
}

/**
 * @param {ListedPicture} picture
 * @param {number} pixelAspect
 * @returns {Picture}
 */
function listed(picture, pixelAspect) {
  return {
    name: picture.name,
    note: picture.note,
    tags: [],
    pixelAspect,
    thumbnail: "",
    overlay: "",
    url: (kind) => (kind === "outline" || kind === "reviewed" ? null : picture[kind]),
    urls: () => KINDS.flatMap((kind) => picture[kind] ?? []),
  };
}

/**
 * A gallery may have thousands of pictures, so addresses are computed on request.
 *
 * @param {Gallery} gallery
 * @param {number} pixelAspect
 * @returns {Picture[]}
 */
function inGallery({ base, names, kinds, notes, tags, reviewed }, pixelAspect) {
  /** @type {Kind[]} */
  const known = KINDS.filter((kind) => kinds.includes(kind));
  if (reviewed) known.push("reviewed");
  return names.map((name, i) => {
    /** @param {string} kind */
    const address = (kind) => {
      const start = kind === "reviewed" ? reviewed?.address : `${base}${kind}?frame=`;
      return `${start}${encodeURIComponent(name)}`;
    };
    return {
      name,
      note: notes[i] ?? "",
      tags: tags?.[i] ? tags[i].split(",") : [],
      pixelAspect,
      get thumbnail() {
        return address("thumbnail");
      },
      get overlay() {
        return kinds.includes("overlay") ? address("overlay") : "";
      },
      url: (kind) => (known.includes(kind) ? address(kind) : null),
      urls: () => known.map(address),
      judged: reviewed?.judged[name] ?? [],
    };
  });
}

/**
 * Regions of one frame share the addresses of its files.
 *
 * @param {Queue} queue
 * @param {number} pixelAspect
 * @returns {Picture[]}
 */
function inQueue({ regions, sources }, pixelAspect) {
  return regions.map(({ name, frame, source, box, outline, note, pair, predicted }) => {
    const { base, kinds } = sources[source];
    const known = KINDS.filter((kind) => kinds.includes(kind));
    /** @param {string} kind */
    const address = (kind) => `${base}${kind}?frame=${encodeURIComponent(frame)}`;
    /** @type {Picture["url"]} */
    const url = (kind) => {
      if (kind === "outline") return outline;
      return known.some((each) => each === kind) ? address(kind) : null;
    };
    return {
      name,
      title: frame,
      note,
      tags: [],
      pixelAspect,
      thumbnail: "",
      overlay: "",
      url,
      urls: () => [...known.map(address), outline],
      box,
      pair,
      predicted,
    };
  });
}
