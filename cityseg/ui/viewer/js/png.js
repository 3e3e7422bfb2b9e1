// @ts-check
// Decodes label maps from the server to their exact values.

/** @import { Plane } from "./types.js" */

const HEADER_BYTES = 8; // before the first chunk
const CHUNK_EXTRA_BYTES = 12; // of a chunk, around its content: length, type, checksum
const IDAT = 0x49444154;
const GREY_8_BIT = 0x0800; // bit depth 8, colour type 0

/**
 * The values of an unfiltered 8-bit grey PNG, which is the one form that the server writes
 * (`png.encode_grey` in Python). It is decoded here and not read back from a canvas: some browsers
 * add noise to what a canvas returns, against fingerprinting, and colour management may change
 * it, too; label ids must be exact.
 *
 * @param {ArrayBuffer} file
 * @returns {Promise<Plane>}
 * @throws {Error} If it is damaged, or a PNG of another form.
 */
export async function decodeGrey(file) {
  const bytes = new DataView(file);
  if (file.byteLength < 33 || bytes.getUint16(24) !== GREY_8_BIT) throw unsupported();
  const width = bytes.getUint32(16);
  const height = bytes.getUint32(20);
  const rows = await inflate(contentOf(file, bytes));
  if (rows.length !== height * (width + 1)) throw unsupported();
  const pixels = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const start = y * (width + 1);
    if (rows[start] !== 0) throw unsupported(); // the byte before each row is its filter
    pixels.set(rows.subarray(start + 1, start + 1 + width), y * width);
  }
  return { width, height, pixels };
}

/**
 * The compressed parts of a PNG. Checksums are not verified: the file comes from our own server,
 * and the deflated data has a checksum of its own.
 *
 * @param {ArrayBuffer} file
 * @param {DataView<ArrayBuffer>} bytes
 */
function contentOf(file, bytes) {
  const parts = [];
  for (let at = HEADER_BYTES; at + 8 <= file.byteLength;) {
    const length = bytes.getUint32(at);
    if (at + 8 + length > file.byteLength) throw unsupported();
    if (bytes.getUint32(at + 4) === IDAT) parts.push(new Uint8Array(file, at + 8, length));
    at += CHUNK_EXTRA_BYTES + length;
  }
  return parts;
}

/** @param {Uint8Array<ArrayBuffer>[]} parts */
async function inflate(parts) {
  try {
    const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw unsupported(); // DecompressionStream's own message has no meaning for a reader
  }
}

const unsupported = () =>
  new Error("The label map cannot be decoded: it is damaged, or no unfiltered 8-bit grey PNG.");
