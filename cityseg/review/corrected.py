"""A corrected copy of a dataset, in Cityscapes' layout and elsewhere: the sources stay as they are.

    OUT/leftImg8bit/<split>/<city>/<stem>_leftImg8bit.*    links to the pictures
    OUT/gtFine/<split>/<city>/<stem>_gtFine_labelIds.png, …_instanceIds.png, …_polygons.json
    OUT/cityseg-corrections.json    what was changed

A frame that was changed has no polygons, which would still draw the old labels.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cityseg.data import Frame, Reading
from cityseg.errors import CitysegError, ReviewError
from cityseg.review.annotated import (
    Annotated,
    CopyFiles,
    copy_file,
    link_file,
    read_annotated,
    write_maps,
)
from cityseg.review.lines import Verdict
from cityseg.review.merging import changed_pixels, with_accepted
from cityseg.review.verdict_table import VerdictRow
from cityseg.system import ProgressCallback, map_in_threads, new_folder, write_json

CORRECTIONS: Final = "cityseg-corrections.json"

#: Gives the corrected annotation of a frame; raises CitysegError if it cannot.
Correction = Callable[[Annotated], Annotated]


@dataclass(frozen=True, slots=True)
class CorrectedCopy:
    """What a copy of `frames` has changed: pixels by "old → new" label, by frame.

    `skipped` has a sentence for each frame that could not be corrected and is as it was.
    """

    frames: int
    changes: dict[str, dict[str, int]]
    skipped: list[str]

    @property
    def pairs(self) -> dict[str, int]:
        """Changed pixels by "old → new" label, the most first."""
        total: Counter[str] = Counter()
        for each in self.changes.values():
            total.update(each)
        return dict(total.most_common())


def accepted_corrections(rows: Sequence[VerdictRow]) -> dict[str, Correction]:
    """A correction for each frame with regions of which the network's label was accepted.

    Stale verdicts are left out. Raises ReviewError if there is none.
    """
    by_frame: dict[str, list[Verdict]] = {}
    for each in rows:  # in the order of lines: clocks differ
        if each.verdict.accepted and each.frame and not each.is_stale:
            by_frame.setdefault(each.verdict.frame, []).append(each.verdict)
    if not by_frame:
        raise ReviewError(
            "Nothing is to be corrected: of no region whose annotation is unchanged the label of "
            "the network was accepted"
        )

    def correction(verdicts: Sequence[Verdict]) -> Correction:
        return lambda annotated: with_accepted(annotated, verdicts)

    return {name: correction(verdicts) for name, verdicts in by_frame.items()}


def check_apart(out: Path, *sources: Path) -> None:
    """Raise ReviewError if `out` lies in one of the `sources`, which are never changed."""
    for source in sources:
        if out.resolve().is_relative_to(source.resolve()):
            raise ReviewError(f"{out} lies in {source}, which stays as it is: name another folder")


def write_corrected_copy(
    data: Path,
    frames: Sequence[Frame],
    reading: Reading,
    corrections: Mapping[str, Correction],
    out: Path,
    progress: ProgressCallback | None = None,
) -> CorrectedCopy:
    """Write a copy of the dataset `data`, all of `frames`, with `corrections` by frame.

    `out` becomes a new folder, whole or not at all. `progress` is called with (frames done, total).
    Raises CitysegError if it cannot be created.
    """
    check_apart(out, data)
    changes: dict[str, dict[str, int]] = {}
    skipped: list[str] = []
    with new_folder(out) as folder:

        def copy(frame: Frame) -> tuple[dict[str, int], str]:
            return _copy_frame(frame, reading, corrections.get(frame.name), folder)

        for done, (frame, (changed, problem)) in enumerate(
            zip(frames, map_in_threads(copy, frames), strict=True), 1
        ):
            if changed:
                changes[frame.name] = changed
            if problem:
                skipped.append(f"{frame.name}: {problem}")
            if progress:
                progress(done, len(frames))
        about = {"dataset": str(data.absolute()), "changes": changes, "skipped": skipped}
        write_json(folder / CORRECTIONS, about)
    return CorrectedCopy(len(frames), changes, skipped)


def _copy_frame(
    frame: Frame, reading: Reading, correction: Correction | None, folder: Path
) -> tuple[dict[str, int], str]:
    """Copy a frame; returns what was changed, and why it could not be corrected."""
    files = CopyFiles(folder, frame.name)
    problem = ""
    try:
        if frame.image:
            link_file(frame.image, files.image(frame.image.suffix.lower()))
    except CitysegError as error:
        problem = str(error)
    if correction:
        try:
            before = read_annotated(frame, reading)
            after = correction(before)
            if changed := changed_pixels(before, after):
                write_maps(files, after)
                return changed, ""
        except CitysegError as error:
            problem = str(error)
    try:
        _copy_annotation(frame, reading, files)
    except CitysegError as error:
        problem = problem or str(error)
    return {}, problem


def _copy_annotation(frame: Frame, reading: Reading, files: CopyFiles) -> None:
    """Copy the annotation as it is; label maps of another encoding become label ids."""
    if frame.label_ids and reading.encoding == "labelids":
        copy_file(frame.label_ids, files.label_ids)
    elif frame.label_ids or (frame.polygons and reading.label_map):
        source = frame.label_ids or frame.polygons
        assert source  # noqa: S101 - one of them
        write_maps(files, Annotated(reading.label_ids(source)))
    for source, target in (
        (frame.instance_ids, files.instance_ids),
        (frame.polygons, files.polygons),
    ):
        if source:
            copy_file(source, target)
