// @ts-check
// What Streamlit calls each time that the script has run.

import { Viewer } from "./viewer.js";

/** @import { Data } from "./types.js" */

/**
 * What Streamlit gives to a component (components v2).
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
 * Show `data`, in the viewer that is there already if the component stays on the page.
 *
 * @param {Component} component
 * @returns {() => void} What Streamlit calls when the component is taken away.
 */
export default function show({ parentElement, data, setStateValue, setTriggerValue }) {
  const here = mounted.get(parentElement) ?? { viewer: newViewer(parentElement), run: 0 };
  mounted.set(parentElement, here);
  const run = ++here.run;
  here.viewer.update(data, {
    report: data.reports_frame ? (frame) => setStateValue("frame", frame) : null,
    rerun: () => setTriggerValue("renewed", true),
  });
  return () => {
    // Streamlit may be moving the component: its next viewer begins with what the address says.
    here.viewer.saveAddress();
    // Streamlit also calls this for a run that a newer one overtook: the viewer is in use then. It
    // may call it before the newer run has begun, so look a moment later.
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
