"""Look at single annotations for the verdict on a dataset, and keep what was decoded meanwhile."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.data import png
from cityseg.data.annotations import COLORED, check_png, decode_map, has_blue_first, read_bytes
from cityseg.data.encodings import Encoding
from cityseg.data.frame import Frame
from cityseg.data.layouts import SPLIT_NAMES
from cityseg.data.street_model import Seen, fits, part_of, seen_in
from cityseg.errors import MaskError
from cityseg.labels import IGNORE
from cityseg.system import Stamp, file_stamp, map_in_threads

#: Enough for the sample of a dataset at full size, little beside what a conversion needs anyway.
_MAX_KEPT_BYTES: Final = 1 << 26
_KINDS: Final = {png.GREY: "grey", png.PALETTE: "palette", png.RGB: "colors", png.RGBA: "colors"}


@dataclass
class Look:
    """What one annotation shows: its kind, and some rows and columns.

    `kind` is "grey", "palette" or "colors" (of Cityscapes), or "unusable". `part` has the values of
    a grey one, the label ids of a coloured one; `is_blue_first` is about the order of its colours.
    """

    path: Path
    kind: str
    part: Uint8Array
    frame: Frame | None = None
    is_blue_first: bool = False

    @cached_property
    def seen(self) -> Seen:
        """Which values lie where."""
        return seen_in(self.part)

    @cached_property
    def fits(self) -> dict[Encoding, float]:
        """How well each encoding explains it, the best first."""
        return fits(self.seen)

    @cached_property
    def is_blank(self) -> bool:
        """Whether nothing is annotated, as in the test split: label ids 0–6, or void alone."""
        if self.kind != "grey":
            return False
        values = self.seen.values
        folders = [folder.name.casefold() for folder in self.path.parents[:2]]
        in_test = self.frame.split == "test" if self.frame else _TEST & {*folders}
        return bool(np.isin(values, _BLANK).all() and (in_test or values.size == 1))


#: Folders of the test split, of files without a frame.
_TEST: Final = {name for name, split in SPLIT_NAMES.items() if split == "test"}
_BLANK: Final = (*range(7), IGNORE)


class Decoded(NamedTuple):
    """An annotation as `annotations.decode_map` decoded it, while its file had that stamp."""

    stamp: Stamp
    colored: bool
    pixels: Uint8Array

    def holds(self, path: Path, encoding: Encoding) -> bool:
        """Whether the file has not changed since, and was decoded as that encoding needs."""
        return self.colored == (encoding in COLORED) and self.stamp == file_stamp(path)


#: Path -> annotation, for a conversion that follows.
Kept = dict[Path | None, Decoded]


def look_at(paths: Iterable[Path], kept: Kept, workers: int | None = None) -> list[Look]:
    """Look at each annotation; adds what was decoded to `kept` while that stays small."""
    looks: list[Look] = []
    room = _MAX_KEPT_BYTES - sum(decoded.pixels.nbytes for decoded in kept.values())
    for look, decoded in map_in_threads(_look, paths, workers):
        looks.append(look)
        if decoded and decoded.pixels.nbytes <= room:
            room -= decoded.pixels.nbytes
            kept[look.path] = decoded
    return looks


_NOTHING: Final = np.zeros((0, 0), np.uint8)


def _look(path: Path) -> tuple[Look, Decoded | None]:
    try:
        stamp = file_stamp(path)
        content = read_bytes(path)
        header = check_png(content, path, "")
        kind = _KINDS.get(header.color_type, "unusable")
        try:
            pixels = decode_map(content, header, path, colored=kind != "grey")
        except MaskError:  # a grey map may be stored as one of colours
            kind, pixels = "grey", decode_map(content, header, path, colored=False)
    except (MaskError, OSError):  # the reason is given where the frame is converted
        return Look(path, "unusable", _NOTHING), None
    decoded = Decoded(stamp, kind != "grey", pixels)
    # A black picture is a map of void, or anything else.
    if kind != "grey" and not pixels.any():
        kind = "unusable"
    blue_first = kind == "colors" and has_blue_first(content)
    return Look(path, kind, part_of(pixels).copy(), is_blue_first=blue_first), decoded
