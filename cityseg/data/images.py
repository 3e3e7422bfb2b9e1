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
from PIL.TiffImagePlugin import TiffImageFile

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import jpeg, png
from cityseg.errors import ImageError
from cityseg.system import LFS_POINTER, LFS_START

#: Larger pictures are refused: they would need gigabytes once decoded.
MAX_PIXELS: Final = 1 << 26
MAX_BYTES: Final = 1 << 28
#: Bytes at the beginning of a file that say what it is.
HEAD_BYTES: Final = 64
#: How the files of frames begin: PNG, JPEG, WebP.
IMAGE_SIGNATURES: Final = (png.SIGNATURE, b"\xff\xd8", b"RIFF")
#: Endings of the files that `read_image` reads; HEIC needs the optional package pillow-heif.
PICTURE_SUFFIXES: Final = (
    *(".png", ".jpg", ".jpeg", ".webp", ".avif", ".jp2", ".tif", ".tiff", ".gif", ".bmp"),
    *(".ppm", ".pgm", ".pnm", ".heic", ".heif"),
)
#: Pillow reads more formats, but EPS starts another program, and some have no reliable signature.
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "AVIF", "JPEG2000", "TIFF", "GIF", "BMP", "PPM")
#: What follows "ftyp" in a HEIC file; other MPEG-4 files are videos.
_HEIC_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
#: How files begin that people take for pictures.
_NO_PICTURES: Final = {
    b"%PDF": "a PDF document: export its page as PNG",
    b"<!DOCTYPE": "a web page: download the file itself",
    b"<html": "a web page: download the file itself",
    b"<svg": "a drawing in SVG: export it as PNG",
    b"<?xml": "a text in XML: export a drawing as PNG",
    LFS_START: LFS_POINTER,
}
_VIDEO_SIGNATURES: Final = (b"\x1aE\xdf\xa3", b"\0\0\x01\xba", b"\0\0\x01\xb3", b"OggS", b"FLV\x01")
_BITS_PER_SAMPLE: Final = 258  # of TIFF
_ORIENTATION: Final = 0x0112  # of EXIF
#: Bits that a camera's values may have in files of 16 bits.
_DEPTHS: Final = (8, 10, 12, 14, 16)
#: PNG chunks that may change what `read_image` returns, as does EXIF in a text chunk.
_TURNING_CHUNKS: Final = {b"tRNS", b"eXIf", b"iTXt"}
_EXIF_AS_TEXT: Final = b"Raw profile type"


def decode_frame(content: bytes, path: Path, least_width: int | None = None) -> Uint8Array:
    """Decode a dataset frame's file to (H, W, 3) uint8 RGB, its pixels as stored.

    With `least_width`, a JPEG is decoded at a half, quarter or eighth of its size where that is no
    narrower, in far less time and memory. `path` is for messages. Raises ImageError if the file is
    damaged or has more than MAX_PIXELS.
    """
    with _open(content, str(path)) as image:
        reduction = _reduction(image, least_width or image.width)
    whole = png.find_damage(content) is None if _is_png(content) else is_whole(content)
    header = png.read_header(content)
    decode = _decode_wide if header and header.bit_depth == 16 else _decode_rgb
    pixels = decode(content, reduction) if whole else None
    if pixels is None:
        raise ImageError(f"{path} is damaged or no picture: fetch it again")
    return pixels


def is_whole(content: bytes) -> bool:
    """Whether the file of a frame ends where its format says; its pixels are not decoded."""
    if _is_png(content):
        return png.find_damage(content) != "truncated"
    if content.startswith(b"RIFF"):
        return len(content) >= 8 + int.from_bytes(content[4:8], "little")
    return content.endswith(b"\xff\xd9") or jpeg.find_end(content) is not None


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

    Grey, palette, alpha, CMYK and 16-bit pictures are converted, the last from the range of 8, 10,
    12, 14 or 16 bits that holds their values; colour profiles are ignored; of an animation, the
    first frame is read. Raises ImageError if it is damaged, no picture, or larger than MAX_PIXELS
    or MAX_BYTES; `name` is for messages.
    """
    name = name or (str(source) if isinstance(source, Path) else "The picture")
    content = _read_file(source) if isinstance(source, Path) else source
    _check_bytes(len(content), name, content[:HEAD_BYTES])
    with _open(content, name) as image:
        if content.startswith(png.SIGNATURE) and (damage := png.find_damage(content)):
            raise ImageError(f"{name} is damaged or no picture: its file is {damage}")
        if _is_plain_rgb_png(content) and (pixels := _decode_rgb(content)) is not None:
            return pixels  # in two thirds of Pillow's time
        try:
            return _to_rgb(image, content)
        except Exception as error:  # decoders and converters fail in more ways than documented
            raise ImageError(f"{name} is damaged or no picture: {_cause(content)}") from error


def _cause(content: bytes, else_cause: str = "it cannot be decoded") -> str:
    """Why a picture cannot be decoded, in place of the decoder's words."""
    early = content.startswith(IMAGE_SIGNATURES) and not is_whole(content)
    return "its file ends too early" if early else else_cause


def why_unreadable(head: bytes, path: Path) -> str:
    """The message for a frame's file whose header cannot be read, from its first bytes."""
    return _describe_other(head, str(path)) or f"{path} is no readable picture: fetch it again"


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file():  # reading a pipe or a device might never end
            raise ImageError(_no_file(path))
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            _check_bytes(path.stat().st_size, str(path), head)
            return head + file.read()
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}): check the file") from error


def _no_file(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return f"{path} is a link to {path.readlink()}, which cannot be reached: name a picture"
    if path.exists() and not path.is_dir():
        return f"{path} is a pipe or a device, not a file: name a picture"
    return f"There is no file {path}: name a picture"


def _check_bytes(size: int, name: str, head: bytes) -> None:
    if size > MAX_BYTES:
        if found := _describe_other(head, name):  # a video is to be called one, not too large
            raise ImageError(found)
        raise ImageError(
            f"{name} has {size >> 20} MiB, and the limit is {MAX_BYTES >> 20}: make it smaller"
        )


def _open(content: bytes, name: str) -> Image.Image:
    """Read the header, not the pixels."""
    formats = (*_FORMATS, "HEIF") if _is_heic(content) and _can_read_heic() else _FORMATS
    try:
        image = Image.open(io.BytesIO(content), formats=formats)
    except UnidentifiedImageError:
        unknown = f"{name} is damaged or no picture: {_cause(content, 'its format is unknown')}"
        raise ImageError(_describe_other(content[:HEAD_BYTES], name) or unknown) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name) from error
    except Exception as error:  # as in read_image
        raise ImageError(f"{name} is damaged or no picture: {_cause(content)}") from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name)
    return image


def _is_heic(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS


def _can_read_heic() -> bool:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _describe_other(head: bytes, name: str) -> str | None:
    """The message for a file that Pillow does not know, from its first bytes; None if unknown."""
    if not head:
        return f"{name} is damaged or no picture: its file is empty"
    if _is_heic(head):
        if _can_read_heic():
            return None
        return (
            f"{name} is a HEIC picture, which needs the package pillow-heif: install it by "
            "'pip install pillow-heif', or save the picture as JPEG"
        )
    is_avi = head.startswith(b"RIFF") and head[8:12] == b"AVI "
    if is_avi or head[4:8] in (b"ftyp", b"moov") or head.startswith(_VIDEO_SIGNATURES):
        return (
            f"{name} is a video: predict it with python -m cityseg predict VIDEO --video OUT.mp4, "
            "or save its frames as pictures first"
        )
    about = what_instead(head)
    return about and f"{name} is no picture but {about}"


def what_instead(head: bytes) -> str | None:
    """What a file is that people take for a picture, and what to do, from its first bytes."""
    begin = head[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    found = (about for start, about in _NO_PICTURES.items() if begin.startswith(start.lower()))
    return next(found, None)


def _too_large(name: str) -> ImageError:
    return ImageError(f"{name} has more than {MAX_PIXELS // 10**6} million pixels: make it smaller")


#: OpenCV's flag that divides the size by the number. Grey is its word for "no colours named here":
#: those of the same names with COLOR contradict IMREAD_COLOR_RGB.
_REDUCED: Final = {
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    1: 0,
}


def _reduction(image: Image.Image, least_width: int) -> int:
    """By what to divide the size; only a JPEG's decoder gains from it."""
    if image.format != "JPEG":
        return 1
    return next((by for by in _REDUCED if image.width >= by * least_width), 1)


def _decode_rgb(content: bytes, reduction: int = 1) -> Uint8Array | None:
    """(H, W, 3) uint8; None if OpenCV cannot decode it, as with sides over a million pixels."""
    # A frame's pixels must lie where its annotation has them, so EXIF does not turn them here.
    flags = _REDUCED[reduction] | cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    return None if pixels is None else as_uint8(pixels)


def _decode_wide(content: bytes, reduction: int = 1) -> Uint8Array | None:
    """The same of a PNG with 16 bits, whose values are read as `read_image` reads them."""
    wide = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if wide is None:
        return None
    has_colors = wide.ndim == 3  # blue, green, red, and opacity if there is one
    return _as_8_bit(wide[..., 2::-1] if has_colors else np.repeat(wide[..., None], 3, 2))


def _is_plain_rgb_png(content: bytes) -> bool:
    """Whether the stored pixels of a whole PNG file are the picture, with nothing to apply."""
    header = png.read_header(content)
    return (
        header is not None
        and header[2:] == (8, png.RGB)
        and not png.chunk_kinds(content) & _TURNING_CHUNKS
        and _EXIF_AS_TEXT not in content
    )


def _to_rgb(image: Image.Image, content: bytes) -> Uint8Array:
    image.load()  # errors of the pixels are raised here, so that below only EXIF can be at fault
    if _has_wide_colors(image, content):
        image = _narrowed(image, content)
    with suppress(Exception):  # broken EXIF must not spoil a picture: it stays as stored
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_as_8_bit(np.asarray(image)))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGB", layer.size)
        image.paste(layer, mask=layer)
    return np.array(image.convert("RGB"))


def _has_wide_colors(image: Image.Image, content: bytes) -> bool:
    """Whether a file has 16 bits for each of several channels, of which Pillow keeps the upper 8.

    Those of a camera with 12 bits are nearly black.
    """
    if image.format == "PNG":
        header = png.read_header(content)
        return header is not None and header[2] == 16 and len(image.getbands()) > 1
    if isinstance(image, TiffImageFile):
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, ())
        return len(bits) > 1 and min(bits) == 16
    return False


def _narrowed(image: Image.Image, content: bytes) -> Image.Image:
    """The same picture with 8 bits, decoded by OpenCV, which keeps all 16 until then."""
    wide = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if wide is None or wide.dtype != np.uint16 or wide.shape[2:] not in {(3,), (4,)}:
        return image
    order = cv2.COLOR_BGR2RGB if wide.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    colors, alpha = np.split(cv2.cvtColor(wide, order), [3], axis=2)
    layers = [_as_8_bit(colors)]
    if alpha.size:  # always from the whole range: half transparent is not 12 bits
        layers.append(as_uint8((alpha // 257).astype(np.uint8)))
    narrow = Image.fromarray(np.concatenate(layers, axis=2))
    with suppress(Exception):
        narrow.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return narrow


def _as_8_bit(wide: np.ndarray[Any, Any]) -> Uint8Array:
    """(H, W) or (H, W, 3) to 8 bits: floats from 0–1 or 0–255, integers from the least of _DEPTHS.

    Cameras of 12 bits write files of 16; nothing in a file says so but its values.
    """
    # Pillow's own conversion cuts at 255 and would make a 16-bit picture white.
    if wide.dtype.kind == "f":
        grey = np.nan_to_num(wide)
        return as_uint8((grey * (255 if grey.max() <= 1 else 1)).round().clip(0, 255).astype("u1"))
    values = wide.clip(0, 65535).astype(np.uint32)
    most = next(2**bits - 1 for bits in _DEPTHS if values.max() < 2**bits)
    return as_uint8(((values * 255 + most // 2) // most).astype(np.uint8))
