// @ts-check
// Verdicts on their way to the server: kept in the browser's storage until it has confirmed them.

import { Delay } from "./delay.js";

/** @import { VerdictAnswer, VerdictChange } from "./types.js" */

const RETRY_MS = 2000;
const UNREACHABLE = "The server cannot be reached. Verdicts are kept here and sent when it can.";
/** A browser sends no more than 64 KiB of a page that is closed; the rest waits in the storage. */
const MOST_KEPT_ALIVE = 60_000;

/** @typedef {Pick<Storage, "getItem" | "setItem">} Kept */
/** @typedef {{ status: number, text: () => Promise<string>, json: () => Promise<any> }} Answer */
/** @typedef {(address: string, content: string, keepalive: boolean) => Promise<Answer>} Send */

/** @type {Send} */
export function post(address, content, keepalive) {
  const url = new URL(address, document.baseURI);
  return fetch(url, { method: "POST", body: content, keepalive });
}

/** Sends changes in their order, again and again until each is confirmed. */
export class Outbox {
  /** @type {VerdictChange[]} */
  #pending = [];
  #address = "";
  #key = "";
  #isSending = false;
  #isClosed = false;
  #storage;
  #send;
  #answered;
  #renew;
  #retrying;
  /** Why changes are not sent; empty if they are. */
  problem = "";
  /** @type {string[]} The regions whose verdicts by others are asked for with the next change. */
  near = [];

  /**
   * @param {Kept} storage
   * @param {Send} send
   * @param {(answer: VerdictAnswer | null) => void} answered Called with an answer, or with null
   *   when there is a problem. Status 410 says that there is another address.
   * @param {() => void} renew Request another address.
   * @param {number} [retryMs]
   */
  constructor(storage, send, answered, renew, retryMs = RETRY_MS) {
    this.#storage = storage;
    this.#send = send;
    this.#answered = answered;
    this.#renew = renew;
    this.#retrying = new Delay(retryMs, () => this.#flush());
  }

  /** Changes that are not confirmed, oldest first. */
  get pending() {
    return this.#pending;
  }

  /**
   * Send to an address from now on; what was left of the same ledger before is sent again.
   *
   * @param {string} address
   * @param {string} ledger
   */
  open(address, ledger) {
    this.#address = address;
    const key = `cityseg verdicts ${ledger}`;
    if (key !== this.#key) {
      this.#key = key;
      this.#pending = this.#kept;
    }
    if (this.#pending.length) this.#flush();
  }

  /** @param {VerdictChange} change */
  add(change) {
    this.#pending = [...this.#pending, change];
    this.#save();
    this.#flush();
  }

  /** Ask for the verdicts of others. */
  look() {
    this.#flush();
  }

  /** Send nothing more; what is answered later is still no longer kept. */
  close() {
    this.#isClosed = true;
    this.#retrying.stop();
    this.#address = "";
  }

  /** @returns {VerdictChange[]} What the storage holds. */
  get #kept() {
    return JSON.parse(this.#storage.getItem(this.#key) ?? "[]");
  }

  #save() {
    this.#storage.setItem(this.#key, JSON.stringify(this.#pending));
  }

  async #flush() {
    if (this.#isSending || !this.#address) return;
    this.#isSending = true;
    this.#retrying.stop();
    const sent = this.#pending;
    const answer = await this.#exchange({ changes: sent, near: this.near });
    this.#isSending = false;
    if (answer) this.#confirm(answer);
    if (this.#isClosed) return; // what shows the answer belongs to another outbox now
    this.problem = answer ? Object.values(answer.refused).join(" ") : this.problem;
    this.#answered(answer);
    if (!answer) this.#retrying.start();
    else if (this.#pending.length) this.#flush(); // added meanwhile
  }

  /** @param {VerdictAnswer} answer */
  #confirm({ kept, refused }) {
    const done = new Set([...kept, ...Object.keys(refused)]);
    // Not its own list: once this outbox is closed, the next one adds to the storage.
    this.#pending = this.#kept.filter(({ id }) => !done.has(id));
    this.#save();
  }

  /**
   * @param {object} message
   * @returns {Promise<VerdictAnswer | null>} Null with the problem set.
   */
  async #exchange(message) {
    const content = JSON.stringify(message);
    try {
      const answer = await this.#send(this.#address, content, content.length < MOST_KEPT_ALIVE);
      if (answer.status === 200) return await answer.json();
      if (answer.status === 410 && !this.#isClosed) this.#renew();
      this.problem = await answer.text();
    } catch {
      this.problem = UNREACHABLE;
    }
    return null;
  }
}
