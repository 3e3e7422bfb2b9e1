"""What an audit finds in the frames of a dataset: suspicious regions, ranked, as a table."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cityseg.labels import IGNORE, LABEL_OF_ID
from cityseg.system import replacing

#: Reason code -> what it means. The order is that of summaries.
REASONS: Final = {
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

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """A region of a frame that may be wrong.

    `side` is "truth" or "picture". `label` is the label's name, empty for whole frames. `box` is
    top, left, bottom, right, the last two exclusive. `score` is 0–1, 1 is the most suspicious.
    `other` is the label that the region meets, or the other frame, or why a file is unreadable.
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


def write_findings(path: Path, findings: Sequence[Finding]) -> None:
    """Write findings as a Parquet table, in their order; raises OSError.

    Its columns are those of a table of regions (`frame side train_id top left bottom right
    pixels`), and `reason score label other`.
    """
    import pyarrow as pa
    from pyarrow import parquet

    boxes = np.array([each.box for each in findings], np.int32).reshape(-1, 4).T

    def texts(name: str) -> Any:
        # Names of files that are not UTF-8 have no place in a table.
        values = [str(getattr(each, name)).encode(errors="replace").decode() for each in findings]
        return pa.array(values, pa.string()).dictionary_encode()

    table = pa.table(
        {
            "frame": texts("frame"),
            "side": texts("side"),
            "train_id": np.array([each.train_id for each in findings], np.uint8),
            **dict(zip(("top", "left", "bottom", "right"), boxes, strict=True)),
            "pixels": np.array([each.pixels for each in findings], np.int64),
            "reason": texts("reason"),
            "score": np.array([each.score for each in findings], np.float32),
            "label": texts("label"),
            "other": texts("other"),
        }
    )
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(buffer.getvalue())
