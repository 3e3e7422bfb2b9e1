// @ts-check
// Keys of the page, unless another element uses them.

/** @import { Key } from "./keys.js" */

/**
 * Handle a key, unless another element of the page uses it. `handle` returns whether the key is a
 * shortcut.
 *
 * @param {KeyboardEvent} event
 * @param {(key: Key) => boolean} handle
 */
export function onKey(event, handle) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  // Streamlit mounts components in shadow roots, and at the document `event.target` is their host.
  const [target] = /** @type {Element[]} */ (event.composedPath());
  if (isUsingKeys(target, event.key) || !handle(event)) return;
  event.preventDefault();
  event.stopPropagation();
}

const ROLES_WITH_KEYS = ["slider", "tab", "combobox", "listbox", "menu", "dialog"];
const WITH_KEYS = ["input", "textarea", "select", "[contenteditable]"]
  .concat(ROLES_WITH_KEYS.map((role) => `[role=${role}]`))
  .join();

/**
 * Whether `target` itself uses `key`.
 *
 * @param {Element} target
 * @param {string} key
 */
function isUsingKeys(target, key) {
  if (!target?.closest) return false; // the document and the window have no such method
  if (target.closest(WITH_KEYS)) return true;
  return [" ", "Enter"].includes(key) && target.closest("button, a, summary") !== null;
}
