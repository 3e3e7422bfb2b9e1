"""The page Masks: convert, see what was skipped and why, and how often each class occurs."""

from collections import Counter
from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from cityseg.data import (
    IGNORED_LABEL_IDS,
    REASONS,
    REPORT,
    SPLITS,
    Catalogue,
    Frame,
    Frequencies,
    Report,
)
from cityseg.jobs import Task
from cityseg.labels import LABEL_IDS_OF_CLASSES, MAP_LABELS
from cityseg.system import available_cores
from cityseg.ui import cached, progress, shell
from cityseg.ui.charts import frequencies as frequency_chart
from cityseg.ui.charts import scores as charts
from cityseg.ui.routes import in_address
from cityseg.ui.shell import Folders
from cityseg.ui.text import counted, plain, shown

_MAX_WORKERS: Final = 64


def show() -> None:
    """Draw the page."""
    folders = shell.folders()
    st.title("Masks")
    st.markdown(
        "Training needs a mask for each frame: a picture in which every pixel is one of 19 "
        "classes, or 255 where nothing is to be learned. Masks are made from the annotations, "
        f"checked one by one. They are written to **{plain(folders.masks)}**; the dataset's own "
        "files stay as they are."
    )
    catalogue = cached.catalogue(folders.data, folders.masks)
    _show_summary(folders, catalogue)
    _show_conversion(folders, catalogue)
    _show_skipped(folders, catalogue)
    _show_frequencies(catalogue)
    _show_ignored(catalogue)


def _show_conversion(folders: Folders, catalogue: Catalogue) -> None:
    """A form that starts the conversion, and the conversion while it runs."""
    task = Task.of(folders.runs, "convert", folders.data)
    state = task.state()
    counts = Counter(frame.split for frame in catalogue.frames)
    with st.container(border=True):
        present = [split for split in SPLITS if counts[split]]
        form = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
        splits = form.pills(
            "Splits",
            present,
            selection_mode="multi",
            default=present,
            format_func=lambda split: f"{split} · {counts[split]:,}",
            key="convert-splits",
        )
        workers = form.number_input(
            "Threads",
            min_value=1,
            max_value=_MAX_WORKERS,
            value=min(available_cores(), _MAX_WORKERS),
            help="One for each core is fastest.",
            width=140,
        )
        chosen = sum(counts[split] for split in splits)
        if form.button(
            f"Convert {counted(chosen, 'frame')}",
            key="convert",
            type="primary" if catalogue.unseen.any() else "secondary",
            icon=":material/play_arrow:",
            disabled=state.lives or not chosen,
            help="Finished masks are kept; only what is new or has changed is made.",
        ):
            where = ("--out", folders.masks, "--splits", ",".join(splits))
            task.start(folders.data, *where, "--workers", workers)
            st.rerun()
        progress.show(task, key="convert", partly="")


def _show_summary(folders: Folders, catalogue: Catalogue) -> None:
    """How many frames have a mask, and what the last conversion made of them."""
    report = Report.load(folders.masks)
    new = int(catalogue.unseen.sum())
    converted = int(catalogue.converted.sum())
    skipped = len(catalogue.frames) - converted - new
    columns = st.columns(4)
    columns[0].metric("Frames", f"{len(catalogue.frames):,}", border=True)
    columns[1].metric("With a mask", f"{converted:,}", border=True)
    columns[2].metric("Skipped", f"{skipped:,}", border=True)
    columns[3].metric(
        "Waiting", f"{new:,}", border=True, help="neither converted nor skipped so far"
    )
    if report is None:
        return
    if new:
        st.warning(
            f"{counted(new, 'frame')} {'is' if new == 1 else 'are'} newer than the last "
            "conversion, or were left out of it: convert again.",
            icon=":material/update:",
        )
    made = report.converted - report.reused
    st.caption(
        f"The last conversion went through {counted(len(report.outcomes), 'frame')}: {made:,} "
        f"converted, {report.reused:,} found finished and kept, {report.skipped:,} skipped."
    )
    st.download_button(
        "Report (JSON)",
        data=(folders.masks / REPORT).read_bytes,
        file_name=REPORT,
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
        help="what became of each frame in the last conversion",
    )


def _show_skipped(folders: Folders, catalogue: Catalogue) -> None:
    """The frames without a mask, by reason, each with a link to it."""
    counts = Counter(reason for reason in catalogue.reasons if reason)
    if not counts:
        return
    st.subheader("Skipped frames")
    reasons = [reason for reason, _ in counts.most_common()]
    chosen = st.pills(
        "Reason",
        reasons,
        format_func=lambda reason: f"{reason.replace('_', ' ')} · {counts[reason]:,}",
        default=reasons[0],
        key="reason",
        label_visibility="collapsed",
    )
    if chosen:
        st.markdown(f"{counted(counts[chosen], 'frame')}: {plain(REASONS[chosen])}.")
    rows = [
        {
            "frame": _link(frame),
            "reason": reason,
            "what was found": shown(detail).replace(f"{shown(folders.data)}/", ""),
        }
        for frame, reason, detail in zip(
            catalogue.frames, catalogue.reasons, catalogue.details, strict=True
        )
        if reason and chosen in (None, reason)
    ]
    st.dataframe(
        rows,
        hide_index=True,
        alt="Skipped frames",
        column_config={
            "frame": st.column_config.LinkColumn(
                "frame", display_text=r"frame=(.*)", help="opens it in Browse", width="medium"
            ),
            "reason": None if chosen else st.column_config.TextColumn(width="small"),
            "what was found": st.column_config.TextColumn(width="large"),
        },
    )


def _show_frequencies(catalogue: Catalogue) -> None:
    """How often each class occurs, by split, in pixels or in images."""
    by_split = {
        split: frequencies
        for split in SPLITS
        if (frequencies := catalogue.frequencies(split)).frames
    }
    annotated = {split: each for split, each in by_split.items() if _has_classes(each)}
    if not by_split:
        return
    st.subheader("How often each class occurs")
    measure = st.segmented_control(
        "Measure",
        frequency_chart.MEASURES,
        default=frequency_chart.MEASURES[0],
        required=True,
        key="measure",
        bind="query-params",
        label_visibility="collapsed",
    )
    if annotated and measure:
        figure = frequency_chart.class_frequencies(annotated, measure)
        alt = f"Bars: share of the {measure} in which each class occurs, for each split"
        st.plotly_chart(figure, config=charts.CONFIG, alt=alt, key="frequencies")
    for split in by_split.keys() - annotated.keys():
        st.caption(f"{split}: no pixel of its annotations belongs to a class, so it has no bars.")


def _show_ignored(catalogue: Catalogue) -> None:
    """The labels that became 255, with how much of the pictures they take."""
    frequencies = catalogue.frequencies()
    pixels, total = frequencies.pixels, max(int(frequencies.pixels.sum()), 1)
    found = sorted((i for i in IGNORED_LABEL_IDS.tolist() if pixels[i]), key=lambda i: -pixels[i])
    if not found:
        return
    share = pixels[IGNORED_LABEL_IDS].sum() / total
    st.subheader("Labels that became 255")
    st.markdown(
        f"{share:.1%} of all pixels have a label outside the 19 classes. They are 255 in the "
        "masks: nothing is learned from them and nothing scored."
    )
    rows: list[dict[str, Any]] = [
        {
            "label": MAP_LABELS[label_id].name,
            "label id": label_id,
            "category": MAP_LABELS[label_id].category,
            "share of all pixels": 100 * pixels[label_id] / total,
            "pixels": int(pixels[label_id]),
            "images": int(frequencies.images[label_id]),
        }
        for label_id in found
    ]
    st.dataframe(
        rows,
        hide_index=True,
        alt="Labels that became 255",
        column_config={
            "share of all pixels": st.column_config.ProgressColumn(
                format="%.3f %%", min_value=0, max_value=max(r["share of all pixels"] for r in rows)
            ),
            "pixels": st.column_config.NumberColumn(format="localized"),
            "images": st.column_config.NumberColumn(format="localized"),
        },
    )


def _has_classes(frequencies: Frequencies) -> bool:
    return bool(frequencies.pixels[LABEL_IDS_OF_CLASSES].any())


def _link(frame: Frame) -> str:
    return f"browse?frame={quote(in_address(frame), safe='/')}"


if __name__ == "__main__":  # as Streamlit runs it
    show()
