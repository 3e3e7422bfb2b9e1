"""Downloads of what was reviewed: tables, crops for annotation tools, accepted labels."""

import io
import shlex
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import streamlit as st

from cityseg.data import Reading
from cityseg.review import (
    VerdictRow,
    accepted_corrections,
    export_crops,
    ledger_file,
    verdict_rows,
    verdicts_csv,
    verdicts_json,
    write_corrected_copy,
)
from cityseg.ui import cached
from cityseg.ui.folders import Folders
from cityseg.ui.review.regions import digest_of
from cityseg.ui.text import plain
from cityseg.wording import counted

#: Whether the menu is open.
OPEN: Final = "review_exports"
#: Of more regions, no crops are made while a browser waits.
_MOST_CROPS: Final = 200
_ZIP: Final = "application/zip"

Tags = Mapping[str, Sequence[str]]


class _Download(NamedTuple):
    label: str
    name: str
    media_type: str
    about: str
    content: Callable[[], bytes]
    is_possible: bool = True


def show_exports(folders: Folders) -> None:
    """Draw a menu with the downloads. Raises ReviewError if the ledger cannot be read."""
    # Filled only while it is open: otherwise every rerun would look at all verdicts.
    menu = st.popover("Export", icon=":material/download:", key=OPEN, on_change="rerun")
    if not menu.open:
        return
    with menu:
        ledger = cached.ledger(ledger_file(folders.data, folders.runs))
        frames = {each.name: each for each in cached.frames(folders.data, folders.masks)}
        rows = verdict_rows(ledger.verdicts().values(), frames, digest_of)
        if not rows:
            st.caption("Nothing is judged yet.")
            return
        for each in downloads(folders, rows, ledger.tags()):
            st.download_button(
                each.label,
                # Called at the click: it takes seconds, and a rerun may remove a file made before.
                each.content,
                each.name,
                each.media_type,
                key=f"export-{each.name}",
                help=each.about,
                on_click="ignore",
                type="tertiary",
                disabled=not each.is_possible,
            )
        stale = sum(each.is_stale for each in rows)
        if stale:
            st.caption(
                f"{counted(stale, 'verdict')} on annotations that have changed since: in the "
                "tables only."
            )
        st.caption("Corrected crops come back with:")
        data = plain(shlex.quote(str(folders.data)))
        st.caption(f"python -m cityseg review import {data} CORRECTED OUT")


def downloads(folders: Folders, rows: Sequence[VerdictRow], tags: Tags) -> list[_Download]:
    """What can be downloaded of the verdicts, and whether there is anything of it."""
    fresh = [each for each in rows if each.frame and not each.is_stale]
    accepted = [each for each in fresh if each.verdict.accepted]
    reading = partial(cached.reading, folders.data, folders.masks)
    crops_about = "Picture, label map, instance map and polygons of each region with what is "
    crops_about += "around it, in the layout of Cityscapes, which annotation tools read."
    if len(fresh) > _MOST_CROPS:
        crops_about += f" Of more than {_MOST_CROPS} regions: run review export --to crops."
    return [
        _Download(
            "Table (CSV)",
            "review.csv",
            "text/csv",
            "All verdicts, for a spreadsheet.",
            lambda: verdicts_csv(rows, tags).encode(errors="replace"),
        ),
        _Download(
            "Table (JSON)",
            "review.json",
            "application/json",
            "All verdicts, with the pixels of their regions.",
            lambda: verdicts_json(rows, tags).encode(errors="replace"),
        ),
        _Download(
            "Crops",
            "review-crops.zip",
            _ZIP,
            crops_about,
            lambda: _crops(rows, folders.data, reading()),
            0 < len(fresh) <= _MOST_CROPS,
        ),
        _Download(
            "Corrected labels",
            "review-labels.zip",
            _ZIP,
            "The label maps of the frames with regions where you accepted the network's label.",
            lambda: _labels(accepted, folders.data, reading()),
            bool(accepted),
        ),
    ]


def _crops(rows: Sequence[VerdictRow], data: Path, reading: Reading) -> bytes:
    return _zipped(lambda out: export_crops(rows, data, reading, out))


def _labels(rows: Sequence[VerdictRow], data: Path, reading: Reading) -> bytes:
    """Only frames that are corrected, without their pictures."""
    frames = {each.frame.name: replace(each.frame, image=None) for each in rows if each.frame}
    corrections = accepted_corrections(rows)
    return _zipped(
        lambda out: write_corrected_copy(data, list(frames.values()), reading, corrections, out)
    )


def _zipped(write: Callable[[Path], object]) -> bytes:
    """The folder that `write` creates, as a ZIP file; pictures in it are compressed already."""
    content = io.BytesIO()
    with TemporaryDirectory(prefix="cityseg-") as temporary, zipfile.ZipFile(content, "w") as file:
        out = Path(temporary) / "export"
        write(out)
        for path in sorted(each for each in out.rglob("*") if each.is_file()):
            file.write(path, path.relative_to(out))
    return content.getvalue()
