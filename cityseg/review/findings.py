"""Suspicious regions of the frames of a dataset, ranked, as a table: the queue of a review."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import isfinite, nan
from pathlib import Path
from typing import Any, Final

import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.errors import ReviewError
from cityseg.labels import IGNORE, LABEL_OF_ID
from cityseg.metrics import connected_components
from cityseg.review.ledger import ledger_file
from cityseg.review.regions import Box, Region, box_ious
from cityseg.system import JsonError, check_regular, parse_as, replacing
from cityseg.wording import utf8

#: Reason code -> what it means. The order is that of summaries.
REASONS: Final = {
    "other_class": "A network sees another class in the region",
    "no_counterpart": "A network sees a region that the annotation does not have",
    "instances": "The instance ids disagree with the labels",
    "polygons": "The polygons disagree with the label map",
    "exact_copy": "The picture is a copy of another frame's",
    "near_duplicate": "The picture is nearly that of a frame in another split",
    "same_annotation": "The annotation is a copy of another frame's, the picture is not",
    "blank": "The annotation has no evaluated pixel",
    "nearly_void": "Most of the annotation is void",
    "place": "The class hardly ever occurs at this place",
    "neighbours": "These two labels hardly ever touch",
    "island": "A small region lies within a label where it hardly ever does",
    "hole": "A small unlabeled region lies within a label",
    "sliver": "A region is a thin remainder of a class that is not thin",
    "dark": "The picture is far darker than the others",
    "blurred": "The picture is far less sharp than the others",
    "picture_size": "The picture has another size than most",
    "map_size": "The annotation and its picture differ in size",
    "unreadable": "The annotation or the picture cannot be read",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A region of a frame that may be wrong.

    `side` is "truth" or "prediction", the map of which the region is a part, or "picture". `box` is
    top, left, bottom, right, the last two exclusive. `score` is 0–1, 1 is the most suspicious.
    `label` is the name of the label that the truth has there, empty for whole frames; `train_id` is
    that of the region in its own map. `other` is the label that the region meets, or the other
    frame, or why a file is unreadable. `predicted`, `confidence` (0–1) and `run` are the label that
    a network has there, how sure it is, and its name; they are empty and NaN without a network.
    `evidence` is the folder of evidence that says so.
    """

    frame: str
    reason: str
    score: float
    box: Box
    pixels: int
    side: str = "truth"
    label: str = ""
    train_id: int = IGNORE
    other: str = ""
    predicted: str = ""
    confidence: float = nan
    run: str = ""
    evidence: str = ""


def label_name(label_id: int) -> str:
    """The name of a label by its id, or its number."""
    label = LABEL_OF_ID.get(label_id)
    return label.name if label else str(label_id)


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """The most suspicious first; equal ones by frame and place."""
    return sorted(findings, key=lambda each: (-each.score, each.frame, each.reason, each.box))


def rarity(times: Any, chances: Any) -> Any:
    """How rare something is that happened `times` in `chances` cases: 0 for always, 1 for never.

    The logarithm of the share, half a case added. Few chances prove little: then it is less.
    """
    times, chances = np.asarray(times, np.float64), np.asarray(chances, np.float64)
    least = np.log(0.5 / (chances + 1))
    share = np.log(np.minimum(1.0, (times + 0.5) / (chances + 1)))
    return share / least * chances / (chances + _FEW)


_FEW: Final = 2.0


def findings_folder(data: Path, runs: Path) -> Path:
    """Where the findings of the dataset `data` lie, beside its ledger: AUDIT and NETWORK."""
    return ledger_file(data, runs).with_suffix("")


#: Tables in the `findings_folder`: without a network, and with one.
AUDIT: Final = "audit.parquet"
NETWORK: Final = "network.parquet"

#: The key of a table's metadata.
_EVIDENCE: Final = "evidence"
_BOX: Final = ("top", "left", "bottom", "right")
_TEXTS: Final = ("frame", "reason", "side", "label", "other", "predicted", "run")
#: Of tables that were written before networks were asked.
_OPTIONAL: Final = ("predicted", "confidence", "run")


def write_findings(path: Path, findings: Sequence[Finding]) -> None:
    """Write findings as a Parquet table, in their order; raises OSError.

    Its columns are those of a table of regions (`frame side train_id top left bottom right
    pixels`), and `reason score label other predicted confidence run`. Where the evidence of each
    network lies is in the table's metadata.
    """
    import pyarrow as pa
    from pyarrow import parquet

    boxes = np.array([each.box for each in findings], np.int32).reshape(-1, 4).T

    def texts(name: str) -> Any:
        values = [utf8(getattr(each, name)) for each in findings]
        return pa.array(values, pa.string()).dictionary_encode()

    table = pa.table(
        {
            "frame": texts("frame"),
            "side": texts("side"),
            "train_id": np.array([each.train_id for each in findings], np.uint8),
            **dict(zip(_BOX, boxes, strict=True)),
            "pixels": np.array([each.pixels for each in findings], np.int64),
            "reason": texts("reason"),
            "score": np.array([each.score for each in findings], np.float32),
            "label": texts("label"),
            "other": texts("other"),
            "predicted": texts("predicted"),
            "confidence": np.array([each.confidence for each in findings], np.float32),
            "run": texts("run"),
        }
    )
    places = {_network(each.frame, each.run): each.evidence for each in findings if each.evidence}
    table = table.replace_schema_metadata({_EVIDENCE: json.dumps(places)} if places else None)
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(buffer.getvalue())


def read_findings(path: Path) -> list[Finding]:
    """The findings in a file of `write_findings`, in their order.

    Raises ReviewError if the file cannot be read, is damaged or another table.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        check_regular(path)
        table = parquet.read_table(path)
        columns = {name: table[name].to_pylist() for name in table.column_names}
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or "it is damaged or no Parquet file"
        raise ReviewError(
            f"The findings in {path} cannot be read ({reason}): repeat the audit that writes them"
        ) from error
    if problem := _problem(columns):
        raise ReviewError(
            f"{path} is no table of findings ({problem}): repeat the audit that writes it"
        )
    boxes = list(zip(*(columns[name] for name in _BOX), strict=True))
    names = [field.name for field in fields(Finding) if field.name in columns]
    rows = zip(*(columns[name] for name in names), strict=True)
    places = _places(table.schema.metadata or {})
    found = []
    for box, row in zip(boxes, rows, strict=True):
        each = Finding(box=box, **dict(zip(names, row, strict=True)))
        place = places.get(_network(each.frame, each.run))
        found.append(replace(each, evidence=place) if place else each)
    return found


def _network(frame: str, run: str) -> str:
    """What the folder of a finding's evidence depends on: the split, and the network."""
    return f"{frame.split('/')[0]} {run}"


def _places(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    """The folders of evidence by `_network`; none where they are damaged or missing."""
    try:
        return parse_as(metadata.get(_EVIDENCE.encode(), b"{}"), dict[str, str])
    except JsonError:
        return {}


def _problem(columns: dict[str, list[Any]]) -> str:
    """Why the columns are not those of findings, a clause; empty if they are."""
    numbers = ("train_id", "pixels", *_BOX)
    required = [name for name in (*_TEXTS, *numbers, "score") if name not in _OPTIONAL]
    if missing := [name for name in required if name not in columns]:
        return f"it has no column {missing[0]}"
    for names, kind in ((_TEXTS, str), (numbers, int), (("score", "confidence"), float)):
        for name in names:
            if not all(isinstance(value, kind) for value in columns.get(name, [])):
                return f"the column {name} has a value of another type"
    if unknown := next((each for each in columns["reason"] if each not in REASONS), None):
        return f"it has the unknown reason {unknown[:40]}"
    if not all(isfinite(score) for score in columns["score"]):
        return "it has a score that is no number"
    return ""


def region_of(finding: Finding, label_map: Uint8Array) -> Region:
    """The pixels of a finding in its frame.

    `label_map` is (H, W) uint8, the train ids of the truth or of the prediction, as `side` says.
    The region is the connected component (by edges, as where regions are found) of `train_id` that
    fits the box best. Where none does, as where two files disagree, it is the box; for a whole
    frame, or a box that lies outside of the map, it is the frame. Raises ValueError for a map
    without a pixel.
    """
    height, width = label_map.shape
    top, left, bottom, right = finding.box
    is_inside = 0 <= top < bottom <= height and 0 <= left < right <= width
    if finding.side == "picture" or not is_inside:
        return Region.of(np.ones((height, width), np.bool_))
    # So far around that a component which continues outside of it does not fit the box.
    y, x = max(0, 2 * top - bottom), max(0, 2 * left - right)
    part = label_map[y : 2 * bottom - top, x : 2 * right - left]
    components = connected_components(
        np.where(part == finding.train_id, part, np.uint8(IGNORE)).astype(np.uint8)
    )
    overlaps = box_ious(components.boxes[1:] + np.array([y, x, y, x]), finding.box)
    if overlaps.max(initial=0) < _LEAST_FIT:
        return Region.of(np.ones((bottom - top, right - left), np.bool_), top, left)
    return Region.of(components.ids == 1 + overlaps.argmax(), y, x)


#: The least IoU of a component's box with that of a finding: the map of a prediction may be one at
#: the network's size, enlarged.
_LEAST_FIT: Final = 0.6
