"""Look at a sample of a dataset's annotations, and reach one verdict on their encoding."""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from cityseg.data.encodings import ENCODINGS
from cityseg.data.frame import Frame
from cityseg.data.layouts import SPLITS
from cityseg.data.looks import Kept, look_at
from cityseg.data.report import Report
from cityseg.data.verdict import Verdict, judge
from cityseg.system import file_stamp

_Item = TypeVar("_Item")

#: Annotations of a split that are examined.
_SAMPLE: Final = 10
#: Changes with the rules, so that an earlier verdict is not kept.
_RULES: Final = 3


def examine(
    frames: Sequence[Frame],
    before: Report | None = None,
    kept: Kept | None = None,
    workers: int | None = None,
) -> Verdict:
    """Look at annotations of all splits of `frames`, and judge their encoding.

    The verdict that the report `before` has is returned where the annotations are as they were.
    What is decoded meanwhile is added to `kept`, if given.
    """
    by_split = [[f for f in frames if f.split == split and f.label_ids] for split in SPLITS]
    chosen = {f.label_ids: f for some in by_split for f in _spread(some, _SAMPLE) if f.label_ids}
    sample = _digest(chosen)
    if before and before.sample == sample and before.encoding in ENCODINGS:
        return Verdict(before.encoding, before.evidence, sample=sample)
    if not chosen and any(frame.polygons for frame in frames):
        return Verdict(
            "labelids", "The annotations are polygons, drawn as label ids", sample=sample
        )
    looks = look_at(chosen, {} if kept is None else kept, workers)
    for look in looks:
        look.frame = chosen[look.path]
    return replace(judge(looks, "annotation"), sample=sample)


def _spread(items: Sequence[_Item], count: int) -> list[_Item]:
    """At most `count` of `items`, evenly spread."""
    places = np.linspace(0, len(items) - 1, min(count, len(items)))
    return [items[place] for place in places.astype(int)]


def _digest(paths: Iterable[Path]) -> str:
    """What changes with the files, their times and sizes, and the rules of this module."""
    digest = hashlib.sha256(f"{_RULES}".encode())
    for path in paths:
        with suppress(OSError):  # an unreadable file is reported where its frame is converted
            digest.update(f"{path} {file_stamp(path)}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def examine_files(paths: Sequence[Path]) -> Verdict:
    """Look at some of the label maps `paths`, and judge their encoding."""
    return judge(look_at(_spread(paths, _SAMPLE), {}), "file")
