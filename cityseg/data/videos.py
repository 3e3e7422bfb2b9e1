"""Videos: the frames of a file, or of a folder of pictures, one at a time."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data.images import HEAD_BYTES, MAX_PIXELS, read_image, what_instead
from cityseg.data.picture_files import find_pictures
from cityseg.data.pixel_aspect import picture_pixel_aspect
from cityseg.errors import ImageError, Skipped

#: Frames a second of a folder, which does not state them.
FOLDER_RATE: Final = 25.0
#: What can be a rate; containers that do not know theirs state the ticks of their clock.
LEAST_RATE: Final = 0.01
MOST_RATE: Final = 1000.0
#: Of the frames that a container promises, the share that may be missing: some only estimate it.
_MISSING_SHARE: Final = 0.01
_MISSING_FRAMES: Final = 2
#: Begins the name of the folder in which a video is written, before it gets its own name.
UNFINISHED_VIDEO: Final = ".cityseg-video-"
#: The ending of the hidden file with the classes of a video that is not complete.
KEPT_CLASSES: Final = ".classes"


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """A video that is read once.

    `frames` are (H, W, 3) uint8 RGB, turned upright, and a `Skipped` for each that is lost; that of
    a missing end comes last. `rate` is in frames a second, `total` the promised number of frames, 0
    if that is unknown. `pixel_aspect` is the width of a pixel divided by its height.
    """

    frames: Iterator[Uint8Array | Skipped]
    rate: float
    total: int
    pixel_aspect: float = 1.0


def open_video(path: Path, rate: float | None = None) -> Video:
    """Open a video file, or a folder of pictures as a video in the order of their names.

    `rate` replaces the rate of the file, and FOLDER_RATE. Frames that are unevenly spaced count as
    evenly spaced at their mean rate. Raises ImageError if there is nothing to read.
    """
    return _open_folder(path, rate) if path.is_dir() else _open_file(path, rate)


def _open_folder(folder: Path, rate: float | None) -> Video:
    found = find_pictures([str(folder)], advice="name one of its folders")
    if not found.paths:
        raise ImageError(found.problems[0].detail)
    first = found.paths[0]
    picture = _read_picture(first)
    aspect = 1.0 if isinstance(picture, Skipped) else picture_pixel_aspect(first, picture)
    frames = map(_read_picture, found.paths)
    return Video(frames, rate or FOLDER_RATE, len(found.paths), aspect)


def _read_picture(path: Path) -> Uint8Array | Skipped:
    try:
        return read_image(path)
    except ImageError as error:
        return Skipped.of(error)


def _open_file(path: Path, rate: float | None) -> Video:
    if not path.is_file():
        raise ImageError(f"There is no video {path}: name a video file or a folder of pictures")
    # What FFmpeg prints about damaged files says nothing to a person; the frames are counted.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # An absolute path: FFmpeg takes what stands before a colon for a protocol.
    with quiet_stderr():
        capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        try:
            with path.open("rb") as file:
                about = what_instead(file.read(HEAD_BYTES))
        except OSError as error:
            raise ImageError(f"{path} cannot be read ({error.strerror}): check the file") from error
        raise ImageError(
            f"{path} is no video but {about}"
            if about
            else f"{path} is damaged or no video: fetch it again, or convert it with ffmpeg"
        )
    width = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
    height = capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > MAX_PIXELS:
        raise ImageError(f"{path} has frames of {width:.0f}×{height:.0f}: scale it down first")
    stated = capture.get(cv2.CAP_PROP_FPS)
    if not rate and not LEAST_RATE <= stated <= MOST_RATE:  # true for nan as well
        raise ImageError(f"{path} states no frame rate: name it with --frame-rate")
    promised = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    total = int(promised) if math.isfinite(promised) and 0 < promised < 1e9 else 0
    return Video(_file_frames(path, capture, total), rate or stated, total)


def _file_frames(
    path: Path, capture: cv2.VideoCapture, total: int
) -> Iterator[Uint8Array | Skipped]:
    """The frames of an open file; OpenCV turns them as the file's rotation says."""
    read = 0
    while True:
        is_read, bgr = capture.read()
        if not is_read:
            break
        read += 1
        yield as_uint8(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    capture.release()
    # The end and an error look alike, so what was promised decides.
    if total - read > max(_MISSING_FRAMES, _MISSING_SHARE * total) or not read:
        yield Skipped(
            "truncated",
            f"{path} has {read} readable frames of {total}: its end is missing or damaged, fetch "
            "it again",
        )


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """No output to stderr, not even by libraries in C: OpenCV prints beside what it returns."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
