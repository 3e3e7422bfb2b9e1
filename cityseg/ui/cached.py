"""What several pages read from files, cached for all sessions until the files change.

Arguments whose names do not begin with an underscore are the key of `st.cache_resource`; stamps of
files are among them, so that a changed file is read again. The caches return the same object to
every session: nobody may change it. Each has `max_entries`, because Streamlit's are unbounded.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import streamlit as st

from cityseg.data import (
    PIXELS,
    REPORT,
    Catalogue,
    Frame,
    Reading,
    Report,
    Verdict,
    examine,
    find_frames,
    folder_warnings,
    load_catalogue,
    reading_of,
    recognised_pairs,
    watched_folders,
)
from cityseg.errors import DatasetError
from cityseg.evaluation import ABOUT, Evidence, SavedEvaluation, load_evaluation, load_evidence
from cityseg.review import Finding, Ledger, read_findings
from cityseg.runs import MetricRow, RunDir, epoch_rows
from cityseg.system import Stamp, file_digest, file_stamp

#: The stamp of each file that a cached value was read from.
Stamps = tuple[Stamp, ...]

_Function = TypeVar("_Function", bound=Callable[..., Any])
#: By function and arguments, what it returned in this run of a script.
_looked: Final[ContextVar[dict[tuple[str, Any], Any] | None]] = ContextVar("looked", default=None)


@contextmanager
def one_look() -> Iterator[None]:
    """In the block, what is marked with `once` is looked up once: a page asks dozens of times."""
    token = _looked.set({})
    try:
        yield
    finally:
        _looked.reset(token)


def once(function: _Function) -> _Function:
    """Let `function` return what it has returned before in the same `one_look`."""

    @wraps(function)
    def look(*arguments: Any) -> Any:
        if (looked := _looked.get()) is None:
            return function(*arguments)
        key = function.__name__, arguments
        if key not in looked:
            looked[key] = function(*arguments)
        return looked[key]

    return look  # type: ignore[return-value]


def stamp(*paths: Path) -> Stamps:
    """A value that changes when one of the files changes, appears or disappears."""
    found = []
    for path in paths:
        try:
            found.append(file_stamp(path))
        except OSError:
            found.append((0, 0))
    return tuple(found)


@once
def frames(data: Path, masks: Path, layout: str | None = None) -> list[Frame]:
    """All frames below `data`, sorted, as `data.find_frames` lists them. Raises DatasetError."""
    return _frames(data, masks, layout, (*_cities(data, masks, layout), *stamp(masks / REPORT)))


@st.cache_resource(max_entries=4, show_spinner="Looking for frames …")
def _frames(data: Path, masks: Path, layout: str | None, files: Stamps) -> list[Frame]:
    return find_frames(data, layout=layout, masks=masks)


def warnings_of_folders(data: Path, masks: Path) -> list[str]:
    """What is odd about the folders of `data`, for the page Masks. Raises DatasetError."""
    return _warnings_of_folders(data, masks, (*_cities(data, masks), *stamp(masks / REPORT)))


@st.cache_resource(max_entries=4, show_spinner=False)
def _warnings_of_folders(data: Path, masks: Path, files: Stamps) -> list[str]:
    how = "choose under More options the layout"
    return folder_warnings(data, frames(data, masks), masks=masks, name_layout=how)


@once
def number_of_pairs(data: Path) -> int:
    """How many pairs of picture and colour map `data` holds instead of frames."""
    return _number_of_pairs(data, stamp(data, data / "train", data / "val"))


@st.cache_resource(max_entries=4, show_spinner=False)
def _number_of_pairs(data: Path, folders: Stamps) -> int:
    found = recognised_pairs(data)
    return len(found.pairs) if found else 0


@once
def missing_frames(data: Path, masks: Path) -> str:
    """Why there are no frames below `data`; empty if there are some."""
    try:
        frames(data, masks)
    except DatasetError as error:
        return str(error)
    return ""


@once
def reading(data: Path, masks: Path) -> Reading:
    """How the annotations below `data` are read. Raises DatasetError."""
    return _reading(data, masks, (*_cities(data, masks), *stamp(masks / REPORT)))


@st.cache_resource(max_entries=4, show_spinner="Looking at annotations …")
def _reading(data: Path, masks: Path, files: Stamps) -> Reading:
    return reading_of(frames(data, masks), masks)


def verdict(data: Path, masks: Path, layout: str | None, splits: tuple[str, ...]) -> Verdict:
    """What a conversion of `splits` would find the encoding to be. Raises DatasetError."""
    files = (*_cities(data, masks, layout), *stamp(masks / REPORT))
    return _verdict(data, masks, layout, splits, files)


@st.cache_resource(max_entries=16, show_spinner="Looking at annotations …")
def _verdict(
    data: Path, masks: Path, layout: str | None, splits: tuple[str, ...], files: Stamps
) -> Verdict:
    chosen = [frame for frame in frames(data, masks, layout) if frame.split in splits]
    return examine(chosen, Report.load(masks))


@once
def catalogue(data: Path, masks: Path) -> Catalogue:
    """What is known of all frames below `data`; raises DatasetError."""
    of_conversion = stamp(masks / REPORT, masks / PIXELS)
    files = (*_cities(data, masks), *of_conversion, *_cities_of_masks(masks))
    return _catalogue(data, masks, files)


@st.cache_resource(max_entries=4, show_spinner="Looking for frames …")
def _catalogue(data: Path, masks: Path, files: Stamps) -> Catalogue:
    return load_catalogue(frames(data, masks), masks, data)


def pixel_aspect(data: Path, masks: Path) -> float:
    """The width of the pixels of the frames below `data` divided by their height.

    Raises DatasetError.
    """
    return catalogue(data, masks).pixel_aspect.value


@once
def _cities(data: Path, masks: Path, layout: str | None = None) -> Stamps:
    """A stamp of the folders of frames, which changes when a file appears or disappears.

    One stat for each folder: thousands of files would take too long at every run of a page.
    """
    return stamp(data, *watched_folders(data, layout, masks))


def _cities_of_masks(masks: Path) -> Stamps:
    return stamp(masks, *sorted(masks.glob("*/*")))


def forget_frames() -> None:
    """Look for frames again: the time of a folder does not show changes inside its files."""
    for each in (_frames, _warnings_of_folders, _reading, _verdict, _catalogue):
        each.clear()
    if looked := _looked.get():
        looked.clear()


def evaluation(run: RunDir, split: str) -> SavedEvaluation | None:
    """The run's evaluation on `split`, or None if there is none. Raises ScoreError."""
    scores = run.scores_file(split)
    return _evaluation(run.path, split, stamp(scores, scores.with_suffix(".npz")))


@st.cache_resource(max_entries=8, show_spinner="Reading scores …")
def _evaluation(run: Path, split: str, files: Stamps) -> SavedEvaluation | None:
    return load_evaluation(RunDir(run), split)


def evidence(folder: Path) -> Evidence:
    """The evidence in `folder`. Raises ScoreError."""
    return _evidence(folder, stamp(folder / ABOUT))


@st.cache_resource(max_entries=6, show_spinner="Reading evidence …")
def _evidence(folder: Path, files: Stamps) -> Evidence:
    return load_evidence(folder)


def weights_digest(path: Path) -> str:
    """What evidence calls the weights in the file `path`; empty if it cannot be read."""
    return _weights_digest(path, stamp(path))


@st.cache_resource(max_entries=64, show_spinner=False)
def _weights_digest(path: Path, files: Stamps) -> str:
    return file_digest(path)


def epochs(run: RunDir) -> list[MetricRow]:
    """The run's rows at the ends of epochs."""
    return _epochs(run.path, stamp(run.metrics_file), run)


@st.cache_resource(max_entries=32, show_spinner=False)
def _epochs(path: Path, files: Stamps, _run: RunDir) -> list[MetricRow]:
    return epoch_rows(_run.metrics())


def ledger(path: Path) -> Ledger:
    """The ledger in a file, with all lines that are there now. Raises ReviewError."""
    found = _ledger(path)
    found.refresh()
    return found


@st.cache_resource(max_entries=8, show_spinner=False)
def _ledger(path: Path) -> Ledger:
    """One for all sessions, which reads only what was appended."""
    return Ledger(path)


def findings(path: Path) -> list[Finding]:
    """The findings of an audit or of a ranking. Raises ReviewError."""
    return _findings(path, stamp(path))


@st.cache_resource(max_entries=4, show_spinner="Reading findings …")
def _findings(path: Path, files: Stamps) -> list[Finding]:
    return read_findings(path)
