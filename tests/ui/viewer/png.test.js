// @ts-check
// Label maps are decoded to exactly the bytes they hold, or not at all.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";

import { decodeGrey } from "#viewer/png.js";

const [WIDTH, HEIGHT] = [7, 40];
const VALUES = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => i % 256);

/**
 * @param {string} type
 * @param {Uint8Array} content
 */
function chunk(type, content) {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, Buffer.from(type), content, Buffer.alloc(4)]);
}

/** A PNG of `VALUES` whose content is in as many chunks as asked for. */
function png({ depth = 8, colorType = 0, filter = 0, rows = HEIGHT, chunks = 1 } = {}) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  header.set([depth, colorType], 8);
  const lines = Array.from({ length: rows }, (_, y) =>
    Buffer.from([y === 3 ? filter : 0, ...VALUES.subarray(y * WIDTH, (y + 1) * WIDTH)]),
  );
  const content = deflateSync(Buffer.concat(lines));
  const size = Math.ceil(content.length / chunks);
  const parts = Array.from({ length: chunks }, (_, i) =>
    content.subarray(i * size, (i + 1) * size),
  );
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("tEXt", Buffer.from("IDAT is no chunk here")),
    ...parts.map((part) => chunk("IDAT", part)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** @param {Buffer} file */
const decode = (file) => decodeGrey(Uint8Array.from(file).buffer);

test("every value comes back, from one chunk or several", async () => {
  for (const chunks of [1, 2, 5]) {
    const plane = await decode(png({ chunks }));
    assert.deepEqual(plane, { width: WIDTH, height: HEIGHT, pixels: VALUES });
  }
});

test("other forms of PNG are refused", async () => {
  for (const form of [
    { depth: 16 },
    { depth: 4 },
    { colorType: 3 },
    { colorType: 2 },
    { filter: 2 },
  ]) {
    await assert.rejects(decode(png(form)), /no unfiltered 8-bit grey PNG/, JSON.stringify(form));
  }
});

test("too few and too many rows are refused", async () => {
  for (const rows of [HEIGHT - 1, HEIGHT + 1]) {
    await assert.rejects(decode(png({ rows })), /cannot be decoded: it is damaged/);
  }
});

test("a file that ends early is refused, wherever it ends", async () => {
  const whole = png();
  const end = whole.indexOf("IEND") - 8; // of the last values
  for (let length = 0; length < end; length++) {
    await assert.rejects(decode(whole.subarray(0, length)), /cannot be decoded/, `${length} bytes`);
  }
});

test("flipped bits in the compressed values are refused", async () => {
  const whole = png();
  const start = whole.lastIndexOf("IDAT") + 4;
  for (let at = start; at < whole.indexOf("IEND") - 8; at += 5) {
    const flipped = Buffer.from(whole);
    flipped[at] ^= 0x10;
    await assert.rejects(decode(flipped), /cannot be decoded/, `byte ${at}`);
  }
});
