"""The page Browse: every frame with its annotation and its mask, in the viewer."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import streamlit as st

from cityseg.arrays import IntArray
from cityseg.data import (
    BY_NAME,
    IGNORED,
    ORDERS,
    REASONS,
    SPLITS,
    UNSEEN,
    WARNINGS,
    Catalogue,
    Selection,
    problems_of,
    shares_of,
)
from cityseg.labels import CLASS_NAMES
from cityseg.ui import cached
from cityseg.ui.filters import show_count
from cityseg.ui.folders import Folders, current_folders
from cityseg.ui.formatting import percent
from cityseg.ui.glossary import explain
from cityseg.ui.review import reviewed
from cityseg.ui.review.reviewed import Reviews
from cityseg.ui.review.states import STATES, choose_states, has_state, reviews_of, state_text
from cityseg.ui.routes import frame_gallery
from cityseg.ui.shell import has_frames, page_file
from cityseg.ui.tagging import (
    Tags,
    choose_reviewer,
    has_tags,
    known_tags,
    shown_tags,
    tag_texts,
    tagging,
)
from cityseg.ui.text import plain, sentence, utf8, words
from cityseg.ui.viewer import Gallery, viewer

_CLASS_HELP: Final = (
    "Frames that have a pixel of this class, or of any ignored label.\n\n" + explain("Void", "255")
)
_LEVELS: Final = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 70.0, 100.0)


def show() -> None:
    """Draw the page: the filters, and the viewer with the frames that match them."""
    folders = current_folders()
    if cached.missing_frames(folders.data, folders.masks):
        st.title("Browse")  # beside the filters otherwise
        has_frames(folders.data, folders.masks)
        return
    catalogue = cached.catalogue(folders.data, folders.masks)
    tags = shown_tags(folders)
    selection = _choose(catalogue, tags)
    gallery = _gallery(folders, catalogue, selection, tags)
    verdict = cached.reading(folders.data, folders.masks).verdict
    if problem := verdict.problem("choose it on the page Masks"):
        st.warning(plain(sentence(problem)), icon=":material/warning:")
    if not gallery.names:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("No frames match these filters.", width="content")
            st.button("Reset filters", icon=":material/filter_list_off:", on_click=_reset)
    viewer(  # stays where no frame matches, and continues with its view
        gallery,
        key="browse",
        pixel_aspect=catalogue.pixel_aspect.value,
        address=True,
        tagging=tagging(folders, tags),
    )


#: The filters' keys, with the values that let all frames pass. Without a class no share counts.
_MORE_PASS: Final[dict[str, object]] = {
    "city": [],
    "class": None,
    "problem": [],
    "tag": [],
    "reviewed": [],
}
_PASS_ALL: Final[dict[str, object]] = {"text": "", "split": [], **_MORE_PASS}


def _reset() -> None:
    st.session_state.update(_PASS_ALL)


def _choose(catalogue: Catalogue, tags: Tags) -> Selection:
    """Draw the filters in one row; the address keeps their values."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title("Browse", width="content")
        text = st.text_input(
            "Name", key="text", bind="query-params", placeholder="Part of a name", width=220
        )
        present = {frame.split for frame in catalogue.frames}
        splits = st.segmented_control(
            "Split",
            [split for split in SPLITS if split in present],
            selection_mode="multi",
            key="split",
            bind="query-params",
            help=explain("Split"),
        )
        with st.popover("More filters", icon=":material/filter_list:"):
            more = _choose_more(catalogue)
            _choose_tags(tags)
        show_count(_MORE_PASS)
        known = bool(catalogue.counted.any())
        order = st.selectbox(
            "Sort by",
            ORDERS,
            format_func=_label_text,
            key="sort",
            bind="query-params",
            disabled=not known,
            width=170,
            help="The name, or the share of the frame's pixels that a class has.",
        )
        descending = st.toggle("Descending", key="descending", bind="query-params")
    if not known:
        with st.container(horizontal=True):
            st.caption("Classes are known once the frames are converted.", width="content")
            st.page_link(page_file("masks"), label="Convert them", icon=":material/layers:")
    return replace(
        more,
        text=text,
        splits=tuple(splits),
        order=order if known else BY_NAME,
        descending=descending,
    )


def _choose_more(catalogue: Catalogue) -> Selection:
    known = bool(catalogue.counted.any())
    cities = st.multiselect(
        "City",
        sorted({frame.city for frame in catalogue.frames}),
        key="city",
        bind="query-params",
        placeholder="Any",
    )
    label = st.selectbox(
        "Class present",
        (*CLASS_NAMES, IGNORED),
        index=None,
        format_func=_label_text,
        key="class",
        bind="query-params",
        disabled=not known,
        placeholder="Any",
        help=_CLASS_HELP,
    )
    low, high = st.select_slider(
        "Share of the pixels, in %",
        _LEVELS,
        (_LEVELS[0], _LEVELS[-1]),
        key="share",
        bind="query-params",
        disabled=not (known and label),
    )
    found = {problem for problems in problems_of(catalogue) for problem in problems}
    problems = st.multiselect(
        "Why there is no mask, or a warning",
        [code for code in (*REASONS, *WARNINGS, UNSEEN) if code in found],
        format_func=words,
        key="problem",
        bind="query-params",
        placeholder="Any reason",
        help=explain("Mask"),
    )
    return Selection(
        cities=tuple(cities),
        label=label if known and label else "",
        share=(low / 100, high / 100),
        problems=tuple(problems),
    )


def _choose_tags(tags: Tags) -> None:
    """Draw the filter by tags, and the name under which this session adds some."""
    chosen = st.session_state.get("tag", [])
    st.multiselect(
        "Tag",
        sorted({*known_tags(tags), *chosen}),
        key="tag",
        bind="query-params",
        placeholder="Any" if tags else "Press t on a frame to tag it",
        help="Frames with one of these tags. Tags are kept beside the runs, in the folder reviews.",
    )
    choose_states()
    choose_reviewer()


def _label_text(label: str) -> str:
    """A choice in words: classes keep the spelling of the dataset."""
    return {BY_NAME: "Name", IGNORED: "Ignored labels"}.get(label, label)


def _gallery(folders: Folders, catalogue: Catalogue, selection: Selection, tags: Tags) -> Gallery:
    """The frames of `selection` for the viewer, with what they were filtered or sorted by.

    Frames with judged regions say so.
    """
    reviews = reviews_of(folders, catalogue.frames)
    chosen = _reviewed(
        catalogue, _tagged(catalogue, selection.positions_in(catalogue), tags), reviews
    )
    gallery = frame_gallery(folders, [catalogue.frames[position] for position in chosen])
    judged = (state_text(reviews.get(name, ())) for name in gallery.names)
    notes = zip(_notes(catalogue, selection, chosen), judged, strict=True)
    return replace(
        gallery,
        notes=[" · ".join(filter(None, each)) for each in notes],
        tags=tag_texts(gallery.names, tags),
        reviewed=reviewed.offer(catalogue.frames, reviews),
    )


def _tagged(catalogue: Catalogue, positions: IntArray, tags: Tags) -> IntArray:
    """Those of the `positions` whose frames have a chosen tag."""
    if not (wanted := st.session_state["tag"]):
        return positions
    found = [has_tags(catalogue.frames[each].name, wanted, tags) for each in positions]
    return positions[np.array(found, np.bool_)]


def _reviewed(catalogue: Catalogue, positions: IntArray, reviews: Reviews) -> IntArray:
    """Those of the `positions` whose frames have a chosen verdict."""
    if not (codes := [STATES[each] for each in st.session_state["reviewed"]]):
        return positions
    names = (utf8(catalogue.frames[each].name) for each in positions)
    found = [has_state(reviews.get(name, ()), codes) for name in names]
    return positions[np.array(found, np.bool_)]


def _notes(catalogue: Catalogue, selection: Selection, chosen: IntArray) -> Sequence[str]:
    labels = dict.fromkeys(filter(None, (selection.label, selection.order)))
    shares = {label: shares_of(catalogue, label)[chosen] for label in labels if label != BY_NAME}
    notes = []
    for position, frame in enumerate(chosen):
        if reason := catalogue.reasons[frame]:
            notes.append(f"No mask. {sentence(REASONS.get(reason, reason))}")
        else:
            known = ((label, float(values[position])) for label, values in shares.items())
            texts = [", ".join(f"{label} {_share_text(share)}" for label, share in known)]
            texts += [sentence(WARNINGS.get(code, code)) for code in catalogue.warnings[frame]]
            notes.append(" · ".join(filter(None, texts)))
    return notes


def _share_text(share: float) -> str:
    return "unknown" if math.isnan(share) else percent(share)


if __name__ == "__main__":  # as Streamlit runs it
    show()
