// @ts-check
// Verdicts on their way: sent in order until confirmed, kept over a reload and a server that is away.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Outbox } from "#viewer/outbox.js";

/** @import { VerdictAnswer, VerdictChange } from "#viewer/types.js" */

/** @type {Map<string, string>} */
let kept;
/** @type {{ address: string, ids: string[], near: string[] }[]} */
let sent;
/** @type {((answer: { status: number, body: any } | null) => void)[]} */
let waiting;
/** @type {(VerdictAnswer | null)[]} */
let answers;
let renewals = 0;
/** @type {Outbox[]} */
const opened = [];

afterEach(() => opened.splice(0).forEach((each) => each.close()));

beforeEach(() => {
  kept = new Map();
  sent = [];
  waiting = [];
  answers = [];
  renewals = 0;
});

function outbox() {
  const storage = {
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value),
  };
  /** @type {import("#viewer/outbox.js").Send} */
  const send = (address, content) => {
    const { changes, near } = JSON.parse(content);
    sent.push({ address, ids: changes.map((/** @type {any} */ each) => each.id), near });
    return new Promise((resolve, reject) => {
      waiting.push((answer) => {
        if (!answer) reject(new TypeError("away"));
        else {
          resolve({
            status: answer.status,
            text: async () => answer.body,
            json: async () => answer.body,
          });
        }
      });
    });
  };
  const found = new Outbox(
    storage,
    send,
    (answer) => answers.push(answer),
    () => (renewals += 1),
    1,
  );
  opened.push(found);
  found.open("review/1", "ledger");
  return found;
}

/** @param {string} id */
function change(id) {
  return /** @type {VerdictChange} */ ({ id, entries: ["a"], verdict: "unclear" });
}

/**
 * Answer the oldest request, and let what follows happen.
 *
 * @param {{ status?: number, body?: any } | null} answer
 */
async function reply(answer) {
  waiting.shift()?.(answer && { status: 200, body: null, ...answer });
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

/** @param {() => boolean} isTrue */
async function until(isTrue) {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** @param {...string} ids */
function keeping(...ids) {
  return { body: { kept: ids, refused: {}, judged: {}, progress: {} } };
}

test("one request at a time; what was added meanwhile follows it", async () => {
  const box = outbox();
  box.near = ["b"];
  box.add(change("1"));
  box.add(change("2"));
  assert.deepEqual(sent, [{ address: "review/1", ids: ["1"], near: ["b"] }]);
  await reply(keeping("1"));
  assert.deepEqual(sent[1].ids, ["2"]);
  await reply(keeping("2"));
  assert.deepEqual([box.pending, sent.length, answers.length], [[], 2, 2]);
});

test("a server that is away gets the same changes later", async () => {
  const box = outbox();
  box.add(change("1"));
  await reply(null);
  assert.match(box.problem, /cannot be reached/);
  assert.equal(answers[0], null);
  box.add(change("2")); // tried at once
  await reply({ status: 503, body: "The disk is full." });
  assert.equal(box.problem, "The disk is full.");
  await until(() => sent.length === 3);
  assert.deepEqual(
    sent.map(({ ids }) => ids),
    [["1"], ["1", "2"], ["1", "2"]],
  );
  await reply(keeping("1", "2"));
  assert.deepEqual([box.problem, box.pending], ["", []]);
});

test("what is not confirmed outlives the page", async () => {
  outbox().add(change("1"));
  const next = outbox();
  assert.deepEqual(
    next.pending.map(({ id }) => id),
    ["1"],
  );
  assert.deepEqual(sent.at(-1)?.ids, ["1"]);
  await reply(null); // of the page that is gone
  await reply(keeping("1"));
  assert.deepEqual(JSON.parse(kept.get("cityseg verdicts ledger") ?? ""), []);
});

test("after a restart of the server changes go to its new address", async () => {
  const box = outbox();
  box.add(change("1"));
  await reply({ status: 410, body: "Reload the page." });
  assert.equal(renewals, 1);
  box.open("review/2", "ledger");
  assert.deepEqual(sent[1], { address: "review/2", ids: ["1"], near: [] });
});

test("a refused change is not sent again, and its reason is shown", async () => {
  const box = outbox();
  box.add(change("1"));
  await reply({ body: { kept: [], refused: { 1: "Not so." }, judged: {}, progress: {} } });
  assert.deepEqual([box.pending, box.problem, sent.length], [[], "Not so.", 1]);
});

test("a closed outbox sends nothing more", async () => {
  const box = outbox();
  box.add(change("1"));
  await reply(null);
  box.close();
  await new Promise((resolve) => setTimeout(resolve, 5)); // a later timer than that of the retry
  assert.equal(sent.length, 1);
});
