"""Scores without the regions whose labels are wrong by a review, beside those with them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from cityseg.data import Area, painted
from cityseg.evaluation.truth import Truth
from cityseg.labels import CLASS_NAMES, LABEL_OF_NAME
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
    are the evaluated pixels that were predicted as another label, with the regions, as far as a
    score counts them: not those of a class that the network cannot answer, predicted as none of its
    classes. `wrong_in_regions` of them lie in regions. Scores are None where undefined.
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
    """The counts of an evaluation without the flagged regions, and what was flagged.

    `classes` are those that the network can answer, as in `Scores`.
    """

    store: ConfusionStore
    flagged: Flagged
    classes: frozenset[str] = frozenset(CLASS_NAMES)

    def to_json(self, store: ConfusionStore) -> dict[str, Any]:
        """The fields of ReviewScores, and all scores; `store` has the counts with the regions."""
        counted = set(self.store.names)
        regions = [each for name, each in self.flagged.regions.items() if name in counted]
        wrong = _wrong_pixels(store, self.classes)
        return {
            "ledger": str(self.flagged.path.absolute()),
            "regions": sum(map(len, regions)),
            "frames": len(regions),
            "stale": len(self.flagged.stale),
            "wrong_pixels": wrong,
            "wrong_in_regions": wrong - _wrong_pixels(self.store, self.classes),
            **replace(self.store.scores(), classes=self.classes).to_json(),
        }

    def compared_to(self, store: ConfusionStore) -> ReviewScores:
        """What the file of scores says of the review."""
        return ReviewScores(**self.to_json(store))


def _wrong_pixels(store: ConfusionStore, classes: frozenset[str]) -> int:
    """Evaluated pixels predicted as another label, where one of both is among `classes`."""
    confusion = store.confusion.sum(axis=0, dtype=np.int64)
    np.fill_diagonal(confusion, 0)
    unanswered = [LABEL_OF_NAME[name].id for name in CLASS_NAMES if name not in classes]
    answered = [LABEL_OF_NAME[name].id for name in classes]
    false = confusion[np.ix_(unanswered, answered)]
    return int(confusion[answered].sum() + false.sum())
