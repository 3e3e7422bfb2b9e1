// @ts-check
// Notes on regions that were not judged yet, kept in this tab until their verdicts.

export class NoteDrafts {
  #key = "";

  /** @param {string} ledger */
  open(ledger) {
    this.#key = `cityseg notes ${ledger}`;
  }

  /** @returns {Record<string, string>} */
  get #all() {
    return JSON.parse(sessionStorage.getItem(this.#key) ?? "{}");
  }

  /** @param {string} name */
  of(name) {
    return this.#all[name] ?? "";
  }

  /**
   * Keep the note on a region; an empty one is forgotten.
   *
   * @param {string} name
   * @param {string} note
   */
  keep(name, note) {
    const { [name]: before = "", ...others } = this.#all;
    if (note === before) return;
    const all = note ? { ...others, [name]: note } : others;
    sessionStorage.setItem(this.#key, JSON.stringify(all));
  }
}
