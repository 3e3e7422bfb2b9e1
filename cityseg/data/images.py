"""Read pictures: frames of the dataset fast and as stored, and any picture that a person supplies.

Decoders disagree on damaged files: some return the rows they got. So whether a file is whole is
checked before its pixels are decoded.
"""

import io
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import png
from cityseg.errors import ImageError

#: Larger pictures are refused: they would need gigabytes once decoded.
MAX_PIXELS: Final = 1 << 26
MAX_BYTES: Final = 1 << 28
#: How the files of frames begin: PNG, JPEG, WebP.
IMAGE_SIGNATURES: Final = (png.SIGNATURE, b"\xff\xd8", b"RIFF")
#: Pillow reads more formats, but EPS starts another program, and some have no reliable signature.
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "AVIF", "JPEG2000", "TIFF", "GIF", "BMP", "PPM")
#: PNG chunks that may change what `read_image` returns, as does EXIF in a text chunk.
_TURNING_CHUNKS: Final = {b"tRNS", b"eXIf", b"iTXt"}
_EXIF_AS_TEXT: Final = b"Raw profile type"


def decode_frame(content: bytes, path: Path) -> Uint8Array:
    """Decode a dataset frame's file to (H, W, 3) uint8 RGB, its pixels as stored.

    `path` is for messages. Raises ImageError if the file is damaged or has more than MAX_PIXELS.
    """
    _open(content, str(path)).close()
    whole = png.find_damage(content) is None if _is_png(content) else is_whole(content)
    pixels = _decode_rgb(content) if whole else None
    if pixels is None:
        raise ImageError(f"{path} is damaged or no picture: fetch it again")
    return pixels


def is_whole(content: bytes) -> bool:
    """Whether the file of a frame ends where its format says; its pixels are not decoded."""
    if _is_png(content):
        return png.find_damage(content) != "truncated"
    if content.startswith(b"RIFF"):
        return len(content) >= 8 + int.from_bytes(content[4:8], "little")
    return content.rstrip(b"\0").endswith(b"\xff\xd9")


def ends_whole(head: bytes, tail: bytes, size: int) -> bool:
    """The same from the first and last bytes of a file of `size` bytes, at least 16 of each.

    False also where only the whole file can tell, as with bytes behind its end.
    """
    if _is_png(head):
        return tail[-8:-4] == b"IEND"
    if head.startswith(b"RIFF"):
        return size >= 8 + int.from_bytes(head[4:8], "little")
    return tail.endswith(b"\xff\xd9")


def _is_png(content: bytes) -> bool:
    return content.startswith(png.SIGNATURE)


def read_image(source: Path | bytes, name: str = "") -> Uint8Array:
    """Read any picture as (H, W, 3) uint8 RGB, upright by its EXIF and flattened on black.

    Grey, palette, alpha, CMYK and 16-bit pictures are converted, colour profiles are ignored; of
    an animation, the first frame is read. Raises ImageError if it is damaged, no picture, or
    larger than MAX_PIXELS or MAX_BYTES; `name` is for messages.
    """
    name = name or (str(source) if isinstance(source, Path) else "The picture")
    content = _read_file(source) if isinstance(source, Path) else source
    _check_bytes(len(content), name)
    with _open(content, name) as image:
        if content.startswith(png.SIGNATURE) and (damage := png.find_damage(content)):
            raise ImageError(f"{name} is damaged or no picture: its file is {damage}")
        if _is_plain_rgb_png(content) and (pixels := _decode_rgb(content)) is not None:
            return pixels  # in two thirds of Pillow's time
        try:
            return _to_rgb(image)
        except Exception as error:  # decoders and converters fail in more ways than documented
            raise ImageError(f"{name} is damaged or no picture: {error}") from error


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file():  # reading a pipe or a device might never end
            raise ImageError(f"There is no file {path}: name a picture")
        _check_bytes(path.stat().st_size, str(path))
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}): check the file") from error


def _check_bytes(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise ImageError(
            f"{name} has {size >> 20} MiB, and the limit is {MAX_BYTES >> 20}: make it smaller"
        )


def _open(content: bytes, name: str) -> Image.Image:
    """Read the header, not the pixels."""
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError:
        raise ImageError(f"{name} is damaged or no picture: its format is unknown") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name) from error
    except Exception as error:  # as in read_image
        raise ImageError(f"{name} is damaged or no picture: {error}") from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name)
    return image


def _too_large(name: str) -> ImageError:
    return ImageError(f"{name} has more than {MAX_PIXELS // 10**6} million pixels: make it smaller")


def _decode_rgb(content: bytes) -> Uint8Array | None:
    """(H, W, 3) uint8; None if OpenCV cannot decode it, as with sides over a million pixels."""
    # A frame's pixels must lie where its annotation has them, so EXIF does not turn them here.
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    return None if pixels is None else as_uint8(pixels)


def _is_plain_rgb_png(content: bytes) -> bool:
    """Whether the stored pixels of a whole PNG file are the picture, with nothing to apply."""
    header = png.read_header(content)
    return (
        header is not None
        and header[2:] == (8, png.RGB)
        and not png.chunk_kinds(content) & _TURNING_CHUNKS
        and _EXIF_AS_TEXT not in content
    )


def _to_rgb(image: Image.Image) -> Uint8Array:
    image.load()  # errors of the pixels are raised here, so that below only EXIF can be at fault
    with suppress(Exception):  # broken EXIF must not spoil a picture: it stays as stored
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_as_8_bit(np.asarray(image)))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGB", layer.size)
        image.paste(layer, mask=layer)
    return np.array(image.convert("RGB"))


def _as_8_bit(wide: np.ndarray[Any, Any]) -> Uint8Array:
    """(H, W) grey to 8 bits: integers from 0–65535, floats from 0–1 or 0–255, whichever fits."""
    # Pillow's own conversion cuts at 255 and would make a 16-bit picture white.
    if wide.dtype.kind == "f":
        grey = np.nan_to_num(wide)
        return as_uint8((grey * (255 if grey.max() <= 1 else 1)).round().clip(0, 255).astype("u1"))
    return as_uint8(((wide.clip(0, 65535).astype(np.uint32) + 128) // 257).astype(np.uint8))
