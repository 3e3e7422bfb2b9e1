// @ts-check
// Loaded pictures by address. A worker fetches and decodes them.

/** @import { Decoded } from "./types.js" */
/** @import { Order, Result } from "./worker.js" */

/** @typedef {{ id: number, value?: Decoded, error?: string, lost?: boolean }} Item */
/** @typedef {{ url: string, grey: boolean, urgent: boolean }} Wanted */
/** @typedef {Pick<Worker, "postMessage" | "terminate" | "onmessage" | "onerror">} WorkerLike */

/** Start a worker that runs `worker.js`. */
export function startWorker() {
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

/** Decoded pictures by address. Pictures have megabytes: those that are no longer kept are freed. */
export class Store {
  /** @type {Map<string, Item>} */
  #items = new Map();
  /** @type {Map<number, { url: string, item: Item }>} Items that are being loaded, by id. */
  #waiting = new Map();
  #lastId = 0;
  #worker;
  #changed;
  /** @type {string | undefined} Why nothing can be loaded any more. */
  #failure;

  /**
   * @param {WorkerLike} worker Used by this store only, which terminates it.
   * @param {(url: string) => void} changed Called with an address that was loaded or has failed.
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
   * Load what is missing of `wanted`, in that order, and drop everything that is not in `kept`.
   *
   * @param {Wanted[]} wanted
   * @param {ReadonlySet<string>} kept
   */
  want(wanted, kept) {
    for (const [url, item] of this.#items) {
      if (!kept.has(url)) this.#drop(url, item);
    }
    for (const { url, grey, urgent } of wanted) {
      if (this.#items.has(url)) continue;
      const item = { id: ++this.#lastId, error: this.#failure };
      this.#items.set(url, item);
      if (this.#failure) continue;
      this.#waiting.set(item.id, { url, item });
      // Absolute, because a worker resolves addresses against its own file.
      this.#order({ id: item.id, url: new URL(url, document.baseURI).href, grey, urgent });
    }
  }

  /** Drop all failures, so that these files are loaded again when wanted. */
  forgetFailures() {
    this.#retry((item) => item.error !== undefined);
  }

  /** Drop the failures that a restart of the server caused. */
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
  #drop(url, item) {
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
      free(value); // dropped while it was being loaded
      return;
    }
    this.#waiting.delete(id);
    Object.assign(waiting.item, { value, error, lost });
    this.#changed(waiting.url);
  }

  /** @param {string} error */
  #fail(error) {
    this.#failure = error;
    for (const id of [...this.#waiting.keys()]) this.#receive({ id, error });
  }
}

/** @param {Decoded | undefined} value */
function free(value) {
  // An ImageBitmap may hold memory of the GPU, which no garbage collector counts.
  if (value && "close" in value) value.close();
}
