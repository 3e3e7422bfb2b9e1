"""What several pages read, kept for a while and bounded; files are the truth, so nothing stays."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import streamlit as st

from cityseg.data import (
    ANNOTATIONS,
    IMAGES,
    PIXELS,
    REPORT,
    Catalogue,
    Frame,
    find_frames,
    load_catalogue,
)
from cityseg.errors import CheckpointError
from cityseg.evaluation import SavedEvaluation, load_evaluation
from cityseg.runs import MetricRow, RunDir, epoch_rows

if TYPE_CHECKING:
    from cityseg.prediction import Predictor

#: Modification time in ns and size of each file that a cached value was read from.
Stamp = tuple[tuple[int, int], ...]


def stamp(*paths: Path) -> Stamp:
    """What changes when one of the files does; a file that is not there counts too."""
    found = []
    for path in paths:
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)


def frames(data: Path) -> list[Frame]:
    """All frames below `data`, sorted; not to be changed. Raises DatasetError."""
    return _frames(data, _cities(data))


@st.cache_resource(max_entries=4, show_spinner="Looking for frames …")
def _frames(data: Path, folders: Stamp) -> list[Frame]:
    return find_frames(data)


def catalogue(data: Path, masks: Path) -> Catalogue:
    """What is known of all frames below `data`; raises DatasetError."""
    left_behind = stamp(masks / REPORT, masks / PIXELS)
    return _catalogue(data, masks, (*_cities(data), *left_behind, *_cities_of_masks(masks)))


@st.cache_resource(max_entries=4, show_spinner="Looking for frames …")
def _catalogue(data: Path, masks: Path, files: Stamp) -> Catalogue:
    return load_catalogue(frames(data), masks)


def _cities(data: Path) -> Stamp:
    """What changes when a file comes or goes where frames lie: a stat a folder, not a file."""
    tops = [top for kind in (IMAGES, ANNOTATIONS) for top in (kind, f"*/{kind}")]
    found = [data.glob(f"{top}{below}") for top in tops for below in ("", "/*", "/*/*")]
    return stamp(data, *sorted(folder for folders in found for folder in folders))


def _cities_of_masks(masks: Path) -> Stamp:
    return stamp(masks, *sorted(masks.glob("*/*")))


def forget_frames() -> None:
    """After files of a dataset changed: look again."""
    _frames.clear()
    _catalogue.clear()


def evaluation(run: RunDir, split: str) -> SavedEvaluation | None:
    """The run's evaluation on `split`, or None; not to be changed. Raises ScoreError."""
    scores = run.scores_file(split)
    return _evaluation(run.path, split, stamp(scores, scores.with_suffix(".npz")))


@st.cache_resource(max_entries=8, show_spinner="Reading scores …")
def _evaluation(run: Path, split: str, files: Stamp) -> SavedEvaluation | None:
    return load_evaluation(RunDir(run), split)


def epochs(run: RunDir) -> list[MetricRow]:
    """The run's rows at the ends of epochs; not to be changed."""
    return _epochs(run.path, stamp(run.metrics_file))


@st.cache_resource(max_entries=32, show_spinner=False)
def _epochs(run: Path, files: Stamp) -> list[MetricRow]:
    return epoch_rows(RunDir(run).metrics())


@dataclass(frozen=True, slots=True)
class Upload:
    """A weights file that somebody handed in; `id` tells it from every other."""

    id: str
    name: str
    content: bytes = field(repr=False)


def version(weights: Path | Upload) -> tuple[object, ...]:
    """What is another one when the weights are."""
    return (weights.id,) if isinstance(weights, Upload) else (weights, stamp(weights))


def predictor(weights: Path | Upload) -> "Predictor":
    """The network of a weights file, loaded once for all sessions.

    Raises CheckpointError. What predicts with it takes its turn: see `inference`.
    """
    return _predictor(version(weights), weights)


@st.cache_resource(max_entries=2, show_spinner="Loading the network …")
def _predictor(version: tuple[object, ...], _weights: Path | Upload) -> "Predictor":
    from cityseg.prediction import Predictor  # torch takes seconds to import

    if isinstance(_weights, Path):
        return Predictor.load(_weights)
    with TemporaryDirectory() as folder:
        file = Path(folder, "uploaded.safetensors")
        file.write_bytes(_weights.content)
        try:
            return Predictor.load(file)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(str(file), _weights.name)) from error
