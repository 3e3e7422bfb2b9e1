"""The key of evidence: what stands for the weights, the options and the content of annotations."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cityseg.corruption import Corruption
from cityseg.data import Frame, Reading, names_of_labels
from cityseg.evaluation.evidence_files import FORMAT, EvidenceAbout
from cityseg.labels import CLASS_NAMES
from cityseg.runs.checkpoints import Checkpoint
from cityseg.system import file_digest


def about_pass(
    checkpoint: Checkpoint,
    root: Path,
    split: str,
    options: Mapping[str, Any],
    frames: Sequence[Frame],
    parts: int,
    way: Mapping[str, Any],
    corruption: Corruption | None,
) -> EvidenceAbout:
    """What is examined, how, and the key that stands for all of it."""
    weights = file_digest(checkpoint.path)
    identity = {
        "format": FORMAT,
        "weights": weights,
        **checkpoint.described(),
        "split": split,
        **options,
        **way,
        "annotations": [[frame.name, *_annotation_digests(frame)] for frame in frames],
    }
    clean_key = _digest(identity)
    return EvidenceAbout(
        key=_digest(identity | {"corruption": str(corruption)}) if corruption else clean_key,
        clean_key=clean_key,
        corruption=str(corruption or ""),
        weights=weights,
        checkpoint=str(checkpoint.path),
        epoch=checkpoint.epoch,
        data=str(root.absolute()),
        split=split,
        classes=[name for name in CLASS_NAMES if name in checkpoint.classes],
        frames=len(frames),
        parts=parts,
        **options,
    )


def _digest(identity: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(identity).encode(), digest_size=16).hexdigest()


def way_to_read(reading: Reading, pixel_aspect: float) -> dict[str, Any]:
    """How frames are read: the same files read in another way are other annotations."""
    label_map = names_of_labels(reading.label_map)
    return {"encoding": reading.encoding, "label_map": label_map, "pixel_aspect": pixel_aspect}


def _annotation_digests(frame: Frame) -> list[str]:
    sources = frame.label_ids or frame.polygons, frame.instance_ids
    return [file_digest(path) if path else "" for path in sources]
