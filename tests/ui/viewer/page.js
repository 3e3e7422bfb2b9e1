// @ts-check
// A page without a browser, on which a whole viewer runs. It never comes to drawing.

/** What the viewer does with an element. Texts are kept apart from `children`, as in a browser. */
class FakeElement {
  /** @type {any[]} */
  children = [];
  classList = { toggle() {}, add() {} };
  dataset = {};
  style = { setProperty() {} };
  hidden = false;
  className = "";
  textContent = "";
  value = "";

  /** @param {...any} children */
  append(...children) {
    for (const each of children) {
      if (typeof each === "string") this.textContent += each;
      else this.children.push(each);
    }
  }

  /** @param {...any} children */
  replaceChildren(...children) {
    this.children = [];
    this.append(...children);
  }

  /**
   * @param {string} name
   * @param {unknown} value
   */
  setAttribute(name, value) {
    Object.assign(this, { [name]: value });
  }

  /**
   * @param {string} name
   * @param {boolean} isOn
   */
  toggleAttribute(name, isOn) {
    Object.assign(this, { [name]: isOn });
  }
}

for (const name of ["addEventListener", "focus", "blur", "select", "getContext"]) {
  Object.assign(FakeElement.prototype, { [name]: () => null });
}

Object.assign(FakeElement.prototype, { getRootNode: () => ({ activeElement: null }) });

/** @returns {any} */
export function element() {
  return new FakeElement();
}

/**
 * The first element of a class below another.
 *
 * @param {any} root
 * @param {string} className
 * @returns {any}
 */
export function find(root, className) {
  if (root.className.split(" ").includes(className)) return root;
  return root.children.map((/** @type {any} */ each) => find(each, className)).find(Boolean);
}

const nothing = () => {};

/**
 * A constructor of objects that do nothing.
 *
 * @param {...string} methods
 */
function standIn(...methods) {
  return function () {
    return Object.fromEntries(methods.map((name) => [name, nothing]));
  };
}

function newStorage() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value),
  };
}

/**
 * Open a page at an address, with an empty storage. Returns the requests that were sent from it, each
 * with what answers it.
 *
 * @param {string} href
 */
export function openPage(href) {
  /** @type {{ content: any, answer: (body: any) => Promise<void> }[]} */
  const requests = [];
  const location = new URL(href);
  /** @param {...any} given */
  const replaceState = (...given) => (location.href = new URL(given[2], location.href).href);
  /**
   * @param {URL} _url
   * @param {{ body: string }} options
   */
  const fetch = (_url, { body }) =>
    new Promise((resolve) => {
      const answer = async (/** @type {any} */ found) => {
        resolve({ status: 200, json: async () => found });
        for (let i = 0; i < 10; i++) await Promise.resolve();
      };
      requests.push({ content: JSON.parse(body), answer });
    });
  Object.assign(globalThis, {
    location,
    fetch,
    history: { replaceState },
    document: { createElement: element, addEventListener: nothing, baseURI: href },
    sessionStorage: newStorage(),
    addEventListener: nothing,
    matchMedia: () => ({ matches: true }),
    requestAnimationFrame: () => 1,
    cancelAnimationFrame: nothing,
    HTMLElement: FakeElement,
    Path2D: standIn(),
    ResizeObserver: standIn("observe", "disconnect"),
    Worker: standIn("postMessage", "terminate"),
  });
  return { requests, location };
}
