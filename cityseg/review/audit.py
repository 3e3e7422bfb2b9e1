"""Audit a dataset without a network: two passes over its frames, in threads, one after another.

The first pass counts what is usual, over a sample of the frames; the second compares each frame
with it. What is kept of a frame are its findings and about a kilobyte of its picture.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.data import (
    Frame,
    Reading,
    decode_frame,
    find_frames,
    picture_size_hw,
    reading_of,
)
from cityseg.errors import CitysegError, DatasetError, ImageError, MaskError
from cityseg.labels import IGNORE, TRAIN_ID_OF_LABEL_ID
from cityseg.review.findings import Finding, ranked
from cityseg.review.label_audit import audit_labels
from cityseg.review.picture_audit import WIDTH, Look, audit_looks, look_at
from cityseg.review.prior import Prior, prior_of
from cityseg.review.source_audit import audit_sources, unreadable
from cityseg.system import ProgressCallback, map_in_threads, read_regular_file

#: Frames from which is learned what is usual.
_SAMPLE: Final = 1500


class Audit(NamedTuple):
    """What an audit found, the most suspicious first, in how many `frames`."""

    findings: list[Finding]
    frames: int


class Examined(NamedTuple):
    """What was found in a frame by itself, and what its picture is compared with others by."""

    findings: list[Finding]
    look: Look | None


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """The `frames` to audit, how they are read, and the `sample` that says what is usual."""

    frames: list[Frame]
    reading: Reading
    sample: list[Frame]

    def prior(self, workers: int | None = None, progress: ProgressCallback | None = None) -> Prior:
        """The first pass; `progress` is called with (frames of the sample done, all of them)."""

        def maps() -> Iterator[Uint8Array]:
            read = map_in_threads(
                lambda each: _map_or_none(each, self.reading), self.sample, workers
            )
            for done, label_ids in enumerate(read, 1):
                if progress:
                    progress(done, len(self.sample))
                if label_ids is not None:
                    yield label_ids

        return prior_of(maps())

    def examined(
        self, frames: Sequence[Frame], prior: Prior, workers: int | None = None
    ) -> Iterator[Examined]:
        """The second pass, over some of the frames."""
        counted = {frame.name for frame in self.sample}

        def examine(frame: Frame) -> Examined:
            return _examine(frame, self.reading, prior, is_counted=frame.name in counted)

        return map_in_threads(examine, frames, workers)


def plan_audit(
    data: Path, splits: Sequence[str], layout: str | None = None, masks: Path | None = None
) -> AuditPlan:
    """Plan the audit of `splits` below `data`, read as for `masks` (default: `data`/masks).

    Raises DatasetError if there are no frames, or if it is unclear what the values of the
    annotations mean.
    """
    frames = find_frames(data, splits, layout, masks)
    if not frames:
        raise DatasetError(f"{data} has no frames of {', '.join(splits)}: choose other splits")
    reading = reading_of(frames, masks or data / "masks")
    reading.verdict.checked()
    annotated = [frame for frame in frames if frame.label_ids or frame.polygons]
    return AuditPlan(frames, reading, _sample_of(annotated))


def audit_dataset(
    data: Path,
    *,
    splits: Sequence[str],
    layout: str | None = None,
    masks: Path | None = None,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> Audit:
    """Audit the frames that `plan_audit` finds, by `workers` threads.

    `progress` is called with (frames done, total), those of both passes. Raises DatasetError as
    `plan_audit`.
    """
    plan = plan_audit(data, splits, layout, masks)
    report = progress or (lambda done, total: None)
    before, total = len(plan.sample), len(plan.frames) + len(plan.sample)
    prior = plan.prior(workers, lambda done, _: report(done, total))

    def examined() -> Iterator[Examined]:
        for done, each in enumerate(plan.examined(plan.frames, prior, workers), 1):
            report(before + done, total)
            yield each

    return audit_of(examined())


def audit_of(examined: Iterable[Examined]) -> Audit:
    """The audit of all frames of a dataset, in their order."""
    findings: list[Finding] = []
    looks: list[Look] = []
    frames = 0
    for each in examined:
        findings += each.findings
        looks += [each.look] if each.look else []
        frames += 1
    return Audit(ranked([*findings, *audit_looks(looks)]), frames)


def _sample_of(frames: Sequence[Frame]) -> list[Frame]:
    """At most _SAMPLE frames, evenly over all cities."""
    step = max(1.0, len(frames) / _SAMPLE)
    places = sorted({int(position) for position in np.arange(0, len(frames), step)})
    return [frames[place] for place in places if place < len(frames)]


def _map_or_none(frame: Frame, reading: Reading) -> Uint8Array | None:
    """The label ids of a frame that has some which are evaluated."""
    try:
        label_ids = _label_ids(frame, reading)
    except MaskError:
        return None
    return label_ids if label_ids is not None and _has_class(label_ids) else None


def _label_ids(frame: Frame, reading: Reading) -> Uint8Array | None:
    path = frame.label_ids or frame.polygons
    return reading.label_ids(path) if path else None


def _has_class(label_ids: Uint8Array) -> bool:
    return bool((TRAIN_ID_OF_LABEL_ID[label_ids] != IGNORE).any())


def _examine(frame: Frame, reading: Reading, prior: Prior, *, is_counted: bool) -> Examined:
    findings: list[Finding] = []
    label_ids = None
    try:
        label_ids = _label_ids(frame, reading)
    except MaskError as error:
        findings.append(unreadable(frame, error))
    labels = ""
    # The test split of Cityscapes is void on purpose.
    if label_ids is not None and (frame.split != "test" or _has_class(label_ids)):
        findings += audit_labels(frame.name, label_ids, prior, is_counted=is_counted)
        findings += audit_sources(frame, label_ids, reading)
        if _has_class(label_ids):
            labels = hashlib.blake2b(label_ids.tobytes(), digest_size=8).hexdigest()
    look = None
    if frame.image:
        try:
            look = _look(frame, frame.image, labels)
        except CitysegError as error:
            findings.append(unreadable(frame, error, "picture"))
    if look and label_ids is not None and look.size_hw != label_ids.shape:
        box = (0, 0, label_ids.shape[0], label_ids.shape[1])
        other = f"{look.size_hw[1]}×{look.size_hw[0]}"
        findings.append(Finding(frame.name, "map_size", 1.0, box, label_ids.size, other=other))
    return Examined(findings, look)


def _look(frame: Frame, path: Path, labels: str) -> Look:
    try:
        content = read_regular_file(path)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    rgb = decode_frame(content, path, WIDTH)
    size_hw = picture_size_hw(path) or (rgb.shape[0], rgb.shape[1])
    return look_at(frame.name, frame.split, content, rgb, size_hw, labels)
