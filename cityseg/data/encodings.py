"""The numberings in which annotations are written.

Cityscapes' own files hold label ids. Other tools write the same labels as train ids, with void as
255, 19 or shifted to 0, as category ids, or as colours. The values overlap: 0–18 are valid in three
numberings, so that values alone prove little.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

import numpy as np

from cityseg.arrays import IntArray, Uint8Array
from cityseg.labels import (
    IGNORE,
    LABEL_ID_PALETTE,
    LABEL_IDS_OF_CLASSES,
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
#: Encodings of one channel, the most usual first.
GREY_ENCODINGS: Final[tuple[Encoding, ...]] = (*LABEL_IDS_OF_VALUES, "categories")

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
