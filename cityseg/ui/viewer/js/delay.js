// @ts-check
// Something that happens once, some time after it was asked for.

export class Delay {
  #milliseconds;
  #act;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {number} milliseconds
   * @param {() => void} act
   */
  constructor(milliseconds, act) {
    this.#milliseconds = milliseconds;
    this.#act = act;
  }

  get isRunning() {
    return this.#timer !== undefined;
  }

  /** Begin to wait, unless it is waiting already. */
  start() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#act();
    }, this.#milliseconds);
  }

  /** Begin to wait, from now in any case. */
  restart() {
    this.stop();
    this.start();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
