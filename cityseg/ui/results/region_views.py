"""The view *Regions* of the page Results: crops of the regions behind a score."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.data import Frame, Reading
from cityseg.errors import CitysegError, ImageError
from cityseg.evaluation import (
    BOTH,
    CellRegions,
    FoundRegions,
    Region,
    RegionQuery,
    find_cell_regions,
    find_regions,
    picture_paths,
)
from cityseg.labels import NUM_CLASSES
from cityseg.metrics import SIDES
from cityseg.ui import cached
from cityseg.ui.folders import Folders, page_address
from cityseg.ui.results.chosen_runs import Comparison
from cityseg.ui.results.class_pair import choose_pair
from cityseg.ui.results.evidence_runs import RunEvidence, choose, choose_run
from cityseg.ui.results.region_choice import (
    Limits,
    about,
    choose_kind,
    choose_limits,
    choose_side,
    class_name,
    describe,
    describe_cell_regions,
    implied_side,
    query_of,
)
from cityseg.ui.results.region_crops import (
    PANES,
    Place,
    Source,
    crop_addresses,
    read_truth,
    viewer_place,
)
from cityseg.ui.shell import errors_shown, page_file
from cityseg.ui.text import plain, sentence, utf8

_PER_PAGE: Final = 8
_MOST: Final = 1000
_STYLE: Final = """<style>
.regions-row { display: grid; grid-template-columns: repeat(3, 1fr); gap: 0.5rem; }
.regions-row figure { margin: 0; }
.regions-row img { width: 100%; display: block; border-radius: 4px; background: rgb(128 128 128 /
  20%); object-fit: contain; image-rendering: auto; }
.regions-row img.labels { image-rendering: pixelated; }
.regions-row figcaption { font-size: 0.8rem; opacity: 0.7; }
</style>"""


class _Dataset(NamedTuple):
    """The files of the open dataset, and the predictions of the evidence in a folder.

    Threads use it, in which Streamlit's caches are not to be called.
    """

    folders: Folders
    frames: Mapping[str, Frame]
    reading: Reading
    pixel_aspect: float
    evidence: Path

    @classmethod
    def open(cls, folders: Folders, evidence: Path) -> "_Dataset":
        """What is in the folders; raises DatasetError."""
        data, masks = folders.data, folders.masks
        frames = {frame.name: frame for frame in cached.frames(data, masks)}
        aspect = cached.pixel_aspect(data, masks)
        return cls(folders, frames, cached.reading(data, masks), aspect, evidence)

    def source(self, name: str) -> Source:
        """What crops of a frame are made from; raises ImageError."""
        if name not in self.frames:
            raise ImageError(f"{name} is not in {self.folders.data}: open the dataset that has it")
        prediction = picture_paths(self.evidence, name)[0]
        return Source(self.frames[name], self.reading, prediction, self.pixel_aspect)


def show_regions(comparison: Comparison, controls: DeltaGenerator) -> None:
    """The regions behind a cell of the confusion or a kind of error, the largest first."""
    shown = choose(comparison, controls)
    if not shown:
        return
    chosen = choose_run(shown, controls)
    truth, predicted = choose_pair()
    with controls:
        place = st.container(width="content")
        kind = choose_kind()
        limits = choose_limits()
    evidence = chosen.evidence
    with errors_shown():
        dataset = _Dataset.open(comparison.folders, evidence.folder)
        sides = _sides(dataset, chosen, truth, predicted, kind)
        with place:
            side = choose_side(sides, implied_side(sides, truth, predicted))
        if side == BOTH:
            pair = truth or 0, predicted or 0  # neither is None
            cell = _find_cell(dataset, chosen, pair, limits)
            st.caption(describe_cell_regions(cell, *pair))
            found = cell.regions
        else:
            query = query_of(side, truth, predicted, kind)._replace(
                least_pixels=limits.least_pixels,
                confidence=limits.confidence,
                frames=_frames_of(chosen),
            )
            found = _find(evidence.folder, evidence.about.key, query)
            st.caption(describe(query, found, chosen))
        _show_pages(dataset, chosen, found, kind if found.has_errors else None)


def _sides(
    dataset: _Dataset,
    chosen: RunEvidence,
    truth: int | None,
    predicted: int | None,
    kind: str | None,
) -> list[str]:
    """What regions can be shown of: both sides together only for two classes, with pictures."""
    names = chosen.evidence.store.names
    are_classes = all(each is not None and each < NUM_CLASSES for each in (truth, predicted))
    has_pictures = bool(names) and picture_paths(dataset.evidence, names[0])[0].is_file()
    can_be_both = are_classes and has_pictures and not kind and names[0] in dataset.frames
    return [BOTH, *SIDES] if can_be_both else [*SIDES]


def _frames_of(chosen: RunEvidence) -> tuple[str, ...] | None:
    names = chosen.evidence.store.names
    if len(chosen.frames) == len(names):
        return None
    return tuple(names[index] for index in chosen.frames)


@st.cache_resource(max_entries=32, show_spinner="Looking for regions …")
def _find(folder: Path, key: str, query: RegionQuery) -> FoundRegions:
    return find_regions(folder, query, _MOST)


def _find_cell(
    dataset: _Dataset, chosen: RunEvidence, cell: tuple[int, int], limits: Limits
) -> CellRegions:
    return _find_cell_cached(
        (dataset.folders, chosen.evidence.folder, chosen.evidence.about.key),
        (cell, limits, chosen.frames.tobytes()),
        dataset,
        chosen,
    )


@st.cache_resource(max_entries=32, show_spinner="Looking for regions …")
def _find_cell_cached(
    of: tuple[Folders, Path, str],
    question: tuple[tuple[int, int], Limits, bytes],
    _dataset: _Dataset,
    _chosen: RunEvidence,
) -> CellRegions:
    (truth, predicted), limits, _ = question
    return find_cell_regions(
        _chosen.evidence,
        _chosen.frames,
        truth,
        predicted,
        lambda name: read_truth(_dataset.source(name)),
        **limits._asdict(),
        most=_MOST,
    )


def _show_pages(
    dataset: _Dataset, chosen: RunEvidence, found: FoundRegions, kind: str | None
) -> None:
    if not found.first:
        st.info("No region is in this choice: take away a condition.", icon=":material/info:")
        return
    evidence = chosen.evidence
    if not any(name in dataset.frames for name in evidence.store.names):
        st.warning(
            f"The pictures of this evidence are those of {plain(evidence.about.data)}, which is "
            "not open: open it with the button at the top.",
            icon=":material/folder_off:",
        )
    pages = -(-len(found.first) // _PER_PAGE)
    page = st.pagination(pages, key="regions_page", bind="query-params") if pages > 1 else 1
    page = min(page, pages)  # of a longer list
    st.html(_STYLE)
    for region in found.first[(page - 1) * _PER_PAGE : page * _PER_PAGE]:
        _show_region(dataset, region, kind)
    st.caption(_about_pictures(found.first[0], evidence.folder))


def _about_pictures(first: Region, folder: Path) -> str:
    if not picture_paths(folder, first.frame)[0].is_file():
        return (
            "This evidence was collected without pictures: the prediction cannot be shown, and its "
            "regions are outlined by their boxes."
        )
    if first.side == BOTH:
        return (
            "Prediction and regions are those at the network's size, enlarged: numbers of pixels "
            "differ a little from those of the confusion matrix."
        )
    return (
        "The prediction is shown at the network's size, enlarged. Its regions were found at the "
        "size of the annotation, so that their outlines can differ by a few pixels."
    )


def _show_region(dataset: _Dataset, region: Region, kind: str | None) -> None:
    left, right = st.columns([4, 1], gap="small")
    with right, st.container(gap="xsmall"):
        st.markdown(about(region, kind))
        st.caption(plain(region.frame.rpartition("/")[2]))
    with left:
        try:
            source = dataset.source(region.frame)
            addresses = crop_addresses(region, source)
            place = viewer_place(region, source.size_hw(), source.pixel_aspect)
        except CitysegError as error:
            st.error(plain(sentence(error)), icon=":material/error:")
            return
        st.html(_row(region, addresses, place))
    with right:
        st.page_link(
            page_file("browse"),
            label="Open in Browse",
            icon=":material/zoom_in:",
            help="Open the frame in the viewer at this place.",
            query_params=place.address,
        )


def _row(region: Region, addresses: Mapping[str, str], place: Place) -> str:
    """The crops as HTML, each a link to the viewer."""
    link = page_address("browse", **place.address)
    figures = []
    for pane in PANES:
        if pane not in addresses:
            continue
        alt = f"{pane} of {utf8(region.frame)}, a region of {class_name(region.train_id)}"
        kind = "photo" if pane == "Photo" else "labels"
        # So that nothing moves when the crop arrives.
        style = f"aspect-ratio: {place.aspect:.3f}"
        source = escape(addresses[pane])
        image = f'<img class="{kind}" style="{style}" src="{source}" alt="{escape(alt)}">'
        figures.append(
            f'<figure><a href="{escape(link)}">{image}</a><figcaption>{pane}</figcaption></figure>'
        )
    return f'<div class="regions-row">{"".join(figures)}</div>'
