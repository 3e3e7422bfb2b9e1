"""Scores without the regions whose labels are wrong by a review, beside those with them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from cityseg.data import Area, painted
from cityseg.evaluation.truth import Truth
from cityseg.labels import LABEL_IDS_OF_CLASSES, LABEL_OF_NAME
from cityseg.metrics import ConfusionStore
from cityseg.review import Flagged
from cityseg.system import Count, FileModel

_UNLABELED = LABEL_OF_NAME["unlabeled"].id


def without_areas(truth: Truth, areas: Iterable[Area], where: str) -> Truth:
    """`truth` with unlabeled pixels, which belong to no instance, in `areas`.

    Raises ReviewError if an area does not lie within the annotation, which is called `where`.
    """
    areas = tuple(areas)
    label_ids = painted(truth.label_ids, areas, _UNLABELED, where)
    if truth.instance_ids is None:
        return truth._replace(label_ids=label_ids)
    return truth._replace(
        label_ids=label_ids, instance_ids=painted(truth.instance_ids, areas, _UNLABELED, where)
    )


class ReviewScores(FileModel):
    """Of an evaluation, what a review changes: the scores without the regions that it has flagged.

    `regions` of `frames` were flagged and scored; `stale` verdicts were not used. `wrong_pixels`
    are the evaluated pixels that were predicted as another label, with the regions;
    `wrong_in_regions` of them lie in regions. Scores are None where undefined.
    """

    ledger: str
    regions: Count
    frames: Count
    stale: Count
    wrong_pixels: Count
    wrong_in_regions: Count
    mean_iou: float | None
    pixel_accuracy: float | None
    class_iou: dict[str, float | None]
    mean_category_iou: float | None
    mean_instance_iou: float | None

    @property
    def share_of_labels(self) -> float | None:
        """The share of wrong pixels that lie in flagged regions; None if no pixel is wrong."""
        return self.wrong_in_regions / self.wrong_pixels if self.wrong_pixels else None


class Reviewed(NamedTuple):
    """The counts of an evaluation without the flagged regions, and what was flagged."""

    store: ConfusionStore
    flagged: Flagged

    def to_json(self, store: ConfusionStore) -> dict[str, Any]:
        """The fields of ReviewScores, and all scores; `store` has the counts with the regions."""
        counted = set(self.store.names)
        regions = [each for name, each in self.flagged.regions.items() if name in counted]
        wrong = _wrong_pixels(store)
        return {
            "ledger": str(self.flagged.path.absolute()),
            "regions": sum(map(len, regions)),
            "frames": len(regions),
            "stale": len(self.flagged.stale),
            "wrong_pixels": wrong,
            "wrong_in_regions": wrong - _wrong_pixels(self.store),
            **self.store.scores().to_json(),
        }

    def compared_to(self, store: ConfusionStore) -> ReviewScores:
        """What the file of scores says of the review."""
        return ReviewScores(**self.to_json(store))


def _wrong_pixels(store: ConfusionStore) -> int:
    """Evaluated pixels that were predicted as another label."""
    confusion = store.confusion.sum(axis=0, dtype=np.int64)[LABEL_IDS_OF_CLASSES]
    return int(confusion.sum() - confusion[:, LABEL_IDS_OF_CLASSES].diagonal().sum())
