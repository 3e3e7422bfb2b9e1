"""Evidence on disk: for each frame of a split, counts that add up, and a table of its regions.

A folder of evidence has

- `evidence.json`: the network, the split, the options, and what identifies them (`key`);
- `part-00000.npz` and so on, each with the counts of up to 32 frames: a pass that was interrupted
  continues after the last of them, and no more than one part is ever in memory while it runs;
- `regions/part-00000.parquet`, the table of the regions of the same frames (`region_columns`),
  which pandas, DuckDB or a spreadsheet open as one;
- `pictures/<frame>_train_ids.png` and `_confidence.png`, at the network's size, unless left out.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from cityseg.arrays import BoolArray, FloatArray, IntArray, Uint8Array
from cityseg.data import png
from cityseg.errors import ScoreError
from cityseg.evaluation.files import read_arrays
from cityseg.evaluation.truth import Counted
from cityseg.labels import CLASS_NAMES, NUM_CLASSES
from cityseg.metrics import (
    CONFIDENCE_BINS,
    SIDES,
    ConfidenceCounts,
    ConfusionStore,
    FrameCounts,
    FrameScores,
    Scores,
    class_confusion,
    frame_scores,
)
from cityseg.system import Count, FileModel, read_or_none, replacing, write_json
from cityseg.wording import utf8

ABOUT: Final = "evidence.json"
REGIONS: Final = "regions"
PICTURES: Final = "pictures"
#: Frames of a part: few enough to lose little, many enough for small files.
PART_FRAMES: Final = 32
#: To be increased whenever the same frames would give other counts. 2: regions have their errors by
#: kind, and confidence is rounded once.
FORMAT: Final = 2

_HISTOGRAM_SHAPE: Final = (NUM_CLASSES, NUM_CLASSES, CONFIDENCE_BINS)


@dataclass(frozen=True, slots=True, eq=False)
class FrameEvidence:
    """What the pass finds out about one frame; the arrays are those of `metrics`.

    `counted` has the counts of `evaluate`; `regions` are the columns of `region_columns`;
    `coarse_train_ids` and `coarse_confidence` are (h, w) uint8, at the network's size.
    """

    counted: Counted
    boundary: IntArray
    errors: IntArray
    confidence: ConfidenceCounts
    regions: Mapping[str, Mapping[str, npt.NDArray[Any]]]
    coarse_train_ids: Uint8Array
    coarse_confidence: Uint8Array

    @property
    def counts(self) -> FrameCounts:
        """The counts of `evaluate`."""
        return self.counted.counts


class EvidenceAbout(FileModel):
    """The content of evidence.json: what was examined, how, and how far.

    `weights` is a digest of the weights file; `key` stands for it, the options, the content of
    all annotations and how they are read, and the `corruption` of the pictures, such as fog:3.
    `clean_key` is the key of the same without a corruption. `classes` are the names of those that
    the network can answer.
    """

    key: str
    clean_key: str = ""
    corruption: str = ""
    weights: str
    checkpoint: str
    epoch: int
    data: str
    split: str
    sliding: bool
    flip: bool
    size_hw: Annotated[tuple[int, int], Field(strict=False)] | None  # JSON has lists, not tuples
    classes: list[str] = Field(default_factory=lambda: list(CLASS_NAMES))
    frames: Count
    parts: Count
    is_done: bool = False

    def is_of(self, data: Path) -> bool:
        """Whether the frames are those of the dataset `data`."""
        return Path(self.data).resolve() == data.resolve()

    def write(self, folder: Path) -> None:
        """Write it into a folder of evidence; raises OSError."""
        write_json(folder / ABOUT, self.model_dump(mode="json"))


class _Counts(NamedTuple):
    """The arrays of a part or of several, N frames: those of ConfusionStore, and beside them

    `skipped` a text "frame: reason" for each frame that was left out; `boundary` (N, 19, 3) and
    `errors` (N, 19, 2, 3) int64; the histogram over (truth, prediction,
    confidence) without its empty cells, those of frame i in cells[offsets[i] : offsets[i + 1]]; and
    `confidence` (N, 19, 32) int64.
    """

    names: npt.NDArray[np.str_]
    skipped: npt.NDArray[np.str_]
    confusion: npt.NDArray[np.uint32]
    classes: FloatArray
    categories: FloatArray
    has_instances: npt.NDArray[np.bool_]
    boundary: IntArray
    errors: IntArray
    cells: npt.NDArray[np.uint16]
    cell_pixels: npt.NDArray[np.uint32]
    offsets: IntArray
    confidence: IntArray


_STORE_FIELDS: Final = tuple(field.name for field in fields(ConfusionStore))


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence of N frames: sums over any of them are exact, without a prediction.

    `frames` in the methods are (K,) indices or a (N,) bool mask. A class that the network cannot
    answer has no scores; its pixels are in `class_confusions`, `errors` and the table of regions.
    """

    folder: Path
    about: EvidenceAbout
    counts: _Counts

    @cached_property
    def store(self) -> ConfusionStore:
        """The confusions, as `evaluate` keeps them."""
        arrays = {name: getattr(self.counts, name) for name in _STORE_FIELDS}
        return ConfusionStore(**arrays | {"names": self.counts.names.tolist()})

    @cached_property
    def classes(self) -> frozenset[str]:
        """The names of the classes that the network can answer."""
        return frozenset(self.about.classes)

    @cached_property
    def is_answered(self) -> BoolArray:
        """(19,) bool: whether the network can answer the class."""
        return np.array([name in self.classes for name in CLASS_NAMES])

    @cached_property
    def frame_scores(self) -> FrameScores:
        """The scores of each frame by itself."""
        return frame_scores(self.store, self.classes)

    @cached_property
    def class_confusions(self) -> IntArray:
        """(N, 19, 20) int64 confusions of train ids."""
        frames = [class_confusion(each.astype(np.int64)) for each in self.store.confusion]
        return np.array(frames, np.int64).reshape(-1, NUM_CLASSES, NUM_CLASSES + 1)

    @property
    def skipped(self) -> list[str]:
        """A text "frame: reason" for each annotated frame that could not be examined."""
        texts: list[str] = self.counts.skipped.tolist()
        return texts

    def scores(self, frames: IntArray | BoolArray | slice = slice(None)) -> Scores:
        """The official scores of some frames."""
        return replace(self.store.scores(frames), classes=self.classes)

    def boundary(self, frames: IntArray | BoolArray | slice = slice(None)) -> IntArray:
        """(19, 3) int64: the sum of the `boundary_counts`."""
        return np.asarray(self.counts.boundary[frames].sum(axis=0) * self.is_answered[:, None])

    def errors(self, frames: IntArray | BoolArray | slice = slice(None)) -> IntArray:
        """(19, 2, 3) int64: the sum of the `error_counts`."""
        return np.asarray(self.counts.errors[frames].sum(axis=0))

    def confidence(self, frames: IntArray | BoolArray | slice = slice(None)) -> ConfidenceCounts:
        """The sum of the `confidence_counts`."""
        counts = self.counts
        chosen = np.zeros(len(counts.names), bool)
        chosen[frames] = True
        of_cell = np.repeat(chosen, np.diff(counts.offsets))
        histogram = np.bincount(
            counts.cells[of_cell], counts.cell_pixels[of_cell], np.prod(_HISTOGRAM_SHAPE)
        )
        return ConfidenceCounts(
            histogram.astype(np.int64).reshape(_HISTOGRAM_SHAPE),
            counts.confidence[chosen].sum(axis=0),
        )

    def regions(self, columns: Sequence[str] | None = None) -> Any:
        """The table of all regions, a pyarrow.Table: see `region_columns`, and `frame`, `side`."""
        import pyarrow.dataset as datasets

        return datasets.dataset(self.folder / REGIONS, format="parquet").to_table(columns)


def find_evidence(folder: Path, split: str) -> list[tuple[Path, EvidenceAbout]]:
    """The `evidence_below` a folder of frames as they are, without a corruption."""
    return [(path, about) for path, about in evidence_below(folder, split) if not about.corruption]


def evidence_below(folder: Path, split: str) -> list[tuple[Path, EvidenceAbout]]:
    """The folders of evidence on `split` below `folder`, finished or not, the newest first."""
    abouts = sorted(folder.glob(f"{split}-*/{ABOUT}"), key=_time, reverse=True)
    found = [(path.parent, read_or_none(path, EvidenceAbout)) for path in abouts]
    return [(path, about) for path, about in found if about and about.split == split]


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # removed meanwhile
        return 0


def load_evidence(folder: Path) -> Evidence:
    """Open a folder of evidence; raises ScoreError if it is missing, unfinished or damaged."""
    about = read_or_none(folder / ABOUT, EvidenceAbout)
    if about is None:
        raise ScoreError(f"{folder} has no evidence: collect it with python -m cityseg evidence")
    if found := whole_evidence(folder, about):
        return found
    frames = sum(len(part.names) for part in whole_parts(folder, about.parts))
    raise ScoreError(
        f"The evidence in {folder} ends after {frames} frames: the same command continues it"
    )


def whole_evidence(folder: Path, about: EvidenceAbout) -> Evidence | None:
    """The evidence in `folder` if `about` says that it is done, and no part is damaged."""
    parts = list(whole_parts(folder, about.parts)) if about.is_done else []
    if not about.is_done or len(parts) < about.parts:
        return None
    return Evidence(folder, about, _joined(parts))


def whole_parts(folder: Path, count: int) -> Iterator[_Counts]:
    """Those of `count` parts that are there, up to the first that is missing or damaged."""
    for number in range(count):
        part = _part(folder, number)
        if part is None:
            return
        yield part


def is_whole_part(folder: Path, number: int) -> bool:
    """Whether a part is there, and not damaged."""
    return _part(folder, number) is not None


def _part(folder: Path, number: int) -> _Counts | None:
    try:
        arrays = read_arrays(part_path(folder, number).read_bytes(), _Counts._fields)
    except Exception:  # a damaged archive raises whatever its damage leads to
        return None
    return _Counts(**arrays)


def part_path(folder: Path, number: int) -> Path:
    """The file with the counts of a part."""
    return folder / f"part-{number:05}.npz"


def write_part(
    folder: Path, number: int, frames: Sequence[FrameEvidence], skipped: Sequence[str] = ()
) -> None:
    """Write the regions and then the counts of some frames; raises OSError.

    A part counts as written when its counts are.
    """
    (folder / REGIONS).mkdir(parents=True, exist_ok=True)
    if frames:
        _write_regions(folder / REGIONS / f"part-{number:05}.parquet", frames)
    with replacing(part_path(folder, number)) as file:
        np.savez_compressed(file, allow_pickle=False, **_collected(frames, skipped)._asdict())


def _collected(frames: Sequence[FrameEvidence], skipped: Sequence[str] = ()) -> _Counts:
    store = ConfusionStore.of([frame.counts for frame in frames])
    arrays = {name: np.asarray(getattr(store, name)) for name in _STORE_FIELDS}
    histograms = [frame.confidence.histogram.ravel() for frame in frames]
    cells = [np.flatnonzero(histogram) for histogram in histograms]
    pixels = [histogram[own] for histogram, own in zip(histograms, cells, strict=True)]
    return _Counts(
        **arrays | {"names": np.array(store.names, np.str_)},
        skipped=np.array(skipped, np.str_),
        boundary=_stacked([frame.boundary for frame in frames], (NUM_CLASSES, 3)),
        errors=_stacked([frame.errors for frame in frames], (NUM_CLASSES, 2, 3)),
        cells=np.concatenate([*cells, []]).astype(np.uint16),
        cell_pixels=np.concatenate([*pixels, []]).astype(np.uint32),
        offsets=np.cumsum([0, *map(len, cells)], dtype=np.int64),
        confidence=_stacked(
            [frame.confidence.confidence for frame in frames], (NUM_CLASSES, CONFIDENCE_BINS)
        ),
    )


def _stacked(arrays: Sequence[IntArray], shape: tuple[int, ...]) -> IntArray:
    return np.array(arrays, np.int64).reshape(-1, *shape)


def _joined(parts: Sequence[_Counts]) -> _Counts:
    parts = [*parts, _collected([])]  # so that there is something to concatenate
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in _Counts._fields
        if name != "offsets"
    }
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    return _Counts(**joined, offsets=np.concatenate([[0], lengths.cumsum()]).astype(np.int64))


def _write_regions(path: Path, frames: Sequence[FrameEvidence]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    names: list[str] = []
    sides: list[str] = []
    columns: dict[str, list[npt.NDArray[Any]]] = {}
    for frame in frames:
        for side in SIDES:
            table = frame.regions[side]
            names += [utf8(frame.counts.name)] * len(table["pixels"])
            sides += [side] * len(table["pixels"])
            for name, values in table.items():
                columns.setdefault(name, []).append(values)
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    table = pa.table(
        {
            "frame": pa.array(names, pa.string()).dictionary_encode(),
            "side": pa.array(sides, pa.string()).dictionary_encode(),
            **arrays,
        }
    )
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    with replacing(path) as file:
        file.write(buffer.getvalue())


def picture_paths(folder: Path, frame: str) -> tuple[Path, Path]:
    """The files with the prediction (train ids) and the confidence of a frame."""
    stem = folder / PICTURES / frame
    return stem.with_name(f"{stem.name}_train_ids.png"), stem.with_name(
        f"{stem.name}_confidence.png"
    )


def write_pictures(folder: Path, frames: Iterable[FrameEvidence]) -> None:
    """Write the prediction and the confidence of each frame as grey PNGs; raises OSError."""
    for frame in frames:
        maps = frame.coarse_train_ids, frame.coarse_confidence
        for path, pixels in zip(picture_paths(folder, frame.counts.name), maps, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, durable=False) as file:
                file.write(png.encode_grey(pixels))
