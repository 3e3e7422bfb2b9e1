"""The annotation of a frame as label ids and instance ids, and a copy of it on disk."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.arrays import Uint8Array
from cityseg.data import Frame, Reading, png, read_grey_png
from cityseg.errors import CitysegError, ReviewError, ScoreError
from cityseg.review.regions import Box
from cityseg.system import read_regular_file

Uint16Array = npt.NDArray[np.uint16]


class Annotated(NamedTuple):
    """(H, W) uint8 label ids, and (H, W) uint16 instance ids where there are usable ones."""

    label_ids: Uint8Array
    instance_ids: Uint16Array | None = None


def read_annotated(frame: Frame, reading: Reading) -> Annotated:
    """Read the annotation of a frame; raises ReviewError or MaskError.

    An instance map that cannot be read is an error too: a copy without it would have lost it.
    """
    source = frame.label_ids or frame.polygons
    if source is None:
        raise ReviewError(f"{frame.name} has no annotation: fetch it")
    label_ids = reading.label_ids(source)
    if frame.instance_ids is None:
        return Annotated(label_ids)
    try:
        ids = read_grey_png(frame.instance_ids, np.uint16, label_ids.shape)
    except ScoreError as error:
        raise ReviewError(str(error)) from error
    return Annotated(label_ids, ids)


def cropped(annotated: Annotated, box: Box) -> Annotated:
    """The part of an annotation in a box."""
    top, left, bottom, right = box
    label_ids = np.ascontiguousarray(annotated.label_ids[top:bottom, left:right])
    if (ids := annotated.instance_ids) is not None:
        ids = np.ascontiguousarray(ids[top:bottom, left:right])
    return Annotated(label_ids, ids)


class CopyFiles(NamedTuple):
    """Where the files of the frame `name`, <split>/<city>/<stem>, lie in Cityscapes' layout."""

    root: Path
    name: str

    def image(self, suffix: str = ".png") -> Path:
        """The picture."""
        return self._path("leftImg8bit", f"leftImg8bit{suffix}")

    @property
    def label_ids(self) -> Path:
        """The label map."""
        return self._path("gtFine", "gtFine_labelIds.png")

    @property
    def instance_ids(self) -> Path:
        """The instance map."""
        return self._path("gtFine", "gtFine_instanceIds.png")

    @property
    def polygons(self) -> Path:
        """The polygons."""
        return self._path("gtFine", "gtFine_polygons.json")

    def _path(self, side: str, end: str) -> Path:
        split, city, stem = self.name.split("/")
        return self.root / side / split / city / f"{stem}_{end}"


def write_maps(files: CopyFiles, annotated: Annotated) -> None:
    """Write label ids, and instance ids where there are some; raises OSError."""
    _write(files.label_ids, png.encode_grey(annotated.label_ids))
    if annotated.instance_ids is not None:
        _write(files.instance_ids, _encode_grey16(annotated.instance_ids))


def _encode_grey16(values: Uint16Array) -> bytes:
    done, content = cv2.imencode(".png", values)
    if not done:
        raise CitysegError("An instance map cannot be encoded: report this")
    return content.tobytes()


def read_file(path: Path) -> bytes:
    """The content of a file of the dataset; raises ReviewError."""
    try:
        return read_regular_file(path)
    except OSError as error:
        raise ReviewError(f"{path} cannot be read ({error.strerror}): fetch it again") from error


def copy_file(source: Path, target: Path) -> None:
    """Copy the content of a file; raises ReviewError if it cannot be read, OSError else."""
    _write(target, read_file(source))


def link_file(source: Path, target: Path) -> None:
    """Make `target` a link to `source`, or a copy where the file system has none.

    Raises as `copy_file` does.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.symlink_to(source.resolve())
    except OSError:
        copy_file(source, target)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
