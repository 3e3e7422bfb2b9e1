"""Proofs of an encoding: an instance map or polygons beside a label map that agree with it."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from cityseg.arrays import IntArray
from cityseg.data.annotations import read_grey_png, read_label_ids
from cityseg.data.encodings import LABEL_IDS_OF_VALUES, Encoding
from cityseg.data.frame import Frame
from cityseg.data.looks import Look
from cityseg.data.street_model import part_of
from cityseg.errors import MaskError, ScoreError
from cityseg.labels import INSTANCES_PER_LABEL, LABEL_IDS_OF_CLASSES, LABELS, NUM_CLASSES

INSTANCE_MAP: Final = "instance map"
POLYGONS: Final = "polygons"
_AGREEING: Final = 0.95
#: Stale polygons still agree with most pixels; those of another numbering with few.
_CONTRADICTING: Final = 0.5
_WITH_INSTANCES: Final = [label.id for label in LABELS if label.has_instances]


class Proof(NamedTuple):
    """What the file beside an annotation says: its encoding, or None if no encoding agrees."""

    encoding: Encoding | None
    beside: str
    name: str


def prove(looks: Sequence[Look], beside: str) -> Proof | None:
    """The encoding in which a map agrees with its instance map or polygons, if one decides.

    One such file is read only, as rasterising takes time.
    """
    for look in looks:
        label_ids = _label_ids_beside(look, look.frame, beside) if look.frame else None
        if label_ids is None or look.frame is None or label_ids.shape != look.part.shape:
            continue
        shares = _agreement(look, label_ids)
        agreeing = [encoding for encoding, share in shares.items() if share >= _AGREEING]
        if len(agreeing) == 1:
            return Proof(agreeing[0], beside, look.frame.name)
        if shares and max(shares.values()) < _CONTRADICTING:
            return Proof(None, beside, look.frame.name)
        break
    return None


def _label_ids_beside(look: Look, frame: Frame, beside: str) -> IntArray | None:
    """Some label ids that the other annotation of a frame gives; None if it has or gives none."""
    try:
        if beside == POLYGONS:
            if frame.polygons is None:
                return None
            return part_of(read_label_ids(frame.polygons)).astype(np.int64)
        if frame.instance_ids is None:
            return None
        ids = part_of(read_grey_png(frame.instance_ids, np.uint16)).astype(np.int64)
    except (MaskError, ScoreError):
        return None
    labels = ids // INSTANCES_PER_LABEL
    # Instance maps of any numbering agree with their label map; only label ids have these things.
    if not np.isin(labels[labels > 0], _WITH_INSTANCES).all():
        return None
    return None if np.array_equal(ids, look.part) else np.where(labels > 0, labels, ids)


def _agreement(look: Look, label_ids: IntArray) -> dict[Encoding, float]:
    """By encoding, the share of the pixels of a class in `label_ids` that the map agrees with."""
    of_class = np.isin(label_ids, LABEL_IDS_OF_CLASSES)
    if not of_class.any():
        return {}
    seen, wanted = look.part[of_class], label_ids[of_class]
    impossible = "trainids" if (look.part == NUM_CLASSES).any() else "trainids-void19"
    return {
        encoding: float((table[seen] == wanted).mean())
        for encoding, table in LABEL_IDS_OF_VALUES.items()
        if encoding != impossible
    }
