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
#: Packed colours, ascending, and the label id of each.
_COLORS: Final = np.array(sorted(_LABEL_ID_OF_COLOR), np.uint32)
_LABEL_IDS_OF_COLORS: Final = np.array([_LABEL_ID_OF_COLOR[int(c)] for c in _COLORS], np.uint8)
#: Labels whose colour many programs use: black, greys and pure red.
COMMON_COLORS: Final = frozenset(
    label.id for label in MAP_LABELS if len(set(label.color)) == 1 or label.color == (255, 0, 0)
)


def label_ids_of_palette(palette: Uint8Array, used: IntArray) -> Uint8Array | None:
    """The label id of each index of a palette, (256,) uint8; None if it proves nothing.

    `palette` is (N, 3) uint8 RGB with N ≤ 256, `used` the indices that occur. An index whose
    colour is that of its own label id is read as it is, else by its colour; 255 is void. As in
    `label_ids_of_colors`, blue may be first.
    """
    lookup = np.zeros(256, np.uint8)
    known = used[used != IGNORE]
    if not known.size or known.max() >= len(palette):
        return None
    for colors in (palette, palette[:, ::-1]):
        if known.max() < NUM_LABEL_IDS and np.array_equal(colors[known], LABEL_ID_PALETTE[known]):
            lookup[known] = known
            return lookup
        packed = [int.from_bytes(color.tobytes()) for color in colors[known]]
        found = [_LABEL_ID_OF_COLOR.get(color, NO_LABEL) for color in packed]
        if NO_LABEL not in found:
            lookup[known] = found
            return lookup
    return None


def label_ids_of_colors(picture: Uint8Array) -> Uint8Array | None:
    """Read (H, W, 3) uint8 RGB as (H, W) uint8 label ids; None if a colour is no label's.

    OpenCV's order, blue first, is read as well: no colour is that of one label in one order and of
    another label in the other.
    """
    for colors in (picture, picture[..., ::-1]):
        found = _label_ids_of_rgb(colors)
        if found is not None:
            return found
    return None


def is_blue_first(picture: Uint8Array) -> bool:
    """Whether (H, W, 3) uint8 has colours of labels only with red and blue swapped."""
    return _label_ids_of_rgb(picture) is None and _label_ids_of_rgb(picture[..., ::-1]) is not None


def _label_ids_of_rgb(picture: Uint8Array) -> Uint8Array | None:
    red, green, blue = (picture[..., channel].astype(np.uint32) for channel in range(3))
    packed = red << 16 | green << 8 | blue
    places = np.searchsorted(_COLORS, packed).clip(max=len(_COLORS) - 1)
    if not np.array_equal(_COLORS[places], packed):
        return None
    found: Uint8Array = _LABEL_IDS_OF_COLORS[places]
    return found
