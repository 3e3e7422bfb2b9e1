"""Runs side by side: their scores, and what these rest on."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np

from cityseg.errors import ScoreError
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import (
    EVALUATED_CATEGORIES,
    INSTANCE_LABELS,
    ConfusionStore,
    FrameScores,
    Scores,
    frame_scores,
)
from cityseg.runs import MetricRow, RunDir

#: Classes that come in instances, the only ones with an iIoU.
INSTANCE_CLASSES: Final = tuple(label.name for label in INSTANCE_LABELS)


@dataclass(frozen=True, eq=False)
class SavedEvaluation:
    """What `evaluate` left in the folder of a run: how it was made, and its counts."""

    split: str
    epoch: int
    sliding: bool
    flip: bool
    skipped: list[str]
    store: ConfusionStore

    @cached_property
    def scores(self) -> Scores:
        """Scores over all frames."""
        return self.store.scores()

    @cached_property
    def frames(self) -> FrameScores:
        """Scores of each frame on its own."""
        return frame_scores(self.store)


def load_evaluation(run: RunDir, split: str) -> SavedEvaluation | None:
    """The run's evaluation on `split`, or None; raises ScoreError if its files are damaged."""
    path = run.scores_file(split)
    try:
        about = json.loads(path.read_bytes())
        epoch, skipped = int(about["epoch"]), [str(text) for text in about["skipped"]]
        made = (str(about["split"]), epoch, bool(about["sliding"]), bool(about["flip"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ScoreError(f"{path} cannot be read ({error.strerror}): evaluate again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ScoreError(f"{path} holds no scores, or is damaged: evaluate again") from error
    return SavedEvaluation(*made, skipped, ConfusionStore.load(path.with_suffix(".npz")))


@dataclass(frozen=True, eq=False)
class Result:
    """Scores of one run. IoUs come by name, as fractions of 1; None or NaN where undefined.

    With an `evaluation` they are its scores, at label resolution. Without one they are those of
    the best epoch's validation in training, at the size of training.
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
    def category_iou(self) -> Mapping[str, float | None]:
        """By category; empty without an evaluation."""
        return self.evaluation.scores.category_iou if self.evaluation else {}

    @property
    def instance_iou(self) -> Mapping[str, float | None]:
        """The iIoU by class; empty without an evaluation."""
        return self.evaluation.scores.instance_iou if self.evaluation else {}

    def to_json(self) -> dict[str, Any]:
        """Everything that can be compared, for strict JSON."""
        official = self.evaluation
        return {
            "run": self.run.id,
            "name": self.name,
            "source": f"evaluation on {official.split}" if official else "validation in training",
            "epoch": self.epoch,
            "frames": len(official.store.names) if official else None,
            "mean_iou": _or_none(self.mean_iou),
            "pixel_accuracy": _or_none(self.pixel_accuracy),
            "mean_category_iou": _or_none(official.scores.mean_category_iou) if official else None,
            "mean_instance_iou": _or_none(official.scores.mean_instance_iou) if official else None,
            "class_iou": _complete(self.class_iou, CLASS_NAMES),
            "category_iou": _complete(self.category_iou, EVALUATED_CATEGORIES),
            "instance_iou": _complete(self.instance_iou, INSTANCE_CLASSES),
        }


def result_of(
    run: RunDir, name: str, rows: Sequence[MetricRow], evaluation: SavedEvaluation | None = None
) -> Result | None:
    """The scores of a run with these metric rows, which people call `name`; None without any.

    Raises ConfigError if its config.json cannot be read.
    """
    config, best = run.config(), best_epoch(rows)
    height, width = config.size
    validated_on = f"frames of {config.data} at {width}×{height}"
    about = (run, name, validated_on)
    if evaluation:
        official = evaluation.scores
        scores = (official.mean_iou, official.pixel_accuracy, official.class_iou)
        newest = best["epoch"] if best else evaluation.epoch
        return Result(*about, evaluation.epoch, newest, *scores, evaluation)
    if best is None:
        return None
    scores = (best["mean_iou"], best["pixel_accuracy"], best["class_iou"])
    return Result(*about, best["epoch"], best["epoch"], *scores)


def epoch_rows(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """The rows at the ends of epochs, in their order."""
    return [row for row in rows if row.get("kind") == "epoch"]


def best_epoch(rows: Sequence[MetricRow]) -> MetricRow | None:
    """The row of the epoch whose weights are kept as the best: the first with the highest IoU."""
    return max(epoch_rows(rows), key=lambda row: row["mean_iou"] or 0.0, default=None)


def caveats(results: Sequence[Result]) -> list[str]:
    """Sentences that say why the scores of `results` cannot be compared as they are; or none."""
    trained = [result for result in results if result.evaluation is None]
    made = [result.evaluation for result in results if result.evaluation]
    found = []
    if trained and made:
        found.append(
            "Some of these scores are of the validation in training, at the size of training; the "
            "others are official, at label resolution. Evaluate all runs to compare them."
        )
    if len(seen := sorted({result.validated_on for result in trained})) > 1:
        found.append(f"Validation in training was on different pictures: {'; '.join(seen)}.")
    if any(not _same_truth(made[0].store, other.store) for other in made[1:]):
        counts = ", ".join(str(len(each.store.names)) for each in made)
        found.append(
            f"The runs were evaluated on different frames or annotations ({counts} frames): "
            "evaluate them on the same data to compare them."
        )
    if len({(each.sliding, each.flip) for each in made}) > 1:
        found.append(
            "Some runs were evaluated with sliding windows or mirrored frames, others without."
        )
    return found


def _same_truth(one: ConfusionStore, other: ConfusionStore) -> bool:
    """Whether both hold the same frames with the same number of pixels of each label."""
    return one.names == other.names and np.array_equal(
        one.confusion.sum(axis=2, dtype=np.int64), other.confusion.sum(axis=2, dtype=np.int64)
    )


class TableRow(NamedTuple):
    """One line of the table of scores: a value for each result, None where undefined."""

    kind: str
    name: str
    values: list[float | None]


def table(results: Sequence[Result]) -> list[TableRow]:
    """All scores of all results, the means first."""
    each = [result.to_json() for result in results]
    means = ("mean_iou", "pixel_accuracy", "mean_category_iou", "mean_instance_iou")
    rows = [
        TableRow("overall", name.replace("_", " ").replace("iou", "IoU"), [e[name] for e in each])
        for name in means
    ]
    kinds = {"class_iou": "IoU", "category_iou": "category IoU", "instance_iou": "iIoU"}
    for key, kind in kinds.items():
        names = each[0][key] if each else ()
        rows += [TableRow(kind, name, [e[key][name] for e in each]) for name in names]
    return rows


def to_csv(results: Sequence[Result]) -> str:
    """The table as CSV, a column for each run id; empty where undefined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["kind", "name", *(result.run.id for result in results)])
    writer.writerows([row.kind, row.name, *row.values] for row in table(results))
    return text.getvalue()


def _or_none(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _complete(scores: Mapping[str, float | None], names: Sequence[str]) -> dict[str, float | None]:
    return {name: _or_none(scores.get(name)) for name in names}
