"""Labels from shrunk JPEG colours: how many are right, and which mistakes are avoided."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from city import encode
from made_pairs import SIDE, large_street, pair_file, photo, sampled

from cityseg.arrays import Uint8Array
from cityseg.data import decode_frame
from cityseg.data.pair_labels import is_color_map, nearest_labels, recover_labels
from cityseg.labels import LABEL_ID_PALETTE, LABEL_OF_NAME, MAP_LABELS


def colors_of(label_ids: Uint8Array, quality: int = 80) -> Uint8Array:
    """The right half of a pair."""
    content = pair_file(label_ids, quality=quality)
    return decode_frame(content, NAME)[:, SIDE:]


NAME = Path("1.jpg")
BLACK = [label.id for label in MAP_LABELS if label.color == (0, 0, 0)]


def one_for_each_color(label_ids: Uint8Array) -> Uint8Array:
    return np.where(np.isin(label_ids, BLACK), np.uint8(0), label_ids)


@pytest.mark.parametrize("quality", [75, 90])
def test_labels_of_streets_are_right_and_unsure_ones_are_known(quality: int) -> None:
    for seed in range(3):
        street = large_street(seed)
        colors, truth = colors_of(street, quality), one_for_each_color(sampled(street))
        label_ids, unsure = recover_labels(colors)
        right = label_ids == truth
        assert right.mean() > 0.99
        assert (~right).mean() < 0.75 * (nearest_labels(colors) != truth).mean()
        assert unsure.mean() < 0.08
        assert right[~unsure].mean() > 0.996


def test_every_large_patch_keeps_its_label() -> None:
    labels = [label for label in MAP_LABELS if label.id not in BLACK[1:] and label.id != 18]
    for label in labels:
        street = np.full((4 * SIDE, 8 * SIDE), LABEL_OF_NAME["road"].id, np.uint8)
        street[400:600, 800:1200] = label.id
        recovered, unsure = recover_labels(colors_of(street))
        assert (recovered[105:145, 105:145] == label.id).all(), label.name
        assert not unsure[105:145, 105:145].any()


def test_the_blend_of_two_labels_is_no_third_one() -> None:
    # The blends of car and black are the colours of truck, caravan and trailer.
    street = np.full((4 * SIDE, 8 * SIDE), LABEL_OF_NAME["unlabeled"].id, np.uint8)
    cv2.ellipse(street, ((1000, 500), (900, 500), 20), LABEL_OF_NAME["car"].id, -1)
    colors = colors_of(street)
    assert set(np.unique(nearest_labels(colors))) > {0, 26}
    assert set(np.unique(recover_labels(colors).label_ids)) == {0, 26}


def test_colour_maps_are_distinguished_from_photos() -> None:
    assert is_color_map(colors_of(large_street()))
    assert not is_color_map(decode_frame(encode(photo(), "JPEG"), NAME))
    assert is_color_map(LABEL_ID_PALETTE[large_street()])
