// @ts-check
// The entry point: Streamlit calls it whenever the script has sent new data.

import { newId } from "./tags.js";
import { Viewer } from "./viewer.js";

/** @import { Data } from "./types.js" */

/**
 * The argument that Streamlit passes (components v2).
 *
 * @typedef {object} Component
 * @property {ParentNode} parentElement
 * @property {Data} data
 * @property {(name: string, value: unknown) => void} setStateValue
 * @property {(name: string, value: unknown) => void} setTriggerValue
 */

/** @type {WeakMap<ParentNode, { viewer: Viewer, run: number }>} */
const mounted = new WeakMap();

/**
 * Show `data`, in the existing viewer if the component is on the page already.
 *
 * @param {Component} component
 * @returns {() => void} Streamlit calls it when it removes the component.
 */
export default function show({ parentElement, data, setStateValue, setTriggerValue }) {
  const here = mounted.get(parentElement) ?? { viewer: newViewer(parentElement), run: 0 };
  mounted.set(parentElement, here);
  const run = ++here.run;
  here.viewer.update(data, {
    report: data.reports_frame ? (frame) => setStateValue("frame", frame) : null,
    rerun: (region) => {
      // The address does not reach Python: once Streamlit has written it, it reports what it wrote.
      if (region) setStateValue("requested", { id: newId(), region });
      setTriggerValue("renewed", true);
    },
    // A state, not a trigger: of two triggers during one run of the script, one would be lost.
    tag: data.tagging ? (report) => setStateValue("tagging", report) : null,
  });
  return () => {
    // Streamlit may mount the component again at once, and the next viewer starts from the address.
    here.viewer.saveAddress();
    // Streamlit also calls this for data that newer data replaced, when the viewer remains in use,
    // and possibly before the newer call above: decide a moment later.
    setTimeout(() => {
      if (here.run !== run) return;
      here.viewer.destroy();
      mounted.delete(parentElement);
    });
  };
}

/** @param {ParentNode} parent */
function newViewer(parent) {
  const root = /** @type {HTMLElement} */ (parent.querySelector(".viewer"));
  return new Viewer(root);
}
