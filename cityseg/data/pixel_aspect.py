"""The shape of a dataset's pixels: not square where its pictures were squeezed.

Cityscapes is 2:1, and copies of it are often squeezed to squares. A dataset says so once: in the
report.json beside its masks, where `convert` keeps what was proven or what a person named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from PIL import Image

from cityseg.arrays import Uint8Array
from cityseg.data.frame import Frame
from cityseg.data.layouts import IMAGES
from cityseg.data.official_names import official_stems
from cityseg.data.pairs import PAIR_SPLITS, PAIRS_MARKER

#: Pixels that are wider or higher than this are a mistake.
MOST_ASPECT: Final = 8.0
#: Width of the official frames divided by their height.
_OFFICIAL: Final = 2.0
#: Pictures whose size is read to prove the shape of the pixels.
_SAMPLE: Final = 16


@dataclass(frozen=True, slots=True)
class PixelAspect:
    """`value` is the width of a pixel divided by its height, as pictures are displayed.

    `evidence` is a sentence that says why, "" if nothing is known and pixels count as square;
    `is_named` marks what a person named, which later conversions keep.
    """

    value: float = 1.0
    evidence: str = ""
    is_named: bool = False

    @classmethod
    def named(cls, value: float) -> "PixelAspect":
        """What a person names."""
        return cls(value, "Named by --pixel-aspect", is_named=True)


def prove_pixel_aspect(root: Path, frames: Sequence[Frame]) -> PixelAspect:
    """The shape of the pixels of `frames` below `root`, as their origin shows it.

    Official names prove that a picture shows 2:1, whatever its own size is. Reads the sizes of a
    few pictures.
    """
    if (root / PAIRS_MARKER).is_file():
        return PixelAspect(_OFFICIAL, "Unpacked from pairs, which are 2:1 pictures in squares")
    known = [frame for frame in frames if frame.image and frame.split in PAIR_SPLITS]
    step = max(1, len(known) // _SAMPLE)
    sample = known[::step][:_SAMPLE]
    if not sample or not all(_is_official(frame.stem) for frame in sample):
        return PixelAspect()
    sizes = {size for frame in sample if (size := picture_size_hw(frame.image))}
    aspects = {round(_OFFICIAL * height / width, 4) for height, width in sizes}
    if len(aspects) != 1 or (value := aspects.pop()) == 1 or not _is_sane(value):
        return PixelAspect()
    height, width = sizes.pop()
    return PixelAspect(
        value, f"The frames have official names, and their 2:1 is squeezed to {width}×{height}"
    )


def picture_pixel_aspect(path: Path, picture: Uint8Array) -> float:
    """The shape of the pixels of one (H, W, 3) picture: proven by an official name, else 1."""
    stem = path.stem.removesuffix(f"_{IMAGES}")
    height, width = picture.shape[:2]
    value = round(_OFFICIAL * height / width, 4)
    return value if _is_official(stem) and _is_sane(value) else 1.0


def _is_sane(value: float) -> bool:
    return 1 / MOST_ASPECT <= value <= MOST_ASPECT


def _is_official(stem: str) -> bool:
    """Whether an official frame of train or val has this name: others may divide them otherwise."""
    return stem in _stems()


@cache
def _stems() -> frozenset[str]:
    return frozenset(stem for split in PAIR_SPLITS for stem in official_stems(split))


def picture_size_hw(path: Path | None) -> tuple[int, int] | None:
    """(height, width) of a picture by its header; None if there is none or it cannot be read."""
    if path is None:
        return None
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, ValueError, Image.DecompressionBombError):
        return None  # reported where the picture is read
