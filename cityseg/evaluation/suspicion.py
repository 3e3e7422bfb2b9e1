"""Regions where a network contradicts the annotation, ranked by how likely the annotation is wrong.

The table of regions that evidence has is read by parts, twice: first it is counted which classes
the network mistakes for which, then each region is weighed. Memory does not grow with the number of
frames: of each network at most _MOST regions are kept.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cityseg.arrays import BoolArray, FloatArray, IntArray
from cityseg.errors import ScoreError
from cityseg.evaluation.evidence_files import ABOUT, REGIONS, EvidenceAbout, find_evidence
from cityseg.evaluation.verdict_model import outcomes, probabilities
from cityseg.labels import CLASS_NAMES, NUM_CLASSES, TRAIN_LABELS
from cityseg.review import Finding, Verdict, box_iou
from cityseg.runs import BOX, is_box
from cityseg.system import read_or_none

#: Reason codes of the review, by the side of the region.
REASON_OF_SIDE: Final = {"truth": "other_class", "prediction": "no_counterpart"}
MOST_FINDINGS: Final = 5000
_MOST: Final = 20_000
#: The least region: its pixels, and its share of a frame.
_LEAST_PIXELS: Final = 16
_LEAST_SHARE: Final = 5e-5
#: The share of a frame that a region has without its contour at which it has half of its weight.
#: Wobble of a boundary is all contour, however long it is.
_HALF_WEIGHT: Final = 2e-4
#: The least share of a region's pixels that are of one other class.
_LEAST_OTHER: Final = 0.5
#: The share without contour from which a region counts for what the network mistakes.
_COUNTED_SHARE: Final = 1.5e-4
#: Regions added to those of a class: of one that hardly occurs, nothing is known.
_UNKNOWN: Final = 5.0
_LEAST_RATE: Final = 0.15
#: What a region keeps of its weight where neither class is an object: where terrain ends and a
#: sidewalk begins, or sky seen through trees, is as often a matter of policy as an error.
_SURFACES_WEIGHT: Final = 0.85
_IS_SURFACE: Final = np.array(
    [label.category not in ("object", "human", "vehicle") for label in TRAIN_LABELS]
)
#: The weight whose score is a half.
_EVEN: Final = 5.0
#: The weight at which half of the labels were wrong, errors planted in 5 % of the objects, and how
#: steeply the odds rise with it.
_LIKELY: Final = 4.1
_STEEPNESS: Final = 5.5
#: What a region keeps of its score where the network sees the same class beside it in a region with
#: a higher one: an object that the annotation lacks hides several labels, and is to be found once.
_REPEATED: Final = 0.3
#: The share of the smaller box that two boxes share if they are of one object.
_SAME_BOX: Final = 0.5

_NUMBERS: Final = (
    *("train_id", "top", "left", "bottom", "right", "pixels", "contour_share", "confidence"),
    *("margin", "entropy", "other", "other_share", "iou"),
)
_Columns = dict[str, npt.NDArray[Any]]


class Suspicion(NamedTuple):
    """Findings, the most suspicious first, and from how many verdicts they were ranked, or 0."""

    findings: list[Finding]
    verdicts: int


class Candidates(NamedTuple):
    """N regions that may be wrong; arrays of (N,), and `features` (N, F) float64.

    `is_truth` is whether a region is one of the annotation. `boxes` (N, 4) int64; `labels` and
    `seen` are the train ids of the annotation and of the network there; `weight` is larger for the
    more suspicious.
    """

    frames: npt.NDArray[np.object_]
    runs: npt.NDArray[np.object_]
    evidence: npt.NDArray[np.object_]
    is_truth: BoolArray
    boxes: IntArray
    pixels: IntArray
    labels: IntArray
    seen: IntArray
    confidence: FloatArray
    weight: FloatArray
    features: FloatArray

    def take(self, places: IntArray | BoolArray) -> "Candidates":
        """Some of them."""
        return Candidates._make(each[places] for each in self)


def evidence_folders(place: Path, splits: Sequence[str], data: Path) -> list[Path]:
    """The folders of finished evidence at `place`: itself, or the newest of each split below it.

    It is evidence on frames of the dataset `data` as they are. Those of a run are in its folder
    `evidence`. Raises ScoreError if there is none, or if it is of a network without some of the
    classes, which contradicts every label of these.
    """
    there = _finished(place, splits)
    found: dict[str, Path] = {}
    for folder, about in there:
        if not about.is_of(data):
            continue
        found.setdefault(about.split, folder)
        if lacking := [name for name in CLASS_NAMES if name not in about.classes]:
            raise ScoreError(
                f"{folder} is evidence of a network that lacks {len(lacking)} classes, such as "
                f"{lacking[0]}: use that of a network of all classes"
            )
    if there and not found:
        raise ScoreError(
            f"{place} has evidence on {there[0][1].data} only: collect it on {data} with python -m "
            "cityseg evidence"
        )
    if not found:
        raise ScoreError(
            f"{place} has no finished evidence of {' or '.join(splits)} with pictures as they are: "
            "collect it with python -m cityseg evidence"
        )
    return list(found.values())


def _finished(place: Path, splits: Sequence[str]) -> list[tuple[Path, EvidenceAbout]]:
    """The finished evidence at a place on frames of `splits` as they are, the newest first."""
    about = read_or_none(place / ABOUT, EvidenceAbout)
    if about and about.is_done:
        there = [(place, about)]
    else:
        below = place / "evidence" if (place / "evidence").is_dir() else place
        there = [each for split in splits for each in find_evidence(below, split)]
    return [
        (folder, about)
        for folder, about in there
        if about.is_done and about.split in splits and not about.corruption
    ]


def suspicious_regions(
    folders: Sequence[Path], verdicts: Sequence[Verdict] = (), most: int = MOST_FINDINGS
) -> Suspicion:
    """Rank the regions in folders of evidence; at most `most` findings. Raises ScoreError.

    A region is suspicious where the network is sure of another class, the region is more than a
    contour, the network seldom mistakes these classes, and one of them is an object. Where
    `verdicts` are enough, a logistic regression on them decides. The network must not have learned
    from the frames: it repeats what it has learned.
    """
    found = [each for folder in folders for each in _candidates(folder)]
    if not found:
        return Suspicion([], 0)
    candidates = _joined(found)
    seen = [CLASS_NAMES[each] for each in candidates.seen]
    judged, is_wrong = outcomes(candidates.frames.tolist(), candidates.boxes, seen, verdicts)
    belief = 1 / (1 + (_LIKELY / np.maximum(candidates.weight, 1e-6)) ** _STEEPNESS)
    learned = probabilities(candidates.features, belief, judged, is_wrong)
    score = candidates.weight / (candidates.weight + _EVEN) if learned is None else learned
    chosen = _distinct(candidates, score, most)
    findings = [_finding(candidates, place, value) for place, value in chosen]
    return Suspicion(findings, 0 if learned is None else len(judged))


def _finding(candidates: Candidates, place: int, score: float) -> Finding:
    side = "truth" if candidates.is_truth[place] else "prediction"
    label, seen = int(candidates.labels[place]), int(candidates.seen[place])
    top, left, bottom, right = candidates.boxes[place].tolist()
    return Finding(
        str(candidates.frames[place]),
        REASON_OF_SIDE[side],
        round(score, 4),
        (top, left, bottom, right),
        int(candidates.pixels[place]),
        side,
        label=CLASS_NAMES[label],
        train_id=label if side == "truth" else seen,
        other=CLASS_NAMES[seen],
        predicted=CLASS_NAMES[seen],
        confidence=round(float(candidates.confidence[place]), 4),
        run=str(candidates.runs[place]),
        evidence=str(candidates.evidence[place]),
    )


# --- candidates ------------------------------------------------------------------------------


def _candidates(folder: Path) -> list[Candidates]:
    """The regions of a folder of evidence that may be wrong, at most _MOST, or an empty list.

    Raises ScoreError.
    """
    about = read_or_none(folder / ABOUT, EvidenceAbout)
    run = _name_of_network(Path(about.checkpoint)) if about else folder.name
    counts = np.zeros((2, NUM_CLASSES, NUM_CLASSES))
    for part in _parts(folder):
        counted = part["inside"] >= _COUNTED_SHARE
        side = part["is_truth"][counted].astype(np.int64)
        np.add.at(counts, (side, part["train_id"][counted], part["other"][counted]), 1)
    rates = counts / (counts.sum(axis=2, keepdims=True) + _UNKNOWN)
    best: list[Candidates] = []
    for part in _parts(folder):
        found = _joined([*best, _weighed(part, rates, run, folder)])
        best = [found.take(np.argsort(-found.weight, kind="stable")[:_MOST])]
    return best


def _name_of_network(weights: Path) -> str:
    """As commands call it: the id of a run, box, or the name of the weights file."""
    if is_box(weights):
        return BOX
    return weights.parents[1].name if weights.parent.name == "checkpoints" else weights.name


def _parts(folder: Path) -> Iterator[_Columns]:
    """The rows of each file of regions, those too small or mostly predicted as ignored left out.

    Beside the columns of the table: `is_truth`, and `inside`, the share of a frame that the region
    has without its contour.
    """
    import pyarrow as pa
    import pyarrow.dataset as datasets

    try:
        table = datasets.dataset(folder / REGIONS, format="parquet")
        for batch in table.to_batches(columns=["frame", "side", *_NUMBERS]):
            if not batch.num_rows:
                continue
            part = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in _NUMBERS}
            for name in ("frame", "side"):
                texts = batch.column(name)
                values = np.array(texts.dictionary.to_pylist(), object)
                part[name] = values[texts.indices.to_numpy(zero_copy_only=False)]
            yield _usable(part)
    except (OSError, pa.ArrowException) as error:
        raise ScoreError(
            f"The regions in {folder / REGIONS} cannot be read ({error}): remove {folder}, and "
            "collect the evidence again"
        ) from error


def _usable(part: _Columns) -> _Columns:
    # The table has no sizes of frames, but regions that reach their ends.
    _, numbers = np.unique(part["frame"], return_inverse=True)
    ends = np.zeros((int(numbers.max()) + 1, 2))
    np.maximum.at(ends, numbers, np.stack([part["bottom"], part["right"]], 1))
    frame_pixels = ends.prod(axis=1)[numbers]
    part["is_truth"] = part["side"] == "truth"
    part["inside"] = part["pixels"] * (1 - part["contour_share"].astype(np.float64)) / frame_pixels
    least = np.maximum(_LEAST_PIXELS, _LEAST_SHARE * frame_pixels)
    keep = (part["pixels"] >= least) & (part["other"] < NUM_CLASSES)
    return {name: values[keep] for name, values in part.items()}


def _weighed(part: _Columns, rates: FloatArray, run: str, folder: Path) -> Candidates:
    """Of a part the regions that are mostly of another class in the other map, with their weights.

    `rates` (2, 19, 19): of the regions of a class in the prediction (0) or in the truth (1), the
    share that is mostly of a class in the other map.
    """
    is_contradicted = part["other"] != part["train_id"]
    # Without a counterpart nothing of it is right, however many classes the other map has there.
    wrong = np.where(part["iou"] == 0, 1.0, part["other_share"].astype(np.float64))
    keep = is_contradicted & (wrong >= _LEAST_OTHER)
    wrong, own = wrong[keep], {name: values[keep] for name, values in part.items()}
    is_truth, inside = own["is_truth"], own["inside"]
    train_id, other = own["train_id"].astype(np.int64), own["other"].astype(np.int64)
    confidence = own["confidence"].astype(np.float64)
    rate = rates[is_truth.astype(np.int64), train_id, other]
    right = own["iou"].astype(np.float64)
    size = inside / (inside + _HALF_WEIGHT)
    weight = confidence * wrong * (1 - right) * size / (rate + _LEAST_RATE)
    weight[_IS_SURFACE[train_id] & _IS_SURFACE[other]] *= _SURFACES_WEIGHT
    return Candidates(
        frames=own["frame"],
        runs=np.full(len(weight), run, object),
        evidence=np.full(len(weight), str(folder.absolute()), object),
        is_truth=is_truth,
        boxes=np.stack([own[name] for name in ("top", "left", "bottom", "right")], 1).astype(
            np.int64
        ),
        pixels=own["pixels"].astype(np.int64),
        labels=np.where(is_truth, train_id, other),
        seen=np.where(is_truth, other, train_id),
        confidence=confidence,
        weight=weight,
        features=np.stack(
            [
                np.log(weight + 1e-3),
                np.log(inside + _COUNTED_SHARE),
                *(own[name].astype(np.float64) for name in _FEATURES),
                wrong,
                np.log(rate + 0.01),
                is_truth.astype(np.float64),
            ],
            1,
        ),
    )


_FEATURES: Final = ("confidence", "margin", "entropy", "contour_share", "iou")


def _joined(parts: Sequence[Candidates]) -> Candidates:
    return Candidates._make(np.concatenate(each) for each in zip(*parts, strict=True))


# --- order -----------------------------------------------------------------------------------


def _distinct(candidates: Candidates, score: FloatArray, most: int) -> list[tuple[int, float]]:
    """Places and scores, the best first: what is found twice once, what is beside it later."""
    kept: dict[str, list[int]] = defaultdict(list)
    first: list[tuple[int, float]] = []
    repeated: list[tuple[int, float]] = []
    instead: dict[int, int] = {}
    for place in np.argsort(-score, kind="stable").tolist():
        others = np.array(kept[candidates.frames[place]], np.int64)
        same, is_beside = _met(candidates, place, others)
        if same.size:
            # Of an object in both maps, the annotation's region is what may be wrong.
            for other in same.tolist():
                if _has_better_outline(candidates, place, other):
                    instead.setdefault(other, place)
            continue
        kept[candidates.frames[place]].append(place)
        if is_beside:
            repeated.append((place, _REPEATED * float(score[place])))
        else:
            first.append((place, float(score[place])))
        if len(first) == most:  # none that follows has a higher score
            break
    chosen = sorted(first + repeated, key=lambda each: -each[1])[:most]
    return [(instead.get(place, place), value) for place, value in chosen]


def _met(candidates: Candidates, place: int, others: IntArray) -> tuple[IntArray, bool]:
    """Those of `others`, of the same frame, that are of the same object; whether one is beside."""
    box, boxes = candidates.boxes[place], candidates.boxes[others]
    gaps = np.maximum(boxes[:, :2] - box[2:], box[:2] - boxes[:, 2:]).max(axis=1, initial=-1)
    is_seen_alike = candidates.seen[others] == candidates.seen[place]
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = np.minimum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), (box[2:] - box[:2]).prod())
    # An object with a wrong label, and the parts of it that the network sees.
    is_labelled_alike = candidates.labels[others] == candidates.labels[place]
    is_labelled_alike &= candidates.is_truth[others] | candidates.is_truth[place]
    is_same = (shared >= _SAME_BOX * areas) & (is_seen_alike | is_labelled_alike)
    return others[is_same], bool((is_seen_alike & (gaps <= _BESIDE_PIXELS)).any())


def _has_better_outline(candidates: Candidates, place: int, other: int) -> bool:
    """Whether `place` is a region of the annotation, and `other` nearly the same of the network."""
    first, second = candidates.boxes[[place, other]].tolist()
    alike = box_iou(first, second) >= _SAME_BOX
    return bool(alike and candidates.is_truth[place] and not candidates.is_truth[other])


_BESIDE_PIXELS: Final = 3
