// @ts-check
// Describes the values of the files at one pixel.

import { described, entryOf } from "./judged.js";
import { IGNORE } from "./labels.js";

/** @import { Color, Judged, Label } from "./types.js" */
/** @import { Labels } from "./labels.js" */

/** @typedef {{ text: string, color?: Color }} Remark */

/**
 * Values of the files at a pixel; a file that is missing has none.
 *
 * @typedef {object} PixelValues
 * @property {number} [labels]
 * @property {number[]} [stored] What the annotation's file holds: a value, or red, green and blue.
 * @property {number} [instance] The 16-bit instance id.
 * @property {number} [mask]
 * @property {number} [prediction]
 * @property {number} [confidence] 0–255
 * @property {Judged} [judged] The verdict on the region there.
 */

const FIRST_INSTANCE = 1000; // below it, Cityscapes stores the label id of what is not countable

/**
 * @param {PixelValues} values
 * @param {Labels} labels
 * @returns {Remark[]}
 */
export function remarksOn(values, labels) {
  const { labels: id, stored, instance, mask, prediction, confidence, judged } = values;
  const remarks = [];
  if (judged) remarks.push({ text: described(judged), color: entryOf(judged).color });
  if (id !== undefined) {
    const { text, color } = aboutLabel(id, labels.byId(id));
    remarks.push({ text: inFile(id, stored) + text, color });
    if (instance !== undefined && instance >= FIRST_INSTANCE) {
      remarks.push({ text: `Instance ${instance}` });
    }
  }
  // A mask that agrees with the label adds nothing.
  if (mask !== undefined && (id === undefined || mask !== labels.trainIds[id])) {
    remarks.push(aboutClass("Mask", mask, labels));
  }
  if (prediction !== undefined) {
    const { text, color } = aboutClass("Predicted", prediction, labels);
    const sure = confidence === undefined ? "" : `, ${Math.round(confidence / 2.55)}% sure`;
    remarks.push({ text: text + sure, color });
  }
  return remarks;
}

/**
 * What the file holds, if that is not the label's own number.
 *
 * @param {number} id
 * @param {number[] | undefined} stored
 */
function inFile(id, stored) {
  if (!stored || (stored.length === 1 && stored[0] === id)) return "";
  return `${stored.length === 1 ? "Value" : "Colour"} ${stored.join(", ")} in the file → `;
}

/**
 * @param {number} id
 * @param {Label | undefined} label
 * @returns {Remark}
 */
function aboutLabel(id, label) {
  if (!label) return { text: `Label ${id} → not a Cityscapes label` };
  const { name, category, color } = label;
  const fate = label.ignored ? `ignored, because ${reason(label)}` : `train id ${label.train_id}`;
  return { text: `Label ${id} → ${name} → ${category} → ${fate}`, color };
}

/** @param {Label} label */
function reason({ name, category }) {
  return category === "void"
    ? "void is not evaluated"
    : `${name} is not one of the 19 evaluated classes`;
}

/**
 * @param {string} source
 * @param {number} trainId
 * @param {Labels} labels
 * @returns {Remark}
 */
function aboutClass(source, trainId, labels) {
  if (trainId === IGNORE) return { text: `${source}: ignored` };
  const label = labels.byTrainId(trainId);
  const name = label?.name ?? "not a class";
  return { text: `${source}: ${name}, train id ${trainId}`, color: label?.color };
}
