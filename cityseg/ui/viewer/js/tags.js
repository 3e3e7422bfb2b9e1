// @ts-check
// Tags of pictures, and their changes that Python has not kept yet.

/** @import { Picture, TagChange } from "./types.js" */

const MOST_CHARACTERS = 60; // as in Python
const ID_BYTES = 8;

export class TagChanges {
  /** @type {TagChange[]} */
  #pending = [];

  /** Changes that Python has not confirmed, oldest first: all are sent again with the next one. */
  get pending() {
    return [...this.#pending];
  }

  /** @param {readonly string[]} ids Of changes that Python has kept or refused. */
  confirm(ids) {
    const known = new Set(ids);
    this.#pending = this.#pending.filter(({ id }) => !known.has(id));
  }

  /**
   * Add a tag to a picture, or remove it if the picture has it.
   *
   * @param {Picture} picture
   * @param {string} tag
   */
  toggle(picture, tag) {
    const isSet = !picture.tags.includes(tag);
    this.#pending.push({ id: newId(), frame: picture.name, tag, is_set: isSet });
    picture.tags = changed(picture.tags, tag, isSet);
  }

  /** @param {readonly Picture[]} pictures As Python has sent them. */
  applyTo(pictures) {
    for (const { frame, tag, is_set: isSet } of this.#pending) {
      const picture = pictures.find(({ name }) => name === frame);
      if (picture) picture.tags = changed(picture.tags, tag, isSet);
    }
  }
}

/**
 * A tag as it is kept: one line without commas; may be empty.
 *
 * @param {string} text
 */
export function cleanedTag(text) {
  const words = text.replace(/[,\p{C}\p{Z}]+/gu, " ").trim();
  return [...words].slice(0, MOST_CHARACTERS).join("").trim();
}

/**
 * @param {readonly string[]} tags
 * @param {string} tag
 * @param {boolean} isSet
 */
function changed(tags, tag, isSet) {
  const others = tags.filter((each) => each !== tag);
  return isSet ? [...others, tag].sort() : others;
}

/** 16 hexadecimal digits. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(ID_BYTES));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
