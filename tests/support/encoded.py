"""Datasets whose annotations are written in another encoding."""

import city
import numpy as np
from PIL import Image

from cityseg.labels import LABEL_ID_PALETTE, MAP_LABELS, TRAIN_ID_OF_LABEL_ID

CATEGORY = np.zeros(256, np.uint8)
for label in MAP_LABELS:
    CATEGORY[label.id] = label.category_id


def palette_picture(indices, palette):
    picture = Image.fromarray(indices).copy()
    picture.putpalette(palette.tobytes())
    return picture


def void_as_19(label_ids):
    train_ids = TRAIN_ID_OF_LABEL_ID[label_ids]
    return np.where(train_ids == 255, np.uint8(19), train_ids)


#: Encoding -> how label ids are written in it.
WRITTEN = {
    "labelids": lambda label_ids: label_ids,
    "trainids": lambda label_ids: TRAIN_ID_OF_LABEL_ID[label_ids],
    "trainids-void19": void_as_19,
    "trainids-plus1": lambda label_ids: TRAIN_ID_OF_LABEL_ID[label_ids] + np.uint8(1),
    "categories": lambda label_ids: CATEGORY[label_ids],
    "colors": lambda label_ids: LABEL_ID_PALETTE[label_ids],
    "palette": lambda label_ids: palette_picture(label_ids, LABEL_ID_PALETTE),
}


def write(folder, maps, how, split="train"):
    """A dataset of one frame for each map, its annotation written by `how`."""
    for number, label_ids in enumerate(maps):
        stem = f"ulm_{number:06}_000019"
        path = city.write_frame(folder, stem, split, label_ids=label_ids)
        path.write_bytes(city.encode(how(label_ids)))


def _own(numbers, rest):
    table = np.full(256, rest, np.uint8)
    table[list(numbers)] = list(numbers.values())
    return table


#: How other data sets number the same labels, as (256,) uint8 by label id. CARLA's road and
#: sidewalk have Cityscapes' label ids.
OWN_NUMBERS = {
    "CamVid": _own(
        {23: 0, 11: 1, 17: 2, 7: 3, 8: 4, 21: 5, 20: 6, 13: 7, 26: 8, 24: 9, 33: 10}, 11
    ),
    "CARLA": _own(
        {11: 1, 13: 2, 24: 4, 17: 5, 7: 7, 8: 8, 21: 9, 26: 10, 33: 10, 12: 11, 20: 12}, 3
    ),
    "SYNTHIA": _own(
        {23: 1, 11: 2, 7: 3, 8: 4, 13: 5, 21: 6, 17: 7, 26: 8, 20: 9, 24: 10, 33: 11, 19: 15}, 0
    ),
    "IDD": _own(
        {7: 0, 8: 2, 24: 4, 25: 5, 33: 7, 26: 9, 20: 18, 17: 20, 11: 22, 21: 24, 23: 25}, 255
    ),
}
