"""Ground truth as `score` and `evaluate` read it, and the counts of a prediction against it.

A frame without a usable instance map still counts for the IoUs; only its iIoU is lost.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cityseg.arrays import Uint8Array
from cityseg.data import LABEL_IDS, Reading, examine_files, read_grey_png
from cityseg.errors import ScoreError
from cityseg.labels import LABEL_IDS_OF_CLASSES
from cityseg.metrics import ConfusionStore, FrameCounts, count_frame

logger = logging.getLogger(__name__)


class Truth(NamedTuple):
    """The annotation of a frame: (H, W) uint8 label ids and (H, W) uint16 instance ids.

    `instance_ids` is None if there is no instance map, or an unusable one: then `fault` says why.
    """

    label_ids: Uint8Array
    instance_ids: npt.NDArray[np.uint16] | None = None
    fault: str = ""


class Counted(NamedTuple):
    """The counts of a frame, and why its instance map could not be used, if so."""

    counts: FrameCounts
    fault: str = ""


_REMEDY: Final = "name it with python -m cityseg convert DATA --encoding, which keeps it"


def reading_of_truth(annotations: Iterable[Path]) -> Reading:
    """How `annotations` are to be read, judged from a sample of the label maps among them.

    Raises ScoreError if their encoding is unclear: scores would be nonsense.
    """
    maps = [path for path in annotations if path.suffix.lower() != ".json"]
    verdict = examine_files(maps)
    if problem := verdict.problem(_REMEDY):
        raise ScoreError(problem)
    return Reading(verdict)


def read_truth(annotation: Path, instances: Path | None, reading: Reading = LABEL_IDS) -> Truth:
    """Read a frame's label ids, a PNG or polygons, and its instance map, if it has one.

    Raises CitysegError if the label ids cannot be read.
    """
    label_ids = reading.label_ids(annotation)
    if instances is None:
        return Truth(label_ids)
    try:
        return Truth(label_ids, read_grey_png(instances, np.uint16, label_ids.shape))
    except ScoreError as error:
        return Truth(label_ids, fault=str(error))


def count_against(name: str, truth: Truth, predicted_label_ids: Uint8Array) -> Counted:
    """Count (H, W) uint8 predicted label ids.

    Raises ScoreError if they are no label ids, or of another size than the truth.
    """
    try:
        counts = count_frame(name, truth.label_ids, predicted_label_ids, truth.instance_ids)
    except ScoreError as error:
        if truth.instance_ids is None:
            raise
        without = truth._replace(instance_ids=None, fault=str(error))
        return count_against(name, without, predicted_label_ids)
    return Counted(counts, truth.fault)


def check_classes(store: ConfusionStore, where: str) -> None:
    """Raise ScoreError if no annotation in `where` has a pixel of a class: no score is defined."""
    if not store.confusion[:, LABEL_IDS_OF_CLASSES].any():
        raise ScoreError(
            f"No annotation {where} has a pixel of a class, so nothing can be scored: name another "
            "split (those of test are blank on purpose), or check the annotations"
        )


@dataclass(slots=True)
class InstanceFaults:
    """The frames whose iIoU is lost, to be reported in one sentence a kind."""

    frames: int = 0
    unusable: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(self, name: str, counted: Counted) -> None:
        """Count the frame `name`, and remember it if it has no instance map that can be used."""
        self.frames += 1
        if counted.fault:
            self.unusable.append(f"{name} ({counted.fault})")
        elif counted.counts.instances is None:
            self.missing.append(name)

    def report(self) -> None:
        """Log how many of the frames have no iIoU, and why."""
        if self.unusable:
            logger.warning(
                "The instance maps of %d of %d frames cannot be used, such as that of %s: these "
                "frames are left out of the iIoUs",
                *(len(self.unusable), self.frames, self.unusable[0]),
            )
        if 0 < len(self.missing) < self.frames:
            logger.warning(
                "%d of %d frames, such as %s, have no instance map (*_gtFine_instanceIds.png): "
                "they are left out of the iIoUs",
                *(len(self.missing), self.frames, self.missing[0]),
            )
