"""Read pictures: frames of the dataset fast and exactly, and whatever a person hands in."""

import io
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageOps

from cityseg import png
from cityseg.annotations import as_uint8
from cityseg.errors import ImageError
from cityseg.labels import Uint8Array

#: Larger pictures are refused: they would need gigabytes once decoded.
MAX_PIXELS: Final = 1 << 26
MAX_BYTES: Final = 1 << 28


def decode_frame(content: bytes, path: Path) -> Uint8Array:
    """A dataset frame's file as (H, W, 3) uint8 RGB, its pixels as stored.

    `path` is for messages. Raises ImageError if the file is damaged: some decoders return the
    rows they got.
    """
    whole = (
        png.find_damage(content) is None
        if content.startswith(png.SIGNATURE)
        else content.startswith(b"RIFF") or content.rstrip(b"\0").endswith(b"\xff\xd9")
    )
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if whole else None
    if pixels is None:
        raise ImageError(f"{path} is damaged or no picture: fetch it again")
    return as_uint8(pixels)


def read_image(source: Path | bytes, name: str = "") -> Uint8Array:
    """Any picture as (H, W, 3) uint8 RGB: turned upright by EXIF, flattened on black, in sRGB.

    Grey, palette, alpha, CMYK and 16-bit pictures are converted. Raises ImageError if it is
    damaged, no picture, or larger than MAX_PIXELS or MAX_BYTES; `name` is for messages.
    """
    name = name or (str(source) if isinstance(source, Path) else "the picture")
    try:
        size = source.stat().st_size if isinstance(source, Path) else len(source)
        if size > MAX_BYTES:
            raise ImageError(f"{name} has {size >> 20} MiB: the limit is {MAX_BYTES >> 20}")
        content = source.read_bytes() if isinstance(source, Path) else source
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(
                    f"{name} has {image.width}×{image.height} pixels: "
                    f"the limit is {MAX_PIXELS >> 20} million"
                )
            return _to_rgb(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"{name} is damaged or no picture: {error}") from error


def _to_rgb(image: Image.Image) -> Uint8Array:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        wide = np.asarray(image, np.float64)
        scale = 255 / 65535 if wide.max(initial=0) > 255 else 1
        image = Image.fromarray((wide.clip(0) * scale).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        upright = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", upright.size, (0, 0, 0, 255)), upright)
    return np.array(image.convert("RGB"))
