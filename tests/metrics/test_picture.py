"""A prediction for one picture: shares and scores of maps small enough to check by eye."""

import math

import city
import numpy as np
import pytest

from cityseg.errors import ScoreError
from cityseg.labels import CLASS_NAMES
from cityseg.metrics.picture import score_picture

ROAD, SKY, CAR = (CLASS_NAMES.index(name) for name in ("road", "sky", "car"))
PREDICTED = np.array([[SKY, SKY, SKY, CAR], [ROAD, ROAD, CAR, CAR]], np.uint8)
TRUTH = np.array(
    [[city.SKY, city.SKY, city.SKY, city.SKY], [city.ROAD, city.ROAD, city.CAR, city.EGO_VEHICLE]],
    np.uint8,
)


def test_shares_are_of_the_whole_picture() -> None:
    found = score_picture(PREDICTED)
    assert found.shares == dict.fromkeys(CLASS_NAMES, 0.0) | {
        "road": 2 / 8,
        "sky": 3 / 8,
        "car": 3 / 8,
    }
    assert found.true_shares == {}


def test_without_an_annotation_there_are_no_scores() -> None:
    found = score_picture(PREDICTED)
    assert found.truth is None
    assert found.class_iou == {}


def test_scores_leave_out_what_is_not_evaluated() -> None:
    found = score_picture(PREDICTED, TRUTH)
    assert found.truth is not None
    defined = {name: iou for name, iou in found.class_iou.items() if not math.isnan(iou)}
    assert defined == {"road": 1.0, "sky": 3 / 4, "car": 1 / 2}
    assert found.truth.mean_iou == pytest.approx((1 + 3 / 4 + 1 / 2) / 3)
    assert found.truth.pixel_accuracy == 6 / 7


def test_the_ignored_part_of_an_annotation_is_in_no_class() -> None:
    true = score_picture(PREDICTED, TRUTH).true_shares
    assert {name: share for name, share in true.items() if share} == {
        "road": 2 / 8,
        "sky": 4 / 8,
        "car": 1 / 8,
    }


def test_an_annotation_of_nothing_gives_no_number() -> None:
    found = score_picture(PREDICTED, np.zeros_like(TRUTH))
    assert found.truth is not None
    assert math.isnan(found.truth.mean_iou)
    assert math.isnan(found.truth.pixel_accuracy)


def test_an_annotation_of_another_size_is_refused() -> None:
    with pytest.raises(ScoreError, match="4×2 pixels"):
        score_picture(PREDICTED, TRUTH[:, :3].copy())


def test_the_table_has_a_line_for_each_class() -> None:
    lines = score_picture(PREDICTED).to_csv().splitlines()
    assert lines[0] == "class,train_id,pixels,share"
    assert len(lines) == 1 + len(CLASS_NAMES)
    assert lines[1 + ROAD] == "road,0,2,0.25"


def test_the_table_leaves_undefined_scores_empty() -> None:
    lines = score_picture(PREDICTED, TRUTH).to_csv().splitlines()
    assert lines[0] == "class,train_id,pixels,share,true_pixels,iou"
    assert lines[1 + CAR] == "car,13,3,0.375,1,0.5"
    assert lines[2] == "sidewalk,1,0,0.0,0,"
