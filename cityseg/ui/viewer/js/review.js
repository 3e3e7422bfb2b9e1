// @ts-check
// Judges regions: shows what is known of each, takes verdicts by buttons and keys, and undoes them.

import { Judgements } from "./judgements.js";
import { NoteDrafts } from "./note_drafts.js";
import { Outbox, post } from "./outbox.js";
import { newId } from "./tags.js";
import { UndoHistory } from "./undo_history.js";
import { VerdictBar } from "./verdict_bar.js";

/** @import { Data, Picture, Queue, VerdictChange, VerdictCode } from "./types.js" */

const ASK_AGAIN_MS = 4000;
const NEAR = 20; // regions to either side, whose verdicts by others come with each answer

/**
 * What the viewer does for a review.
 *
 * @typedef {object} Desk
 * @property {(name: string) => void} open Show the region of that name, or say that there is none.
 * @property {() => void} show Draw again what depends on verdicts.
 * @property {() => void} renew Request a new address from Python, and the present queue with the
 *   region `awaited`.
 */

export class Review {
  #desk;
  #outbox;
  /** @type {Queue | null} */
  #queue = null;
  /** @type {Picture[]} */
  #pictures = [];
  /** Changes on their way included. */
  #judgements = new Judgements();
  #isAlike = false;
  #index = -1;
  /** The name of the region that is shown. */
  #name = "";
  #history = new UndoHistory();
  #drafts = new NoteDrafts();
  /** A region that is not in the queue and was asked for; else empty. */
  awaited = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #asking;
  #bar;

  /** @param {Desk} desk */
  constructor(desk) {
    this.#desk = desk;
    this.#outbox = new Outbox(
      sessionStorage,
      post,
      (answer) => {
        if (answer) this.#judgements.learn(answer);
        this.#applyPending();
        desk.show();
      },
      () => desk.renew(),
    );
    this.#bar = new VerdictBar(this, (isKept) => this.#leaveNote(isKept));
  }

  get element() {
    return this.#bar.element;
  }

  get isOn() {
    return this.#queue !== null;
  }

  /**
   * Take what Python has sent.
   *
   * @param {Data} data
   * @param {Picture[]} pictures
   */
  take({ queue = null }, pictures) {
    this.#queue = queue;
    this.#pictures = pictures;
    this.element.hidden = queue === null;
    if (!queue) return;
    this.#judgements.open(queue.ledger);
    this.#judgements.learn(queue);
    this.#history.open(queue.ledger);
    this.#drafts.open(queue.ledger);
    this.#outbox.open(queue.address, queue.ledger);
    this.#applyPending();
    // Data of a run of the script that began before it was asked for say nothing of it.
    const isHere = this.#has(this.awaited) || queue.requested === this.awaited;
    if (this.awaited && isHere) this.#open(this.awaited);
  }

  /** @param {string} wanted */
  #has(wanted) {
    return this.#pictures.some(({ name }) => name === wanted);
  }

  /** @param {string} name */
  #open(name) {
    this.awaited = "";
    this.#desk.open(name);
  }

  /**
   * Show a region. If it is not in the queue, the one that is shown stays until Python sends it.
   *
   * @param {string} name
   */
  #request(name) {
    if (this.#has(name)) this.#open(name);
    else {
      this.awaited = name;
      this.#ask(ASK_AGAIN_MS);
    }
  }

  /**
   * Ask Python for the region that is awaited, and again if it does not come: a run of the script may
   * be lost with its connection. Each run ends the one before, so a slow server gets more time.
   *
   * @param {number} patienceMs
   */
  #ask(patienceMs) {
    clearTimeout(this.#asking);
    this.#asking = setTimeout(() => this.awaited && this.#ask(2 * patienceMs), patienceMs);
    this.#desk.renew();
  }

  close() {
    clearTimeout(this.#asking);
    this.#outbox.close();
  }

  /** Ask for the verdicts of others. */
  look() {
    if (!this.#queue) return;
    this.#outbox.near = this.near;
    this.#outbox.look();
  }

  /**
   * Give a verdict on the region that is shown, or on all like it, and go to the next one.
   *
   * @param {VerdictCode} verdict
   * @param {boolean} [accepted] Whether the region is to become what the network says.
   */
  judge(verdict, accepted = false) {
    const picture = this.#pictures[this.#index];
    if (!picture || (accepted && !picture.predicted)) return false;
    const entries = this.#isAlike ? this.#alike.map(({ name }) => name) : [picture.name];
    this.#isAlike = false;
    const change = this.#change({ entries, verdict, accepted, note: this.#bar.note });
    this.#history.add(change);
    for (const name of entries) this.#drafts.keep(name, "");
    this.#bar.note = "";
    this.#judgements.count(verdict, entries.length);
    this.#goOn();
    return true;
  }

  /** Take back the last verdict of this tab, and show its region. */
  undo() {
    const last = this.#history.takeLast();
    if (!last) return false;
    this.#change({ entries: last.entries, undone: last.id });
    this.#request(last.entries[0]);
    this.#desk.show();
    return true;
  }

  /** Go to the next region without a verdict. */
  skip() {
    this.#goOn();
  }

  /** Let the next verdict hold for all regions of the same pair, or for one again. */
  toggleAlike() {
    this.#isAlike = !this.#isAlike && this.#alike.length > 1;
    this.#desk.show();
  }

  askNote() {
    this.#bar.askNote();
  }

  /**
   * Show what is known of the region at a position.
   *
   * @param {number} index
   */
  draw(index) {
    if (!this.#queue) return;
    const judged = this.#judgedAt(index);
    const name = this.#pictures[index]?.name ?? "";
    // By name: new data may have the same region at another position.
    if (name !== this.#name) {
      this.#name = name;
      this.awaited = "";
      this.#isAlike = false;
      this.#bar.note = judged?.note ?? this.#drafts.of(name);
    }
    this.#index = index;
    this.#bar.show({
      judged,
      predicted: this.#pictures[index]?.predicted ?? "",
      canUndo: !this.#history.isEmpty,
      alike: this.#alike.length,
      isAlike: this.#isAlike,
      progress: this.#judgements.progress,
      problem: this.#outbox.problem,
      isPending: this.#outbox.pending.length > 0,
    });
  }

  /** The regions that the next verdict may hold for: the one shown, and open ones of its pair. */
  get #alike() {
    const shown = this.#pictures[this.#index];
    if (!shown) return [];
    const others = this.#pictures.filter(
      (each) => each !== shown && each.pair === shown.pair && this.#isOpen(each),
    );
    return [shown, ...others];
  }

  /** @param {number} index */
  #judgedAt(index) {
    return this.#judgements.on(this.#pictures[index]?.name ?? "");
  }

  /** @param {Picture} picture */
  #isOpen({ name }) {
    return this.#judgements.isOpen(name);
  }

  /** @param {Pick<VerdictChange, "entries"> & Partial<VerdictChange>} parts */
  #change(parts) {
    const reviewer = this.#queue?.reviewer ?? "";
    const nothing = { verdict: null, accepted: false, note: "", undone: null };
    const change = { ...nothing, id: newId(), reviewer, ...parts };
    this.#apply(change);
    this.#outbox.near = this.near;
    this.#outbox.add(change);
    return change;
  }

  /** The names of the regions around the one that is shown. */
  get near() {
    const first = Math.max(0, this.#index - NEAR);
    return this.#pictures.slice(first, this.#index + NEAR).map(({ name }) => name);
  }

  #applyPending() {
    for (const change of this.#outbox.pending) this.#apply(change);
  }

  /**
   * Show a change before the server has confirmed it.
   *
   * @param {VerdictChange} change
   */
  #apply({ entries, verdict, accepted, note, reviewer }) {
    const judged = verdict && { verdict, accepted, note, reviewer, stale: false };
    for (const name of entries) this.#judgements.expect(name, judged);
  }

  /** Show the next region without a verdict: behind this one, else from the beginning. */
  #goOn() {
    const isOpen = (/** @type {Picture} */ each) => this.#isOpen(each);
    const behind = this.#pictures.slice(this.#index + 1);
    const before = this.#pictures.slice(0, Math.max(0, this.#index));
    const next = behind.find(isOpen) ?? before.find(isOpen);
    if (next) this.#open(next.name);
    this.#desk.show();
  }

  /**
   * The field of the note is left; of a region that is judged already the note changes at once, and
   * for another one it is kept until the verdict.
   *
   * @param {boolean} isKept
   */
  #leaveNote(isKept) {
    const judged = this.#judgedAt(this.#index);
    const name = this.#pictures[this.#index]?.name;
    const { note } = this.#bar;
    if (isKept && judged && !judged.stale && name && note !== judged.note) {
      const { verdict, accepted } = judged;
      const change = this.#change({ entries: [name], verdict, accepted, note });
      this.#history.add(change);
    } else if (isKept && !judged && name) this.#drafts.keep(name, note);
    this.#desk.show();
  }
}
