"""Which encoding the annotations of a dataset have: one verdict for all, from a sample of them.

Proofs come first: exact colours, a palette of Cityscapes colours, instance maps or polygons beside
that agree with the map in one encoding only. Then what lies where (`encodings.fits`) decides. What
cannot be told is refused for the whole dataset, as a mask in the wrong encoding is nonsense.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from cityseg.arrays import IntArray
from cityseg.data.dataset import Frame
from cityseg.data.encodings import (
    ENCODING_NAMES,
    ENCODINGS,
    LABEL_IDS_OF_VALUES,
    NOTHING_SEEN,
    Encoding,
    Seen,
    fits,
)
from cityseg.data.layouts import SPLITS
from cityseg.data.looks import Kept, Look, look_at
from cityseg.data.proofs import INSTANCE_MAP, POLYGONS, prove
from cityseg.data.report import Report
from cityseg.errors import DatasetError
from cityseg.labels import IGNORE
from cityseg.system import file_stamp

Item = TypeVar("Item")

#: Changes with the rules, so that an earlier verdict is not kept.
_RULES: Final = 1
#: Annotations of a split that are examined.
_SAMPLE: Final = 24
#: How much better the best encoding must fit than the next, and how well it must fit at all;
#: with names of a tool's own labels beside the annotations, better. Chosen by hand:
#: genuine maps, also those of which a few labels were kept, fit with −2.5 and more; shuffled
#: numberings of 20 labels mostly with less, but some of 12 labels with up to −1.7.
_MARGIN: Final = 0.25
_LOWEST_FIT: Final = -2.6
_LOWEST_FIT_BESIDE_NAMES: Final = -2.1
#: Fewer pixels in the sample show no street.
_ENOUGH_PIXELS: Final = 1024
_TELLING_VALUES: Final = 4
_CLEAR: Final = 1.0
#: Files in which labelling tools list their own labels.
_NAMES: Final = (
    "label_colors.txt",
    "labelmap.txt",
    "label_map.txt",
    "classes.txt",
    "class_dict.csv",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The encoding of a dataset's annotations, and the evidence in one sentence.

    `encoding` is None if it cannot be told; then `choices` are those that it could be, and
    `evidence` says what was found. `sample` changes with the files that were examined; it is empty
    if a person named the encoding.
    """

    encoding: Encoding | None
    evidence: str
    choices: tuple[Encoding, ...] = ()
    sample: str = ""

    def problem(self, remedy: str = "name it with --encoding") -> str:
        """Why there is no encoding that gives masks, and what to do; "" if there is one."""
        if self.encoding == "categories":
            return (
                f"The annotations hold category ids, which cannot give 19 classes ({self.evidence})"
                f": use label ids, train ids or polygons, or if it is another encoding, {remedy}"
            )
        if self.encoding:
            return ""
        names = [f"{choice} ({ENCODING_NAMES[choice]})" for choice in self.choices]
        could_be = f"they could be {' or '.join(names)}: " if names else ""
        return (
            f"The encoding of the annotations is unclear: {self.evidence}; "
            f"{could_be or 'use label ids or polygons, or '}{remedy}"
        )

    def checked(self) -> Encoding:
        """The encoding; raises DatasetError if there is none that gives masks."""
        if self.encoding is None or self.problem():
            raise DatasetError(self.problem())
        return self.encoding


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
    looks = look_at(chosen, {} if kept is None else kept, workers)
    for look in looks:
        look.frame = chosen[look.path]
    return replace(_judge(looks, "annotation"), sample=sample)


def _spread(items: Sequence[Item], count: int) -> list[Item]:
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
    return _judge(look_at(_spread(paths, _SAMPLE), {}), "file")


# --- all of them -----------------------------------------------------------------------------


def _judge(looks: Sequence[Look], noun: str) -> Verdict:
    kinds = Counter(look.kind for look in looks if look.kind != "unusable")
    if not kinds:
        return Verdict("labelids", f"No {noun} of the sample shows another encoding")
    kind, count = kinds.most_common(1)[0]
    if kind == "palette":
        return Verdict("palette", f"{_of(count, noun)} has a palette of Cityscapes colours")
    if kind == "colors":
        return Verdict("colors", f"{_of(count, noun)} has only colours of Cityscapes labels")
    telling = [look for look in looks if look.kind == "grey" and not look.is_blank]
    if not telling:
        return Verdict("labelids", f"No {noun} of the sample shows a class")
    return _proved(telling) or _by_places(telling, noun)


def _proved(looks: Sequence[Look]) -> Verdict | None:
    for beside in (INSTANCE_MAP, POLYGONS):
        proof = prove(looks, beside)
        if proof and proof.encoding:
            names = ENCODING_NAMES[proof.encoding]
            return Verdict(proof.encoding, f"The {beside} of {proof.name} gives the {names}")
        if proof:
            return Verdict(
                None, f"in no encoding do values agree with the {beside} of {proof.name}"
            )
    return None


def _of(count: int, noun: str) -> str:
    return f"The {noun} of the sample" if count == 1 else f"Each of {count} {noun}s of the sample"


def _by_places(looks: Sequence[Look], noun: str) -> Verdict:
    seen = sum((look.seen for look in looks), NOTHING_SEEN)
    values = _listed(seen.values)
    sample = f"{len(looks)} {noun}{'s' if len(looks) > 1 else ''}"
    if set(seen.values.tolist()) in ({0, 1}, {0, IGNORE}, {1, IGNORE}, {0, 1, IGNORE}):
        return Verdict(
            None, f"{sample} examined, with only the values {values}: a mask of one label"
        )
    found = fits(seen)
    beside = _names_beside(looks)
    named = f", and {beside} beside them lists a tool's own labels" if beside else ""
    if not found:
        # Values of no encoding: refused one by one if rare, for all if nearly each has some.
        foreign = sum(not fits(look.seen) for look in looks)
        if foreign * 2 <= len(looks):
            return _by_places([look for look in looks if fits(look.seen)], noun)
        if not beside:
            return Verdict("labelids", f"{sample} examined, with values that are no label ids")
        return Verdict(None, f"{sample} examined; values {values}{named}")
    return _best(found, seen, sum(look.part.size for look in looks), sample, beside)


def _best(
    found: dict[Encoding, float], seen: Seen, pixels: int, sample: str, beside: Path | None
) -> Verdict:
    """Choose among the encodings that have all values by their fit."""
    best, *others = found
    ahead = found[best] - max((found[other] for other in others), default=-np.inf)
    examined = f"{sample} examined; values {_listed(seen.values)}"
    if pixels < _ENOUGH_PIXELS or seen.values.size == 1:  # no street: the official files' own
        clear = seen.values.size >= _TELLING_VALUES and ahead > _CLEAR
        best = best if clear or "labelids" not in found else "labelids"
        return Verdict(best, f"{examined}{_places(seen, best)}")
    named = f", and {beside} beside them lists a tool's own labels" if beside else ""
    if found[best] < (_LOWEST_FIT_BESIDE_NAMES if beside else _LOWEST_FIT):
        reason = f"{examined}, which lie where no encoding has its labels{named}"
        return Verdict(None, reason, tuple(found)[:3])
    if ahead < _MARGIN:
        choices = tuple(each for each in found if found[best] - found[each] < _MARGIN)
        return Verdict(None, f"{examined}, which fit several encodings{named}", choices)
    return Verdict(best, f"{examined}{_places(seen, best)}")


def _listed(values: IntArray) -> str:
    """Values such as 0, 1, 2, 5 as "0–2, 5"."""
    groups: list[list[int]] = []
    for value in values.tolist():
        if groups and groups[-1][-1] == value - 1:
            groups[-1].append(value)
        else:
            groups.append([value])
    texts = [f"{g[0]}–{g[-1]}" if len(g) > 2 else ", ".join(map(str, g)) for g in groups]
    return ", ".join(texts[:12]) + (", …" if len(texts) > 12 else "")


_LANDMARKS: Final = ((7, "road", 1), (23, "sky", 5), (26, "car", 7))


def _places(seen: Seen, encoding: Encoding) -> str:
    """Where road, sky and cars lie in that encoding, from the top."""
    found = []
    for label_id, name, category in _LANDMARKS:
        if encoding == "categories":
            value = category
        else:
            value = int(np.flatnonzero(LABEL_IDS_OF_VALUES[encoding] == label_id)[0])
        if seen.pixels[value]:
            found.append(f"{name} ({value}) lies {seen.mean_rows[value]:.0%} from the top")
    return f": {', '.join(found)}" if found else ""


def _names_beside(looks: Sequence[Look]) -> Path | None:
    """A file that lists labels of a tool, in the folder of an annotation or in one above it."""
    path = next((look.frame.label_ids for look in looks if look.frame), None)
    for folder in path.parents[:5] if path else ():
        for name in _NAMES:
            if (folder / name).is_file():
                return folder / name
    return None
