"""The array types that signatures name, and run lengths of maps."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Uint8Array = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Average pixels a run must have to be worth finding. Measured on genuine maps.
_WORTHWHILE_RUN: Final = 3


def as_uint8(array: Any) -> Uint8Array:
    """Give an OpenCV result the type that the caller has checked it to have."""
    assert array.dtype == np.uint8  # noqa: S101
    typed: Uint8Array = array
    return typed


def runs(*maps: npt.NDArray[Any]) -> tuple[list[npt.NDArray[Any]], IntArray | None]:
    """Neighbours that agree in all `maps`, row after row, as one: (R,) values of each, and pixels.

    Labels come in long runs, so there is a hundredth left to count. Where they do not, as in
    noise, looking for runs would take longer than it saves: then all pixels, and None for 1 each.
    """
    flat = [each.reshape(-1) for each in maps]
    size = flat[0].size
    changes = flat[0][1:] != flat[0][:-1]
    for values in flat[1:]:
        changes |= values[1:] != values[:-1]
    if np.count_nonzero(changes) * _WORTHWHILE_RUN >= size:
        return flat, None
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
    return [values[starts] for values in flat], np.diff(starts, append=size)
