"""Areas of a frame, and those of masks that a training ignores: its own store has 255 there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from cityseg.arrays import BoolArray, Uint8Array
from cityseg.errors import ReviewError
from cityseg.labels import IGNORE

#: A (H, W) map of integers.
Map = TypeVar("Map", bound=npt.NDArray[np.integer[Any]])


class Area(Protocol):
    """Pixels of a frame: those of `mask` in a box, whose bottom and right are exclusive."""

    @property
    def top(self) -> int:
        """The first row of the box."""

    @property
    def left(self) -> int:
        """The first column of the box."""

    @property
    def bottom(self) -> int:
        """The row after the last."""

    @property
    def right(self) -> int:
        """The column after the last."""

    def mask(self) -> BoolArray:
        """(H, W) bool in the box."""


@dataclass(frozen=True, slots=True)
class IgnoredAreas:
    """The areas of one frame that are ignored, and a `key` that stands for them."""

    key: str
    areas: Sequence[Area]

    def applied(self, train_ids: Uint8Array, path: Path) -> Uint8Array:
        """A copy of the (H, W) mask `path` with 255 in the areas; raises ReviewError."""
        return painted(train_ids, self.areas, IGNORE, str(path))


def painted(values: Map, areas: Iterable[Area], value: int, where: str) -> Map:
    """A copy of a (H, W) map with `value` in all `areas`.

    Raises ReviewError if an area does not lie within the map, whose name is `where`.
    """
    changed = values.copy()
    height, width = changed.shape
    for area in areas:
        if area.bottom > height or area.right > width:
            raise ReviewError(
                f"{where} is {width}×{height} pixels, but a reviewed region of it ends at "
                f"x {area.right}, y {area.bottom}: judge it again"
            )
        changed[area.top : area.bottom, area.left : area.right][area.mask()] = value
    return changed
