"""The form of the page Masks: all that `convert` takes, and how annotations would be read."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import streamlit as st

from cityseg.data import (
    ENCODING_NAMES,
    ENCODINGS,
    LAYOUTS,
    MOST_ASPECT,
    SPLITS,
    Catalogue,
    Encoding,
    Frame,
    Report,
    Verdict,
    layout_found,
    load_label_map,
)
from cityseg.errors import DatasetError
from cityseg.jobs import Task
from cityseg.system import available_cores
from cityseg.ui import cached, progress, shell
from cityseg.ui.folders import Folders, typed_path
from cityseg.ui.text import plain, sentence, words
from cityseg.wording import counted

_MAX_WORKERS: Final = 64
_LABEL_MAP_HELP: Final = (
    "A text file that assigns labels to names of objects that Cityscapes does not have: a line "
    "such as Road = road for each, with ignore in place of a label for objects to leave out."
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What the form holds; None and empty mean what `convert` does by itself."""

    splits: tuple[str, ...]
    workers: int
    encoding: Encoding | None = None
    layout: str | None = None
    label_map: Path | None = None
    max_images: int | None = None
    pixel_aspect: float | None = None
    verify: bool = False

    def arguments(self, masks: Path) -> list[object]:
        """The options of `python -m cityseg convert`."""
        options: dict[str, object] = {
            "--out": masks,
            "--splits": ",".join(self.splits),
            "--workers": self.workers,
            "--encoding": self.encoding,
            "--layout": self.layout,
            "--label-map": self.label_map,
            "--max-images": self.max_images,
            "--pixel-aspect": self.pixel_aspect,
        }
        given = [each for pair in options.items() if pair[1] is not None for each in pair]
        return given + ["--verify"] * self.verify


def show_conversion(folders: Folders, catalogue: Catalogue) -> None:
    """Draw a form that starts the conversion, and the conversion while it runs."""
    task = Task.of(folders.runs, "convert", folders.data)
    is_due = bool(catalogue.unseen.any())
    # Once all is converted, the pictures of the result are what the page is opened for.
    place = (
        st.container(border=True)
        if is_due or task.state().is_live
        else st.expander("Convert again", icon=":material/refresh:")
    )
    with place:
        with shell.errors_shown():  # the folders may not have the layout that is chosen
            _show_form(folders, task, is_due=is_due)
        progress.show(task, key="convert", partly="")


def _show_form(folders: Folders, task: Task, *, is_due: bool) -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    more = st.expander("More options", icon=":material/tune:")
    layout = _choose_layout(folders, more)
    frames = cached.frames(folders.data, folders.masks, layout)
    choice = _choose(row, more, frames, layout)
    is_ready = _show_verdict(folders, choice) and _label_map_is_valid(choice.label_map)
    total = sum(frame.split in choice.splits for frame in frames)
    chosen = min(total, choice.max_images or total)
    if st.button(
        f"Convert {counted(chosen, 'frame')}",
        key="convert",
        type="primary" if is_due else "secondary",
        icon=":material/play_arrow:",
        disabled=task.state().is_live or not chosen or not is_ready,
        help="Finished masks are kept: only new and changed frames are converted.",
    ):
        task.start(folders.data, *choice.arguments(folders.masks))
        st.rerun()


def _choose_layout(folders: Folders, place: "st.delta_generator.DeltaGenerator") -> str | None:
    found, is_chosen = layout_found(folders.data, masks=folders.masks)
    titles = {layout.name: layout.title for layout in LAYOUTS}
    return place.selectbox(
        "Layout of the folders",
        [None, *titles],
        format_func=lambda name: (
            f"{name}: {titles[name]}"
            if name
            else f"{'As chosen before' if is_chosen else 'As found'} ({found})"
        ),
        key="layout",
        help="Where images and annotations lie and how they are named. The masks keep what is "
        "chosen here: training, evaluation and the other pages use it, too.",
    )


def _choose(
    row: "st.delta_generator.DeltaGenerator",
    more: "st.delta_generator.DeltaGenerator",
    frames: list[Frame],
    layout: str | None,
) -> Choice:
    """Draw the other fields."""
    counts = Counter(frame.split for frame in frames)
    present = [split for split in SPLITS if counts[split]]
    splits = row.pills(
        "Splits",
        present,
        selection_mode="multi",
        default=present,
        format_func=lambda split: f"{split} · {counts[split]:,}",
        key="convert-splits",
    )
    workers = row.number_input(
        "Threads",
        min_value=1,
        max_value=_MAX_WORKERS,
        value=min(available_cores(), _MAX_WORKERS),
        help="Frames that are converted at the same time. One for each CPU core is fastest.",
        width=140,
    )
    encoding = row.selectbox(
        "Encoding of the annotations",
        [None, *(each for each in ENCODINGS if each != "categories")],
        format_func=lambda each: words(ENCODING_NAMES[each]) if each else "As found",
        help="What the values of the annotations are. As found: as a sample of them shows. With "
        "another encoding, all masks are made again.",
        key="encoding",
        width=260,
    )
    typed = more.text_input(
        "Label map",
        key="label_map",
        placeholder="/home/me/labels.txt",
        help=_LABEL_MAP_HELP,
    )
    below = more.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    max_images = below.number_input(
        "First frames only",
        min_value=1,
        value=None,
        placeholder="All",
        key="max_images",
        help="Stop after this many frames, for a first look.",
        width=160,
    )
    pixel_aspect = below.number_input(
        "Width of a pixel",
        min_value=1 / MOST_ASPECT,
        max_value=MOST_ASPECT,
        value=None,
        placeholder="As found",
        key="pixel_aspect",
        help="Divided by its height, such as 2 where 2:1 pictures were squeezed to squares.",
        width=160,
    )
    verify = below.toggle(
        "Decode every image",
        key="verify",
        help="Finds damage that the end of an image's file does not show. Takes far longer.",
    )
    label_map = typed_path(typed.strip()) if typed.strip() else None
    return Choice(
        tuple(splits), int(workers), encoding, layout, label_map, max_images, pixel_aspect, verify
    )


def _label_map_is_valid(label_map: Path | None) -> bool:
    """Whether the file can be used; draws why, if not."""
    if label_map:
        try:
            load_label_map(label_map)
        except DatasetError as error:
            st.error(plain(sentence(error)), icon=":material/error:")
            return False
    return True


def _show_verdict(folders: Folders, choice: Choice) -> bool:
    """Draw how the annotations would be read, and why; False if they cannot be."""
    if not choice.splits:
        return False
    if choice.encoding:
        st.caption(f"Annotations will be read as {ENCODING_NAMES[choice.encoding]}, as chosen.")
        return True
    verdict = cached.verdict(folders.data, folders.masks, choice.layout, choice.splits)
    if problem := verdict.problem("choose it in the field Encoding of the annotations"):
        st.error(plain(sentence(problem)), icon=":material/error:")
        return False
    if not _is_shown_above(verdict, Report.load(folders.masks)):
        name = ENCODING_NAMES[verdict.checked()]
        st.caption(f"Annotations will be read as {name}. {plain(sentence(verdict.evidence))}")
    return True


def _is_shown_above(verdict: Verdict, report: Report | None) -> bool:
    """Whether the outcome of the last conversion says the same of the annotations."""
    return report is not None and (report.encoding, report.evidence) == (
        verdict.encoding,
        verdict.evidence,
    )
