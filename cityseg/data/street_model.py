"""What annotated streets look like, and how well an encoding explains what annotations show.

The values of annotations prove little, as 0–18 are valid in three numberings. Where, how often and
in how large pieces a value occurs does: road is a wide area below, sky lies above, a pole is thin
and high. Each value counts for or against the label that an encoding gives it: the logarithm of
how much likelier its areas are for that label than for any label. So a tool's own numbers, which
have labels at random, count against every encoding.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from cityseg.arrays import FloatArray, IntArray, Uint8Array
from cityseg.data.encodings import (
    GREY_ENCODINGS,
    LABEL_IDS_OF_VALUES,
    NO_LABEL,
    Encoding,
)
from cityseg.labels import CATEGORIES, IGNORE, LABEL_OF_ID, NUM_CLASSES

_Scalar = TypeVar("_Scalar", bound=np.generic)

_EXAMINED: Final = 128


def part_of(pixels: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    """About 128 rows and as many columns of (H, W)."""
    height, width = pixels.shape
    return pixels[:: max(1, height // _EXAMINED), :: max(1, width // _EXAMINED)]


@dataclass(frozen=True, eq=False)
class Seen:
    """What is seen of each value in some maps: sums over maps, each (256,) float64.

    `pixels` are shares of a map, `rows` these times their mean row (0 top, 1 bottom), `runs_across`
    and `runs_down` the runs of a row or column of the map, `maps` those in which the value occurs.
    """

    pixels: FloatArray
    rows: FloatArray
    runs_across: FloatArray
    runs_down: FloatArray
    maps: FloatArray
    count: int = 1

    def __add__(self, other: "Seen") -> "Seen":
        """What is seen in both."""
        return Seen(
            self.pixels + other.pixels,
            self.rows + other.rows,
            self.runs_across + other.runs_across,
            self.runs_down + other.runs_down,
            self.maps + other.maps,
            self.count + other.count,
        )

    @cached_property
    def values(self) -> IntArray:
        """The values that occur, ascending."""
        return np.flatnonzero(self.pixels)

    @property
    def mean_rows(self) -> FloatArray:
        """(256,) mean row of each value, 0–1; NaN where it does not occur."""
        return self.rows / np.where(self.pixels > 0, self.pixels, np.nan)


_NONE: Final = np.zeros(256)
NOTHING_SEEN: Final = Seen(_NONE, _NONE, _NONE, _NONE, _NONE, count=0)


def seen_in(values: Uint8Array) -> Seen:
    """Look at about 128 rows and as many columns of (H, W) uint8."""
    part = part_of(values)
    height, width = part.shape
    rows = np.repeat((np.arange(height) + 0.5) / height, width)
    starts = np.ones((2, height, width), bool)
    np.not_equal(part[:, 1:], part[:, :-1], out=starts[0, :, 1:])
    np.not_equal(part[1:], part[:-1], out=starts[1, 1:])
    pixels = _counts(part)
    return Seen(
        pixels / part.size,
        _counts(part, rows) / part.size,
        _counts(part[starts[0]]) / height,
        _counts(part[starts[1]]) / width,
        (pixels > 0).astype(np.float64),
    )


def _counts(values: Uint8Array, weights: FloatArray | None = None) -> FloatArray:
    return np.bincount(values.reshape(-1), weights, minlength=256).astype(np.float64)


# --- what is typical -------------------------------------------------------------------------

#: Label id -> share of the maps in which it occurs, share of all maps, mean row, and mean length of
#: its runs across and down, as shares of the map. From Cityscapes' training split, rounded; rare
#: ones by eye. Labels without a typical place count neither way.
_TYPICAL: Final = {
    1: (0.045, 0.045, 0.95, 0.25, 0.06), 2: (0.035, 0.02, 0.77, 0.35, 0.025),
    3: (0.016, 0.016, 0.25, 0.016, 0.016), 4: (0.006, 0.007, 0.33, 0.018, 0.035),
    5: (0.004, 0.0024, 0.42, 0.05, 0.07), 6: (0.015, 0.011, 0.65, 0.10, 0.06),
    7: (0.33, 0.33, 0.74, 0.33, 0.27), 8: (0.05, 0.052, 0.65, 0.09, 0.07),
    9: (0.02, 0.0055, 0.68, 0.08, 0.08), 10: (0.03, 0.0017, 0.60, 0.13, 0.09),
    11: (0.20, 0.20, 0.24, 0.10, 0.16), 12: (0.007, 0.0065, 0.43, 0.03, 0.03),
    13: (0.009, 0.01, 0.44, 0.03, 0.035), 14: (0.015, 0.0003, 0.52, 0.10, 0.04),
    15: (0.03, 0.0026, 0.25, 0.08, 0.075), 16: (0.03, 0.0005, 0.30, 0.10, 0.10),
    17: (0.007, 0.007, 0.34, 0.010, 0.045), 18: (0.005, 0.0005, 0.34, 0.012, 0.05),
    19: (0.002, 0.0015, 0.24, 0.012, 0.022), 20: (0.004, 0.004, 0.24, 0.02, 0.04),
    21: (0.15, 0.14, 0.23, 0.09, 0.14), 22: (0.015, 0.01, 0.58, 0.04, 0.035),
    23: (0.05, 0.045, 0.11, 0.09, 0.10), 24: (0.01, 0.011, 0.46, 0.018, 0.045),
    25: (0.003, 0.0008, 0.43, 0.018, 0.035), 26: (0.06, 0.061, 0.51, 0.08, 0.10),
    27: (0.01, 0.003, 0.38, 0.06, 0.08), 28: (0.01, 0.0023, 0.39, 0.05, 0.06),
    29: (0.02, 0.0004, 0.38, 0.07, 0.12), 30: (0.006, 0.0004, 0.50, 0.04, 0.08),
    31: (0.02, 0.002, 0.37, 0.05, 0.06), 32: (0.006, 0.0008, 0.50, 0.025, 0.042),
    33: (0.006, 0.005, 0.51, 0.016, 0.03),
}  # fmt: skip
_LABELS: Final = list(_TYPICAL)


def _features(columns: FloatArray) -> FloatArray:
    """(N, 5) as in `_TYPICAL`, with sizes as logarithms."""
    sizes, rows = np.log(np.delete(columns, 2, axis=1)), columns[:, 2:3]
    return np.hstack([sizes[:, :2], rows, sizes[:, 2:]])


_MEANS: Final = _features(np.array(list(_TYPICAL.values())))
#: How far maps and data sets are from that, in the same units.
_SPREADS: Final = np.array([1.6, 1.8, 0.12, 0.6, 0.6])
_MOST_AWAY: Final = 25.0  # squared, in spreads
#: A value counts against its label by at most this and a share of the root of its area, as small
#: areas are often odd.
_AGAINST: Final = (0.5, 25.0)
#: Value 255 is how train ids say void.
_FOREIGN_VOID: Final = -3.0
#: Top and bottom of what the maps show of a usual picture, and what it costs to suppose so: all,
#: less of both, a camera that looks up, and the lower half alone.
_VIEWS: Final = ((0.0, 1.0, 0.0), (0.25, 0.9, 3.0), (-0.1, 0.9, 3.0), (0.5, 1.0, 4.0))


def _weights_of(encoding: Encoding, value: int) -> FloatArray:
    """The weight of each label for `value`, 0 if it has no typical place; NaN if it is no value."""
    weights = np.zeros(len(_LABELS))
    if encoding == "categories":
        if value >= len(CATEGORIES) and value != IGNORE:
            return weights + np.nan
        labels = [label for label in _LABELS if value and LABEL_OF_ID[label].category_id == value]
    else:
        label_id = int(LABEL_IDS_OF_VALUES[encoding][value])
        if label_id == NO_LABEL:
            return weights + np.nan
        labels = [label_id] if label_id in _TYPICAL else []
    for label in labels:
        weights[_LABELS.index(label)] = _TYPICAL[label][1]
    return weights / (weights.sum() or 1)


#: Encoding -> (256, labels) weights of labels for each value.
_WEIGHTS: Final = {
    encoding: np.array([_weights_of(encoding, value) for value in range(256)])
    for encoding in GREY_ENCODINGS
}


# --- how well an encoding explains what is seen ----------------------------------------------


def fits(seen: Seen) -> dict[Encoding, float]:
    """The fit of each encoding of one channel that has all values, the best first.

    Above 0, what is seen speaks for the encoding: the logarithm of how much likelier it is than
    with labels at random. Void as 19 is no candidate where 19 does not occur: without it these are
    plain train ids.
    """
    views = [_fits_in_view(seen, top, bottom, cost) for top, bottom, cost in _VIEWS]
    found = max(views, key=lambda fits: max(fits.values(), default=-np.inf))
    return {each: found[each] for each in sorted(found, key=lambda each: -found[each])}


def _fits_in_view(seen: Seen, top: float, bottom: float, cost: float) -> dict[Encoding, float]:
    values = seen.values
    likelihoods = _log_likelihoods(seen, top, bottom)
    chance = np.log(np.exp(likelihoods).mean(axis=1))
    lowest = -_AGAINST[0] - _AGAINST[1] * np.sqrt(seen.pixels[values] / max(seen.count, 1))
    found: dict[Encoding, float] = {}
    for encoding, weights_of_values in _WEIGHTS.items():
        weights = weights_of_values[values]
        foreign = np.isnan(weights).any()
        if foreign or (encoding == "trainids-void19" and not seen.pixels[NUM_CLASSES]):
            continue
        placed = weights.any(axis=1)
        given = np.log((np.exp(likelihoods) * weights).sum(axis=1)[placed])
        fit = np.maximum(lowest[placed], given - chance[placed]).sum() - cost
        if encoding != "trainids" and seen.pixels[IGNORE]:
            fit += _FOREIGN_VOID
        found[encoding] = float(fit)
    return found


def _log_likelihoods(seen: Seen, top: float, bottom: float) -> FloatArray:
    """(values, labels): how likely what is seen of each value is for each label."""
    values, height = seen.values, bottom - top
    pixels, rows, across, down, maps = (
        each[values]
        for each in (seen.pixels, seen.rows, seen.runs_across, seen.runs_down, seen.maps)
    )
    columns = [
        *(
            height * pixels / maps,
            height * pixels / max(seen.count, 1),
            top + height * rows / pixels,
        ),
        *(pixels / across, height * pixels / down),
    ]
    away = (_features(np.stack(columns, axis=1))[:, None] - _MEANS) / _SPREADS
    likelihoods: FloatArray = -0.5 * np.minimum(away**2, _MOST_AWAY).sum(axis=-1)
    return likelihoods
