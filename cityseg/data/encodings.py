"""The numberings in which annotations are written, and which of them fits what is seen.

Cityscapes' own files hold label ids. Other tools write the same labels as train ids, with void as
255, 19 or shifted to 0, as category ids, or as colours. The values overlap: 0–18 are valid in three
numberings, so values alone prove little. What lies where does: road is below, sky above, and road
is frequent where a train, a caravan or a rail track is rare.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from cityseg.arrays import FloatArray, IntArray, Uint8Array
from cityseg.labels import (
    CATEGORIES,
    IGNORE,
    LABEL_ID_PALETTE,
    LABEL_IDS_OF_CLASSES,
    LABEL_OF_ID,
    MAP_LABELS,
    NUM_CLASSES,
    NUM_LABEL_IDS,
    TRAIN_LABELS,
)

#: How the values of annotations or predictions are to be read.
Encoding = Literal[
    "labelids",
    "trainids",
    "trainids-void19",
    "trainids-plus1",
    "categories",
    "colors",
    "palette",
]
ENCODINGS: Final[tuple[Encoding, ...]] = get_args(Encoding)
ENCODING_NAMES: Final[Mapping[Encoding, str]] = {
    "labelids": "label ids",
    "trainids": "train ids with void as 255",
    "trainids-void19": "train ids with void as 19",
    "trainids-plus1": "train ids + 1 with void as 0",
    "categories": "category ids",
    "colors": "Cityscapes colours",
    "palette": "a palette of Cityscapes colours",
}
Scalar = TypeVar("Scalar", bound=np.generic)
#: In tables of label ids by value, for values that an encoding does not have.
NO_LABEL: Final = -1


def _table(pairs: Mapping[int, int]) -> IntArray:
    table = np.full(256, NO_LABEL, np.int64)
    table[list(pairs)] = list(pairs.values())
    table[IGNORE] = 0  # void in whatever numbering: no table has another use for it
    table.flags.writeable = False
    return table


_CLASSES: Final = dict(enumerate(LABEL_IDS_OF_CLASSES.tolist()))
#: By encoding of one channel that has 19 classes: (256,) int64, value -> label id or NO_LABEL.
LABEL_IDS_OF_VALUES: Final[Mapping[Encoding, IntArray]] = {
    "labelids": _table({i: i for i in range(NUM_LABEL_IDS)}),
    "trainids": _table(_CLASSES),
    "trainids-void19": _table(_CLASSES | {NUM_CLASSES: 0}),
    "trainids-plus1": _table({0: 0} | {value + 1: i for value, i in _CLASSES.items()}),
}

# --- colours ---------------------------------------------------------------------------------

#: Packed colour -> the label id of its class; several void labels are black, and pole and
#: polegroup share a colour, as do car and license plate.
_LABEL_ID_OF_COLOR: Final[Mapping[int, int]] = {
    int.from_bytes(bytes(label.color)): label.id for label in (*reversed(MAP_LABELS), *TRAIN_LABELS)
}


def label_ids_of_palette(palette: Uint8Array, used: IntArray) -> Uint8Array | None:
    """The label id of each index of a palette, (256,) uint8; None if it proves nothing.

    `palette` is (N, 3) uint8 RGB with N ≤ 256, `used` the indices that occur. An index whose
    colour is that of its own label id is read as it is, else by its colour; 255 is void.
    """
    lookup = np.zeros(256, np.uint8)
    known = used[used != IGNORE]
    if not known.size or known.max() >= len(palette):
        return None
    colors = palette[known]
    if known.max() < NUM_LABEL_IDS and np.array_equal(colors, LABEL_ID_PALETTE[known]):
        lookup[known] = known
        return lookup
    found = [_LABEL_ID_OF_COLOR.get(int.from_bytes(color.tobytes()), NO_LABEL) for color in colors]
    if NO_LABEL in found:
        return None
    lookup[known] = found
    return lookup


def label_ids_of_colors(picture: Uint8Array) -> Uint8Array | None:
    """Read (H, W, 3) uint8 RGB as (H, W) uint8 label ids; None if a colour is no label's."""
    red, green, blue = (picture[..., channel].astype(np.uint32) for channel in range(3))
    packed = red << 16 | green << 8 | blue
    keys = np.array(sorted(_LABEL_ID_OF_COLOR), np.uint32)
    places = np.searchsorted(keys, packed).clip(max=len(keys) - 1)
    if not np.array_equal(keys[places], packed):
        return None
    values = np.array([_LABEL_ID_OF_COLOR[key] for key in keys.tolist()], np.uint8)
    found: Uint8Array = values[places]
    return found


# --- what is seen, and how well an encoding explains it --------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The values of maps: (256,) pixels of each, and (256,) sums of their rows, 0 top, 1 bottom."""

    pixels: FloatArray
    rows: FloatArray

    def __add__(self, other: "Seen") -> "Seen":
        """What is seen in both."""
        return Seen(self.pixels + other.pixels, self.rows + other.rows)

    @property
    def values(self) -> IntArray:
        """The values that occur, ascending."""
        return np.flatnonzero(self.pixels)

    @property
    def mean_rows(self) -> FloatArray:
        """(256,) mean row of each value, 0–1; NaN where it does not occur."""
        return self.rows / np.where(self.pixels > 0, self.pixels, np.nan)


NOTHING_SEEN: Final = Seen(np.zeros(256), np.zeros(256))
_EXAMINED: Final = 128


def part_of(pixels: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """About 128 rows and as many columns of (H, W)."""
    height, width = pixels.shape
    return pixels[:: max(1, height // _EXAMINED), :: max(1, width // _EXAMINED)]


def seen_in(values: Uint8Array) -> Seen:
    """Look at about 128 rows and as many columns of (H, W) uint8."""
    return seen_in_part(part_of(values))


def seen_in_part(part: Uint8Array) -> Seen:
    """Look at all of what `part_of` returned."""
    rows = np.repeat((np.arange(len(part)) + 0.5) / len(part), part.shape[1])
    flat = part.reshape(-1)
    pixels = np.bincount(flat, minlength=256).astype(np.float64)
    # One row at a time counts the same for every size of picture.
    return Seen(pixels / flat.size, np.bincount(flat, rows, minlength=256) / flat.size)


#: Label id -> share of all pixels and mean row in Cityscapes' training split, rounded, and some set
#: by eye. Void has no place of its own.
_TYPICAL: Final[Mapping[int, tuple[float, float]]] = {
    7: (0.33, 0.74), 8: (0.054, 0.65), 9: (0.005, 0.69), 10: (0.003, 0.66),
    11: (0.20, 0.24), 12: (0.008, 0.43), 13: (0.009, 0.43), 14: (0.001, 0.45),
    15: (0.002, 0.24), 16: (0.001, 0.28), 17: (0.01, 0.34), 18: (0.001, 0.34),
    19: (0.002, 0.21), 20: (0.005, 0.23), 21: (0.15, 0.23), 22: (0.009, 0.59),
    23: (0.06, 0.11), 24: (0.012, 0.46), 25: (0.002, 0.44), 26: (0.066, 0.51),
    27: (0.003, 0.40), 28: (0.003, 0.40), 29: (0.001, 0.45), 30: (0.001, 0.55),
    31: (0.001, 0.40), 32: (0.001, 0.52), 33: (0.006, 0.52),
}  # fmt: skip
_VOID: Final = (0.08, None)
_SPREAD: Final = 0.16  # of the mean rows of a class around its typical one
_NO_PLACE: Final = 1.0  # the cost of a value that has no typical row


def _typical(encoding: Encoding, value: int) -> tuple[float, float | None] | None:
    """Typical share and row of `value`; None if the encoding does not have it."""
    if encoding == "categories":
        if value >= len(CATEGORIES):
            return _VOID if value == IGNORE else None
        labels = [i for i in _TYPICAL if LABEL_OF_ID[i].category_id == value]
        shares = [_TYPICAL[i][0] for i in labels]
        rows = [_TYPICAL[i][1] for i in labels]
        return (sum(shares), float(np.average(rows, weights=shares))) if value else _VOID
    label_id = int(LABEL_IDS_OF_VALUES[encoding][value])
    return None if label_id == NO_LABEL else _TYPICAL.get(label_id, _VOID)


def fit(seen: Seen, encoding: Encoding) -> float:
    """How well `encoding` explains where and how often values occur; the highest fits best.

    A mean log-likelihood a value, large areas weighing more; −inf if a value does not belong to it.
    """
    total = worst = 0.0
    weights = np.sqrt(seen.pixels)
    for value in seen.values.tolist():
        typical = _typical(encoding, value)
        if typical is None:
            return -np.inf
        share, row = typical
        away = _NO_PLACE if row is None else (seen.mean_rows[value] - row) ** 2 / 2 / _SPREAD**2
        total += weights[value] * (0.5 * np.log(share) - min(away, 6.0))
        worst += weights[value]
    return float(total / worst) if worst else -np.inf


#: Encodings of one channel, the most usual first.
GREY_ENCODINGS: Final[tuple[Encoding, ...]] = (*LABEL_IDS_OF_VALUES, "categories")


def fits(seen: Seen) -> dict[Encoding, float]:
    """The fit of each encoding of one channel that has all values, the best first.

    Void as 19 is no candidate where 19 does not occur: without it these are plain train ids.
    """
    found = {encoding: fit(seen, encoding) for encoding in GREY_ENCODINGS}
    if not seen.pixels[NUM_CLASSES]:
        del found["trainids-void19"]
    ordered = sorted(found, key=lambda encoding: -found[encoding])
    return {encoding: found[encoding] for encoding in ordered if found[encoding] > -np.inf}
