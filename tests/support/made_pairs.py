"""Pairs as the known ones are: picture and colour map, shrunk and side by side in one JPEG."""

from pathlib import Path

import cv2
import numpy as np
from city import encode, street, write

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.labels import LABEL_ID_PALETTE

SIDE = 256


def large_street(seed: int = 0) -> Uint8Array:
    return street(4 * SIDE, 8 * SIDE, seed)


def photo(seed: int = 0) -> Uint8Array:
    """(256, 256, 3) uint8 RGB in soft colours that no label has."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return as_uint8(cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


def shrunk_colors(label_ids: Uint8Array) -> Uint8Array:
    colors = LABEL_ID_PALETTE[label_ids]
    return as_uint8(cv2.resize(colors, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def sampled(label_ids: Uint8Array) -> Uint8Array:
    """The label ids at the centres of the pixels that `shrunk_colors` has."""
    high, wide = label_ids.shape[0] // SIDE, label_ids.shape[1] // SIDE
    return label_ids[high // 2 :: high, wide // 2 :: wide]


def pair_file(label_ids: Uint8Array | None = None, seed: int = 0, quality: int = 80) -> bytes:
    """A pair of a street as a JPEG file, chroma 4:2:0."""
    colors = shrunk_colors(large_street(seed) if label_ids is None else label_ids)
    pixels = np.hstack([photo(seed), colors])
    return encode(pixels, "JPEG", quality=quality, subsampling="4:2:0")


def write_pairs(folder: Path, **numbers: list[int]) -> Path:
    """Pairs with these numbers in each split."""
    for split, each in numbers.items():
        for number in each:
            write(folder / split / f"{number}.jpg", pair_file(seed=number))
    return folder
