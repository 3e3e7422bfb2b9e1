"""Outlines draw exactly the map whose regions they surround."""

import json
from pathlib import Path

import city
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityseg.data.polygons import parse_polygons, rasterise
from cityseg.review.outlines import polygons_of

PATH = Path("x_gtFine_polygons.json")


def drawn(label_ids: np.ndarray, instance_ids: np.ndarray | None = None) -> np.ndarray:
    content = json.dumps(polygons_of(label_ids, instance_ids)).encode()
    return rasterise(parse_polygons(content, PATH), PATH)


@settings(max_examples=60)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 34]))
def test_any_map_is_drawn_again(height: int, width: int, seed: int, labels: int) -> None:
    label_ids = np.random.default_rng(seed).integers(0, labels, (height, width), np.uint8)
    assert np.array_equal(drawn(label_ids), label_ids)


@pytest.mark.parametrize("seed", range(2))
def test_a_street_is_drawn_again(seed: int) -> None:
    label_ids = city.street(64, 128, seed)
    assert np.array_equal(drawn(label_ids), label_ids)


def test_instances_that_touch_have_outlines_of_their_own_and_others_are_groups() -> None:
    label_ids = np.full((2, 4), city.CAR, np.uint8)
    label_ids[1, 3] = city.ROAD
    instance_ids = np.array([[26000, 26000, 26001, 26001], [26, 26, 26, 7]], np.uint16)
    objects = polygons_of(label_ids, instance_ids)["objects"]
    assert sorted(each["label"] for each in objects) == ["car", "car", "cargroup", "road"]
    assert {each["label"] for each in polygons_of(label_ids)["objects"]} == {"car", "road"}
