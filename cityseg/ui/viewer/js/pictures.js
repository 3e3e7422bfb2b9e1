// @ts-check
// Pictures from the two forms in which Python sends them: a list, or a gallery.

/** @import { Data, Gallery, Kind, ListedPicture, Picture } from "./types.js" */

/** @type {readonly Kind[]} */
export const KINDS = [
  "image",
  "labels",
  "values",
  "instances",
  "mask",
  "prediction",
  "confidence",
];

/**
 * @param {Pick<Data, "gallery" | "pictures">} data
 * @returns {Picture[]}
 */
export function picturesOf({ gallery, pictures }) {
  return gallery ? inGallery(gallery) : pictures.map(listed);
}

/**
 * @param {ListedPicture} picture
 * @returns {Picture}
 */
function listed(picture) {
  return {
    name: picture.name,
    note: picture.note,
    thumbnail: "",
    url: (kind) => picture[kind],
    urls: () => KINDS.flatMap((kind) => picture[kind] ?? []),
  };
}

/**
 * A gallery may have thousands of pictures, so addresses are computed on request.
 *
 * @param {Gallery} gallery
 * @returns {Picture[]}
 */
function inGallery({ base, names, kinds, notes }) {
  const known = KINDS.filter((kind) => kinds.includes(kind));
  return names.map((name, i) => {
    /** @param {string} kind */
    const address = (kind) => `${base}${kind}?frame=${encodeURIComponent(name)}`;
    return {
      name,
      note: notes[i] ?? "",
      get thumbnail() {
        return address("thumbnail");
      },
      url: (kind) => (known.includes(kind) ? address(kind) : null),
      urls: () => known.map(address),
    };
  });
}
