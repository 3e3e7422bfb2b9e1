// @ts-check
// An action that runs once, some time after it was requested.

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

  /** Start the timer, unless it is running. */
  start() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#act();
    }, this.#milliseconds);
  }

  /** Start the timer from the beginning. */
  restart() {
    this.stop();
    this.start();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
