"""The PNG container: header, integrity, text, and a fast encoder of label maps and pictures.

Decoders disagree on damaged files: some return the rows they got, and a file without its end chunk
loads in Pillow but fails its `verify()`. So whether a file is whole is decided here, from chunk
lengths and checksums.
Source: PNG (Portable Network Graphics) Specification, W3C, sections 5 and 11.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
#: Signature, then IHDR: length, type, 13 bytes, checksum.
_HEADER_BYTES: Final = 33
#: Colour types.
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
#: The filter type of rows stored as differences from the row above.
_UP: Final = 2
#: Deflate's highest ratio: two bits can stand for 258 bytes.
_MAX_RATIO: Final = 1032


class Header(NamedTuple):
    """The fields of IHDR; `color_type` is one of GREY, RGB, PALETTE, GREY_ALPHA, RGBA."""

    width: int
    height: int
    bit_depth: int
    color_type: int


def read_header(content: bytes) -> Header | None:
    """Read the header of a PNG file from its first 33 bytes or more; None if it is no PNG."""
    if len(content) < _HEADER_BYTES or not content.startswith(SIGNATURE):
        return None
    if content[12:16] != b"IHDR":
        return None
    return Header(*struct.unpack(">IIBB", content[16:26]))


def find_damage(content: bytes) -> str | None:
    """Check the PNG file `content`: "truncated", "corrupt", or None if it is whole."""
    try:
        for kind, payload, checksum in _chunks(content):
            if zlib.crc32(payload, zlib.crc32(kind)) != checksum:
                return "corrupt"
    except struct.error:
        return "truncated"
    return None


def chunk_kinds(content: bytes) -> set[bytes]:
    """The types of the chunks in a whole PNG file."""
    return {kind for kind, _, _ in _chunks(content)}


def encode_grey(
    pixels: npt.NDArray[np.uint8], keyword: str = "Software", text: str = "cityseg"
) -> bytes:
    """Encode (H, W) uint8 as an 8-bit grey PNG with one tEXt chunk behind its header.

    With no filter and ISA-L's fastest deflate: for label maps ten times faster than the usual
    encoders at a similar size, and faster to decode.
    """
    note = keyword.encode("latin-1") + b"\0" + text.encode("latin-1")
    return _encode(GREY, _rows(pixels), pixels.shape[1], _chunk(b"tEXt", note))


def encode_palette(pixels: npt.NDArray[np.uint8], palette: npt.NDArray[np.uint8]) -> bytes:
    """Encode (H, W) uint8 as a PNG with the colours `palette[pixels]`, an (N, 3) uint8 RGB."""
    return _encode(PALETTE, _rows(pixels), pixels.shape[1], _chunk(b"PLTE", palette.tobytes()))


def encode_rgb(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode (H, W, 3) uint8 as an 8-bit RGB PNG, in a quarter of OpenCV's time for as many bytes.

    Each row is stored as its difference from the row above, which saves a seventh of the bytes.
    """
    height, width, _ = pixels.shape
    rows = _rows(pixels.reshape(height, -1))
    np.subtract(rows[1:, 1:], rows[:-1, 1:], out=rows[1:, 1:])
    rows[:, 0] = _UP
    return _encode(RGB, rows, width)


def _rows(samples: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(H, W + 1): each row with its filter type in front, 0 for no filter."""
    rows = np.zeros((samples.shape[0], samples.shape[1] + 1), np.uint8)
    rows[:, 1:] = samples
    return rows


def _encode(color_type: int, rows: npt.NDArray[np.uint8], width: int, *chunks: bytes) -> bytes:
    # The same rows may be compressed to other bytes: with AVX2, ISA-L 2.32 hashes the address of
    # its stream in place of the third byte (igzip_icf_body_h1_gr_bt.asm, .write_first_byte).
    header = struct.pack(">IIBBBBB", width, len(rows), 8, color_type, 0, 0, 0)
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            *chunks,
            _chunk(b"IDAT", isal_zlib.compress(rows, 1)),
            _chunk(b"IEND", b""),
        )
    )


def decode_grey(content: bytes) -> npt.NDArray[np.uint8] | None:
    """Decode a PNG as `encode_grey` writes it to (H, W) uint8; None if it is of another kind."""
    header = read_header(content)
    if header is None or find_damage(content):
        return None
    if header[2:] != (8, GREY):
        return None
    compressed = b"".join(payload for kind, payload, _ in _chunks(content) if kind == b"IDAT")
    size = header.height * (header.width + 1)
    if size > _MAX_RATIO * len(compressed):
        return None
    # One byte more than needed: ISA-L doubles a buffer that is exactly full, at twice the time.
    try:
        rows = np.frombuffer(isal_zlib.decompress(compressed, bufsize=size + 1), np.uint8)
    except isal_zlib.error:  # type: ignore[misc]  # its stub declares an instance
        return None
    if rows.size != size:
        return None
    pixels = rows.reshape(header.height, header.width + 1)
    return None if pixels[:, 0].any() else pixels[:, 1:]


def leading_text(content: bytes, keyword: str) -> str | None:
    """Read the text of `encode_grey` from a file's first bytes; None if there is none."""
    prefix = b"tEXt" + keyword.encode("latin-1") + b"\0"
    start = _HEADER_BYTES + 4
    if content[start : start + len(prefix)] != prefix:
        return None
    (length,) = struct.unpack(">I", content[_HEADER_BYTES:start])
    return content[start + len(prefix) : start + 4 + length].decode("latin-1")


def _chunk(kind: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(payload, zlib.crc32(kind))
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", checksum)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield (type, payload, checksum) up to the end chunk; struct.error if the file ends before."""
    offset, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, offset)
        payload = content[offset + 8 : offset + 8 + length]
        (checksum,) = struct.unpack_from(">I", content, offset + 8 + length)
        yield kind, payload, checksum
        offset += 12 + length
