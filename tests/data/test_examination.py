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
