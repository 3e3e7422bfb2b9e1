// @ts-check
// What is known of regions. It arrives in any order: from the page's script, which may have read the
// ledger long before its data are here, and from answers to verdicts.

/** @import { Judged, Progress, VerdictCode, Version } from "./types.js" */

export class Judgements {
  #ledger = "";
  /** @type {Map<string, { judged: Judged | null, version: Version }>} By the name of the region. */
  #known = new Map();
  /** @type {Progress | null} */
  #progress = null;
  /** @type {Version} */
  #counted = [0, 0];

  /** How far the queue is judged; null before anything was learned. */
  get progress() {
    return this.#progress;
  }

  /** @param {string} name */
  on(name) {
    return this.#known.get(name)?.judged ?? null;
  }

  /**
   * Whether there is no verdict on a region, or one that is stale.
   *
   * @param {string} name
   */
  isOpen(name) {
    const judged = this.on(name);
    return !judged || judged.stale;
  }

  /**
   * Forget what another ledger said.
   *
   * @param {string} ledger
   */
  open(ledger) {
    if (ledger === this.#ledger) return;
    this.#ledger = ledger;
    this.#known.clear();
    this.#progress = null;
    this.#counted = [0, 0];
  }

  /**
   * Take what a version of the ledger says, except where a later one is known.
   *
   * @param {{ judged: Record<string, Judged | null>, progress: Progress, version: Version }} said
   */
  learn({ judged, progress, version }) {
    for (const [name, each] of Object.entries(judged)) {
      const known = this.#known.get(name);
      if (!known || !isBefore(version, known.version)) {
        this.#known.set(name, { judged: each, version });
      }
    }
    if (isBefore(version, this.#counted)) return;
    this.#progress = progress;
    this.#counted = version;
  }

  /**
   * Take a verdict that the ledger may not have yet; null takes one back.
   *
   * @param {string} name
   * @param {Judged | null} judged
   */
  expect(name, judged) {
    this.#known.set(name, { judged, version: this.#known.get(name)?.version ?? [0, 0] });
  }

  /**
   * Count a verdict that the server has not counted yet.
   *
   * @param {VerdictCode} verdict
   * @param {number} count Of its regions.
   */
  count(verdict, count) {
    if (!this.#progress) return;
    const { judged, wrong, decided, total } = this.#progress;
    const isDecided = verdict === "wrong_label" || verdict === "network_wrong";
    this.#progress = {
      ...this.#progress,
      judged: Math.min(total, judged + count),
      wrong: wrong + (verdict === "wrong_label" ? count : 0),
      decided: decided + (isDecided ? count : 0),
    };
  }
}

/**
 * @param {Version} one
 * @param {Version} other
 */
function isBefore([file, length], [otherFile, otherLength]) {
  return file < otherFile || (file === otherFile && length < otherLength);
}
