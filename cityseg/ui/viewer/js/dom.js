// @ts-check
// Elements of the page.

/**
 * A new element. Names of files may contain markup: `children` and `textContent` are text, and
 * nothing in the viewer is ever parsed as HTML.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties] Properties of the element; others become attributes.
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) Object.assign(element, { [name]: value });
    else element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/**
 * A button whose tooltip is its accessible name, too.
 *
 * @param {string} text
 * @param {string} label
 * @param {() => void} onclick
 */
export function button(text, label, onclick) {
  return el("button", {
    type: "button",
    textContent: text,
    title: label,
    ariaLabel: label,
    onclick,
  });
}

/** @type {Intl.NumberFormat} 5000 becomes 5,000, as everywhere in the app. */
export const wholeNumber = new Intl.NumberFormat("en");
