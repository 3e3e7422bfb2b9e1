"""Scores on disk: a JSON file, and beside it the counts of each frame as an .npz file."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cityseg.errors import ScoreError
from cityseg.evaluation.reviewed import Reviewed, ReviewScores
from cityseg.metrics import ConfusionStore, FrameScores, Scores, frame_scores
from cityseg.runs import RunDir
from cityseg.system import (
    LARGE,
    Count,
    FileModel,
    check_output_file,
    read_model,
    read_or_none,
    read_regular_file,
    replacing,
    write_json,
)


def check_scores_file(path: Path) -> None:
    """Check that `write_scores` can write to `path`: to be called before the work, not after it.

    Creates nothing. Raises ScoreError if `path` is the name of its own .npz file, or CitysegError
    if no file can be written to either of them.
    """
    counts = _counts_file(path)
    if counts == path:
        raise ScoreError(
            f"Cannot write scores to {path}: their counts get that name; name a .json file"
        )
    check_output_file(path)
    check_output_file(counts)


def replaced_dataset(path: Path, data: Path, own_data: Path | None) -> str:
    """The other dataset whose scores in `path` those on `data` would replace; empty if none.

    Where the file does not name its dataset, that is taken to be `own_data`.
    """
    before = read_or_none(path, _Replaced, LARGE)
    named = (before.data or own_data) if before else None
    if named is None or Path(named).absolute() == data.absolute():
        return ""
    return str(named)


def replaced_scores(path: Path, data: Path, own_data: Path | None) -> str:
    """A sentence if there is a `replaced_dataset`; else empty."""
    if named := replaced_dataset(path, data, own_data):
        return (
            f"{path} has the scores on {named}: they are replaced by those on {data.absolute()}. "
            "Name another file (--out) to keep both"
        )
    return ""


class _Replaced(FileModel):
    """Of any file of scores, the dataset, which those of version 0.1.0 do not name."""

    data: str = ""


def write_scores(
    path: Path,
    store: ConfusionStore,
    about: Mapping[str, Any],
    reviewed: Reviewed | None = None,
    scores: Scores | None = None,
) -> Path:
    """Write the scores over all frames of `store` as JSON to `path`, and `store` beside it.

    `about` comes first in the JSON: what was scored. `reviewed` is its field "review", without
    which there is none; `scores` are by default those of `store`. Returns the path of the .npz
    file. Raises ScoreError as `check_scores_file` does, or OSError.
    """
    check_scores_file(path)
    frames = {
        "frames": len(store.names),
        "frames_with_instances": int(np.count_nonzero(store.has_instances)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_confusions(_counts_file(path), store)
    review = {"review": reviewed.to_json(store)} if reviewed else {}
    write_json(path, {**about, **frames, **review, **(scores or store.scores()).to_json()})
    return _counts_file(path)


def _counts_file(path: Path) -> Path:
    return path.with_suffix(".npz")


def save_confusions(path: Path, store: ConfusionStore) -> None:
    """Write `store` as an .npz file, whole or not at all. Raises OSError."""
    arrays = {field.name: np.asarray(getattr(store, field.name)) for field in fields(store)}
    with replacing(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def load_confusions(path: Path) -> ConfusionStore:
    """Read a file of `save_confusions`; raises ScoreError if it is missing, damaged or another."""
    try:
        content = read_regular_file(path)
    except OSError as error:
        raise ScoreError(
            f"Cannot read {path} ({error.strerror}): evaluate or score again"
        ) from error
    try:
        arrays = read_arrays(content, [field.name for field in fields(ConfusionStore)])
        store = ConfusionStore(**arrays | {"names": arrays["names"].tolist()})
        _check_arrays(store)
    except Exception as error:  # a damaged archive raises whatever its damage leads to
        raise ScoreError(
            f"{path} is damaged or not a file of counts: evaluate or score again"
        ) from error
    return store


def _check_arrays(store: ConfusionStore) -> None:
    """Raise ValueError if the arrays are not those of one set of frames."""
    empty, count = ConfusionStore.of([]), len(store.names)
    for name in ("confusion", "classes", "categories", "has_instances"):
        found, wanted = getattr(store, name), getattr(empty, name)
        if found.dtype != wanted.dtype or found.shape != (count, *wanted.shape[1:]):
            raise ValueError(f"{name} is {found.shape} {found.dtype}")
    if not all(isinstance(name, str) for name in store.names):
        raise ValueError("names are not text")


def read_arrays(content: bytes, names: Sequence[str]) -> dict[str, Any]:
    """The arrays with these `names` in the `content` of an .npz file; a damaged one raises."""
    # NumPy stops reading an array before zipfile compares its checksum, so a flipped bit would
    # change a count without an error.
    if damaged := zipfile.ZipFile(io.BytesIO(content)).testzip():
        raise zipfile.BadZipFile(damaged)
    with np.lib.npyio.NpzFile(io.BytesIO(content)) as archive:
        return {name: archive[name] for name in names}


class _Scores(FileModel):
    """What is read of a scores-SPLIT.json; the scores in it follow from the counts beside it."""

    epoch: Count
    skipped: list[str]
    split: str
    sliding: bool
    flip: bool
    data: str = ""
    review: ReviewScores | None = None


@dataclass(frozen=True, eq=False)
class SavedEvaluation:
    """An evaluation in a run's folder: its settings, the frames it skipped, and its counts."""

    split: str
    epoch: int
    sliding: bool
    flip: bool
    skipped: list[str]
    store: ConfusionStore
    data: str = ""  # the dataset; unknown in files of version 0.1.0
    review: ReviewScores | None = None

    @cached_property
    def scores(self) -> Scores:
        """Scores over all frames."""
        return self.store.scores()

    @cached_property
    def frames(self) -> FrameScores:
        """Scores of each frame by itself."""
        return frame_scores(self.store)


def load_evaluation(run: RunDir, split: str) -> SavedEvaluation | None:
    """The evaluation of a run on `split`, or None; raises ScoreError if its files are damaged."""
    path = run.scores_file(split)
    about = read_model(
        path, _Scores, ScoreError, "is damaged or holds no scores: evaluate again", LARGE
    )
    if about is None:
        return None
    settings = about.split, about.epoch, about.sliding, about.flip
    return SavedEvaluation(
        *settings, about.skipped, load_confusions(_counts_file(path)), about.data, about.review
    )
