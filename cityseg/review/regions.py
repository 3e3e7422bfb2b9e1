"""Regions of a frame as a ledger keeps them: a box, and the run lengths of a mask in it."""

from collections.abc import Sequence
from typing import Annotated, Final, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from cityseg.arrays import BoolArray, FloatArray, IntArray
from cityseg.system import Count, FileModel

#: Top, left, bottom, right; the last two exclusive.
Box = tuple[int, int, int, int]

#: The most pixels of a box: those of any picture that is read.
_MOST_PIXELS: Final = 1 << 28
#: The least IoU of the boxes of one region.
_LEAST_IOU: Final = 0.6


class Region(FileModel):
    """Some pixels of a frame: those of `runs` in the box, whose bottom and right are exclusive.

    `runs` are the lengths of the runs along the rows of the box, first of pixels outside of the
    region, then inside, and so on; the first may be 0.
    """

    model_config = ConfigDict(frozen=True)  # so that it is hashable

    top: Count
    left: Count
    bottom: Count
    right: Count
    runs: Annotated[tuple[Count, ...], Field(strict=False)]  # JSON has lists only

    @classmethod
    def of(cls, mask: BoolArray, top: int = 0, left: int = 0) -> Self:
        """The region of a (H, W) mask whose corner lies at `top`, `left` of its frame.

        Raises ValueError for a mask without a pixel.
        """
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not rows.size:
            raise ValueError("A region has at least one pixel")
        first, last = (int(rows[0]), int(columns[0])), (int(rows[-1]) + 1, int(columns[-1]) + 1)
        inside = mask[first[0] : last[0], first[1] : last[1]]
        return cls(
            top=top + first[0],
            left=left + first[1],
            bottom=top + last[0],
            right=left + last[1],
            runs=run_lengths(inside),
        )

    @property
    def box(self) -> Box:
        """Top, left, bottom, right; the last two exclusive."""
        return self.top, self.left, self.bottom, self.right

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the box."""
        return self.bottom - self.top, self.right - self.left

    @property
    def pixels(self) -> int:
        """The number of pixels of the region itself."""
        return sum(self.runs[1::2])

    def mask(self) -> BoolArray:
        """(H, W) bool in the box: which of its pixels belong to the region."""
        return mask_of_runs(self.runs, self.size_hw)

    @model_validator(mode="after")
    def _check(self) -> Self:
        height, width = self.size_hw
        if height <= 0 or width <= 0 or height * width > _MOST_PIXELS:
            raise ValueError("the box has no pixels or too many")
        if sum(self.runs) != height * width or not self.pixels:
            raise ValueError("the run lengths do not fill the box")
        return self


def run_lengths(mask: BoolArray) -> tuple[int, ...]:
    """The lengths of the runs of a (H, W) mask along its rows, false ones first."""
    flat = mask.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate([[0], changes, [flat.size]])
    lengths: list[int] = np.diff(bounds).tolist()
    return tuple([0, *lengths] if flat.size and flat[0] else lengths)


def mask_of_runs(runs: Sequence[int], size_hw: tuple[int, int]) -> BoolArray:
    """(H, W) bool from run lengths; raises ValueError if they do not fill it."""
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(size_hw)


def box_iou(one: Box, other: Box) -> float:
    """The IoU of two boxes; 0 if both are empty."""
    height = min(one[2], other[2]) - max(one[0], other[0])
    width = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0, height) * max(0, width)
    areas = [(bottom - top) * (right - left) for top, left, bottom, right in (one, other)]
    return shared / max(1, sum(areas) - shared)


def is_same_region(label: str, box: Box, other_label: str, other_box: Box) -> bool:
    """Whether what was found twice is one region: in the same box, or nearly so with one label."""
    return box == other_box or (label == other_label and box_iou(box, other_box) >= _LEAST_IOU)


def box_ious(boxes: IntArray, box: Box) -> FloatArray:
    """(N,) the `box_iou` of (N, 4) boxes with one."""
    return np.array([box_iou(each, box) for each in boxes.tolist()], np.float64)
