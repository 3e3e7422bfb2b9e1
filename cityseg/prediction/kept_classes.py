"""The classes of the first frames of a video, in a file from which a later attempt continues.

    {"key": "…"}                                    a line
    checksum, length (4 bytes each), a grey PNG     for each frame, in their order

The checksum is that of the frame's pixels, so that another video is found out. A record that a kill
or a full disk has cut ends what is kept.
"""

import json
import struct
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import cv2
import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import png
from cityseg.errors import CitysegError

_HEAD: Final = struct.Struct(">II")

#: (H, W, 3) uint8 RGB to its (H, W) uint8 train ids.
Classify = Callable[[Uint8Array], Uint8Array]


class KeptClasses:
    """Classes of frames, read from `path` as far as they are there, and then added to it.

    A file of another `key`, which stands for the network and how it predicts, is emptied.
    `reused` counts the frames whose classes were read from it.
    """

    def __init__(self, path: Path, key: str, smooth: int = 1) -> None:
        """`smooth` is the number of frames that `classify` averages; raises CitysegError."""
        head = json.dumps({"key": key}).encode() + b"\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
            if self._file.read(len(head)) != head:
                self._file.seek(0)
                self._file.truncate()
                self._file.write(head)
        except OSError as error:
            raise CitysegError(
                f"{path} cannot be written ({error.strerror}): check permissions and free space"
            ) from error
        self.path, self.reused, self._count = path, 0, 0
        self._is_reading, self._is_writing = True, False
        self._before: deque[Uint8Array] = deque(maxlen=smooth - 1)

    def __enter__(self) -> Self:
        """At the end of the block, the file is closed; without a frame, it is removed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()
        if not self._count:
            self.remove()

    def remove(self) -> None:
        """Remove the file: the video is complete."""
        self.path.unlink(missing_ok=True)

    def classes(self, image: Uint8Array, classify: Classify) -> Uint8Array:
        """The classes of the next frame, (H, W, 3) uint8 RGB: those that are kept, else new ones.

        Raises what `classify` raises.
        """
        checksum = zlib.crc32(np.ascontiguousarray(image).data)
        if self._is_reading:
            kept = self._read(checksum, image.shape[:2])
            if kept is not None:
                self._before.append(image)
                self._count += 1
                self.reused += 1
                return kept
            self._is_reading, self._is_writing = False, True
            for each in self._before:  # the mean over the last frames has to have them
                classify(each)
            self._before.clear()
        train_ids = classify(image)
        self._write(checksum, train_ids)
        self._count += 1
        return train_ids

    def _read(self, checksum: int, size_hw: tuple[int, ...]) -> Uint8Array | None:
        """The next record if it is of this frame; otherwise, the file ends before it."""
        start = self._file.tell()
        with suppress(OSError, struct.error, cv2.error):
            found, length = _HEAD.unpack(self._file.read(_HEAD.size))
            content = self._file.read(length)
            if found == checksum and len(content) == length:
                train_ids = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
                if train_ids is not None and train_ids.shape == size_hw:
                    return as_uint8(train_ids)
        self._file.seek(start)
        self._file.truncate()
        return None

    def _write(self, checksum: int, train_ids: Uint8Array) -> None:
        """Add a record; after an error, which a full disk gives, no more are kept."""
        if not self._is_writing:
            return
        content = png.encode_grey(train_ids)
        record = _HEAD.pack(checksum, len(content)) + content
        try:
            self._is_writing = self._file.write(record) == len(record)
        except OSError:
            self._is_writing = False
