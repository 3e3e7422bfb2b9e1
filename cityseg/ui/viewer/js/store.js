// @ts-check
// Pictures that were loaded, by their addresses. A worker fetches and decodes them.

/** @import { Decoded } from "./types.js" */
/** @import { Order, Result } from "./worker.js" */

/** @typedef {{ id: number, value?: Decoded, error?: string, lost?: boolean }} Item */
/** @typedef {{ url: string, grey: boolean, urgent: boolean }} Wanted */
/** @typedef {Pick<Worker, "postMessage" | "terminate" | "onmessage" | "onerror">} WorkerLike */

/** A worker that runs `worker.js`, which lies beside this file. */
export function startWorker() {
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

/** Decoded pictures by address. What is forgotten is freed at once: each may have megabytes. */
export class Store {
  /** @type {Map<string, Item>} */
  #items = new Map();
  /** @type {Map<number, { url: string, item: Item }>} Items that the worker was asked for. */
  #waiting = new Map();
  #lastId = 0;
  #worker;
  #changed;

  /**
   * @param {WorkerLike} worker It is the store's own from here on.
   * @param {(url: string) => void} changed Called with an address that has been loaded, or not.
   */
  constructor(worker, changed) {
    this.#worker = worker;
    this.#changed = changed;
    worker.onmessage = ({ data }) => this.#receive(data);
    worker.onerror = () => this.#fail("The viewer's decoder does not run: reload the page.");
  }

  /** @param {string} url */
  value(url) {
    return this.#items.get(url)?.value;
  }

  /** @param {string} url */
  error(url) {
    return this.#items.get(url)?.error;
  }

  /** @param {string} url */
  isSettled(url) {
    return this.value(url) !== undefined || this.error(url) !== undefined;
  }

  /**
   * Whether it could not be loaded because the server was restarted.
   *
   * @param {string} url
   */
  isLost(url) {
    return this.#items.get(url)?.lost === true;
  }

  /**
   * Load what is missing of `wanted`, in that order, and forget all that is not in `kept`.
   *
   * @param {Wanted[]} wanted
   * @param {ReadonlySet<string>} kept
   */
  want(wanted, kept) {
    for (const [url, item] of this.#items) {
      if (!kept.has(url)) this.#forget(url, item);
    }
    for (const { url, grey, urgent } of wanted) {
      if (this.#items.has(url)) continue;
      const item = { id: ++this.#lastId };
      this.#items.set(url, item);
      this.#waiting.set(item.id, { url, item });
      // Absolute: relative to the worker's file it would lead elsewhere.
      this.#order({ id: item.id, url: new URL(url, location.origin).href, grey, urgent });
    }
  }

  /** Let everything that could not be loaded be tried again. */
  forgetFailures() {
    this.#retry((item) => item.error !== undefined);
  }

  /** Let what was lost with the server be tried again. */
  forgetLost() {
    this.#retry((item) => item.lost === true);
  }

  close() {
    this.#worker.terminate();
    for (const { value } of this.#items.values()) free(value);
    this.#items.clear();
    this.#waiting.clear();
  }

  /** @param {(item: Item) => boolean} isMeant */
  #retry(isMeant) {
    for (const [url, item] of this.#items) if (isMeant(item)) this.#items.delete(url);
  }

  /**
   * @param {string} url
   * @param {Item} item
   */
  #forget(url, item) {
    this.#items.delete(url);
    if (this.#waiting.delete(item.id)) this.#order({ id: item.id });
    free(item.value);
  }

  /** @param {Order} order */
  #order(order) {
    this.#worker.postMessage(order);
  }

  /** @param {Result} result */
  #receive({ id, value, error, lost }) {
    const waiting = this.#waiting.get(id);
    if (!waiting) {
      free(value); // it was forgotten while it was on its way
      return;
    }
    this.#waiting.delete(id);
    Object.assign(waiting.item, { value, error, lost });
    this.#changed(waiting.url);
  }

  /** @param {string} error */
  #fail(error) {
    for (const id of [...this.#waiting.keys()]) this.#receive({ id, error });
  }
}

/** @param {Decoded | undefined} value */
function free(value) {
  // An ImageBitmap may hold memory of the GPU, which no garbage collector counts.
  if (value && "close" in value) value.close();
}
