"""Audit of one frame's files against each other: labels, instance ids, polygons, picture."""

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.arrays import BoolArray, Uint8Array, as_uint8
from cityseg.data import Frame, Reading, read_grey_png, read_label_ids
from cityseg.errors import CitysegError, MaskError, ScoreError
from cityseg.labels import INSTANCES_PER_LABEL, TRAIN_ID_OF_LABEL_ID
from cityseg.review.findings import Finding, label_name

_MOST_OF_A_REASON: Final = 20
#: The share of the frame from which a disagreement counts fully.
_LARGE: Final = 1e-3
_SQUARE: Final = np.ones((3, 3), np.uint8)


def audit_sources(frame: Frame, label_ids: Uint8Array, reading: Reading) -> list[Finding]:
    """Where the other annotations of a frame disagree with its (H, W) label ids."""
    findings: list[Finding] = []
    if frame.instance_ids:
        try:
            instances = read_grey_png(frame.instance_ids, np.uint16)
        except ScoreError as error:
            findings.append(unreadable(frame, error))
        else:
            findings += _compared(frame, "instances", label_ids, labels_of_instances(instances))
    if frame.label_ids and frame.polygons:
        try:
            drawn = read_label_ids(frame.polygons, reading.label_map)
        except MaskError as error:
            findings.append(unreadable(frame, error))
        else:
            findings += _compared(frame, "polygons", label_ids, drawn)
    return findings


def unreadable(frame: Frame, error: CitysegError, side: str = "truth") -> Finding:
    """That a file of a frame cannot be read, with the reason code of the error or of its cause."""
    known = [each.reason for each in (error, error.__cause__) if isinstance(each, MaskError)]
    other = known[0] if known else "unreadable_file"
    return Finding(frame.name, "unreadable", 1.0, (0, 0, 0, 0), 0, side=side, other=other)


def labels_of_instances(instances: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """The label id of each instance id: those of instances are multiplied by 1,000."""
    return np.where(instances < INSTANCES_PER_LABEL, instances, instances // INSTANCES_PER_LABEL)


def _compared(
    frame: Frame, reason: str, label_ids: Uint8Array, other: npt.NDArray[Any]
) -> list[Finding]:
    if other.shape != label_ids.shape:
        box = (0, 0, label_ids.shape[0], label_ids.shape[1])
        return [Finding(frame.name, reason, 1.0, box, label_ids.size, other="another size")]
    differs = other != label_ids
    if reason == "polygons":  # another Pillow than that of the labels fills edges otherwise
        differs = _without_edges(differs, label_ids, other)
    return _regions(frame, reason, label_ids, other, differs) if differs.any() else []


def _without_edges(differs: BoolArray, label_ids: Uint8Array, drawn: npt.NDArray[Any]) -> BoolArray:
    """Without edges that lie a pixel aside: a line whose labels are also beside it in both maps.

    A pole of two pixels is a line, too, but where it is missing its label is not beside it.
    """
    found = as_uint8(cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_OPEN, _SQUARE)) > 0
    found |= differs & ~(_is_beside(label_ids, drawn) & _is_beside(drawn, label_ids))
    _, numbers, statistics, _ = cv2.connectedComponentsWithStats(
        found.astype(np.uint8), connectivity=8
    )
    return np.asarray(found & (statistics[:, cv2.CC_STAT_AREA] >= _SQUARE.size)[numbers])


def _is_beside(labels: npt.NDArray[Any], other: npt.NDArray[Any]) -> BoolArray:
    """(H, W) whether each label is also in the `other` map, there or in one of 8 neighbours.

    Outside of the picture may be any label.
    """
    height, width = labels.shape
    around = np.pad(other, 1, mode="edge")
    found = np.zeros(labels.shape, np.bool_)
    for y, x in np.ndindex(_SQUARE.shape):
        found |= around[y : y + height, x : x + width] == labels
    found[[0, -1]] = found[:, [0, -1]] = True
    return found


def _regions(
    frame: Frame,
    reason: str,
    label_ids: Uint8Array,
    other: npt.NDArray[Any],
    differs: BoolArray,
) -> list[Finding]:
    count, numbers, statistics, _ = cv2.connectedComponentsWithStats(
        differs.astype(np.uint8), connectivity=4
    )
    largest = 1 + np.argsort(-statistics[1:count, cv2.CC_STAT_AREA], kind="stable")
    findings = []
    for number in largest[:_MOST_OF_A_REASON].tolist():
        left, top, width, height, pixels = statistics[number].tolist()
        box = (top, left, top + height, left + width)
        inside = numbers[top : box[2], left : box[3]] == number
        own = _most_frequent(label_ids[top : box[2], left : box[3]][inside])
        met = _most_frequent(other[top : box[2], left : box[3]][inside])
        size = min(1.0, pixels / (_LARGE * label_ids.size)) ** 0.25
        findings.append(
            Finding(
                frame.name,
                reason,
                round(0.6 + 0.4 * size, 4),
                box,
                pixels,
                label=label_name(own),
                train_id=int(TRAIN_ID_OF_LABEL_ID[own]),
                other=label_name(met),
            )
        )
    return findings


def _most_frequent(values: npt.NDArray[Any]) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])
