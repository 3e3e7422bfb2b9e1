"""What there is: frames, runs, and the machine."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import plotly.graph_objects as go
import streamlit as st

from cityseg.data import Catalogue
from cityseg.jobs import Entry
from cityseg.labels import LABEL_IDS_OF_CLASSES
from cityseg.system import free_bytes, this_hardware
from cityseg.ui import charts
from cityseg.ui.folders import Folders, page_address
from cityseg.ui.glossary import explain
from cityseg.ui.run_labels import STATE_LABELS, folder_problem, run_name, state_label
from cityseg.ui.shell import page_file
from cityseg.ui.text import capitalised, cell, plain, utf8, words
from cityseg.wording import counted, readable_size

_MOST_RUNS: Final = 8
_MOST_REASONS: Final = 3


def show_counts(catalogue: Catalogue) -> None:
    """Draw the numbers of frames, cities and masks, and links to frames without a mask."""
    converted, new = int(catalogue.converted.sum()), int(catalogue.unseen.sum())
    skipped = len(catalogue.frames) - converted - new
    splits = Counter(frame.split for frame in catalogue.frames)
    with st.container(horizontal=True, gap="small"):
        st.metric("Frames", f"{len(catalogue.frames):,}", width="content")
        st.metric("Cities", f"{len({frame.city for frame in catalogue.frames}):,}", width="content")
        st.metric("Masks", f"{converted:,}", width="content", help=explain("Mask"))
        st.metric("Skipped", f"{skipped:,}", width="content")
    st.caption(" · ".join(f"{split} {count:,}" for split, count in splits.items()))
    if skipped:
        st.caption(f"Skipped: {_reasons(catalogue)}")  # a link's text would be cut
        st.page_link(page_file("masks"), label="See why", icon=":material/rule:")
    if new and converted:
        st.page_link(
            page_file("masks"),
            label=f"Not converted yet: {counted(new, 'frame')}",
            icon=":material/update:",
        )


def show_dataset(catalogue: Catalogue) -> None:
    """Draw the classes and the cities of the dataset."""
    classes, cities = _figures(catalogue)
    left, right = st.columns(2, gap="medium") if classes else [st.container()] * 2
    if classes:
        left.header("Classes")
        left.plotly_chart(
            classes,
            config=charts.CONFIG,
            alt="Bars: share of the pixels that each class has",
            key="classes",
        )
    right.header("Cities")
    right.plotly_chart(cities, config=charts.CONFIG, alt="Bars: frames of each city", key="cities")


@lru_cache(maxsize=4)  # to make them takes half of the time of the page
def _figures(catalogue: Catalogue) -> tuple[go.Figure | None, go.Figure]:
    """The figures of the classes, None before any frame was counted, and of the cities."""
    frequencies = catalogue.frequencies()
    has_classes = frequencies.pixels[LABEL_IDS_OF_CLASSES].any()
    return (
        charts.class_frequencies({"All splits": frequencies}, charts.MEASURES[0])
        if has_classes
        else None,
        charts.city_bars(catalogue),
    )


def _reasons(catalogue: Catalogue) -> str:
    """The most frequent reasons why frames were skipped."""
    counts = Counter(reason for reason in catalogue.reasons if reason).most_common()
    named = [f"{count:,} {words(reason).lower()}" for reason, count in counts[:_MOST_REASONS]]
    rest = sum(count for _, count in counts[_MOST_REASONS:])
    return ", ".join([*named, f"{rest:,} for other reasons"] if rest else named)


def show_runs(folders: Folders, entries: Sequence[Entry]) -> None:
    """Draw the number of runs by state, and the newest runs."""
    st.header("Runs")
    if not entries:
        st.markdown(f"There is no training run in {plain(folders.runs)} yet.")
        return
    counts = Counter(state_label(each.state) for each in entries)
    badges = [
        f":{label.color}-badge[{label.icon} {counts[label]:,} {label.word.lower()}]"
        for label in STATE_LABELS
        if counts[label]
    ]
    st.markdown(" ".join(badges))
    st.dataframe(
        [_row(each) for each in entries[:_MOST_RUNS]],
        hide_index=True,
        placeholder="–",
        alt="The newest runs",
        column_config={
            # The address is the cell's value, and what is shown is its part after "#".
            "Run": st.column_config.LinkColumn(display_text=r"#(.*)", width="medium"),
            "Mean IoU": st.column_config.NumberColumn(
                format="percent",
                width="small",
                help="Of the best epoch, in validation.\n\n" + explain("Mean IoU", "IoU"),
            ),
            "State": st.column_config.TextColumn(width="small"),
            "Progress": st.column_config.TextColumn(width="large"),
        },
    )


def _row(entry: Entry) -> dict[str, object]:
    state = entry.state
    return {
        "Run": f"{page_address('train', run=entry.id)}#{quote(utf8(run_name(entry)))}",
        "State": state_label(state).word,
        "Mean IoU": state.mean_iou if state else None,
        "Progress": cell(capitalised(state.text if state else folder_problem(entry))),
    }


def show_machine(folders: Folders) -> None:
    """Draw what there is to train with."""
    st.header("This machine")
    hardware = this_hardware()
    gpus = [f"{plain(gpu.name)}, {gpu.memory_bytes / 2**30:.0f} GiB" for gpu in hardware.gpus]
    st.markdown(
        f"- **Device:** {'; '.join(gpus) or 'No GPU was found: training uses the CPU.'}\n"
        f"- **CPU:** {hardware.cores} cores, {hardware.memory_bytes / 2**30:.0f} GiB of memory\n"
        f"- **Disk:** {readable_size(free_bytes(folders.data))} free for the dataset, "
        f"{readable_size(free_bytes(folders.runs))} for runs"
    )
