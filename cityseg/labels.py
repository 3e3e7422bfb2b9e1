"""The Cityscapes label table; every lookup and every colour is derived from it.

Two encodings exist and their values overlap, so every name says which it means:

- *label ids* (0–33, license plate −1): what `*_gtFine_labelIds.png` holds and the official
  evaluator reads; 0 is unlabeled;
- *train ids* (0–18 and 255): what a network learns; 0 is road, no background; 255 is ignored.

Source: the label definitions of the official `cityscapesscripts` package.
"""

from typing import Final, NamedTuple

import numpy as np

from cityseg.arrays import IntArray, Uint8Array

IGNORE: Final = 255


class Label(NamedTuple):
    """One row of the table, with the official field meanings in our spelling."""

    name: str
    id: int
    train_id: int
    category: str
    category_id: int
    has_instances: bool
    ignore_in_eval: bool
    color: tuple[int, int, int]

    @property
    def css_color(self) -> str:
        """The colour as CSS and Plotly write it, such as "rgb(128,64,128)"."""
        return "rgb({},{},{})".format(*self.color)


# fmt: off
LABELS: Final = (
    #     name                    id  train category    cat instances ignored  colour (RGB)
    Label("unlabeled",             0, 255, "void",         0, False, True,  (0, 0, 0)),
    Label("ego vehicle",           1, 255, "void",         0, False, True,  (0, 0, 0)),
    Label("rectification border",  2, 255, "void",         0, False, True,  (0, 0, 0)),
    Label("out of roi",            3, 255, "void",         0, False, True,  (0, 0, 0)),
    Label("static",                4, 255, "void",         0, False, True,  (0, 0, 0)),
    Label("dynamic",               5, 255, "void",         0, False, True,  (111, 74, 0)),
    Label("ground",                6, 255, "void",         0, False, True,  (81, 0, 81)),
    Label("road",                  7,   0, "flat",         1, False, False, (128, 64, 128)),
    Label("sidewalk",              8,   1, "flat",         1, False, False, (244, 35, 232)),
    Label("parking",               9, 255, "flat",         1, False, True,  (250, 170, 160)),
    Label("rail track",           10, 255, "flat",         1, False, True,  (230, 150, 140)),
    Label("building",             11,   2, "construction", 2, False, False, (70, 70, 70)),
    Label("wall",                 12,   3, "construction", 2, False, False, (102, 102, 156)),
    Label("fence",                13,   4, "construction", 2, False, False, (190, 153, 153)),
    Label("guard rail",           14, 255, "construction", 2, False, True,  (180, 165, 180)),
    Label("bridge",               15, 255, "construction", 2, False, True,  (150, 100, 100)),
    Label("tunnel",               16, 255, "construction", 2, False, True,  (150, 120, 90)),
    Label("pole",                 17,   5, "object",       3, False, False, (153, 153, 153)),
    Label("polegroup",            18, 255, "object",       3, False, True,  (153, 153, 153)),
    Label("traffic light",        19,   6, "object",       3, False, False, (250, 170, 30)),
    Label("traffic sign",         20,   7, "object",       3, False, False, (220, 220, 0)),
    Label("vegetation",           21,   8, "nature",       4, False, False, (107, 142, 35)),
    Label("terrain",              22,   9, "nature",       4, False, False, (152, 251, 152)),
    Label("sky",                  23,  10, "sky",          5, False, False, (70, 130, 180)),
    Label("person",               24,  11, "human",        6, True,  False, (220, 20, 60)),
    Label("rider",                25,  12, "human",        6, True,  False, (255, 0, 0)),
    Label("car",                  26,  13, "vehicle",      7, True,  False, (0, 0, 142)),
    Label("truck",                27,  14, "vehicle",      7, True,  False, (0, 0, 70)),
    Label("bus",                  28,  15, "vehicle",      7, True,  False, (0, 60, 100)),
    Label("caravan",              29, 255, "vehicle",      7, True,  True,  (0, 0, 90)),
    Label("trailer",              30, 255, "vehicle",      7, True,  True,  (0, 0, 110)),
    Label("train",                31,  16, "vehicle",      7, True,  False, (0, 80, 100)),
    Label("motorcycle",           32,  17, "vehicle",      7, True,  False, (0, 0, 230)),
    Label("bicycle",              33,  18, "vehicle",      7, True,  False, (119, 11, 32)),
    Label("license plate",        -1,  -1, "vehicle",      7, False, True,  (0, 0, 142)),
)
# fmt: on

LABEL_OF_NAME: Final = {label.name: label for label in LABELS}
LABEL_OF_ID: Final = {label.id: label for label in LABELS}


def label_of(name: str) -> Label | None:
    """The label called `name`; a group ("cargroup") has that of its members. None if unknown."""
    # The whole name first: polegroup is a label of its own.
    return LABEL_OF_NAME.get(name) or LABEL_OF_NAME.get(name.removesuffix("group"))


#: Labels that can occur in a label-id map, in id order: index = label id, 0–33. License plate is
#: not among them: its −1 has no place in 8 bits, and as an index it would be the last entry.
MAP_LABELS: Final = tuple(
    sorted((label for label in LABELS if label.id >= 0), key=lambda label: label.id)
)
#: The 19 evaluated labels in train-id order: index = train id.
TRAIN_LABELS: Final = tuple(
    sorted(
        (label for label in LABELS if not label.ignore_in_eval),
        key=lambda label: label.train_id,
    )
)
NUM_LABEL_IDS: Final = len(MAP_LABELS)
NUM_CLASSES: Final = len(TRAIN_LABELS)
CLASS_NAMES: Final = tuple(label.name for label in TRAIN_LABELS)
#: (19,) int64: the label id of each class, index = train id.
LABEL_IDS_OF_CLASSES: Final[IntArray] = np.array([label.id for label in TRAIN_LABELS], np.int64)
LABEL_IDS_OF_CLASSES.flags.writeable = False
#: An instance map holds label id × 1000 + number for an instance, and a bare label id elsewhere.
INSTANCES_PER_LABEL: Final = 1000
#: Category names in category-id order, "void" first.
CATEGORIES: Final = tuple(dict.fromkeys(label.category for label in LABELS))


def _table(default: int, pairs: dict[int, int]) -> Uint8Array:
    table = np.full(256, default, np.uint8)
    table[list(pairs)] = list(pairs.values())
    table.flags.writeable = False
    return table


#: (256,) uint8: label id -> train id; everything outside the 19 is 255.
TRAIN_ID_OF_LABEL_ID: Final = _table(IGNORE, {label.id: label.train_id for label in TRAIN_LABELS})
#: (256,) uint8: train id -> label id; everything outside the 19 is 0, unlabeled.
LABEL_ID_OF_TRAIN_ID: Final = _table(0, {label.train_id: label.id for label in TRAIN_LABELS})


def _palette(colors: dict[int, tuple[int, int, int]]) -> Uint8Array:
    palette = np.zeros((256, 3), np.uint8)
    palette[list(colors)] = list(colors.values())
    palette.flags.writeable = False
    return palette


#: (256, 3) uint8 RGB by train id; 255 and unused entries are black.
TRAIN_ID_PALETTE: Final = _palette({label.train_id: label.color for label in TRAIN_LABELS})
#: (256, 3) uint8 RGB by label id; unused entries are black.
LABEL_ID_PALETTE: Final = _palette({label.id: label.color for label in MAP_LABELS})
