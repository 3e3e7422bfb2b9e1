"""The page Masks: convert, see what was skipped and why, and how often each class occurs."""

from typing import Any, Final

import streamlit as st

from cityseg.data import IGNORED_LABEL_IDS, SPLITS, Catalogue, Frequencies
from cityseg.labels import LABEL_IDS_OF_CLASSES, MAP_LABELS
from cityseg.ui import address, cached, charts
from cityseg.ui.folders import current_folders
from cityseg.ui.formatting import percent
from cityseg.ui.glossary import explain, explain_labels
from cityseg.ui.masks.conversion import show_conversion
from cityseg.ui.masks.outcome import show_skipped, show_summary
from cityseg.ui.shell import has_frames
from cityseg.ui.text import plain

_LABEL_HELP: Final = "The names are those of the dataset.\n\n" + explain_labels(
    "ego vehicle", "out of roi", "rectification border", "static", "dynamic"
)


def show() -> None:
    """Draw the page."""
    folders = current_folders()
    st.title("Masks", help=explain("Mask", "Train id", "255"))
    st.markdown(
        "A network learns from masks: pictures whose pixels are the numbers of the 19 classes, "
        "0–18, or 255 where nothing is to be learned. They are made from the annotations and "
        f"written to **{plain(folders.masks)}**; the dataset's own files stay as they are."
    )
    if not has_frames(folders.data, folders.masks):
        return
    catalogue = cached.catalogue(folders.data, folders.masks)
    show_summary(folders, catalogue)
    show_conversion(folders, catalogue)
    show_skipped(folders, catalogue)
    _show_frequencies(catalogue)
    _show_ignored(catalogue)


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
    st.header("How often each class occurs", help=explain("Split"))
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
    st.header("Ignored labels", help=explain("Void", "255"))
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
        height="content",
        column_config={
            "Label": st.column_config.TextColumn(help=_LABEL_HELP),
            "Label id": st.column_config.NumberColumn(help=explain("Label id")),
            "Share of all pixels": st.column_config.ProgressColumn(
                format="%.3f%%", min_value=0, max_value=max(r["Share of all pixels"] for r in rows)
            ),
            "Pixels": st.column_config.NumberColumn(format="localized"),
            "Images": st.column_config.NumberColumn(format="localized"),
        },
    )


def _has_classes(frequencies: Frequencies) -> bool:
    return bool(frequencies.pixels[LABEL_IDS_OF_CLASSES].any())


if __name__ == "__main__":  # as Streamlit runs it
    show()
