"""One limit on what the server decodes at a time, whoever asks for it.

A picture of 67 million pixels takes 200 MB decoded and as much again while it is encoded, so a few
requests at once would exhaust the memory. They wait for each other instead, in the order in which
they came; those for pictures of usual size rarely do.
"""

import stat
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from PIL import Image

from cityseg.data import MAX_BYTES, MAX_PIXELS, png
from cityseg.errors import ImageError

_BYTES_PER_PIXEL: Final = 3
#: Enough of a file for the header of a PNG.
_HEADER_BYTES: Final = 64
#: Of a polygons file: the pixels are those of a large frame, and JSON takes thirty times its size.
_POLYGONS_PIXELS: Final = 1 << 23
_PIXELS_PER_JSON_BYTE: Final = 10


class Budget:
    """Pixels that may be decoded at a time; waiting is in turn."""

    def __init__(self, pixels: int) -> None:
        """Allow `pixels`; a larger picture is decoded alone."""
        self._all = self._free = pixels
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @contextmanager
    def spending(self, pixels: int, patience_seconds: float | None = None) -> Iterator[None]:
        """Wait for so many pixels, and keep them for the block; raises TimeoutError."""
        pixels, turn = min(pixels, self._all), object()
        with self._changed:
            self._waiting.append(turn)
            try:
                if not self._changed.wait_for(
                    lambda: self._waiting[0] is turn and pixels <= self._free, patience_seconds
                ):
                    raise TimeoutError
                self._free -= pixels
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


#: That of the whole server.
BUDGET: Final = Budget(MAX_PIXELS)


def cost(path: Path) -> int:
    """What decoding the file takes, in pixels of three bytes; reads its header.

    Raises ImageError if it cannot be read or is too large to be decoded.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device might never end
            raise ImageError(f"{path} is no file: check the dataset")
        if path.suffix.lower() == ".json":
            return _POLYGONS_PIXELS + status.st_size * _PIXELS_PER_JSON_BYTE
        with path.open("rb") as file:
            pixels = pixels_in(file)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    if pixels > MAX_PIXELS or status.st_size > MAX_BYTES:
        raise ImageError(
            f"{path} has {pixels / 1e6:,.0f} million pixels in {status.st_size >> 20} MiB, and at "
            f"most {MAX_PIXELS // 10**6} million in {MAX_BYTES >> 20} are shown: make it smaller"
        )
    return pixels + status.st_size // _BYTES_PER_PIXEL


def pixels_in(file: BinaryIO) -> int:
    """Of a picture's header; 0 if there is none, which decoding explains better."""
    # OpenCV decodes PNG files that Pillow refuses, so their header is read without either.
    if header := png.read_header(file.read(_HEADER_BYTES)):
        return header.width * header.height
    file.seek(0)
    try:
        with Image.open(file) as image:
            return image.width * image.height
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return MAX_PIXELS + 1
    except Exception:  # Pillow's readers of headers fail in more ways than documented
        return 0
