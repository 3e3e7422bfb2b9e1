"""Array types for signatures, and run lengths of maps."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Uint8Array = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Shorter runs, on average, cost more to find than they save; measured on genuine maps.
_MIN_MEAN_RUN: Final = 3


def as_uint8(array: Any) -> Uint8Array:
    """Type an OpenCV result as uint8, which its stubs do not say; asserts that it is."""
    assert array.dtype == np.uint8  # noqa: S101
    typed: Uint8Array = array
    return typed


def runs(*maps: npt.NDArray[Any]) -> tuple[list[npt.NDArray[Any]], IntArray | None]:
    """Merge neighbours that agree in all `maps`, row by row: (R,) values of each map, (R,) pixels.

    Labels come in long runs, so a hundredth of the elements is left to count. Where they do not,
    as in noise, returns all pixels unmerged, and None for one pixel each.
    """
    flat = [each.reshape(-1) for each in maps]
    size = flat[0].size
    changes = flat[0][1:] != flat[0][:-1]
    for values in flat[1:]:
        changes |= values[1:] != values[:-1]
    if np.count_nonzero(changes) * _MIN_MEAN_RUN >= size:
        return flat, None
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
    return [values[starts] for values in flat], np.diff(starts, append=size)
