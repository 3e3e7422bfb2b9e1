"""What is left of the scores when pictures are made worse.

mPC, the mean performance under corruption, is the mean over the corruptions of the mean over their
severities; rPC, the relative one, is mPC divided by the score of the frames as they are. Source:
Michaelis et al., *Benchmarking Robustness in Object Detection*, arXiv 1907.07484, here of the IoU.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cityseg.arrays import FloatArray, IntArray
from cityseg.corruption import Corruption
from cityseg.labels import CLASS_NAMES
from cityseg.metrics.scores import ratio, scores_from_train_confusion

#: The rows of the arrays of `Robustness`: the mean IoU behind the classes.
ROBUSTNESS_ROWS = (*CLASS_NAMES, "mean")
#: The IoU of a class on the frames as they are from which on its rPC is defined: below, a few
#: pixels decide it, and a class that was hardly found before seems to gain.
LEAST_CLEAN_IOU: Final = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Robustness:
    """IoUs, (20,) float64 in the order of ROBUSTNESS_ROWS, NaN where undefined.

    `clean` are those of the frames as they are, `corrupted` those of each corruption and severity.
    """

    clean: FloatArray
    corrupted: Mapping[Corruption, FloatArray]

    @property
    def by_corruption(self) -> dict[str, FloatArray]:
        """The mean over the severities, by name of the corruption."""
        names = dict.fromkeys(each.name for each in self.corrupted)
        return {
            name: np.mean(
                [iou for each, iou in self.corrupted.items() if each.name == name], axis=0
            )
            for name in names
        }

    @property
    def mpc(self) -> FloatArray:
        """The mean over the corruptions."""
        return np.asarray(np.mean(list(self.by_corruption.values()), axis=0))

    @property
    def rpc(self) -> FloatArray:
        """`mpc` relative to `clean`: 1 where nothing was lost.

        NaN for a class whose `clean` is below LEAST_CLEAN_IOU. The last one is the ratio of the
        means over all classes, in which such classes hardly count.
        """
        relative = ratio(self.mpc, self.clean)
        relative[:-1][self.clean[:-1] < LEAST_CLEAN_IOU] = np.nan
        return relative


def robustness(
    clean: IntArray,
    corrupted: Mapping[Corruption, IntArray],
    classes: frozenset[str] = frozenset(CLASS_NAMES),
) -> Robustness:
    """From the (19, 20) confusion of the frames as they are, and that of each corruption of them.

    `classes` are those that the network can answer: the others have no IoU. Raises ValueError
    without a corruption.
    """
    if not corrupted:
        raise ValueError("No corruption is given")
    of_corruptions = {each: _iou(counts, classes) for each, counts in corrupted.items()}
    return Robustness(_iou(clean, classes), of_corruptions)


def _iou(confusion: IntArray, classes: frozenset[str]) -> FloatArray:
    scores = replace(scores_from_train_confusion(confusion), classes=classes)
    return np.array([*scores.class_iou.values(), scores.mean_iou])
