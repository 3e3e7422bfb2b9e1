"""Runs side by side: their scores, and why these may not be comparable."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from cityseg.evaluation.files import SavedEvaluation
from cityseg.evaluation.reviewed import ReviewScores
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import EVALUATED_CATEGORIES, INSTANCE_CLASSES, ConfusionStore, finite_or_none
from cityseg.runs import BoxRun, MetricRow, RunDir, best_epoch
from cityseg.system import spreadsheet_text

#: The row of the share of wrong pixels where the label is wrong.
_SHARE_OF_LABELS: Final = "share of errors that are the labels'"
_MEANS: Final = ("mean_iou", "pixel_accuracy", "mean_category_iou", "mean_instance_iou")


@dataclass(frozen=True, eq=False)
class RunScores:
    """Scores of one run: fractions of 1, IoUs by name; None or NaN where undefined.

    With an `evaluation` they are its scores, at label resolution. Without one they come from the
    validation of the best epoch during training, at the size of training (`validated_on` says on
    what). `epoch` is the epoch of the scored weights, `best_epoch` that of the best weights now.
    """

    run: RunDir
    name: str
    validated_on: str
    epoch: int
    best_epoch: int
    mean_iou: float | None
    pixel_accuracy: float | None
    class_iou: Mapping[str, float | None]
    evaluation: SavedEvaluation | None = None

    @property
    def is_stale(self) -> bool:
        """Whether training has found better weights since the evaluation."""
        return self.epoch != self.best_epoch

    @property
    def source(self) -> str:
        """Where the scores come from, in words."""
        return (
            f"evaluation on {self.evaluation.split}"
            if self.evaluation
            else "validation in training"
        )

    @property
    def frames(self) -> int | None:
        """Evaluated frames; None without an evaluation."""
        return len(self.evaluation.store.names) if self.evaluation else None

    @property
    def mean_category_iou(self) -> float | None:
        """None without an evaluation."""
        return self.evaluation.scores.mean_category_iou if self.evaluation else None

    @property
    def mean_instance_iou(self) -> float | None:
        """The mean iIoU; None without an evaluation."""
        return self.evaluation.scores.mean_instance_iou if self.evaluation else None

    @property
    def category_iou(self) -> Mapping[str, float | None]:
        """IoU by category; empty without an evaluation."""
        return self.evaluation.scores.category_iou if self.evaluation else {}

    @property
    def instance_iou(self) -> Mapping[str, float | None]:
        """iIoU by class; empty without an evaluation."""
        return self.evaluation.scores.instance_iou if self.evaluation else {}

    @property
    def review(self) -> ReviewScores | None:
        """The scores without regions whose labels are wrong; None without a review."""
        return self.evaluation.review if self.evaluation else None

    def to_json(self) -> dict[str, Any]:
        """All scores and their source for strict JSON."""
        return {
            "run": self.run.id,
            "name": self.name,
            "source": self.source,
            "epoch": self.epoch,
            "frames": self.frames,
            **{name: finite_or_none(getattr(self, name)) for name in _MEANS},
            "class_iou": _complete(self.class_iou, CLASS_NAMES),
            "category_iou": _complete(self.category_iou, EVALUATED_CATEGORIES),
            "instance_iou": _complete(self.instance_iou, INSTANCE_CLASSES),
            **({"review": _of_review(self.review)} if self.review else {}),
        }


def _of_review(review: ReviewScores) -> dict[str, Any]:
    """What is compared of a review, by the words of the table."""
    return {
        "mean IoU": review.mean_iou,
        "pixel accuracy": review.pixel_accuracy,
        "mean category IoU": review.mean_category_iou,
        "mean instance IoU": review.mean_instance_iou,
        _SHARE_OF_LABELS: review.share_of_labels,
    }


def _complete(scores: Mapping[str, float | None], names: Sequence[str]) -> dict[str, float | None]:
    return {name: finite_or_none(scores.get(name)) for name in names}


def run_scores(
    run: RunDir, name: str, rows: Sequence[MetricRow], evaluation: SavedEvaluation | None = None
) -> RunScores | None:
    """The scores of a run from its metric rows, or from an evaluation; None if it has none.

    `name` is what people call the run. Raises ConfigError if its config.json cannot be read.
    """
    config, best = run.config(), best_epoch(rows)
    height, width = config.size
    squashed = "" if config.fit == "contain" else ", squashed"
    frames = (
        "the network's own validation frames"
        if isinstance(run, BoxRun)
        else f"frames of {config.data}"
    )
    validated_on = f"{frames} at {width}×{height}{squashed}"
    about = (run, name, validated_on)
    if evaluation:
        official = evaluation.scores
        scores = (official.mean_iou, official.pixel_accuracy, official.class_iou)
        newest = best["epoch"] if best else evaluation.epoch
        return RunScores(*about, evaluation.epoch, newest, *scores, evaluation)
    if best is None:
        return None
    scores = (best["mean_iou"], best["pixel_accuracy"], best["class_iou"])
    return RunScores(*about, best["epoch"], best["epoch"], *scores)


def comparison_caveats(runs: Sequence[RunScores]) -> list[str]:
    """Sentences that say why the scores of `runs` cannot be compared as they are; or none."""
    validated = [each for each in runs if each.evaluation is None]
    evaluated = [each.evaluation for each in runs if each.evaluation]
    caveats = []
    if validated and evaluated:
        caveats.append(
            "Some of these scores come from the validation in training, at the size of training; "
            "the others are official, at label resolution. Evaluate all runs to compare them."
        )
    if len(sources := sorted({each.validated_on for each in validated})) > 1:
        caveats.append(f"Validation in training used different pictures: {'; '.join(sources)}.")
    if any(not _have_same_truth(evaluated[0].store, other.store) for other in evaluated[1:]):
        counts = ", ".join(str(len(each.store.names)) for each in evaluated)
        caveats.append(
            f"The runs were evaluated on different frames or annotations ({counts} frames). "
            "Evaluate them on the same data to compare them."
        )
    if len({(each.sliding, each.flip) for each in evaluated}) > 1:
        caveats.append(
            "Some runs were evaluated with sliding windows or mirrored frames, others without."
        )
    return caveats


def _have_same_truth(one: ConfusionStore, other: ConfusionStore) -> bool:
    """Whether both have the same frames with the same number of pixels of each label."""
    return one.names == other.names and np.array_equal(
        one.confusion.sum(axis=2, dtype=np.int64), other.confusion.sum(axis=2, dtype=np.int64)
    )


class ScoreRow(NamedTuple):
    """One line of the table of scores: a value for each run, None where undefined."""

    kind: str
    name: str
    values: list[float | None]


def score_table(runs: Sequence[RunScores]) -> list[ScoreRow]:
    """All scores of all runs, the means first."""
    scores = [each.to_json() for each in runs]
    rows = [
        ScoreRow(
            "overall", name.replace("_", " ").replace("iou", "IoU"), [each[name] for each in scores]
        )
        for name in _MEANS
    ]
    kinds = {"class_iou": "IoU", "category_iou": "category IoU", "instance_iou": "iIoU"}
    for key, kind in kinds.items():
        names = scores[0][key] if scores else ()
        rows += [ScoreRow(kind, name, [each[key][name] for each in scores]) for name in names]
    for name in dict.fromkeys(name for each in scores for name in each.get("review", ())):
        values = [each.get("review", {}).get(name) for each in scores]
        rows.append(ScoreRow("without wrong labels", name, values))
    return rows


def scores_csv(runs: Sequence[RunScores]) -> str:
    """`score_table` as CSV, a column for each run id; empty where undefined.

    An id that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ids = [spreadsheet_text(each.run.id) for each in runs]
    writer.writerow(["kind", "name", *ids])
    writer.writerows([row.kind, row.name, *row.values] for row in score_table(runs))
    return text.getvalue()
