"""Audit of pictures: copies and near-duplicates, and those that are dark, blurred or of a size."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from cityseg.arrays import FloatArray, IntArray, Uint8Array, as_uint8
from cityseg.review.findings import Finding
from cityseg.review.near_hashes import near_hashes

#: Pictures are compared at this width.
WIDTH: Final = 512
_HASH_SIDE: Final = 16
#: Of the picture that is kept.
SMALL_HW: Final = (24, 48)
#: Bits of the hash, of 256, in which near-duplicates may differ, and their least correlation.
_MOST_BITS: Final = 40
_LEAST_CORRELATION: Final = 0.97
#: Of one hash, and of all near ones, in each split: so many pictures are compared with another one.
_MOST_COMPARED: Final = 32
#: Robust standard deviations from the median, and the least distance as a factor.
_FAR: Final = 5.0
_LEAST_FACTOR: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is kept of a frame's picture, about 1,200 bytes.

    `digest` stands for the file, `labels` for the label map (empty if it has no class); `bits`
    (32,) uint8 is a perceptual hash; `small` (24, 48) uint8 grey; `brightness` is the mean grey
    value, `sharpness` the variance of the Laplacian divided by that of the picture.
    """

    frame: str
    split: str
    digest: str
    labels: str
    size_hw: tuple[int, int]
    bits: Uint8Array
    small: Uint8Array
    brightness: float
    sharpness: float


def look_at(
    frame: str, split: str, content: bytes, rgb: Uint8Array, size_hw: tuple[int, int], labels: str
) -> Look:
    """Look at a picture: its file, and (h, w, 3) uint8 RGB, perhaps smaller than `size_hw`."""
    grey = as_uint8(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    if grey.shape[1] > WIDTH:
        size = (WIDTH, max(1, round(grey.shape[0] * WIDTH / grey.shape[1])))
        grey = as_uint8(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
    steps = cv2.resize(grey, (_HASH_SIDE + 1, _HASH_SIDE), interpolation=cv2.INTER_AREA)
    small = cv2.resize(grey, SMALL_HW[::-1], interpolation=cv2.INTER_AREA)
    return Look(
        frame,
        split,
        hashlib.blake2b(content, digest_size=8).hexdigest(),
        labels,
        size_hw,
        np.packbits(steps[:, 1:] > steps[:, :-1]),
        as_uint8(small),
        float(grey.mean()),
        float(cv2.Laplacian(grey, cv2.CV_32F).var() / (grey.var() + 1)),
    )


def audit_looks(looks: Sequence[Look]) -> list[Finding]:
    """What is suspicious in the pictures of a dataset, compared with each other."""
    if not looks:
        return []
    return [
        *_copies(looks, "exact_copy"),
        *_copies(looks, "same_annotation"),
        *_near_duplicates(looks),
        *_outliers(looks, "dark", np.array([each.brightness for each in looks])),
        *_outliers(looks, "blurred", np.array([each.sharpness for each in looks])),
        *_odd_sizes(looks),
    ]


def _of_picture(look: Look, reason: str, score: float, other: str = "") -> Finding:
    height, width = look.size_hw
    side = "truth" if reason == "same_annotation" else "picture"
    box = (0, 0, height, width)
    return Finding(look.frame, reason, round(score, 4), box, height * width, side, other=other)


def _copies(looks: Sequence[Look], reason: str) -> Iterator[Finding]:
    """Of copies, each but the first names the first of another split, or else the first.

    `seen` has of each split two earlier copies at most: for any picture, the first of another one
    is among them. So the time is linear in the number of copies.
    """
    groups: dict[str, list[Look]] = defaultdict(list)
    for look in looks:
        if key := look.digest if reason == "exact_copy" else look.labels:
            groups[key].append(look)
    for group in groups.values():
        seen: list[Look] = []
        for look in group:
            others = [each for each in seen if reason == "exact_copy" or each.digest != look.digest]
            if others:
                across = next((each for each in others if each.split != look.split), None)
                yield _of_picture(look, reason, 1.0 if across else 0.9, (across or others[0]).frame)
            alike = [each.digest for each in seen if each.split == look.split]
            if len(alike) < 2 and look.digest not in alike:
                seen.append(look)


def _near_duplicates(looks: Sequence[Look]) -> Iterator[Finding]:
    """Pairs of one split are neighbours in a drive; of two, the one is known from the other.

    Copies cost no more than linear time: of pictures with one hash only the first ones of each
    split that differ are compared with others, and each picture with the nearest in each split.
    """
    splits = np.array([each.split for each in looks])
    if (splits == splits[0]).all():
        return
    bits = np.stack([each.bits for each in looks]).view(np.uint64)  # (N, 4)
    hashes, group_of = np.unique(bits, axis=0, return_inverse=True)
    group_of = group_of.reshape(-1)
    members = np.split(np.argsort(group_of, kind="stable"), np.cumsum(np.bincount(group_of))[:-1])
    last = np.array([group[-1] for group in members])
    shown = _first_of_each_hash(looks, group_of)
    near: dict[int, list[IntArray]] = defaultdict(list)
    for split in np.unique(splits):
        own = shown[splits[shown] == split]
        has_others = np.bincount(group_of[splits != split], minlength=len(hashes)) > 0
        asked = np.flatnonzero(has_others & (last > own[0]))
        for query, places, differing in near_hashes(bits[own], hashes[asked], _MOST_BITS):
            group = int(asked[query])
            earlier = np.searchsorted(own[places], last[group])
            nearest = np.argsort(differing[:earlier], kind="stable")[:_MOST_COMPARED]
            near[group].append(own[places[nearest]])
    for group, found in sorted(near.items()):
        others = np.sort(np.concatenate(found))
        for position in members[group].tolist():
            elsewhere = others[(splits[others] != splits[position]) & (others < position)]
            if finding := _most_alike(looks, position, elsewhere):
                yield finding


def _first_of_each_hash(looks: Sequence[Look], group_of: IntArray) -> IntArray:
    """The first pictures that differ of each hash and split, in order."""
    seen: dict[tuple[int, str], set[bytes]] = defaultdict(set)
    first = []
    for position, (look, group) in enumerate(zip(looks, group_of.tolist(), strict=True)):
        known, content = seen[group, look.split], look.small.tobytes()
        if len(known) < _MOST_COMPARED and content not in known:
            known.add(content)
            first.append(position)
    return np.array(first, np.int64)


def _most_alike(looks: Sequence[Look], position: int, others: IntArray) -> Finding | None:
    """The finding that a picture is nearly that of one of `others`, if it is."""
    if not others.size:
        return None
    look = looks[position]
    alike = _correlations(look.small, np.stack([looks[each].small for each in others.tolist()]))
    best = int(alike.argmax())
    other = looks[int(others[best])]
    if alike[best] < _LEAST_CORRELATION or other.digest == look.digest:  # then it is a copy
        return None
    return _of_picture(look, "near_duplicate", float(alike[best]) * 0.99, other.frame)


def _correlations(one: Uint8Array, others: Uint8Array) -> FloatArray:
    """(N,) correlations of a grey picture with (N, h, w) others; 1 where one has no contrast."""
    own = one.astype(np.float64).ravel()
    rows = others.astype(np.float64).reshape(len(others), -1)
    own, rows = own - own.mean(), rows - rows.mean(axis=1, keepdims=True)
    norms = np.sqrt((own * own).sum() * (rows * rows).sum(axis=1))
    sums = (rows * own).sum(axis=1)
    return np.asarray(np.where(norms > 0, sums / np.maximum(norms, 1e-12), 1.0))


def _outliers(looks: Sequence[Look], reason: str, values: FloatArray) -> Iterator[Finding]:
    """Those far below the median, in logarithms: a share of it, whatever the unit."""
    levels = np.log(values + 1e-3)
    middle = float(np.median(levels))
    spread = 1.4826 * float(np.median(np.abs(levels - middle)))
    for look, level in zip(looks, levels.tolist(), strict=True):
        below = middle - level
        if below > np.log(_LEAST_FACTOR) and below > _FAR * spread:
            yield _of_picture(look, reason, 1 - 0.5 * float(np.exp(-(below - np.log(2)))))


def _odd_sizes(looks: Sequence[Look]) -> Iterator[Finding]:
    usual, count = Counter(each.size_hw for each in looks).most_common(1)[0]
    if 2 * count <= len(looks):  # a dataset of many sizes has no usual one
        return
    for look in looks:
        if look.size_hw != usual:
            other = f"{usual[1]}×{usual[0]}"
            yield _of_picture(look, "picture_size", 0.7, other)
