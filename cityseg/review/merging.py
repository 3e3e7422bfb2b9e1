"""Corrections of an annotation: labels that a reviewer accepted, and parts that were edited."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from cityseg.arrays import BoolArray, Uint8Array
from cityseg.data import painted
from cityseg.errors import ReviewError
from cityseg.labels import INSTANCES_PER_LABEL, LABEL_OF_ID, LABEL_OF_NAME, NUM_LABEL_IDS
from cityseg.review.annotated import Annotated, Uint16Array, cropped
from cityseg.review.lines import Verdict
from cityseg.review.regions import Box


class Part(NamedTuple):
    """An edited part of an annotation: where it lies, and what is there now.

    Without instance ids, changed pixels belong to no instance. `name` is for messages.
    """

    name: str
    box: Box
    annotated: Annotated


def with_accepted(annotated: Annotated, verdicts: Iterable[Verdict]) -> Annotated:
    """The annotation with the predicted label in each region; later verdicts cover earlier ones.

    A region of a label with instances becomes a new instance. Raises ReviewError for a label that
    no label map has, or a region outside of the annotation.
    """
    label_ids, ids = annotated
    for verdict in verdicts:
        label = LABEL_OF_NAME.get(verdict.predicted)
        if label is None or not 0 <= label.id < NUM_LABEL_IDS:
            raise ReviewError(f"{verdict.predicted!r} is no label of a label map: judge it again")
        where = f"The annotation of {verdict.frame}"
        label_ids = painted(label_ids, [verdict.region], label.id, where)
        if ids is not None:
            value = _new_instance(ids, label.id) if label.has_instances else label.id
            ids = painted(ids, [verdict.region], value, where)
    return Annotated(label_ids, ids)


def with_parts(annotated: Annotated, parts: Sequence[Part]) -> Annotated:
    """The annotation with what was changed in edited parts, which may overlap.

    Raises ReviewError if a part does not lie within it or is of another size than its box, or two
    parts have changed a pixel to different labels.
    """
    label_ids = annotated.label_ids.copy()
    ids = None if annotated.instance_ids is None else annotated.instance_ids.copy()
    is_changed = np.zeros(label_ids.shape, np.bool_)
    for part in parts:
        _check_part(part, label_ids)
        before, after = cropped(annotated, part.box), part.annotated
        changed = before.label_ids != after.label_ids
        if before.instance_ids is not None and after.instance_ids is not None:
            changed |= before.instance_ids != after.instance_ids
        top, left, bottom, right = part.box
        place = np.s_[top:bottom, left:right]
        if (is_changed[place] & changed & (label_ids[place] != after.label_ids)).any():
            raise ReviewError(f"{part.name} and another part change the same pixels differently")
        label_ids[place][changed] = after.label_ids[changed]
        if ids is not None and before.instance_ids is not None:
            _take_instances(ids, place, before.instance_ids, after, changed)
        is_changed[place] |= changed
    return Annotated(label_ids, ids)


def _check_part(part: Part, label_ids: Uint8Array) -> None:
    top, left, bottom, right = part.box
    for which, pixels in zip(("label map", "instance map"), part.annotated, strict=True):
        if pixels is not None and pixels.shape != (bottom - top, right - left):
            height, width = pixels.shape
            raise ReviewError(
                f"The {which} of {part.name} is {width}×{height} pixels, but was {right - left}×"
                f"{bottom - top}: edit it at its size"
            )
    if bottom > label_ids.shape[0] or right > label_ids.shape[1]:
        raise ReviewError(f"{part.name} does not lie within its annotation: export it again")


def _take_instances(
    ids: Uint16Array,
    place: tuple[slice, slice],
    before: Uint16Array,
    after: Annotated,
    changed: BoolArray,
) -> None:
    """Set the instance ids of changed pixels; those that contradict their label are bare labels."""
    labels = after.label_ids.astype(np.uint16)
    wanted = labels if after.instance_ids is None else after.instance_ids
    owners = np.where(wanted < INSTANCES_PER_LABEL, wanted, wanted // INSTANCES_PER_LABEL)
    wanted = np.where(owners == labels, wanted, labels)
    for value in np.unique(wanted[changed]).tolist():
        here = changed & (wanted == value)
        # A new object in a part may have the number of one that lies elsewhere in the frame.
        is_new = value >= INSTANCES_PER_LABEL and not (before == value).any()
        if is_new and (ids == value).any():
            value = _new_instance(ids, value // INSTANCES_PER_LABEL)
        ids[place][here] = value


def _new_instance(ids: Uint16Array, label_id: int) -> int:
    """An instance id of a label that no pixel has; raises ReviewError if there are 1,000."""
    used = set(np.unique(ids).tolist())
    first = label_id * INSTANCES_PER_LABEL
    free = (value for value in range(first, first + INSTANCES_PER_LABEL) if value not in used)
    if (value := next(free, None)) is None:
        raise ReviewError(f"There are {INSTANCES_PER_LABEL:,} instances of a label already")
    return value


def changed_pixels(before: Annotated, after: Annotated) -> dict[str, int]:
    """Pixels by "old → new" label, the most first; those with another instance only by "label"."""
    counts: dict[str, int] = {}
    pairs = before.label_ids.astype(np.int64) << 8 | after.label_ids
    changed = before.label_ids != after.label_ids
    if before.instance_ids is not None and after.instance_ids is not None:
        changed |= before.instance_ids != after.instance_ids
    values, numbers = np.unique(pairs[changed], return_counts=True)
    for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
        old, new = LABEL_OF_ID[value >> 8].name, LABEL_OF_ID[value & 0xFF].name
        counts[old if old == new else f"{old} → {new}"] = number
    return dict(sorted(counts.items(), key=lambda each: -each[1]))
