"""The one rule by which pictures and labels are placed into the input of a network."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityseg.config import TrainConfig, make_config, saved_config
from cityseg.geometry import (
    PADDING,
    Geometry,
    placement_note,
    prediction_geometry,
    training_geometry,
)
from cityseg.models.inputs import MEAN


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def corner_and_size(geometry, picture_hw):
    _, *place, _ = geometry.placement(picture_hw)
    return tuple(place)


@pytest.mark.parametrize(
    ("picture_hw", "expected"),
    [
        ((1024, 2048), (0, 0, 256, 512)),  # a frame of the dataset
        ((128, 256), (0, 0, 256, 512)),
        ((360, 480), (0, 85, 256, 341)),
        ((256, 256), (0, 128, 256, 256)),
        ((500, 2000), (64, 0, 128, 512)),
        ((1, 1), (0, 128, 256, 256)),
        ((10, 10_000), (127, 0, 1, 512)),
        ((10_000, 10), (0, 255, 256, 1)),
    ],
)
def test_contain_keeps_proportions_in_the_middle(picture_hw, expected):
    assert corner_and_size(Geometry((256, 512)), picture_hw) == expected


def test_contain_keeps_the_proportions_of_display():
    squeezed = Geometry((256, 512), pixel_aspect=2.0)
    assert corner_and_size(squeezed, (256, 256)) == (0, 0, 256, 512)
    assert squeezed.placement((256, 256)).fills
    assert corner_and_size(Geometry((256, 256), pixel_aspect=2.0), (256, 256)) == (64, 0, 128, 256)


sides = st.integers(1, 5000)
sizes = st.tuples(st.integers(16, 4096), st.integers(16, 4096))
aspects = st.floats(0.125, 8)


@settings(deadline=None)
@given(st.tuples(sides, sides), sizes, aspects)
def test_a_contained_picture_lies_inside_and_touches_two_opposite_sides(picture_hw, size_hw, pixel):
    top, left, height, width = corner_and_size(Geometry(size_hw, pixel_aspect=pixel), picture_hw)
    assert height >= 1
    assert width >= 1
    assert (height, width)[height != size_hw[0]] == size_hw[height != size_hw[0]]
    assert abs(size_hw[0] - height - 2 * top) <= 1
    assert abs(size_hw[1] - width - 2 * left) <= 1
    scale = min(size_hw[0] / picture_hw[0], size_hw[1] / picture_hw[1] / pixel)
    assert abs(height - picture_hw[0] * scale) < 1
    assert abs(width - picture_hw[1] * pixel * scale) < 1


@given(st.tuples(sides, sides), sizes, aspects)
def test_squash_fills_the_size(picture_hw, size_hw, pixel):
    for fit in ("squash", "squash_0_1_0"):
        assert Geometry(size_hw, fit, pixel).placement(picture_hw).fills


@pytest.mark.parametrize(
    ("picture_hw", "expected"),
    [
        ((1024, 2048), (256, 512)),
        ((2048, 1024), (256, 128)),
        ((360, 480), (256, 341)),
        ((17, 3), (256, 45)),
        ((10, 10_000), (16, 512)),
        ((10_000, 10), (256, 16)),
    ],
)
def test_version_0_1_0_kept_proportions_in_prediction_without_padding(picture_hw, expected):
    placement = Geometry((256, 512), "keep_0_1_0", pixel_aspect=2).placement(picture_hw)
    assert placement.canvas_hw == expected
    assert placement.fills


def test_around_a_picture_is_the_mean_of_imagenet_and_around_labels_255():
    assert tuple(round(255 * channel) for channel in MEAN) == PADDING
    geometry = Geometry((16, 32))
    picture, labels = noise(16, 16), np.zeros((16, 16), np.uint8)
    placed, placed_labels = geometry.place_picture(picture), geometry.place_labels(labels)
    assert (placed[:, :8] == PADDING).all()
    assert (placed[:, 24:] == PADDING).all()
    assert np.array_equal(placed[:, 8:24], picture)
    assert (placed_labels[:, :8] == 255).all()
    assert (placed_labels[:, 24:] == 255).all()
    assert not placed_labels[:, 8:24].any()
    assert (geometry.place_labels(labels, padding=0) == 0).all()


@pytest.mark.parametrize("fit", ["contain", "squash", "squash_0_1_0", "keep_0_1_0"])
@pytest.mark.parametrize("picture_hw", [(64, 128), (16, 32)])
def test_a_frame_of_2_to_1_is_resized_by_area_whatever_the_fit(fit, picture_hw):
    picture = noise(*picture_hw)
    expected = cv2.resize(picture, (32, 16), interpolation=cv2.INTER_AREA)
    assert np.array_equal(Geometry((16, 32), fit).place_picture(picture), expected)


def test_sides_that_grow_are_interpolated_after_others_were_shrunk():
    picture = noise(32, 16)
    shrunk = cv2.resize(picture, (16, 16), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(shrunk, (32, 16), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(Geometry((16, 32), "squash").place_picture(picture), expected)
    as_before = cv2.resize(picture, (32, 16), interpolation=cv2.INTER_AREA)
    assert np.array_equal(Geometry((16, 32), "squash_0_1_0").place_picture(picture), as_before)
    assert not np.array_equal(expected, as_before)


@given(st.integers(1, 60), st.integers(1, 60), aspects)
def test_labels_lie_where_the_pixels_of_their_picture_lie(height, width, pixel):
    labels = np.random.default_rng(0).integers(0, 19, (height, width)).astype(np.uint8)
    geometry = Geometry((16, 32), pixel_aspect=pixel)
    placed, at = geometry.place_labels(labels), geometry.placement((height, width))
    for row in range(at.height):
        for column in range(0, at.width, 5):
            source = int((row + 0.5) * height / at.height), int((column + 0.5) * width / at.width)
            assert placed[at.top + row, at.left + column] == labels[source]


def test_training_and_prediction_share_one_rule():
    for fit in ("contain", "squash"):
        config = make_config({"fit": fit, "size": "64x128"})
        assert training_geometry(config, 2.0) == prediction_geometry(config, 2.0)
        assert training_geometry(config, 2.0) == Geometry((64, 128), fit, 2.0)
        assert prediction_geometry(config, size_hw=(32, 32)) == Geometry((32, 32), fit)


def test_settings_without_a_fit_are_those_of_version_0_1_0():
    assert TrainConfig().fit == "contain"
    config = saved_config({"size": "64x128"})
    assert training_geometry(config).fit == "squash_0_1_0"
    assert prediction_geometry(config).fit == "keep_0_1_0"


def test_much_padding_and_changed_proportions_are_worth_a_note():
    assert placement_note(Geometry((256, 512)), (1024, 2048)) == ""
    assert placement_note(Geometry((256, 512), pixel_aspect=2), (256, 256)) == ""
    assert placement_note(Geometry((256, 512)), (360, 480)) == (
        "Frames fill 67% of the size 256x512, and the rest is padding: 320x416 has their "
        "proportions"
    )
    squash = placement_note(Geometry((256, 512), "squash"), (360, 480))
    assert squash.startswith(
        "The size 256x512 changes the proportions of frames by a factor of 1.5"
    )
    assert placement_note(Geometry((256, 512), "squash_0_1_0"), (360, 480)) == squash
    assert placement_note(Geometry((320, 416)), (360, 480)) == ""
