// @ts-check
// An action runs once, however often it was requested.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Delay } from "#viewer/delay.js";

const real = { setTimeout, clearTimeout };
/** @type {Map<number, { act: () => void, milliseconds: number }>} Timers that are running. */
const timers = new Map();
let started = 0;

beforeEach(() => {
  timers.clear();
  Object.assign(globalThis, {
    /**
     * @param {() => void} act
     * @param {number} milliseconds
     */
    setTimeout: (act, milliseconds) => timers.set(++started, { act, milliseconds }) && started,
    /** @param {number} timer */
    clearTimeout: (timer) => timers.delete(timer),
  });
});

afterEach(() => {
  Object.assign(globalThis, real);
});

/** Let the only timer run out. */
function runOut() {
  const [[timer, { act }], ...others] = timers;
  assert.deepEqual(others, []);
  timers.delete(timer);
  act();
}

test("started twice, it acts once, and can be started again", () => {
  let acts = 0;
  const delay = new Delay(200, () => (acts += 1));
  delay.start();
  delay.start();
  assert.deepEqual(
    [...timers.values()].map(({ milliseconds }) => milliseconds),
    [200],
  );
  assert.ok(delay.isRunning);
  runOut();
  assert.deepEqual([acts, delay.isRunning], [1, false]);
  delay.start();
  runOut();
  assert.equal(acts, 2);
});

test("restarted, it waits from the beginning", () => {
  const delay = new Delay(200, () => {});
  delay.start();
  const [first] = timers.keys();
  delay.restart();
  assert.equal(timers.size, 1);
  assert.ok(!timers.has(first));
});

test("stopped, it does not act", () => {
  const delay = new Delay(200, () => assert.fail("it acted"));
  delay.start();
  delay.stop();
  assert.deepEqual([timers.size, delay.isRunning], [0, false]);
});
