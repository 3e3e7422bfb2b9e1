"""Each numbering of the same labels is read as the same labels."""

import city
import numpy as np
import pytest

from cityseg.data.encodings import (
    LABEL_IDS_OF_VALUES,
    NO_LABEL,
    is_blue_first,
    label_ids_of_colors,
    label_ids_of_palette,
)
from cityseg.labels import LABEL_ID_OF_TRAIN_ID, LABEL_ID_PALETTE, TRAIN_ID_PALETTE

TRAIN_IDS = city.train_ids_of(city.street())
CLASSES = LABEL_ID_OF_TRAIN_ID[TRAIN_IDS]


@pytest.mark.parametrize(
    ("encoding", "values"),
    [
        ("trainids", TRAIN_IDS),
        ("trainids-void19", np.where(TRAIN_IDS == 255, 19, TRAIN_IDS)),
        ("trainids-plus1", TRAIN_IDS + np.uint8(1)),
    ],
)
def test_each_numbering_gives_the_label_ids_of_the_classes(encoding, values):
    assert np.array_equal(LABEL_IDS_OF_VALUES[encoding][values], CLASSES)


@pytest.mark.parametrize(
    ("encoding", "value"),
    [("labelids", 34), ("trainids", 19), ("trainids-void19", 20), ("trainids-plus1", 20)],
)
def test_a_value_behind_the_last_one_has_no_label(encoding, value):
    assert LABEL_IDS_OF_VALUES[encoding][value] == NO_LABEL
    assert LABEL_IDS_OF_VALUES[encoding][255] == 0


def test_the_indices_of_a_palette_of_label_ids_are_kept():
    used = np.array([3, 7, 18, 23])
    lookup = label_ids_of_palette(LABEL_ID_PALETTE, used)
    assert lookup[used].tolist() == [3, 7, 18, 23]


def test_the_indices_of_a_palette_of_train_ids_become_label_ids():
    lookup = label_ids_of_palette(TRAIN_ID_PALETTE, np.array([0, 10, 13, 255]))
    assert lookup[[0, 10, 13, 255]].tolist() == [7, 23, 26, 0]


def test_a_palette_of_other_colours_proves_nothing():
    assert label_ids_of_palette(LABEL_ID_PALETTE + np.uint8(1), np.array([7])) is None
    assert label_ids_of_palette(LABEL_ID_PALETTE[:5], np.array([7])) is None


def test_exact_colours_are_read_and_others_are_not():
    colors = LABEL_ID_PALETTE[CLASSES]
    assert np.array_equal(label_ids_of_colors(colors), CLASSES)
    colors[3, 5] += 1
    assert label_ids_of_colors(colors) is None


def test_colours_with_blue_first_are_read_and_mean_one_label_in_either_order():
    colors = LABEL_ID_PALETTE[CLASSES][:, np.newaxis]
    swapped = colors[..., ::-1]
    assert is_blue_first(swapped)
    assert not is_blue_first(colors)
    assert np.array_equal(label_ids_of_colors(swapped)[:, 0], CLASSES)
    for color, other in zip(colors, swapped, strict=True):
        assert is_blue_first(other[np.newaxis]) != np.array_equal(color, other)
    assert label_ids_of_colors(np.concatenate([colors, swapped])) is None
    lookup = label_ids_of_palette(LABEL_ID_PALETTE[:, ::-1], np.array([7, 26]))
    assert lookup[[7, 26]].tolist() == [7, 26]
