"""Comparison: the scores of runs, why they may not be comparable, and the table of them."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confusions import store_of_maps
from tiny_runs import tiny_config

from cityseg.evaluation.comparison import (
    RunScores,
    comparison_caveats,
    run_scores,
    score_table,
    scores_csv,
)
from cityseg.evaluation.files import SavedEvaluation
from cityseg.evaluation.reviewed import ReviewScores
from cityseg.labels import CLASS_NAMES, LABEL_OF_NAME
from cityseg.metrics.confusions import ConfusionStore
from cityseg.metrics.counts import INSTANCE_CLASSES
from cityseg.runs.folder import RunDir

ROAD_ID, SIDEWALK_ID, CAR_ID = (LABEL_OF_NAME[n].id for n in ("road", "sidewalk", "car"))


#: Two frames of four pixels: half of the road is right, then all of the car.
TWO_FRAMES = (
    ([ROAD_ID, ROAD_ID, SIDEWALK_ID, 0], [ROAD_ID, SIDEWALK_ID, SIDEWALK_ID, ROAD_ID]),
    ([CAR_ID, CAR_ID, 0, 0], [CAR_ID, CAR_ID, CAR_ID, CAR_ID]),
)


def epoch(number: int, mean_iou: float | None, **class_iou: float) -> dict[str, Any]:
    return {
        "kind": "epoch",
        "epoch": number,
        "mean_iou": mean_iou,
        "pixel_accuracy": 0.5,
        "class_iou": {name: class_iou.get(name) for name in CLASS_NAMES},
    }


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunDir]:
    def make(**settings: Any) -> RunDir:
        return RunDir.create(tmp_path / "runs", tiny_config(tmp_path / "city", **settings))

    return make


def evaluated(store: ConfusionStore, **settings: Any) -> SavedEvaluation:
    about: dict[str, Any] = {"split": "val", "epoch": 3, "sliding": False, "flip": False}
    return SavedEvaluation(**about | settings, skipped=[], store=store)


def result(run: RunDir, evaluation: SavedEvaluation | None = None) -> RunScores:
    found = run_scores(run, "a name", [epoch(3, 0.25, road=0.25)], evaluation)
    assert found
    return found


# --- results ----------------------------------------------------------------------------------


def test_without_an_evaluation_the_scores_are_those_of_the_best_epoch(
    make_run: Callable[..., RunDir],
) -> None:
    found = run_scores(make_run(), "a name", [epoch(1, 0.4, road=0.8), epoch(2, 0.1)])
    assert found
    assert (found.mean_iou, found.epoch, found.class_iou["road"]) == (0.4, 1, 0.8)
    assert not found.category_iou
    assert found.to_json()["source"] == "validation in training"


def test_a_run_without_a_finished_epoch_has_no_result(make_run: Callable[..., RunDir]) -> None:
    assert run_scores(make_run(), "a name", []) is None


def test_with_an_evaluation_the_scores_are_its_own(make_run: Callable[..., RunDir]) -> None:
    store = store_of_maps(*TWO_FRAMES)
    found = result(make_run(), evaluated(store))
    assert found.mean_iou == store.scores().mean_iou
    assert found.class_iou["car"] == 1
    assert not found.is_stale


def test_an_evaluation_of_older_weights_is_stale(make_run: Callable[..., RunDir]) -> None:
    assert result(make_run(), evaluated(store_of_maps(*TWO_FRAMES), epoch=2)).is_stale


# --- what may be compared ---------------------------------------------------------------------


def test_evaluations_of_the_same_frames_can_be_compared(make_run: Callable[..., RunDir]) -> None:
    other = store_of_maps(*((truth, truth) for truth, _ in TWO_FRAMES))
    results = [
        result(make_run(), evaluated(store)) for store in (store_of_maps(*TWO_FRAMES), other)
    ]
    assert comparison_caveats(results) == []
    assert comparison_caveats(results[:1]) == []


@pytest.mark.parametrize(
    "frames",
    [TWO_FRAMES[:1], (TWO_FRAMES[0], ([CAR_ID] * 3 + [0], [CAR_ID] * 4))],
    ids=["fewer frames", "other annotations"],
)
def test_evaluations_of_other_ground_truth_are_not_compared_silently(
    make_run: Callable[..., RunDir], frames: Any
) -> None:
    results = [result(make_run(), evaluated(store_of_maps(*each))) for each in (TWO_FRAMES, frames)]
    (caveat,) = comparison_caveats(results)
    assert "different frames or annotations" in caveat


def test_evaluations_with_other_settings_are_not_compared_silently(
    make_run: Callable[..., RunDir],
) -> None:
    store = store_of_maps(*TWO_FRAMES)
    results = [result(make_run(), evaluated(store, flip=flip)) for flip in (False, True)]
    (caveat,) = comparison_caveats(results)
    assert "mirrored" in caveat


def test_evaluations_and_validations_are_not_compared_silently(
    make_run: Callable[..., RunDir],
) -> None:
    results = [result(make_run(), evaluated(store_of_maps(*TWO_FRAMES))), result(make_run())]
    (caveat,) = comparison_caveats(results)
    assert "validation in training" in caveat


def test_validations_at_other_sizes_are_not_compared_silently(
    make_run: Callable[..., RunDir],
) -> None:
    results = [result(make_run(size=size)) for size in ((32, 64), (64, 128))]
    (caveat,) = comparison_caveats(results)
    assert "64×32" in caveat
    assert "128×64" in caveat


# --- the table --------------------------------------------------------------------------------


def test_the_table_has_every_score_of_every_run(make_run: Callable[..., RunDir]) -> None:
    results = [result(make_run(), evaluated(store_of_maps(*TWO_FRAMES))), result(make_run())]
    rows = {(row.kind, row.name): row.values for row in score_table(results)}
    assert rows["IoU", "road"] == [0.5, 0.25]
    assert rows["IoU", "bus"] == [None, None]
    assert rows["category IoU", "vehicle"] == [1.0, None]
    assert len(rows) == 4 + 19 + 7 + len(INSTANCE_CLASSES)


def test_the_csv_has_run_ids_and_nothing_where_undefined(
    make_run: Callable[..., RunDir],
) -> None:
    one = result(make_run(title="=1+1"), evaluated(store_of_maps(*TWO_FRAMES)))
    header, *lines = csv.reader(io.StringIO(scores_csv([one])))
    assert header == ["kind", "name", one.run.id]
    assert ["IoU", "road", "0.5"] in lines
    assert ["IoU", "bus", ""] in lines


@pytest.mark.parametrize("begin", "=+-@")
def test_a_run_whose_folder_is_called_like_a_formula_is_text_in_the_csv(
    make_run: Callable[..., RunDir], begin: str
) -> None:
    run = make_run()
    renamed = run.path.rename(run.path.with_name(f"{begin}1+1"))
    one = result(RunDir(renamed), evaluated(store_of_maps(*TWO_FRAMES)))
    header = next(csv.reader(io.StringIO(scores_csv([one]))))
    assert header == ["kind", "name", f"'{begin}1+1"]


def test_the_scores_without_wrong_labels_are_rows_of_their_own(
    make_run: Callable[..., RunDir],
) -> None:
    store = store_of_maps(*TWO_FRAMES)
    review = ReviewScores(
        ledger="ledger.jsonl",
        regions=1,
        frames=1,
        stale=0,
        wrong_pixels=4,
        wrong_in_regions=1,
        mean_iou=0.5,
        pixel_accuracy=0.75,
        class_iou={},
        mean_category_iou=None,
        mean_instance_iou=None,
    )
    runs = [result(make_run(), evaluated(store, review=each)) for each in (review, None)]
    rows = {row.name: row.values for row in score_table(runs) if row.kind == "without wrong labels"}
    assert rows["mean IoU"] == [0.5, None]
    assert rows["share of errors that are the labels'"] == [0.25, None]
    assert "without wrong labels,pixel accuracy,0.75," in scores_csv(runs)
    assert not [row for row in score_table(runs[1:]) if row.kind == "without wrong labels"]
