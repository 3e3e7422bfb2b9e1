// @ts-check
// Loaded pictures: asked for once, freed when forgotten, tried again after a failure.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Store } from "#viewer/store.js";

import { row } from "./tables.js";

/** @import { Order, Result } from "#viewer/worker.js" */

/** Stands in for the worker: keeps the orders, and answers when the test says so. */
class WorkerStandIn {
  /** @type {Order[]} */
  orders = [];
  isTerminated = false;
  /** @type {((this: Worker, event: MessageEvent) => unknown) | null} */
  onmessage = null;
  /** @type {((this: AbstractWorker, event: ErrorEvent) => unknown) | null} */
  onerror = null;

  /** @param {Order} order */
  postMessage(order) {
    this.orders.push(order);
  }

  /** @param {Result} result */
  answer(result) {
    this.onmessage?.call(/** @type {any} */ (this), /** @type {any} */ ({ data: result }));
  }

  fail() {
    this.onerror?.call(/** @type {any} */ (this), /** @type {any} */ ({}));
  }

  terminate() {
    this.isTerminated = true;
  }
}

/** A photo, which says whether it was freed. */
function photo() {
  const bitmap = { width: 1, height: 1, isFreed: false, close: () => (bitmap.isFreed = true) };
  return /** @type {any} */ (bitmap);
}

/** @type {WorkerStandIn} */
let worker;
/** @type {string[]} */
let changed;
/** @type {Store} */
let store;

beforeEach(() => {
  Object.assign(globalThis, { document: { baseURI: "http://h:1/prefix/browse" } });
  worker = new WorkerStandIn();
  changed = [];
  store = new Store(worker, (url) => changed.push(url));
});

/** @param {...string} urls */
function want(...urls) {
  const wanted = urls.map((url) => ({ url, grey: false, urgent: true }));
  store.want(wanted, new Set(urls));
}

test("a file is asked for once, by its whole address, and is there after the answer", () => {
  want("/a");
  want("/a");
  assert.deepEqual(worker.orders, [{ id: 1, url: "http://h:1/a", grey: false, urgent: true }]);
  assert.ok(!store.isSettled("/a"));
  worker.answer({ id: 1, value: row(7) });
  assert.deepEqual(store.value("/a"), row(7));
  assert.ok(store.isSettled("/a"));
  assert.deepEqual(changed, ["/a"]);
});

test("what is no longer wanted is given up or freed", () => {
  const [here, coming] = [photo(), photo()];
  want("/here", "/coming");
  worker.answer({ id: 1, value: here });
  want("/other");
  assert.ok(here.isFreed);
  assert.deepEqual(worker.orders.slice(2, 3), [{ id: 2 }]);
  worker.answer({ id: 2, value: coming });
  assert.ok(coming.isFreed);
  assert.equal(store.value("/coming"), undefined);
  assert.deepEqual(changed, ["/here"]);
});

test("a failure stays until it may be tried again", () => {
  want("/a", "/b");
  worker.answer({ id: 1, error: "It is truncated.", lost: false });
  worker.answer({ id: 2, error: "The server does not answer.", lost: true });
  assert.equal(store.error("/a"), "It is truncated.");
  assert.deepEqual([store.isLost("/a"), store.isLost("/b")], [false, true]);
  store.forgetLost();
  want("/a", "/b");
  assert.deepEqual(
    worker.orders.slice(2).map(({ url }) => url),
    ["http://h:1/b"],
  );
  store.forgetFailures();
  want("/a", "/b");
  assert.deepEqual(
    worker.orders.slice(3).map(({ url }) => url),
    ["http://h:1/a"],
  );
});

test("without its worker it reports what cannot be loaded instead of waiting for ever", () => {
  want("/a", "/b");
  worker.answer({ id: 1, value: row(7) });
  worker.fail();
  assert.equal(store.error("/a"), undefined);
  assert.match(store.error("/b") ?? "", /reload the page/);
  assert.deepEqual(changed, ["/a", "/b"]);
  want("/a", "/c");
  assert.match(store.error("/c") ?? "", /reload the page/);
});

test("closed, it frees all and ends its worker", () => {
  const here = photo();
  want("/a");
  worker.answer({ id: 1, value: here });
  store.close();
  assert.ok(here.isFreed && worker.isTerminated);
  assert.equal(store.value("/a"), undefined);
});
