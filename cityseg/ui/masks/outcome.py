"""The outcome of the last conversion: counts, the encoding, warnings, skipped frames."""

from collections import Counter

import streamlit as st

from cityseg.data import (
    ENCODING_NAMES,
    LAYOUTS,
    REASONS,
    REPORT,
    WARNINGS,
    Catalogue,
    Report,
    unknown_names_message,
)
from cityseg.ui import cached
from cityseg.ui.folders import Folders, page_address
from cityseg.ui.shell import page_file
from cityseg.ui.text import cell, plain, sentence, utf8, words
from cityseg.wording import counted


def show_summary(folders: Folders, catalogue: Catalogue) -> None:
    """Draw how many frames have a mask, and the counts of the last conversion."""
    report = Report.load(folders.masks)
    new = int(catalogue.unseen.sum())
    converted = int(catalogue.converted.sum())
    skipped = len(catalogue.frames) - converted - new
    with st.container(horizontal=True, gap="medium"):
        st.metric("Frames", f"{len(catalogue.frames):,}", width="content")
        st.metric("With a mask", f"{converted:,}", width="content")
        st.metric("Skipped", f"{skipped:,}", width="content")
        st.metric(
            "Waiting", f"{new:,}", width="content", help="Neither converted nor skipped so far."
        )
    for warning in cached.warnings_of_folders(folders.data, folders.masks):
        st.warning(plain(sentence(warning)), icon=":material/folder_off:")
    if report is None:
        return
    if new:
        st.warning(
            f"{counted(new, 'frame')} {'is' if new == 1 else 'are'} newer than the last "
            "conversion, or were left out of it: convert again.",
            icon=":material/update:",
        )
    if report.unknown_names:
        st.warning(
            "Some frames were skipped, because their polygons have names that are no labels.",
            icon=":material/label_off:",
        )
        message = unknown_names_message(
            report.unknown_names, "name the file under More options, and convert again"
        )
        st.code(message, language=None, wrap_lines=True)
    _show_reading(report)
    _show_warnings(report)
    written = report.converted - report.reused
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"The last conversion went through {counted(len(report.outcomes), 'frame')}: "
            f"{written:,} converted, {report.reused:,} kept from before, {report.skipped:,} "
            "skipped.",
            width="content",
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


def _show_reading(report: Report) -> None:
    """Draw how the annotations were read for these masks."""
    names = {str(encoding): name for encoding, name in ENCODING_NAMES.items()}
    if report.encoding in names:
        evidence = plain(sentence(report.evidence))
        st.caption(f"Encoding of the annotations: {names[report.encoding]}. {evidence}")
    if report.pixel_aspect and report.pixel_aspect.value != 1:
        st.caption(
            f"Pixels are {report.pixel_aspect.value:g} times as wide as high. "
            f"{plain(sentence(report.pixel_aspect.evidence))}"
        )
    if report.layout_chosen:
        st.caption(
            f"Layout of the folders: {report.layout}, as chosen. Training, evaluation and this app "
            "use it, too."
        )
    elif report.layout not in ("", LAYOUTS[0].name):
        st.caption(f"Layout of the folders: {report.layout}, as found.")
    if report.label_map:
        pairs = (f"{name} = {label}" for name, label in report.label_map.items())
        st.caption(f"Label map: {plain(', '.join(pairs))}.")


def _show_warnings(report: Report) -> None:
    """Draw what is odd about converted frames, with a link to the frames of each warning."""
    if report.void_splits:
        st.error(
            f"No mask of {' and '.join(report.void_splits)} has a pixel of a class, so nothing can "
            "be learned or scored: check the annotations, or choose their encoding below.",
            icon=":material/error:",
        )
    known = {code: count for code, count in report.warnings.items() if code in WARNINGS}
    if not known:
        return
    warned = sum(bool(outcome.warnings) for outcome in report.outcomes)
    looks, them = ("looks", "it") if warned == 1 else ("look", "them")
    st.warning(
        f"{counted(warned, 'mask')} {looks} unusual: see {them} in Browse before you train.",
        icon=":material/warning:",
    )
    st.dataframe(
        [
            {
                "Warning": code,
                "Frames": count,
                "Meaning": sentence(WARNINGS[code]),
                "Show": page_address("browse", problem=words(code)),
            }
            for code, count in known.items()
        ],
        hide_index=True,
        alt="Warnings",
        column_config={
            "Warning": st.column_config.TextColumn(width="small"),
            "Meaning": st.column_config.TextColumn(width="large"),
            "Show": st.column_config.LinkColumn(
                display_text="Open in Browse", help="Opens these frames in Browse.", width="small"
            ),
        },
    )


def show_skipped(folders: Folders, catalogue: Catalogue) -> None:
    """Draw the frames without a mask, by reason, with a link to each."""
    counts = Counter(reason for reason in catalogue.reasons if reason)
    if not counts:
        return
    st.header("Skipped frames")
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
        with st.container(horizontal=True, vertical_alignment="center"):
            meaning = plain(sentence(REASONS.get(chosen, "This version does not know the reason")))
            st.markdown(f"{counted(counts[chosen], 'frame')}. {meaning}", width="content")
            st.page_link(
                page_file("browse"),
                label="Open in Browse",
                icon=":material/photo_library:",
                query_params={"problem": words(chosen)},
            )
    rows = [
        {
            "Frame": page_address("browse", frame=utf8(frame.name)),
            "Reason": words(reason),
            "Found": cell(utf8(detail).replace(f"{utf8(folders.data)}/", "")),
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
