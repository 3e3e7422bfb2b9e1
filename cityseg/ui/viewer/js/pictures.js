// @ts-check
// Pictures from the two forms in which Python sends them: a list, or a gallery.

/** @import { Data, Gallery, Kind, ListedPicture, Picture } from "./types.js" */

/** @type {readonly Kind[]} */
export const KINDS = ["image", "labels", "values", "instances", "mask", "prediction", "confidence"];

/**
 * @param {Pick<Data, "gallery" | "pictures" | "pixel_aspect">} data
 * @returns {Picture[]}
 */
export function picturesOf({ gallery, pictures, pixel_aspect: pixelAspect }) {
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
    url: (kind) => picture[kind],
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
function inGallery({ base, names, kinds, notes, tags }, pixelAspect) {
  const known = KINDS.filter((kind) => kinds.includes(kind));
  return names.map((name, i) => {
    /** @param {string} kind */
    const address = (kind) => `${base}${kind}?frame=${encodeURIComponent(name)}`;
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
    };
  });
}
