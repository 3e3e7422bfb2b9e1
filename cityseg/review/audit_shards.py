"""An audit in shards: several processes examine frames, and one compares their pictures.

Besides the journal of each shard, their folder has `prior.npz`, what is usual in the dataset: the
first of them counts it for all.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, Final

import numpy as np

from cityseg.data import (
    Frame,
    Shard,
    ShardFolder,
    names_of_labels,
    stamps_of,
    work_of_shards,
    work_on_shard,
)
from cityseg.review.audit import Audit, AuditPlan, Examined, audit_of
from cityseg.review.findings import Finding
from cityseg.review.picture_audit import SMALL_HW, Look
from cityseg.review.prior import Prior
from cityseg.system import Lock, ProgressCallback, replacing

_PRIOR: Final = "prior.npz"


def audit_shard(
    plan: AuditPlan,
    beside: Path,
    shard: Shard,
    *,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> int:
    """Examine the frames of a shard, and keep what is found in the folder `beside`.

    After an interruption the same shard keeps the frames that it has examined. Returns the number
    of its frames. Raises DatasetError while another process works on the shard.
    """
    shards = _shards_of(plan, beside)

    def examine(frames: list[Frame]) -> Iterator[Any]:
        prior = _common_prior(shards, plan, workers)
        return map(_as_json, plan.examined(frames, prior, workers))

    results = work_on_shard(
        shards, shard, plan.frames, examine, name=_name, sources=_sources, progress=progress
    )
    return len(results)


def merge_audit(plan: AuditPlan, beside: Path) -> Audit:
    """What the shards of an audit have found, as if it was done in one run.

    Raises DatasetError if a shard is missing or at work, and OSError.
    """
    shards = _shards_of(plan, beside)
    results = work_of_shards(shards, map(_name, plan.frames))
    audit = audit_of(map(_of_json, results))
    shards.remove()
    return audit


def _shards_of(plan: AuditPlan, beside: Path) -> ShardFolder:
    identity = {
        "frames": [frame.name for frame in plan.frames],
        "encoding": plan.reading.encoding,
        "label_map": names_of_labels(plan.reading.label_map),
        # Of which the prior is counted: with other annotations, all frames are examined again.
        "sample": [stamps_of([frame.label_ids or frame.polygons]) for frame in plan.sample],
    }
    return ShardFolder.of(beside, "audit", identity)


def _name(frame: Frame) -> str:
    return frame.name


def _sources(frame: Frame) -> Sequence[Path | None]:
    return frame.image, frame.label_ids, frame.instance_ids, frame.polygons


def _common_prior(shards: ShardFolder, plan: AuditPlan, workers: int | None) -> Prior:
    """The prior that the first shard has counted; the others wait for it."""
    file = shards.path / _PRIOR
    with Lock.take(file.with_suffix(".lock"), math.inf):
        if file.exists():
            with np.load(file) as arrays:
                found = dict(arrays)
            return Prior(**found | {"frames": int(found["frames"])})
        prior = plan.prior(workers)
        with replacing(file) as content:
            np.savez(content, allow_pickle=False, **asdict(prior))
        return prior


def _of_json(value: Any) -> Examined:
    findings = [
        Finding(frame, reason, score, tuple(box), *others)
        for frame, reason, score, box, *others in value[0]
    ]
    if value[1] is None:
        return Examined(findings, None)
    frame, split, digest, labels, size_hw, bits, small, brightness, sharpness = value[1]
    look = Look(
        *(frame, split, digest, labels, tuple(size_hw)),
        np.frombuffer(bytes.fromhex(bits), np.uint8),
        np.frombuffer(bytes.fromhex(small), np.uint8).reshape(SMALL_HW),
        *(brightness, sharpness),
    )
    return Examined(findings, look)


def _as_json(examined: Examined) -> list[Any]:
    look = examined.look
    described = look and [
        *(look.frame, look.split, look.digest, look.labels, list(look.size_hw)),
        *(look.bits.tobytes().hex(), look.small.tobytes().hex(), look.brightness, look.sharpness),
    ]
    return [[astuple(each) for each in examined.findings], described]
