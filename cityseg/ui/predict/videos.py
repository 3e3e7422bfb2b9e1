"""The choice of a video: one that was handed in before, or a new file.

A video lies in the folder of the task that predicts it, with its result, so that both are there
after a reload. The page Overview offers that folder for removal a week later.
"""

import hashlib
import re
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from cityseg.data import MAX_PIXELS, open_video
from cityseg.errors import ImageError, RunError, Skipped
from cityseg.jobs import Task
from cityseg.system import FileModel, read_or_none, replacing, write_json
from cityseg.ui import address
from cityseg.ui.decoding import BUDGET
from cityseg.ui.folders import Folders
from cityseg.ui.predict.uploads import choose_file, release
from cityseg.ui.text import utf8

LARGEST_VIDEO_MIB: Final = 200
_KEY: Final = "video"
_NEW: Final = "new"
_FIELD: Final = "video_file"
#: How files begin that hold a video. FFmpeg also opens playlists, which name other files.
_CONTAINERS: Final = re.compile(
    rb"....(ftyp|moov|mdat|wide|free|skip)"  # MP4, MOV
    rb"|RIFF....AVI "
    rb"|\x1aE\xdf\xa3"  # MKV, WebM
    rb"|\x00\x00\x01[\xba\xb3]|G.{187}G"  # MPEG
    rb"|OggS",
    re.DOTALL,
)


class _About(FileModel):
    """The content of video.json: the name of the video, and when it was handed in."""

    name: str
    time: float


class Attempt(FileModel):
    """The content of attempt.json: what the result was predicted with."""

    network: str
    settings: list[str]


@dataclass(frozen=True, slots=True)
class KeptVideo:
    """A video in the folder of the task that predicts it."""

    name: str
    task: Task

    @property
    def file(self) -> Path:
        """The video itself."""
        return self.task.folder / "video"

    @property
    def result(self) -> Path:
        """The video of the predictions."""
        return self.task.folder / "predicted.webm"

    @property
    def part(self) -> Path:
        """The beginning of the result, after a stop."""
        return self.task.folder / "predicted.part.webm"

    @property
    def preview(self) -> Path:
        """A JPEG of the newest frame."""
        return self.task.folder / "preview.jpg"

    @property
    def attempt_file(self) -> Path:
        """The last attempt."""
        return self.task.folder / "attempt.json"

    def attempt(self) -> Attempt | None:
        """The last attempt to predict it; None before the first."""
        return read_or_none(self.attempt_file, Attempt)


def choose_video(folders: Folders, row: DeltaGenerator, below: DeltaGenerator) -> KeptVideo | None:
    """Draw the choice of a video in `row`, and `below` the field for a file; None without one.

    Raises RunError if the folder of runs cannot be read or written to.
    """
    kept = _kept_videos(folders.runs)
    if kept:
        texts = {**_texts(kept), _NEW: "Another file"}
        with row:
            chosen = address.select("Video", list(texts), _KEY, texts.__getitem__, width=225)
        if chosen in kept:
            return kept[chosen]
    with below:
        new = choose_file(
            f"Video file of at most {LARGEST_VIDEO_MIB} MB",
            _FIELD,
            lambda file: _take(folders.runs, file),
            max_upload_size=LARGEST_VIDEO_MIB,
            help="MP4, MOV, AVI, MKV, WebM or MPEG. It is kept in the folder of runs, with its "
            "result, until the page Overview removes it.",
        )
    if new:
        # With the field gone, the file would be handed in again at every visit of the page.
        del st.session_state[f"{_FIELD}_field"]
        st.query_params[_KEY] = _key(new.task)
        st.rerun()
    return None


def _key(task: Task) -> str:
    return task.folder.name.rpartition("-")[2]


def _kept_videos(runs: Path) -> dict[str, KeptVideo]:
    """The videos in the folder of runs by their keys, the newest first."""
    try:
        found = [
            (about.time, KeptVideo(about.name, Task(folder.absolute())))
            for folder in (runs / ".tasks").glob("predict-*")
            if (about := read_or_none(folder / "video.json", _About))
        ]
    except OSError as error:
        raise RunError(
            f"{runs} cannot be read ({error.strerror}): check its permissions"
        ) from error
    found.sort(key=lambda each: -each[0])
    return {_key(video.task): video for _, video in found}


def _texts(kept: dict[str, KeptVideo]) -> dict[str, str]:
    """The names of videos; those of one name have their keys behind it."""
    uses = Counter(video.name for video in kept.values())
    return {
        key: utf8(video.name if uses[video.name] == 1 else f"{video.name} ({key[:4]})")
        for key, video in kept.items()
    }


def _take(runs: Path, file: UploadedFile) -> KeptVideo:
    """As `_keep`; the server then has the video on the disk alone."""
    video = _keep(runs, file)
    release(file)
    return video


def _keep(runs: Path, file: UploadedFile) -> KeptVideo:
    """Keep an uploaded video in the folder of runs; raises ImageError if it is none, RunError."""
    if file.size > LARGEST_VIDEO_MIB << 20:
        raise ImageError(
            f"{file.name} has {file.size >> 20} MB, and at most {LARGEST_VIDEO_MIB} are taken: "
            "cut it, or predict it in a terminal with python -m cityseg predict VIDEO --video OUT"
        )
    content = file.getvalue()  # not a copy, as `getbuffer` would make
    if not _CONTAINERS.match(content):
        raise ImageError(
            f"{file.name} is no video that can be read: convert it to an .mp4, with ffmpeg for "
            "example"
        )
    video = KeptVideo(file.name, Task.of(runs, "predict", hashlib.blake2b(content).hexdigest()))
    about = video.task.folder / "video.json"
    if (known := read_or_none(about, _About)) and video.file.is_file():
        return KeptVideo(known.name, video.task)
    try:
        video.task.folder.mkdir(parents=True, exist_ok=True)
        with replacing(video.file, durable=False) as written:
            written.write(content)
        _check(video)
        write_json(about, _About(name=utf8(file.name), time=time.time()).model_dump())
    except OSError as error:
        shutil.rmtree(video.task.folder, ignore_errors=True)
        raise RunError(
            f"{file.name} cannot be kept in {runs} ({error.strerror}): check permissions and free "
            "space, or choose another folder for runs"
        ) from error
    return video


def _check(video: KeptVideo) -> None:
    """Read the first frame; raises ImageError, and keeps nothing, if there is none."""
    try:
        # Its size is known only then, and while a video is opened nothing else may be: OpenCV is
        # silenced for the whole process.
        with BUDGET.spending(MAX_PIXELS):
            first = next(open_video(video.file).frames)
        if isinstance(first, Skipped):
            raise ImageError(first.detail)
    except ImageError as error:
        shutil.rmtree(video.task.folder, ignore_errors=True)
        raise ImageError(str(error).replace(str(video.file), video.name)) from error
