// @ts-check
// The worker: fetches and decodes pictures, so that the page stays free for keys and drawing.
// `store.js` is the other side.

import { decodeGrey } from "./png.js";

/** @import { Decoded } from "./types.js" */

/**
 * A message to the worker: load `url`; without one, abort the load with that id.
 *
 * @typedef {{ id: number, url?: string, grey?: boolean, urgent?: boolean }} Order
 */

/**
 * A message from the worker: a `value` or an `error`. `lost` means that the server did not answer or
 * no longer knows the address: it was restarted, or is restarting.
 *
 * @typedef {{ id: number, value?: Decoded, error?: string, lost?: boolean }} Result
 */

const LONGEST_ERROR = 500; // characters; a proxy may answer with a whole page
const GONE = 410;

class LostError extends Error {}

/** @type {Map<number, AbortController>} */
const running = new Map();

addEventListener("message", (/** @type {MessageEvent<Order>} */ { data }) => {
  if (data.url === undefined) running.get(data.id)?.abort();
  else load(data.id, data.url, data);
});

/**
 * @param {number} id
 * @param {string} url
 * @param {Order} order
 */
async function load(id, url, { grey, urgent }) {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const answer = await ask(url, { signal: controller.signal, priority: urgent ? "high" : "low" });
    const value = grey
      ? await decodeGrey(await received(answer.arrayBuffer()))
      : await createImageBitmap(await received(answer.blob()));
    send({ id, value }, "pixels" in value ? value.pixels.buffer : value);
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error);
    send({ id, error: sentence, lost: error instanceof LostError });
  } finally {
    running.delete(id);
  }
}

/**
 * @param {string} url
 * @param {RequestInit} options
 */
async function ask(url, options) {
  const answer = await received(fetch(url, options));
  if (answer.ok) return answer;
  const sentence = (await received(answer.text())).slice(0, LONGEST_ERROR);
  const error = sentence || `The server answered with status ${answer.status}.`;
  throw answer.status === GONE ? new LostError(error) : new Error(error);
}

/**
 * Await something from the network, whose failure means that the server is away. The type of an
 * error does not show that: decoders throw TypeError as `fetch` does.
 *
 * @template Value
 * @param {Promise<Value>} coming
 */
async function received(coming) {
  try {
    return await coming;
  } catch (error) {
    throw new LostError("The server does not answer.", { cause: error });
  }
}

/**
 * @param {Result} result
 * @param {...Transferable} transfer Moved to the page instead of copied.
 */
function send(result, ...transfer) {
  postMessage(result, { transfer });
}
