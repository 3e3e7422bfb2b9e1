"""Questions to the table of regions that evidence has: which regions are behind a score.

The table is read by parts, and of each only the rows and columns that a question needs, so that
memory does not grow with the number of frames.
"""

from collections.abc import Sequence
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any, Final, NamedTuple

from cityseg.errors import ScoreError
from cityseg.evaluation.evidence_files import REGIONS
from cityseg.metrics import ERROR_KINDS
from cityseg.wording import utf8

_BOUNDARY, _EXTENT, _SEGMENT = ERROR_KINDS
#: Columns that evidence of version 1 has not: see `region_columns`.
_BOUNDARY_COLUMN: Final = "boundary_errors"
_OTHER_COLUMN: Final = "other_errors"


class RegionQuery(NamedTuple):
    """Which regions are wanted; None and the defaults let all pass.

    `side` is one of SIDES: the map that the regions are of. `train_id` is their class there, and
    `other` the most frequent class of their pixels in the other map, 255 if that is ignored.
    `kind` is one of ERROR_KINDS: only regions with such errors pass, those with most of them first.
    Evidence of version 1 has no column for them. There

    - "segment" are regions without a right pixel, largest first;
    - "extent" are regions with right and wrong pixels, most wrong pixels first, as far as the table
      has them: where most pixels are wrong, those of the most frequent wrong class;
    - "boundary" are the same regions, longest contour first.

    Without a kind, those with the most pixels come first, of these only pixels of the class `other`
    where it is given. `confidence` has the least and the largest mean, 0–1.
    """

    side: str
    train_id: int | None = None
    other: int | None = None
    kind: str | None = None
    frames: tuple[str, ...] | None = None
    least_pixels: int = 0
    confidence: tuple[float, float] = (0.0, 1.0)


class Region(NamedTuple):
    """A row of the table: see `region_columns`. `counted` are the pixels that it is ordered by."""

    frame: str
    side: str
    train_id: int
    top: int
    left: int
    bottom: int
    right: int
    pixels: int
    confidence: float
    other: int
    other_share: float
    iou: float
    counted: int


class FoundRegions(NamedTuple):
    """The first regions that a question finds; the number of all, and their `counted` pixels.

    `has_errors` says whether the table has the errors of each region by kind.
    """

    first: list[Region]
    number: int
    counted: int
    has_errors: bool = True


def find_regions(folder: Path, query: RegionQuery, most: int = 1000) -> FoundRegions:
    """Find regions in a folder of evidence, at most `most` of them; raises ScoreError."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as datasets

    best, number, counted, has_errors = None, 0, 0, True
    keys = [("counted", "descending"), *((name, "ascending") for name in ("frame", "top", "left"))]
    try:
        table = datasets.dataset(folder / REGIONS, format="parquet")
        has_errors = _BOUNDARY_COLUMN in table.schema.names
        counted_pixels = _counted(query) if has_errors else _counted_of_version_1(query)
        columns = _columns() | {"counted": counted_pixels}
        condition = _condition(query, has_errors)
        for batch in table.to_batches(columns=columns, filter=condition):
            if not batch.num_rows:
                continue
            part = pa.Table.from_batches([batch])
            number += part.num_rows
            counted += pc.sum(part["counted"]).as_py()
            part = part if best is None else pa.concat_tables([best, part])
            best = part.take(pc.select_k_unstable(part, min(most, part.num_rows), sort_keys=keys))
    except (OSError, pa.ArrowException) as error:
        raise ScoreError(
            f"The regions in {folder / REGIONS} cannot be read ({error}): remove {folder}, and "
            "collect the evidence again"
        ) from error
    rows = [] if best is None else best.to_pylist()
    return FoundRegions([Region(**row) for row in rows], number, counted, has_errors)


_PLAIN: Final = tuple(name for name in Region._fields if name not in ("frame", "side", "counted"))


def _columns() -> dict[str, Any]:
    """The columns of `Region` but the last as expressions."""
    import pyarrow.compute as pc

    texts = {name: pc.field(name).cast("string") for name in ("frame", "side")}
    return texts | {name: pc.field(name) for name in _PLAIN}


def _counted(query: RegionQuery) -> Any:
    import pyarrow.compute as pc

    if query.kind is not None:
        return pc.field(_BOUNDARY_COLUMN if query.kind == _BOUNDARY else _OTHER_COLUMN)
    return pc.field("pixels") if query.other is None else _share_of_pixels(pc.field("other_share"))


def _counted_of_version_1(query: RegionQuery) -> Any:
    import pyarrow.compute as pc

    if query.kind == _BOUNDARY:
        return _share_of_pixels(pc.field("contour_share"))
    if query.kind == _EXTENT:
        is_right = pc.field("other") == pc.field("train_id")
        share = pc.field("other_share").cast("float64")
        return _share_of_pixels(pc.if_else(is_right, pc.scalar(1.0) - share, share))
    return pc.field("pixels") if query.kind else _counted(query)


def _share_of_pixels(share: Any) -> Any:
    import pyarrow.compute as pc

    return pc.round(pc.field("pixels").cast("float64") * share.cast("float64")).cast("int64")


def _condition(query: RegionQuery, has_errors: bool) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    low, high = query.confidence
    conditions = [pc.field("side") == query.side, pc.field("pixels") >= query.least_pixels]
    if query.train_id is not None:
        conditions.append(pc.field("train_id") == query.train_id)
    if query.other is not None:
        conditions.append(pc.field("other") == query.other)
    if query.frames is not None:
        conditions.append(pc.field("frame").isin(pa.array(map(utf8, query.frames), pa.string())))
    if (low, high) != (0.0, 1.0):
        conditions += [pc.field("confidence") >= low, pc.field("confidence") <= high]
    if query.kind is not None:
        conditions += (_of_kind if has_errors else _of_kind_of_version_1)(query.kind)
    return reduce(and_, conditions)


def _of_kind(kind: str) -> Sequence[Any]:
    import pyarrow.compute as pc

    if kind == _BOUNDARY:
        return [pc.field(_BOUNDARY_COLUMN) > 0]
    is_found = pc.field("iou") > 0
    return [pc.field(_OTHER_COLUMN) > 0, is_found if kind == _EXTENT else ~is_found]


def _of_kind_of_version_1(kind: str) -> Sequence[Any]:
    """A region has a right pixel exactly if one of its class overlaps it in the other map."""
    import pyarrow.compute as pc

    if kind == _SEGMENT:
        return [pc.field("iou") == 0]
    is_all_right = (pc.field("other") == pc.field("train_id")) & (pc.field("other_share") == 1)
    return [pc.field("iou") > 0, ~is_all_right]
