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
