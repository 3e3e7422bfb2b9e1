"""Scores to check by eye, their properties, and equality with the official evaluator."""

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import official_evaluator
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityseg.errors import ScoreError
from cityseg.labels import CLASS_NAMES, MAP_LABELS, TRAIN_LABELS
from cityseg.metrics.confusions import ConfusionStore
from cityseg.metrics.counts import AVERAGE_INSTANCE_PIXELS, INSTANCE_LABELS, count_frame
from cityseg.metrics.scores import Scores, scores_from_train_confusion

#: Other work on the same cores must fail no test.
unhurried = settings(deadline=None)

VOID, ROAD, SIDEWALK, BUILDING, SKY = 0, 7, 8, 11, 23
PERSON, RIDER, CAR, CARAVAN = 24, 25, 26, 29


def label_map(*rows):
    return np.array(rows, np.uint8)


def scores_of(truth, predicted, instance_ids=None):
    if instance_ids is not None:
        instance_ids = np.array(instance_ids, np.uint16)
    counts = count_frame("frame", label_map(*truth), label_map(*predicted), instance_ids)
    return Scores(counts.confusion, counts.instances)


def defined(iou):
    return {name: value for name, value in iou.items() if not math.isnan(value)}


# Scores that can be checked by eye


def test_class_iou_is_hits_over_union():
    scores = scores_of([[ROAD, ROAD, ROAD, SIDEWALK]], [[ROAD, ROAD, SIDEWALK, SIDEWALK]])
    assert defined(scores.class_iou) == {"road": 2 / 3, "sidewalk": 1 / 2}
    assert scores.mean_iou == (2 / 3 + 1 / 2) / 2
    assert scores.pixel_accuracy == 3 / 4


def test_an_ignored_label_predicted_on_an_evaluated_pixel_is_a_false_negative():
    scores = scores_of([[ROAD, ROAD]], [[ROAD, VOID]])
    assert defined(scores.class_iou) == {"road": 1 / 2}
    assert scores.pixel_accuracy == 1 / 2


def test_scores_of_classes_that_a_network_does_not_have_are_undefined():
    instance_ids = [[26001, 26001, 7, 7, 24001]]
    every = scores_of(
        [[CAR, CAR, ROAD, ROAD, PERSON]], [[CAR, VOID, CAR, VOID, VOID]], instance_ids
    )
    scores = replace(every, classes=frozenset({"car", "person"}))
    assert defined(every.class_iou) == {"road": 0, "person": 0, "car": 1 / 3}
    assert defined(scores.class_iou) == {"person": 0, "car": 1 / 3}
    assert (scores.mean_iou, scores.pixel_accuracy) == (1 / 6, 1 / 3)
    assert set(defined(every.instance_iou)) == set(defined(scores.instance_iou))
    assert not {**defined(scores.category_iou), **defined(scores.category_instance_iou)}
    assert scores.to_json()["class_iou"]["road"] is None
    humans = replace(every, classes=frozenset({"rider", "person"}))
    assert defined(humans.category_iou) == {"human": 0}
    assert set(defined(humans.instance_iou)) == {"person"}


def test_a_prediction_on_an_ignored_pixel_is_not_a_false_positive():
    scores = scores_of([[ROAD, VOID]], [[ROAD, SKY]])
    assert defined(scores.class_iou) == {"road": 1.0}
    assert scores.pixel_accuracy == 1.0


def test_a_class_that_is_only_predicted_has_iou_0():
    scores = scores_of([[ROAD, ROAD]], [[ROAD, SKY]])
    assert defined(scores.class_iou) == {"road": 1 / 2, "sky": 0.0}
    assert scores.mean_iou == 1 / 4


def test_nothing_evaluated_leaves_everything_undefined():
    scores = scores_of([[VOID, CARAVAN]], [[ROAD, SKY]], [[0, 29000]])
    for name, value in scores.to_json().items():
        if name != "confusion":
            assert value is None or set(value.values()) == {None}, name


def test_a_confusion_inside_a_category_is_a_hit_for_the_category():
    scores = scores_of([[ROAD, SIDEWALK, BUILDING]], [[SIDEWALK, SIDEWALK, ROAD]])
    assert defined(scores.category_iou) == {"flat": 2 / 3, "construction": 0.0}
    assert scores.mean_category_iou == 1 / 3


def test_each_instance_weighs_the_same_whatever_its_size():
    scores = scores_of(
        [[PERSON, PERSON, PERSON, PERSON]],
        [[PERSON, SKY, SKY, SKY]],
        [[24000, 24001, 24001, 24001]],
    )
    assert scores.class_iou["person"] == 1 / 4
    assert scores.instance_iou["person"] == 1 / 2


def test_false_positives_are_not_weighted():
    scores = scores_of([[PERSON, ROAD, ROAD]], [[PERSON, PERSON, PERSON]], [[24000, 7, 7]])
    weight = AVERAGE_INSTANCE_PIXELS["person"] / 1
    assert scores.instance_iou["person"] == weight / (weight + 2)


def test_an_instance_with_another_class_of_its_category_is_a_hit_for_the_category():
    scores = scores_of([[PERSON, RIDER]], [[RIDER, RIDER]], [[24000, 25000]])
    assert scores.instance_iou["person"] == 0.0
    assert defined(scores.category_instance_iou) == {"human": 1.0}


def test_a_caravan_counts_for_the_instance_score_of_vehicles_only():
    on_car = scores_of([[CAR]], [[CARAVAN]], [[26000]])
    assert on_car.category_iou["vehicle"] == 0.0
    assert on_car.category_instance_iou["vehicle"] == 1.0
    on_road = scores_of([[CAR, ROAD]], [[CAR, CARAVAN]], [[26000, 7]])
    assert on_road.category_iou["vehicle"] == 1.0
    weight = AVERAGE_INSTANCE_PIXELS["car"]
    assert on_road.category_instance_iou["vehicle"] == pytest.approx(weight / (weight + 1))


def test_without_instances_instance_scores_are_undefined():
    scores = scores_of([[CAR]], [[CAR]])
    assert defined(scores.instance_iou) == defined(scores.category_instance_iou) == {}
    assert math.isnan(scores.mean_instance_iou)


def test_json_has_null_for_undefined_and_names_the_confusion():
    scores = scores_of([[ROAD, PERSON]], [[ROAD, SKY]], [[7, 24000]]).to_json()
    text = json.dumps(scores, allow_nan=False)
    assert json.loads(text) == scores
    assert list(scores["class_iou"]) == list(CLASS_NAMES)
    assert list(scores["instance_iou"]) == list(CLASS_NAMES)
    assert scores["class_iou"]["road"] == 1.0
    assert scores["class_iou"]["train"] is None
    assert scores["instance_iou"]["road"] is None
    assert scores["mean_instance_iou"] == 0.0
    confusion = scores["confusion"]
    names = confusion["labels"]
    assert confusion["pixels"][names.index("person")][names.index("sky")] == 1


# Train ids


def test_a_train_id_confusion_scores_like_its_label_ids():
    rng = np.random.default_rng(0)
    train_ids = rng.integers(0, 100, (19, 19))
    label_ids = np.zeros((34, 34), np.int64)
    for row, of_row in enumerate(TRAIN_LABELS):
        for column, of_column in enumerate(TRAIN_LABELS):
            label_ids[of_row.id, of_column.id] = train_ids[row, column]
    assert np.array_equal(scores_from_train_confusion(train_ids).confusion, label_ids)


def test_a_20th_column_is_a_false_negative_and_a_20th_row_is_not_evaluated():
    confusion = np.zeros((20, 20), np.int64)
    confusion[0, 0], confusion[0, 19], confusion[19, 0] = 3, 1, 50
    scores = scores_from_train_confusion(confusion)
    assert defined(scores.class_iou) == {"road": 3 / 4}
    assert scores.pixel_accuracy == 3 / 4
    without_row = scores_from_train_confusion(confusion[:19])
    assert without_row.class_iou == pytest.approx(scores.class_iou, nan_ok=True)


@pytest.mark.parametrize("shape", [(34, 34), (18, 19), (361,)])
def test_a_train_id_confusion_of_another_shape_is_refused(shape):
    with pytest.raises(ScoreError, match=r"^A train-id confusion must be 19×19 to 20×20: found"):
        scores_from_train_confusion(np.zeros(shape, np.int64))


# Properties

NUMBERS = st.integers(0, 10**9)


@st.composite
def frames(draw):
    """Truth, prediction, instance ids: (H, W) each, instances where the label has them."""
    shape = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    rng = np.random.default_rng(draw(NUMBERS))
    labels = rng.choice(34, draw(st.integers(1, 34)), replace=False)
    truth, predicted = (rng.choice(labels, shape).astype(np.uint8) for _ in range(2))
    has_instances = np.array([label.has_instances for label in MAP_LABELS])[truth]
    numbers = 1000 * truth.astype(np.uint16) + rng.integers(0, 3, shape, np.uint16)
    return truth, predicted, np.where(has_instances, numbers, truth).astype(np.uint16)


def counted(frame):
    counts = count_frame("", *frame)
    return Scores(counts.confusion, counts.instances)


@unhurried
@given(frames())
def test_a_perfect_prediction_scores_1_wherever_a_score_is_defined(frame):
    truth, _, instance_ids = frame
    scores = counted((truth, truth, instance_ids))
    present = {label.name for label in TRAIN_LABELS if label.id in truth}
    assert defined(scores.class_iou) == dict.fromkeys(present, 1.0)
    assert set(defined(scores.category_iou).values()) <= {1.0}
    of_instances = {label.name for label in INSTANCE_LABELS if label.id in truth}
    assert defined(scores.instance_iou) == dict.fromkeys(of_instances, 1.0)
    assert scores.pixel_accuracy == 1.0 or not present


@unhurried
@given(frames())
def test_scores_lie_between_0_and_1(frame):
    scores = counted(frame)
    for iou in (
        scores.class_iou,
        scores.category_iou,
        scores.instance_iou,
        scores.category_instance_iou,
        {"": scores.pixel_accuracy},
    ):
        assert all(0 <= value <= 1 for value in defined(iou).values())


@unhurried
@given(frames())
def test_pixel_accuracy_is_the_share_of_evaluated_pixels_that_are_correct(frame):
    truth, predicted, _ = frame
    evaluated = np.isin(truth, [label.id for label in TRAIN_LABELS])
    expected = np.mean(predicted[evaluated] == truth[evaluated]) if evaluated.any() else math.nan
    assert counted(frame).pixel_accuracy == pytest.approx(expected, nan_ok=True)


@unhurried
@given(frames(), NUMBERS)
def test_predictions_on_ignored_pixels_change_no_score_of_a_class(frame, seed):
    truth, predicted, instance_ids = frame
    ignored = ~np.isin(truth, [label.id for label in TRAIN_LABELS])
    other = predicted.copy()
    other[ignored] = np.random.default_rng(seed).integers(0, 34, truth.shape)[ignored]
    before, after = counted(frame), counted((truth, other, instance_ids))
    for name in "class_iou", "category_iou", "instance_iou", "category_instance_iou":
        assert getattr(after, name) == pytest.approx(getattr(before, name), nan_ok=True)


@unhurried
@given(frames(), NUMBERS)
def test_the_places_of_the_pixels_do_not_matter(frame, seed):
    order = np.random.default_rng(seed).permutation(frame[0].size)
    shuffled = tuple(each.ravel()[order].reshape(each.shape) for each in frame)
    before, after = counted(frame), counted(shuffled)
    assert np.array_equal(before.confusion, after.confusion)
    assert after.instance_iou == pytest.approx(before.instance_iou, nan_ok=True)


# The official evaluator


def city(rng, shape, labels):
    """A street of rectangles: truth with ignored labels, instances, groups and lone pixels."""
    truth = np.full(shape, rng.choice(labels), np.uint8)
    instance_ids = truth.astype(np.uint16)
    for number in range(rng.integers(1, 40)):
        label = rng.choice(labels)
        top, left = rng.integers(0, shape)
        height, width = (1, 1) if rng.random() < 0.2 else rng.integers(1, 20, 2)
        part = np.s_[top : top + height, left : left + width]
        is_instance = MAP_LABELS[label].has_instances and rng.random() < 0.8
        truth[part] = label
        instance_ids[part] = label * 1000 + number if is_instance else label
    return truth, instance_ids


def prediction(rng, truth, labels):
    """The truth with some rectangles and some pixels exchanged, ignored labels included."""
    predicted = truth.copy()
    for _ in range(rng.integers(0, 20)):
        top, left = rng.integers(0, truth.shape)
        predicted[top : top + rng.integers(1, 20), left : left + 10] = rng.choice(labels)
    noisy = rng.random(truth.shape) < rng.choice([0, 0.05, 1])
    predicted[noisy] = rng.choice(labels, truth.shape)[noisy]
    return predicted


def test_scores_of_synthetic_cities_equal_the_official_ones(tmp_path):
    cases, ours = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        labels = rng.choice(34, rng.choice([1, 3, 10, 34]), replace=False)
        case = {"predictions": [], "ground_truths": []}
        counts = []
        for frame in range(3):
            truth, instance_ids = city(rng, (40, 50), labels)
            predicted = prediction(rng, truth, rng.permutation(34) if seed % 2 else labels)
            paths = write(tmp_path, f"s{seed}_0_{frame}", truth, predicted, instance_ids)
            case["predictions"].append(paths[0])
            case["ground_truths"].append(paths[1])
            counts.append(count_frame("", truth, predicted, instance_ids))
        cases.append(case)
        ours.append(ConfusionStore.of(counts).scores())
    officials = official_evaluator.results_of(cases)
    assert len({len(defined(scores.instance_iou)) for scores in ours}) > 3
    for scores, official in zip(ours, officials, strict=True):
        official_evaluator.assert_same(scores, official)


def write(folder: Path, stem, truth, predicted, instance_ids):
    paths = [str(folder / f"{stem}_{kind}.png") for kind in ("pred", "labelIds", "instanceIds")]
    for path, content in zip(paths, (predicted, truth, instance_ids), strict=True):
        assert cv2.imwrite(path, content)
    return paths
