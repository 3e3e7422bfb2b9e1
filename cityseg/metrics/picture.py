"""A prediction for one picture: class shares, and scores if there is an annotation."""

import csv
import io
import math
from dataclasses import dataclass

import numpy as np

from cityseg.arrays import FloatArray, IntArray, Uint8Array
from cityseg.labels import CLASS_NAMES, LABEL_ID_OF_TRAIN_ID, LABEL_IDS_OF_CLASSES, NUM_CLASSES
from cityseg.metrics.confusions import ConfusionStore, frame_scores
from cityseg.metrics.counts import count_frame


@dataclass(frozen=True, slots=True, eq=False)
class TruthScores:
    """Scores against an annotation, as fractions of 1; NaN where undefined.

    By train id: `pixels` (19,) int64 of each class in the annotation, and `class_iou` (19,)
    float64, NaN for classes that the annotation does not have; `mean_iou` is the mean of the rest.
    """

    pixels: IntArray
    class_iou: FloatArray
    mean_iou: float
    pixel_accuracy: float


@dataclass(frozen=True, slots=True, eq=False)
class PictureScores:
    """`pixels` (19,) int64 by predicted train id; `truth` if there is an annotation."""

    pixels: IntArray
    truth: TruthScores | None = None

    @property
    def shares(self) -> dict[str, float]:
        """Share of the picture, 0–1, by class name."""
        return _by_name(self.pixels / self.pixels.sum())

    @property
    def true_shares(self) -> dict[str, float]:
        """Share of the picture, 0–1, by class name in the annotation; empty without one.

        Ignored pixels belong to no class, so the shares may add up to less than 1.
        """
        return _by_name(self.truth.pixels / self.pixels.sum()) if self.truth else {}

    @property
    def class_iou(self) -> dict[str, float]:
        """IoU by class name, NaN where undefined; empty without an annotation."""
        return _by_name(self.truth.class_iou) if self.truth else {}

    def to_csv(self) -> str:
        """A CSV table with a line for each class; `true_pixels` and `iou` only with an annotation.

        An undefined IoU is empty.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        of_truth = ["true_pixels", "iou"] if self.truth else []
        writer.writerow(["class", "train_id", "pixels", "share", *of_truth])
        for train_id, (name, share) in enumerate(self.shares.items()):
            row = [name, train_id, self.pixels[train_id], share]
            if self.truth:
                iou = float(self.truth.class_iou[train_id])
                row += [self.truth.pixels[train_id], "" if math.isnan(iou) else iou]
            writer.writerow(row)
        return text.getvalue()


def score_picture(
    train_ids: Uint8Array, truth_label_ids: Uint8Array | None = None
) -> PictureScores:
    """Score (H, W) uint8 predicted train ids 0–18 against (H, W) uint8 label ids, if given.

    Raises ScoreError if the two differ in size.
    """
    pixels = np.bincount(train_ids.ravel(), minlength=NUM_CLASSES)
    if truth_label_ids is None:
        return PictureScores(pixels)
    counts = count_frame("the picture", truth_label_ids, LABEL_ID_OF_TRAIN_ID[train_ids])
    scores = frame_scores(ConfusionStore.of([counts]))
    return PictureScores(
        pixels,
        TruthScores(
            counts.confusion.sum(axis=1)[LABEL_IDS_OF_CLASSES],
            scores.class_iou[0],
            float(scores.mean_iou[0]),
            float(scores.pixel_accuracy[0]),
        ),
    )


def _by_name(values: FloatArray) -> dict[str, float]:
    return dict(zip(CLASS_NAMES, values.tolist(), strict=True))
