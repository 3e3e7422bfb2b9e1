"""Counting: cells and weights to check by eye, equality with plain loops, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityseg.errors import ScoreError
from cityseg.labels import MAP_LABELS
from cityseg.metrics.counts import (
    AVERAGE_INSTANCE_PIXELS,
    INSTANCE_CATEGORIES,
    INSTANCE_LABELS,
    confusion_matrix,
    count_frame,
    instance_statistics,
)

ROAD, CAR = 7, 26


def label_map(*rows):
    return np.array(rows, np.uint8)


@st.composite
def frames(draw):
    """Truth, prediction, instance ids: (H, W) each, in runs of equal pixels or in none."""
    height, width = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    run = draw(st.sampled_from([1, 10]))
    rng = np.random.default_rng(draw(st.integers(0, 10**9)))
    labels = rng.choice(34, draw(st.integers(1, 34)), replace=False)
    truth, predicted = (rng.choice(labels, (height, width)) for _ in range(2))
    has_instances = np.array([label.has_instances for label in MAP_LABELS])[truth]
    numbers = 1000 * truth + rng.integers(0, 3, truth.shape)
    maps = truth, predicted, np.where(has_instances, numbers, truth)
    dtypes = np.uint8, np.uint8, np.uint16
    return [np.repeat(each, run, 1).astype(d) for each, d in zip(maps, dtypes, strict=True)]


@settings(deadline=None)
@given(frames())
def test_confusion_counts_each_pixel_once_in_its_cell(frame):
    truth, predicted, _ = frame
    expected = np.zeros((34, 34), np.int64)
    for row, column in zip(truth.ravel().tolist(), predicted.ravel().tolist(), strict=True):
        expected[row, column] += 1
    assert np.array_equal(confusion_matrix(truth, predicted), expected)


@settings(deadline=None)
@given(frames())
def test_each_instance_adds_its_shares_of_hits_and_misses(frame):
    _, predicted, instance_ids = frame
    classes, categories = np.zeros((8, 2)), np.zeros((2, 2))
    for instance_id in set(instance_ids[instance_ids >= 1000].tolist()):
        label = MAP_LABELS[instance_id // 1000]
        if label.ignore_in_eval:
            continue
        inside = predicted[instance_ids == instance_id].tolist()
        weight = AVERAGE_INSTANCE_PIXELS[label.name] / len(inside)
        for label_id in inside:
            is_hit = label_id == label.id
            classes[INSTANCE_LABELS.index(label), 0 if is_hit else 1] += weight
            is_hit = MAP_LABELS[label_id].category == label.category
            categories[INSTANCE_CATEGORIES.index(label.category), 0 if is_hit else 1] += weight
    counted = instance_statistics(instance_ids, predicted)
    assert counted.classes == pytest.approx(classes)
    assert counted.categories == pytest.approx(categories)


@settings(deadline=None)
@given(frames())
def test_counting_a_frame_equals_both_functions(frame):
    truth, predicted, instance_ids = frame
    whole = count_frame("name", *frame)
    statistics = instance_statistics(instance_ids, predicted)
    assert whole.name == "name"
    assert np.array_equal(whole.confusion, confusion_matrix(truth, predicted))
    assert whole.instances.classes == pytest.approx(statistics.classes)
    assert whole.instances.categories == pytest.approx(statistics.categories)


def test_a_frame_without_instance_map_has_no_statistics():
    assert count_frame("", label_map([ROAD]), label_map([ROAD])).instances is None


def test_rows_are_ground_truth_and_columns_predictions():
    confusion = confusion_matrix(label_map([7, 7], [7, 8]), label_map([7, 8], [8, 0]))
    assert confusion.shape == (34, 34)
    assert confusion.dtype == np.int64
    assert {tuple(cell): confusion[*cell] for cell in np.argwhere(confusion).tolist()} == {
        (7, 7): 1,
        (7, 8): 2,
        (8, 0): 1,
    }


def test_counts_beyond_float32_are_exact():
    road = np.full((1, (1 << 24) + 1), ROAD, np.uint8)
    assert confusion_matrix(road, road)[ROAD, ROAD] == (1 << 24) + 1


def test_views_and_read_only_maps_count_like_copies():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 34, (2, 20, 30), np.uint8)
    instance_ids = rng.integers(24, 27, (20, 30)).astype(np.uint16) * 1000
    for each in truth, predicted, instance_ids:
        each.flags.writeable = False
    views = [each[::-2, 1::3] for each in (truth, predicted, instance_ids)]
    ours, copied = (count_frame("", *each) for each in (views, [view.copy() for view in views]))
    assert np.array_equal(ours.confusion, copied.confusion)
    assert np.array_equal(ours.instances.classes, copied.instances.classes)
    assert ours.instances.classes.any()


@pytest.mark.parametrize("smaller", [0, 1, 2])
def test_a_frame_of_maps_of_different_sizes_is_refused(smaller):
    maps = [np.zeros((2, 3), dtype) for dtype in (np.uint8, np.uint8, np.uint16)]
    maps[smaller] = maps[smaller][:, :2]
    with pytest.raises(ScoreError, match=r"is \d×2 pixels: expected \d×2"):
        count_frame("", *maps)


def test_a_picture_is_not_a_map():
    picture = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(
        ScoreError, match=r"^The ground truth must be \(H, W\) uint8: found \(2, 2, 3\)"
    ):
        confusion_matrix(picture, picture)


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([[7, 255]], [[7, 7]], "ground truth has the value 255, but label ids are 0–33"),
        ([[7, 7]], [[34, 7]], "prediction has the value 34, but label ids are 0–33"),
        ([[7, 7]], [[7], [7]], "prediction is 1×2 pixels: expected 2×1"),
    ],
)
def test_maps_that_cannot_be_counted_are_refused(truth, predicted, message):
    with pytest.raises(ScoreError, match=message):
        confusion_matrix(label_map(*truth), label_map(*predicted))


def test_maps_of_another_type_are_refused():
    truth = label_map([7, 7])
    with pytest.raises(ScoreError, match=r"prediction must be \(H, W\) uint8: found .* int64"):
        confusion_matrix(truth, truth.astype(np.int64))
    with pytest.raises(ScoreError, match=r"instance map must be \(H, W\) uint16: found .* uint8"):
        instance_statistics(truth, truth)


def test_groups_and_instances_of_ignored_labels_have_no_weight():
    counts = instance_statistics(
        np.array([[26, 29000, 9001, 26001]], np.uint16), label_map([CAR, CAR, CAR, CAR])
    )
    weights = dict(zip([label.name for label in INSTANCE_LABELS], counts.classes, strict=True))
    assert weights.pop("car").tolist() == [AVERAGE_INSTANCE_PIXELS["car"], 0]
    assert not np.any(list(weights.values()))


@pytest.mark.parametrize(
    ("instance_id", "message"),
    [(7001, "7001, but road has no instances"), (34000, "34000, but label ids end at 33")],
)
def test_an_instance_of_a_label_without_instances_is_refused(instance_id, message):
    with pytest.raises(ScoreError, match=message):
        instance_statistics(np.array([[instance_id]], np.uint16), label_map([ROAD]))


def test_an_instance_map_of_another_size_is_refused():
    with pytest.raises(ScoreError, match="instance map is 1×2 pixels: expected 2×1"):
        instance_statistics(np.zeros((2, 1), np.uint16), label_map([ROAD, ROAD]))


def test_the_label_table_gives_the_official_instance_labels():
    assert [label.name for label in INSTANCE_LABELS] == list(AVERAGE_INSTANCE_PIXELS)
    assert INSTANCE_CATEGORIES == ("human", "vehicle")
