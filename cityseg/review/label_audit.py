"""Audit of one label map against what is usual in its dataset."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from cityseg.arrays import BoolArray, FloatArray, IntArray, Uint8Array
from cityseg.labels import IGNORE, LABEL_OF_NAME, MAP_LABELS, TRAIN_ID_OF_LABEL_ID
from cityseg.metrics import Components
from cityseg.review.findings import Finding, label_name, rarity
from cityseg.review.prior import (
    ISLAND_SHARE,
    LEAST_CONTACT,
    Prior,
    cell_indices,
    island_pixels,
    without,
)
from cityseg.review.regions import Box
from cityseg.review.shapes import Shapes, shapes_of

#: Shares of evaluated pixels below which a frame is nearly void.
_LEAST_EVALUATED: Final = 0.5
#: Void labels have no shape of their own and lie anywhere; small trees and poles do.
_VOID: Final = np.array([label.category == "void" for label in MAP_LABELS])
#: Objects stand before anything, so what they touch and lie in says little.
_IS_OBJECT: Final = np.array(
    [label.category in ("object", "human", "vehicle") for label in MAP_LABELS]
)
_UNLABELED: Final = 0
#: Findings of less rarity than this are left out.
_LEAST_RARITY: Final = 0.4
_LEAST_SCORE: Final = 0.05
#: Of one frame and reason, the most suspicious ones.
_MOST_OF_A_REASON: Final = 20
#: Shares of the frame from which a region counts fully.
_LARGE: Final = {
    "place": 1e-3,
    "neighbours": 4e-3,
    "island": ISLAND_SHARE,
    "hole": ISLAND_SHARE,
    "sliver": ISLAND_SHARE,
}
_WEIGHT: Final = {"place": 0.9, "neighbours": 0.9, "island": 0.8, "hole": 0.3, "sliver": 0.3}


def audit_labels(
    frame: str, label_ids: Uint8Array, prior: Prior, *, is_counted: bool
) -> list[Finding]:
    """What is suspicious in a (H, W) uint8 map of label ids.

    `is_counted` is whether the map is among those of which `prior` was counted: then only the
    others say what is usual.
    """
    if whole := _void(frame, label_ids):
        return [whole]
    shapes = shapes_of(label_ids)
    if is_counted:
        prior = without(prior, shapes, label_ids)
    strangeness, around = _strangeness(shapes, prior), shapes.surrounding
    scores = {
        "place": _place(shapes, label_ids, prior),
        "neighbours": np.where(_is_void(shapes), 0, strangeness.max(axis=1)),
        "island": _island(shapes, around, prior, label_ids.size),
        "hole": _hole(shapes, around, label_ids.size),
        "sliver": _sliver(shapes, prior),
    }
    taken = np.zeros(len(shapes.at_border), np.bool_)
    findings: list[Finding] = []
    for reason, score in scores.items():  # a region has one reason, the first that holds
        score = np.where(taken, 0, score)
        chosen = np.flatnonzero(score >= _LEAST_RARITY)
        chosen = chosen[np.argsort(-score[chosen], kind="stable")][:_MOST_OF_A_REASON]
        taken[chosen] = True
        met = strangeness.argmax(axis=1) if reason == "neighbours" else around
        findings += _findings(frame, reason, shapes.components, chosen, score, met)
    return findings


#: Of islands that are natural.
_NATURAL_WEIGHT: Final = 0.6
_SKY, _BUILDING, _VEGETATION = (
    LABEL_OF_NAME[name].id for name in ("sky", "building", "vegetation")
)


def _is_natural(label_id: int, around: int) -> bool:
    """Whether such an island is an object before a surface, or what is seen through a gap.

    Objects and trees have gaps, through which anything may be seen, and buildings such as arcades
    have some that show the sky.
    """
    has_gaps = bool(_IS_OBJECT[around]) or around == _VEGETATION
    return bool(_IS_OBJECT[label_id]) or has_gaps or (label_id == _SKY and around == _BUILDING)


def _findings(
    frame: str,
    reason: str,
    components: Components,
    chosen: IntArray,
    score: FloatArray,
    met: IntArray,
) -> Iterator[Finding]:
    """Of the regions `chosen`: `score` and `met`, the label that each meets, are of all regions."""
    for number in chosen.tolist():
        label_id, pixels = int(components.values[number]), int(components.pixels[number])
        other = int(met[number])
        # What is large matters more.
        size = min(1.0, pixels / (_LARGE[reason] * components.ids.size)) ** 0.5
        weight = _WEIGHT[reason] * size
        if reason == "island" and _is_natural(label_id, other):
            weight *= _NATURAL_WEIGHT
        weighted = round(float(score[number]) * weight, 4)
        if weighted < _LEAST_SCORE:
            continue
        yield Finding(
            frame,
            reason,
            weighted,
            _box(components.boxes[number]),
            pixels,
            label=label_name(label_id),
            train_id=int(TRAIN_ID_OF_LABEL_ID[label_id]),
            other=label_name(other),
        )


def _box(bounds: IntArray) -> Box:
    top, left, bottom, right = bounds.tolist()
    return top, left, bottom, right


def _void(frame: str, label_ids: Uint8Array) -> Finding | None:
    evaluated = np.count_nonzero(TRAIN_ID_OF_LABEL_ID[label_ids] != IGNORE) / label_ids.size
    if evaluated >= _LEAST_EVALUATED:
        return None
    reason = "nearly_void" if evaluated else "blank"
    box = (0, 0, label_ids.shape[0], label_ids.shape[1])
    return Finding(frame, reason, round(1 - evaluated, 4), box, label_ids.size)


def _place(shapes: Shapes, label_ids: Uint8Array, prior: Prior) -> FloatArray:
    """(N + 1,) how rare each region's label is where it lies, on average over its pixels."""
    components = shapes.components
    rows, columns = cell_indices((label_ids.shape[0], label_ids.shape[1]))
    usual = prior.cells[label_ids, rows[:, None], columns[None, :]]
    sums = np.bincount(components.ids.ravel(), usual.ravel(), len(components.values))
    chances = prior.present[components.values % len(_VOID)]
    times = sums / np.maximum(components.pixels, 1) * chances
    found = np.asarray(rarity(times, chances))
    # A label of few frames may lie anywhere.
    found[(chances < _FEWEST_FRAMES) | _is_void(shapes)] = 0
    return np.where(times < _RARE_PLACE * chances, found, 0)


#: Labels and pairs of fewer frames have no usual place and no usual neighbours.
_FEWEST_FRAMES: Final = 60
_RARE_PLACE: Final = 0.01
_RARE_CONTACT: Final = 0.02


def _strangeness(shapes: Shapes, prior: Prior) -> FloatArray:
    """(N + 1, 34) how rare the contact of each region with each label is, 0 where it has none."""
    values = shapes.components.values % len(_VOID)
    chances, times = prior.together[values], prior.touching[values]
    found = np.asarray(rarity(times, chances))
    is_rare = (chances >= _FEWEST_FRAMES) & (times < _RARE_CONTACT * chances)
    edges = shapes.contacts.sum(axis=1, keepdims=True)
    share = shapes.contacts / np.maximum(edges, 1)
    long = np.minimum(1.0, share / 0.2) * (shapes.contacts >= LEAST_CONTACT)
    is_surface = ~(_VOID | _IS_OBJECT)
    both = is_surface[values][:, None] & is_surface[None, :]
    # Of two, the smaller one is meant.
    pixels = np.bincount(values[1:], shapes.components.pixels[1:], len(_VOID))
    is_smaller = shapes.components.pixels[:, None] <= pixels[None, :]
    return np.where(is_rare & both & is_smaller, found * long, 0)


def _island(shapes: Shapes, around: IntArray, prior: Prior, frame_pixels: int) -> FloatArray:
    values = shapes.components.values % len(_VOID)
    small = shapes.components.pixels <= island_pixels(frame_pixels)
    found = np.asarray(rarity(prior.islands[values, around], prior.present[around]))
    return np.where(shapes.is_enclosed & small & ~_is_void(shapes) & ~_VOID[around], found, 0)


def _hole(shapes: Shapes, around: IntArray, frame_pixels: int) -> FloatArray:
    small = shapes.components.pixels <= island_pixels(frame_pixels)
    is_hole = shapes.is_enclosed & small & (shapes.components.values == _UNLABELED)
    is_hole[0] = False
    return np.where(is_hole & ~_VOID[around], 1.0, 0.0)


def _sliver(shapes: Shapes, prior: Prior) -> FloatArray:
    regions, thin = prior.thin[shapes.components.values % len(_VOID)].T
    found = np.asarray(rarity(thin, regions))
    return np.where(shapes.is_thin & ~_is_void(shapes), found, 0)


def _is_void(shapes: Shapes) -> BoolArray:
    is_void = _VOID[shapes.components.values % len(_VOID)]
    is_void[0] = True  # no region
    return np.asarray(is_void)
