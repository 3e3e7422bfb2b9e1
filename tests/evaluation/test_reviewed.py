"""Scores without flagged regions equal those of an annotation that has void there."""

import json
import shutil
from pathlib import Path
from typing import Any

import city
import numpy as np
import pytest
import torch
from confusions import store_of_maps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reviews import flag, frame_named, verdict_on

from cityseg.cli.main import main
from cityseg.config import make_config
from cityseg.errors import ReviewError
from cityseg.evaluation.checkpoint import Evaluation, evaluate
from cityseg.evaluation.files import load_evaluation
from cityseg.evaluation.reviewed import Reviewed, without_areas
from cityseg.evaluation.truth import Truth
from cityseg.labels import LABEL_ID_PALETTE, LABEL_IDS_OF_CLASSES
from cityseg.models import build_model
from cityseg.review import Flagged, Region, append
from cityseg.runs import RunDir
from cityseg.runs.checkpoints import save_weights

SIZE_HW = (64, 128)
STEMS = [f"town_000000_00000{number}" for number in range(3)]
FIRST = f"val/town/{STEMS[0]}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city of three frames with instances, and a run of random weights beside it."""
    root = tmp_path_factory.mktemp("reviewed") / "city"
    for seed, stem in enumerate(STEMS):
        label_ids = city.street(*SIZE_HW, seed)
        city.write_frame(root, stem, "val", label_ids=label_ids)
        city.write(city.image_path(root, stem, "val"), city.encode(LABEL_ID_PALETTE[label_ids]))
        write_instances(root, stem, label_ids)
    return root


@pytest.fixture(scope="module")
def run(root: Path) -> RunDir:
    torch.manual_seed(0)
    config = make_config({"data": root, "width": 2, "size": (32, 64)})
    run = RunDir.create(root.parent / "runs", config)
    network = build_model("unet", width=2)
    save_weights(run.best, network, config, 1, {"mean_iou": None})
    return run


def write_instances(root: Path, stem: str, label_ids: np.ndarray) -> None:
    labels = city.annotation_path(root, stem, "val")
    path = labels.with_name(labels.name.replace("labelIds", "instanceIds"))
    ids = label_ids.astype(np.uint16)
    city.write(path, city.encode(np.where(label_ids == city.CAR, np.uint16(26001), ids)))


def assert_equal(one: Evaluation, other: Evaluation) -> None:
    assert np.array_equal(one.store.confusion, other.store.confusion)
    np.testing.assert_allclose(one.store.classes, other.store.classes)
    np.testing.assert_allclose(one.store.categories, other.store.categories)


def voided(root: Path, copy: Path, masks: list[np.ndarray]) -> Path:
    """A copy of the dataset with void in `masks` of its frames."""
    shutil.copytree(root, copy)
    for seed, (stem, mask) in enumerate(zip(STEMS, masks, strict=True)):
        label_ids = np.where(mask, np.uint8(0), city.street(*SIZE_HW, seed))
        city.write_frame(copy, stem, "val", label_ids=label_ids)
        city.write(
            city.image_path(copy, stem, "val"),
            city.image_path(root, stem, "val").read_bytes(),
        )
        write_instances(copy, stem, label_ids)
    return copy


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 99), at_training_size=st.booleans())
def test_the_scores_without_regions_are_those_of_an_annotation_with_void_there(
    root: Path,
    run: RunDir,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    at_training_size: bool,
) -> None:
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(seed)
    masks = [rng.random(SIZE_HW) < 0.3, np.zeros(SIZE_HW, np.bool_), rng.random(SIZE_HW) < 0.1]
    for stem, mask in zip(STEMS, masks, strict=True):
        if mask.any():
            flag(folder / "ledger.jsonl", frame_named(root, f"val/town/{stem}"), mask)
    way: Any = {"device": "cpu", "at_training_size": at_training_size}
    result = evaluate(run.path, root, review=folder / "ledger.jsonl", **way)
    assert_equal(result, evaluate(run.path, root, **way))
    expected = evaluate(run.path, voided(root, folder / "city", masks), **way)
    assert result.reviewed
    review = result.review
    assert review
    assert_equal(Evaluation(result.reviewed.store, [], {}), expected)
    assert (review.regions, review.frames, review.stale) == (2, 2, 0)
    assert review.mean_iou == pytest.approx(expected.store.scores().mean_iou)
    right, right_without = (
        each.store.scores().pixel_accuracy * _evaluated(each) for each in (result, expected)
    )
    wrong, wrong_without = _evaluated(result) - right, _evaluated(expected) - right_without
    assert review.wrong_pixels == pytest.approx(wrong)
    assert review.share_of_labels == pytest.approx((wrong - wrong_without) / wrong)


def _evaluated(evaluation: Evaluation) -> int:
    """The pixels whose truth is a class."""
    rows = evaluation.store.confusion[:, LABEL_IDS_OF_CLASSES]
    return int(rows.sum(dtype=np.int64))


def test_the_command_prints_and_writes_both_scores(
    root: Path, run: RunDir, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ledger = root.parent / "reviews" / "city.jsonl"
    mask = np.zeros(SIZE_HW, np.bool_)
    mask[30:50] = True
    frame = frame_named(root, FIRST)
    stale = verdict_on(frame, ~mask).model_copy(update={"annotation": "0" * 16})
    append(ledger, [verdict_on(frame, mask), stale])
    assert main(["evaluate", str(run.path), "--device", "cpu", "--review"]) == 0
    printed = capsys.readouterr().out
    saved = load_evaluation(run, "val")
    assert saved
    review = saved.review
    assert review
    assert review.mean_iou is not None
    assert (review.regions, review.stale, review.ledger) == (1, 1, str(ledger))
    assert "Without 1 region of 1 frame whose labels are wrong: mean IoU" in printed
    assert f"{review.mean_iou:.4f} instead of {saved.scores.mean_iou:.4f}" in printed
    assert f"{review.share_of_labels:.1%} of the wrong pixels lie in these regions." in printed
    assert "1 verdict on annotations that have changed since" in caplog.text
    content = json.loads(run.scores_file("val").read_text())
    del content["review"]  # as files of earlier versions are
    run.scores_file("val").write_text(json.dumps(content))
    earlier = load_evaluation(run, "val")
    assert earlier
    assert earlier.review is None


def test_pixels_that_a_network_rightly_calls_no_class_are_not_wrong() -> None:
    classes = frozenset(["car", "person"])
    road, car, none = 7, 26, 0
    predicted = [none, car, none, car, car]
    store = store_of_maps(([road, road, car, car, none], predicted))
    without = store_of_maps(([road, none, car, car, none], predicted))
    review = Reviewed(without, Flagged(Path("ledger"), {}), classes).compared_to(store)
    assert (review.wrong_pixels, review.wrong_in_regions) == (2, 1)
    assert (review.mean_iou, review.pixel_accuracy) == (0.5, 0.5)


def test_a_missing_ledger_is_an_error_before_a_frame_is_predicted(
    run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "none.jsonl"
    assert main(["evaluate", str(run.path), "--review", str(missing), "--device", "cpu"]) == 1
    assert f"There is no review ledger {missing}: judge" in capsys.readouterr().err


def test_a_region_outside_of_its_annotation_is_an_error() -> None:
    truth = Truth(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint16))
    region = Region.of(np.ones((2, 2), np.bool_), top=3)
    with pytest.raises(ReviewError, match="The annotation of a/b/c is 4×4 pixels, but"):
        without_areas(truth, [region], "The annotation of a/b/c")
