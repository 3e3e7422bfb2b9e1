"""PNG files apart from how they are compressed, which is not always the same: see data/png.py."""

import struct
import zlib

from cityseg.data.png import SIGNATURE


def uncompressed(content: bytes) -> bytes:
    """The chunks of a PNG file without their checksums, the pixels as they were before deflate."""
    assert content.startswith(SIGNATURE)
    parts, pixels, place = [], b"", len(SIGNATURE)
    while place < len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        payload = content[place + 8 : place + 8 + length]
        if kind == b"IDAT":
            pixels += payload
        else:
            parts.append(kind + payload)
        place += 12 + length
    return b"".join(parts) + zlib.decompress(pixels)
