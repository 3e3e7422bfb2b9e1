"""The page Masks: convert, see what was skipped and why, and how often each class occurs."""

from collections import Counter
from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from cityseg.data import (
    ENCODING_NAMES,
    ENCODINGS,
    IGNORED_LABEL_IDS,
    REASONS,
    REPORT,
    SPLITS,
    WARNINGS,
    Catalogue,
    Frame,
    Frequencies,
    Report,
    unknown_names_message,
)
from cityseg.jobs import Task
from cityseg.labels import LABEL_IDS_OF_CLASSES, MAP_LABELS
from cityseg.system import available_cores
from cityseg.ui import address, cached, charts, progress
from cityseg.ui.folders import Folders, current_folders
from cityseg.ui.formatting import counted, percent
from cityseg.ui.shell import has_frames
from cityseg.ui.text import plain, sentence, utf8, words

_MAX_WORKERS: Final = 64
_LABEL_HELP: Final = (
    "The names are those of the dataset. Ego vehicle: the car that carries the camera. Out of roi: "
    "outside of the region that was annotated. Rectification border: the edge that straightening "
    "the picture left empty. Static and dynamic: other things that stand or move."
)


def show() -> None:
    """Draw the page."""
    folders = current_folders()
    st.title("Masks")
    st.markdown(
        "Training needs a mask for each frame: a picture whose pixels are the numbers of the 19 "
        "classes, 0–18, or 255 where nothing is to be learned. Masks are made from the "
        "annotations, which are checked one by one. They are written to "
        f"**{plain(folders.masks)}**; the dataset's own files stay as they are."
    )
    if not has_frames(folders.data, folders.masks):
        return
    catalogue = cached.catalogue(folders.data, folders.masks)
    _show_summary(folders, catalogue)
    _show_conversion(folders, catalogue)
    _show_skipped(folders, catalogue)
    _show_frequencies(catalogue)
    _show_ignored(catalogue)


def _show_conversion(folders: Folders, catalogue: Catalogue) -> None:
    """Draw a form that starts the conversion, and the conversion while it runs."""
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
            help="Frames that are converted at the same time. One for each CPU core is fastest.",
            width=140,
        )
        encoding = form.selectbox(
            "Encoding of the annotations",
            [None, *(each for each in ENCODINGS if each != "categories")],
            format_func=lambda each: words(ENCODING_NAMES[each]) if each else "As found",
            help="What the values of the annotations are. As found: a sample of them is examined "
            "before any mask is written. In another encoding, masks are made again.",
            key="encoding",
            width=260,
        )
        chosen = sum(counts[split] for split in splits)
        if form.button(
            f"Convert {counted(chosen, 'frame')}",
            key="convert",
            type="primary" if catalogue.unseen.any() else "secondary",
            icon=":material/play_arrow:",
            disabled=state.is_live or not chosen,
            help="Finished masks are kept: only new and changed frames are converted.",
        ):
            where = ("--out", folders.masks, "--splits", ",".join(splits))
            read_as = ("--encoding", encoding) if encoding else ()
            task.start(folders.data, *where, "--workers", workers, *read_as)
            st.rerun()
        progress.show(task, key="convert", partly="")


def _show_summary(folders: Folders, catalogue: Catalogue) -> None:
    """Draw how many frames have a mask, and the counts of the last conversion."""
    report = Report.load(folders.masks)
    new = int(catalogue.unseen.sum())
    converted = int(catalogue.converted.sum())
    skipped = len(catalogue.frames) - converted - new
    columns = st.columns(4)
    columns[0].metric("Frames", f"{len(catalogue.frames):,}", border=True)
    columns[1].metric("With a mask", f"{converted:,}", border=True)
    columns[2].metric("Skipped", f"{skipped:,}", border=True)
    columns[3].metric(
        "Waiting", f"{new:,}", border=True, help="Neither converted nor skipped so far."
    )
    if report is None:
        return
    if new:
        st.warning(
            f"{counted(new, 'frame')} {'is' if new == 1 else 'are'} newer than the last "
            "conversion, or were left out of it: convert again.",
            icon=":material/update:",
        )
    if report.unknown_names:
        st.warning("Some frames were skipped for the names of their objects.")
        st.code(unknown_names_message(report.unknown_names), language=None, wrap_lines=True)
    names = {str(encoding): name for encoding, name in ENCODING_NAMES.items()}
    if report.encoding in names:
        st.caption(
            f"Encoding of the annotations: {names[report.encoding]}. {plain(report.evidence)}."
        )
    _show_warnings(report)
    written = report.converted - report.reused
    st.caption(
        f"The last conversion went through {counted(len(report.outcomes), 'frame')}: {written:,} "
        f"converted, {report.reused:,} kept from before, {report.skipped:,} skipped."
    )
    st.download_button(
        "Report (JSON)",
        data=(folders.masks / REPORT).read_bytes,
        file_name=REPORT,
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
        help="The result of the last conversion for each frame.",
    )


def _show_warnings(report: Report) -> None:
    """Draw what is odd about converted frames, with a link to the first frame of each warning."""
    if report.void_splits:
        st.error(
            f"No mask of {' and '.join(report.void_splits)} has a pixel of a class, so nothing can "
            "be learned or scored: check the annotations, or choose their encoding.",
            icon=":material/error:",
        )
    if not report.warnings:
        return
    st.dataframe(
        [
            {
                "Warning": words(warning),
                "Frames": count,
                "Meaning": sentence(WARNINGS[warning]),
                "Example": next(
                    _address(outcome.frame)
                    for outcome in report.outcomes
                    if warning in outcome.warnings
                ),
            }
            for warning, count in report.warnings.items()
            if warning in WARNINGS
        ],
        hide_index=True,
        alt="Warnings",
        column_config={
            "Example": st.column_config.LinkColumn(
                display_text=r"frame=(.*)", help="Opens the frame in Browse.", width="medium"
            )
        },
    )


def _show_skipped(folders: Folders, catalogue: Catalogue) -> None:
    """Draw the frames without a mask, by reason, with a link to each."""
    counts = Counter(reason for reason in catalogue.reasons if reason)
    if not counts:
        return
    st.subheader("Skipped frames")
    reasons = [reason for reason, _ in counts.most_common()]
    chosen = st.pills(
        "Reason",
        reasons,
        format_func=lambda reason: f"{words(reason)} · {counts[reason]:,}",
        default=reasons[0],
        key="reason",
        label_visibility="collapsed",
    )
    if chosen:
        st.markdown(f"{counted(counts[chosen], 'frame')}. {plain(sentence(REASONS[chosen]))}")
    rows = [
        {
            "Frame": _link(frame),
            "Reason": words(reason),
            "Found": utf8(detail).replace(f"{utf8(folders.data)}/", ""),
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
            # The address is the cell's value, and what is shown is its part after "frame=".
            "Frame": st.column_config.LinkColumn(
                display_text=r"frame=(.*)", help="Opens the frame in Browse.", width="medium"
            ),
            "Reason": None if chosen else st.column_config.TextColumn(width="small"),
            "Found": st.column_config.TextColumn(width="large"),
        },
    )


def _show_frequencies(catalogue: Catalogue) -> None:
    """Draw how often each class occurs in each split, in pixels or in images."""
    by_split = {
        split: frequencies
        for split in SPLITS
        if (frequencies := catalogue.frequencies(split)).frames
    }
    annotated = {split: each for split, each in by_split.items() if _has_classes(each)}
    if not by_split:
        return
    st.subheader("How often each class occurs")
    measure = address.one_of("Measure", charts.MEASURES, "measure", label_visibility="collapsed")
    if annotated:
        figure = charts.class_frequencies(annotated, measure)
        alt = f"Bars: share of the {measure.lower()} in which each class occurs, for each split"
        st.plotly_chart(figure, config=charts.CONFIG, alt=alt, key="frequencies")
    for split in by_split.keys() - annotated.keys():
        st.caption(f"No pixel of the annotations of {split} belongs to a class: it has no bars.")


def _show_ignored(catalogue: Catalogue) -> None:
    """Draw the labels that are ignored, with their share of the pixels."""
    frequencies = catalogue.frequencies()
    pixels, total = frequencies.pixels, max(int(frequencies.pixels.sum()), 1)
    found = sorted((i for i in IGNORED_LABEL_IDS.tolist() if pixels[i]), key=lambda i: -pixels[i])
    if not found:
        return
    share = pixels[IGNORED_LABEL_IDS].sum() / total
    st.subheader("Ignored labels")
    st.markdown(
        f"{percent(share)} of all pixels have a label outside the 19 classes. They are 255 in the "
        "masks, which means ignored: nothing is learned from them, and they are not scored."
    )
    rows: list[dict[str, Any]] = [
        {
            "Label": MAP_LABELS[label_id].name,
            "Label id": label_id,
            "Category": MAP_LABELS[label_id].category,
            "Share of all pixels": 100 * pixels[label_id] / total,
            "Pixels": int(pixels[label_id]),
            "Images": int(frequencies.images[label_id]),
        }
        for label_id in found
    ]
    st.dataframe(
        rows,
        hide_index=True,
        alt="Ignored labels",
        column_config={
            "Label": st.column_config.TextColumn(help=_LABEL_HELP),
            "Label id": st.column_config.NumberColumn(
                help="The number of the label in the dataset's own files."
            ),
            "Share of all pixels": st.column_config.ProgressColumn(
                format="%.3f %%", min_value=0, max_value=max(r["Share of all pixels"] for r in rows)
            ),
            "Pixels": st.column_config.NumberColumn(format="localized"),
            "Images": st.column_config.NumberColumn(format="localized"),
        },
    )


def _has_classes(frequencies: Frequencies) -> bool:
    return bool(frequencies.pixels[LABEL_IDS_OF_CLASSES].any())


def _link(frame: Frame) -> str:
    return _address(frame.name)


def _address(frame: str) -> str:
    return f"browse?frame={quote(utf8(frame), safe='/')}"


if __name__ == "__main__":  # as Streamlit runs it
    show()
