"""The pixels of findings: their maps are decoded when a region is shown or judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import Frame, Reading, picture_size_hw, png, read_grey_png
from cityseg.errors import CitysegError
from cityseg.evaluation import PICTURES, enlarged, find_evidence, picture_paths
from cityseg.labels import IGNORE, LABEL_OF_NAME, TRAIN_ID_OF_LABEL_ID
from cityseg.review import Finding, Region, region_of
from cityseg.runs import BOX, BoxRun, RunDir
from cityseg.system import Stamp, file_digest, file_stamp
from cityseg.ui.pictures import Encoded

_NO_FILE: Final[Stamp] = (0, 0)
#: Where neither annotation nor picture can be read.
_UNKNOWN_SIZE_HW: Final = (1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """The dataset, its frames by name, how annotations are read, and the folder of runs."""

    data: Path
    frames: Mapping[str, Frame]
    reading: Reading
    runs: Path

    def evidence_of(self, finding: Finding) -> Path | None:
        """The folder of evidence that has the prediction of a finding's network, if it is there."""
        return next(
            (folder for folder in self._evidence_of(finding) if _has_pictures(folder)), None
        )

    def _evidence_of(self, finding: Finding) -> list[Path]:
        """The folder that the finding was found in, and what its run has now."""
        split, name = finding.frame.split("/")[0], finding.run
        own = Path(finding.evidence) if finding.evidence else None
        of_run = self._evidence_of_run(name, split) if name and Path(name).name == name else None
        return [folder for folder in (own, of_run) if folder and folder.is_dir()]

    def _evidence_of_run(self, name: str, split: str) -> Path | None:
        run = BoxRun.below(self.runs) if name == BOX else RunDir(self.runs / name)
        found = find_evidence(run.evidence, split)
        done = (folder for folder, about in found if about.is_done and about.is_of(self.data))
        return next(done, None)

    def evidence_of_all(self, findings: Sequence[Finding]) -> list[Path | None]:
        """As `evidence_of`; each folder is looked at once."""
        found = {_asked(each): each for each in findings}
        folders = {asked: self.evidence_of(each) for asked, each in found.items()}
        return [folders[_asked(each)] for each in findings]

    def missing_predictions(self, findings: Sequence[Finding]) -> list[str]:
        """What to do where a network was asked and its predictions cannot be shown: clauses."""
        networks = {_asked(each): each for each in findings if each.predicted}
        return list(dict.fromkeys(filter(None, map(self._why_missing, networks.values()))))

    def _why_missing(self, finding: Finding) -> str:
        found = self._evidence_of(finding)
        if any(map(_has_pictures, found)):
            return ""
        if found:
            return (
                f"The evidence in {found[0]} has no pictures, so there is no prediction to show: "
                "collect it again without --no-pictures, and audit again"
            )
        return (
            f"The evidence of {finding.run or 'the network'} is not where it was, so there is no "
            "prediction to show: collect it on the page Results, and audit again"
        )

    def files_of(self, finding: Finding) -> Sequence[Path]:
        """The files that `region` decodes."""
        frame = self.frames[finding.frame]
        files = [frame.label_ids or frame.polygons or frame.image]
        if finding.side == "prediction" and (folder := self.evidence_of(finding)):
            files.append(picture_paths(folder, finding.frame)[0])
        return [path for path in files if path]

    def region(self, finding: Finding) -> Region:
        """The pixels of a finding; raises CitysegError if its frame or a map cannot be read."""
        frame = self.frames[finding.frame]
        path = frame.label_ids or frame.polygons
        try:
            label_ids = self.reading.label_ids(path) if path else None
        except CitysegError:
            if finding.label:
                raise
            label_ids = None  # that it is unreadable is the finding
        if label_ids is None:
            return region_of(finding, _void(frame))
        if finding.side == "truth" and finding.train_id == IGNORE:
            return region_of(replace(finding, train_id=0), _own_label(finding, label_ids))
        truth = as_uint8(cv2.LUT(label_ids, TRAIN_ID_OF_LABEL_ID))
        return region_of(finding, self._map_of(finding, truth))

    def _map_of(self, finding: Finding, truth: Uint8Array) -> Uint8Array:
        folder = self.evidence_of(finding) if finding.side == "prediction" else None
        if folder is None:
            return truth
        coarse = read_grey_png(picture_paths(folder, finding.frame)[0], np.uint8)
        # Regions of a prediction lie where the truth is evaluated.
        return np.where(truth == IGNORE, truth, enlarged(coarse, truth.shape))


def _own_label(finding: Finding, label_ids: Uint8Array) -> Uint8Array:
    """Class 0 where the label of a finding is, which belongs to no class."""
    label = LABEL_OF_NAME.get(finding.label)
    is_own = label_ids == (label.id if label else -1)
    return np.where(is_own, np.uint8(0), np.uint8(IGNORE))


def _void(frame: Frame) -> Uint8Array:
    size_hw = frame.image and picture_size_hw(frame.image)
    return np.full(size_hw or _UNKNOWN_SIZE_HW, IGNORE, np.uint8)


def outline(region: Region) -> Encoded:
    """The box of a region as a grey PNG: 255 inside of the region, 0 outside."""
    return Encoded(png.encode_grey(as_uint8(region.mask().astype(np.uint8) * 255)), "image/png")


def digest_of(frame: Frame) -> str:
    """As `review.annotation_digest`, computed again only when the file has changed."""
    path = frame.label_ids or frame.polygons
    return _digest(path, stamp_of(path)) if path else ""


def stamp_of(path: Path) -> Stamp:
    """Size and time of a file; zeros if it is missing."""
    try:
        return file_stamp(path)
    except OSError:
        return _NO_FILE


@lru_cache(maxsize=20_000)
def _digest(path: Path, stamp: Stamp) -> str:
    return file_digest(path)


def _asked(finding: Finding) -> tuple[str, str, str]:
    """What the folders of a finding's evidence depend on."""
    return finding.run, finding.evidence, finding.frame.split("/")[0]


def _has_pictures(folder: Path) -> bool:
    return (folder / PICTURES).is_dir()
