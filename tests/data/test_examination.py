"""A sample of all splits is examined, and its verdict kept while the sample stays the same."""

import city
import numpy as np
from encoded import WRITTEN, write

from cityseg.data.dataset import find_frames
from cityseg.data.examination import examine
from cityseg.data.masks import convert
from cityseg.data.verdict import Verdict


def test_a_blank_test_split_does_not_decide(tmp_path):
    write(tmp_path, [np.zeros((96, 192), np.uint8)] * 3, WRITTEN["labelids"], "test")
    write(tmp_path, [city.street()], WRITTEN["trainids-plus1"])
    assert examine(find_frames(tmp_path)).encoding == "trainids-plus1"


def test_the_verdict_of_changed_annotations_is_reached_again(tmp_path):
    write(tmp_path, [city.street()], WRITTEN["labelids"])
    convert(tmp_path)
    write(tmp_path, [city.street()], WRITTEN["trainids"])
    assert convert(tmp_path).encoding == "trainids"


def test_an_encoding_that_was_named_is_not_kept_as_a_verdict(tmp_path):
    write(tmp_path, [city.street()], WRITTEN["labelids"])
    assert convert(tmp_path, verdict=Verdict("trainids-void19", "given")).converted == 0
    assert convert(tmp_path).encoding == "labelids"


def test_a_sample_of_each_split_is_examined(tmp_path):
    write(tmp_path, [city.street()] * 14, WRITTEN["labelids"])
    write(tmp_path, [city.street()] * 2, WRITTEN["labelids"], "val")
    assert examine(find_frames(tmp_path)).evidence.startswith("12 annotations examined; values 1,")


def test_polygons_alone_are_called_polygons(tmp_path):
    stem = "town_000000_000000"
    city.write(city.image_path(tmp_path, stem), b"")
    polygons = b'{"imgHeight": 8, "imgWidth": 16, "objects": []}'
    city.write(city.annotation_path(tmp_path, stem, kind="polygons.json"), polygons)
    found = examine(find_frames(tmp_path))
    assert found.encoding == "labelids"
    assert found.evidence == "The annotations are polygons, drawn as label ids"
