"""The evidence of the chosen runs: which there is, and which frames of it are looked at.

What the views of evidence show is recomputed from sums for the frames that are chosen here.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.arrays import BoolArray, IntArray
from cityseg.errors import CheckpointError, CitysegError
from cityseg.evaluation import Evidence, EvidenceAbout, find_evidence, frame_sums
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import FrameSums, SampledScores, sampled_scores
from cityseg.ui import address, cached
from cityseg.ui.folders import Folders
from cityseg.ui.results.chosen_runs import ChosenRun, Comparison, choose_one
from cityseg.ui.tagging import has_tags, known_tags, shown_tags
from cityseg.ui.text import plain, sentence, utf8
from cityseg.wording import counted


class Found(NamedTuple):
    """The folder of evidence that suits a run best.

    `is_current` says whether it is of the run's present weights, `is_of_dataset` whether it is of
    the dataset that is open.
    """

    folder: Path
    about: EvidenceAbout
    is_current: bool
    is_of_dataset: bool


class RunEvidence(NamedTuple):
    """The evidence of a chosen run; `frames` are the indices of those looked at.

    `position` is that of the run among those chosen, which decides its colour. Where there are
    several, frame i of each is the same picture with the same annotation.
    """

    run: ChosenRun
    position: int
    evidence: Evidence
    frames: IntArray


def find(chosen: ChosenRun, data: Path, split: str) -> Found | None:
    """The evidence to show for a run: finished, of this dataset, of the best weights, the newest.

    Where there is none that is all of this, what comes closest, in this order.
    """
    try:
        weights = cached.weights_digest(chosen.run.best)
    except CheckpointError:  # the box was emptied
        return None
    found = [
        Found(folder, about, about.weights == weights, about.is_of(data))
        for folder, about in find_evidence(chosen.run.evidence, split)
    ]
    return max(found, key=_rank, default=None)  # of equal ones the first


def _rank(found: Found) -> tuple[bool, ...]:
    about = found.about
    has_plain_options = not (about.sliding or about.flip or about.size_hw)
    return about.is_done, found.is_of_dataset, found.is_current, has_plain_options


def choose(comparison: Comparison, controls: DeltaGenerator) -> list[RunEvidence]:
    """Draw the choice of frames; the runs with evidence, or none after an explanation."""
    loaded = _load(comparison)
    if not loaded:
        st.info("This view needs evidence: collect it above.", icon=":material/info:")
        return []
    common = _in_common(loaded)
    # A container of their own: conditions stay together where the row of controls is broken.
    with controls.container(
        horizontal=True, vertical_alignment="bottom", width="content", gap="small"
    ):
        chosen = _choose_frames(common[0], comparison.folders)
    if not chosen.any():
        st.info("No frame is in this choice: take away a condition.", icon=":material/info:")
        return []
    return [each._replace(frames=each.frames[chosen]) for each in common]


def _load(comparison: Comparison) -> list[RunEvidence]:
    loaded = []
    for position, run in enumerate(comparison.runs):
        found = find(run, comparison.folders.data, comparison.split)
        if found is None or not found.about.is_done:
            continue
        try:
            evidence = cached.evidence(found.folder)
        except CitysegError as error:  # the other runs are shown without it
            st.error(plain(sentence(error)), icon=":material/error:")
            continue
        everything = np.arange(len(evidence.store.names))
        loaded.append(RunEvidence(run, position, evidence, everything))
    return loaded


def _in_common(loaded: Sequence[RunEvidence]) -> list[RunEvidence]:
    """The runs with the frames that all have with the same annotation; the first if there are none.

    Says so where these are not all frames.
    """
    frames = common_frames([each.evidence for each in loaded])
    count = len(frames[0])
    if not count:
        st.warning(
            f"The evidence of these runs has no frame in common: only {plain(loaded[0].run.name)} "
            "is shown. Collect the evidence of all runs on one dataset to compare them.",
            icon=":material/balance:",
        )
        return [loaded[0]]
    if any(len(each.frames) > count for each in loaded):
        st.warning(
            f"The evidence of these runs is of different frames or annotations: only the "
            f"{counted(count, 'frame')} that all have in common are compared.",
            icon=":material/balance:",
        )
    return [each._replace(frames=own) for each, own in zip(loaded, frames, strict=True)]


def common_frames(evidence: Sequence[Evidence]) -> list[IntArray]:
    """For each of them the indices of the frames that all have, with equally many true pixels."""
    if len(evidence) == 1:
        return [np.arange(len(evidence[0].store.names))]
    tables = [
        {
            (name, truth.tobytes()): index
            for index, (name, truth) in enumerate(
                zip(each.store.names, each.store.confusion.sum(axis=2, dtype="i8"), strict=True)
            )
        }
        for each in evidence
    ]
    shared = [key for key in tables[0] if all(key in other for other in tables[1:])]
    return [np.array([table[key] for key in shared], np.int64) for table in tables]


#: The conditions on frames, each drawn for the evidence and the open dataset, and returning which
#: frames meet it.
_Condition = Callable[[RunEvidence, Folders], BoolArray]


def _choose_frames(first: RunEvidence, folders: Folders) -> BoolArray:
    """Draw the conditions; which of the frames of `first` meet all of them."""
    met = np.logical_and.reduce([condition(first, folders) for condition in _CONDITIONS])
    chosen, count = np.count_nonzero(met), len(met)
    of = "" if chosen == count else f" of {count:,}"
    st.caption(f"{chosen:,}{of} {'frame' if count == 1 else 'frames'}", width="content")
    return np.asarray(met)


def _of_cities(first: RunEvidence, folders: Folders) -> BoolArray:
    names = first.evidence.store.names
    cities = np.array([_city(names[index]) for index in first.frames])
    address.restore("cities", known := sorted(set(cities.tolist())), default=[])
    chosen = st.multiselect(
        "Cities",
        known,
        key="cities",
        placeholder="All",
        on_change=address.keep,
        args=("cities",),
        width=140,
    )
    return np.isin(cities, chosen) if chosen else np.ones(len(cities), bool)


def _city(name: str) -> str:
    return utf8(name.split("/")[-2] if "/" in name else "–")


def _with_class(first: RunEvidence, folders: Folders) -> BoolArray:
    name = st.selectbox(
        "Class present",
        CLASS_NAMES,
        index=None,
        key="present",
        bind="query-params",
        placeholder="Any",
        width=160,
        help="Only frames whose annotation has this class.",
    )
    if name is None:
        return np.ones(len(first.frames), bool)
    scores = first.evidence.frame_scores.class_iou[first.frames, CLASS_NAMES.index(name)]
    return np.asarray(~np.isnan(scores))


def _with_tag(first: RunEvidence, folders: Folders) -> BoolArray:
    tags = shown_tags(folders)
    # A tag that the address names and no frame has any more stays chosen: it would be wrong to
    # show all frames instead.
    known = sorted({*known_tags(tags), *filter(None, st.query_params.get_all("tags"))})
    address.restore("tags", known, default=[])
    chosen = st.multiselect(
        "Tags",
        known,
        key="tags",
        placeholder="Any" if known else "None yet",
        disabled=not known,
        on_change=address.keep,
        args=("tags",),
        width=120,
        help="Frames with one of these tags. To tag a frame, press t on it on the page Browse.",
    )
    names = first.evidence.store.names
    is_tagged = [has_tags(names[index], chosen, tags) for index in first.frames]
    return np.array(is_tagged, bool) if chosen else np.ones(len(is_tagged), bool)


_CONDITIONS: Final[Sequence[_Condition]] = (_of_cities, _with_class, _with_tag)


def choose_run(shown: Sequence[RunEvidence], controls: DeltaGenerator) -> RunEvidence:
    """Draw the choice of one of several runs, for a view of a single one."""
    by_id = {each.run.run.id: each for each in shown}
    return by_id[choose_one({key: each.run.name for key, each in by_id.items()}, controls)]


def sampled(each: RunEvidence) -> SampledScores:
    """The scores of the frames that are looked at, and those of sets drawn from them."""
    return _sampled(each.evidence.folder, each.evidence.about.key, each.frames.tobytes(), each)


@st.cache_resource(max_entries=64, show_spinner=False)
def _sampled(folder: Path, key: str, frames: bytes, _each: RunEvidence) -> SampledScores:
    return sampled_scores(sums_of(_each).of(_each.frames))


def sums_of(each: RunEvidence) -> FrameSums:
    """The sums of all frames of the evidence."""
    return _sums(each.evidence.folder, each.evidence.about.key, each.evidence)


@st.cache_resource(max_entries=8, show_spinner=False)
def _sums(folder: Path, key: str, _evidence: Evidence) -> FrameSums:
    return frame_sums(_evidence)
