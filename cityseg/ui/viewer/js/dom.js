// @ts-check
// Creating elements of the page.

/**
 * Create an element. File names may contain markup, so the viewer sets text and never parses HTML.
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
 * Create a button whose tooltip is its accessible name, too.
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

/** @param {Element} element */
export function toggleFullScreen(element) {
  if (document.fullscreenElement) document.exitFullscreen();
  else element.requestFullscreen();
}

/**
 * The tags of a picture.
 *
 * @param {readonly string[]} tags
 */
export function tagList(tags) {
  const each = tags.map((tag) => el("span", { className: "tag" }, tag));
  return el("span", { className: "tags", title: tags.join(", ") }, ...each);
}

/** Formats 5000 as 5,000, as the rest of the app does. */
export const wholeNumber = new Intl.NumberFormat("en");
