"""A video in, a video of its predictions out, in constant memory."""

import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial, reduce
from itertools import repeat
from pathlib import Path
from typing import Final

import cv2
import torch
from torch import Tensor

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import UNFINISHED_VIDEO, Video, quiet_stderr
from cityseg.errors import CitysegError, ConfigError, Skipped
from cityseg.geometry import prediction_geometry
from cityseg.prediction.files import PicturePredictor, colors, overlay
from cityseg.prediction.kept_classes import Classify, KeptClasses
from cityseg.prediction.predictor import Predictor
from cityseg.prediction.upsampling import classify_logits
from cityseg.system import (
    Lock,
    ProgressCallback,
    check_output_file,
    map_in_threads,
    replacing,
    sync_folder,
)

#: The codecs by the ending of the file: MPEG-4 is fast and for players, VP8 for browsers as well.
_CODECS: Final = {".mp4": "mp4v", ".webm": "VP80"}
#: Bytes that stay free: a video whose index cannot be written any more is lost.
_LEAST_FREE: Final = 32 << 20
#: Of the clock of MPEG-4, a second at most.
_MOST_TICKS: Final = 65535

#: Of a preview: its largest width in pixels, and the least time between two.
_PREVIEW_WIDTH: Final = 640
_PREVIEW_SECONDS: Final = 1.0


@dataclass(slots=True)
class VideoReport:
    """What came of a video: `path` has `frames` frames; None without any.

    `skipped` says which others are missing. If `stopped` says why the work ended early, `path` is
    a part of the video.
    """

    path: Path | None = None
    frames: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    stopped: str = ""


def predict_video(
    predictor: PicturePredictor,
    video: Video,
    out: Path,
    *,
    beside: bool = False,
    smooth: int = 1,
    sliding: bool = False,
    flip: bool = False,
    size_hw: tuple[int, int] | None = None,
    pixel_aspect: float = 1.0,
    kept: KeptClasses | None = None,
    preview: Path | None = None,
    progress: ProgressCallback | None = None,
) -> VideoReport:
    """Predict the frames of `video` and write them to `out`, which appears whole.

    Each has the official colours over the picture, or with `beside` right of it. `smooth` averages
    the logits of the last so many frames; the other options are those of `Predictor.predict`.
    Frames that cannot be read, or have another size than the first, are skipped. After
    KeyboardInterrupt or on a full disk, the frames so far become `part_path(out)`. Frames whose
    classes are in `kept` are not predicted, and it gets those of all others. `preview` is a JPEG
    file that shows the newest frame, written at most every second. `progress` is called with
    (done, all) frames, where all is 0 if it is unknown.

    Raises CitysegError if `out` cannot be written to or a frame cannot be predicted, ConfigError
    for `smooth` with an ONNX file.
    """
    check_video_output(out)
    settings = {"sliding": sliding, "flip": flip}
    classify = _classifier(predictor, smooth, size_hw, pixel_aspect, settings)
    if kept:
        classify = partial(kept.classes, classify=classify)
    report = VideoReport()
    out.parent.mkdir(parents=True, exist_ok=True)
    # A folder, because OpenCV chooses the container by the ending of the file.
    # It is locked while it is in use: `clean` removes what a killed process has left.
    with (
        tempfile.TemporaryDirectory(dir=out.parent, prefix=UNFINISHED_VIDEO) as folder,
        Lock.take_folder(Path(folder)),
    ):
        writer = _Writer(Path(folder, f"video{out.suffix.lower()}"), video.rate, beside, preview)
        try:
            with closing(_predicted(video, classify, report, progress)) as predicted:
                _write_all(writer, predicted, report)
        except KeyboardInterrupt:
            report.stopped = "Stopped"
        report.frames = writer.frames
        if report.frames:
            writer.close()
            report.path = part_path(out) if report.stopped else out
            _publish(writer.path, report.path)
    return report


def check_video_output(out: Path) -> None:
    """Raise CitysegError if no video can be written to `out`; creates nothing."""
    if out.suffix.lower() not in _CODECS:
        raise CitysegError(
            f"{out} is no name for a video: let it end in .mp4, or .webm for browsers"
        )
    check_output_file(out)


def part_path(out: Path) -> Path:
    """Where the beginning of a video lies that was stopped."""
    return out.with_name(f"{out.stem}.part{out.suffix}")


def _classifier(
    predictor: PicturePredictor,
    smooth: int,
    size_hw: tuple[int, int] | None,
    pixel_aspect: float,
    settings: dict[str, bool],
) -> Classify:
    if smooth == 1:
        return lambda image: (
            (
                predictor.predict(image, size_hw=size_hw, pixel_aspect=pixel_aspect, **settings)
            ).train_ids
        )
    if not isinstance(predictor, Predictor):
        raise ConfigError(
            "An ONNX file gives classes, which cannot be averaged: leave --smooth out, or name the "
            "weights, with --backend torch"
        )
    geometry = prediction_geometry(predictor.checkpoint.config, pixel_aspect, size_hw)
    recent: deque[Tensor] = deque(maxlen=smooth)

    def classify(image: Uint8Array) -> Uint8Array:
        with predictor.explained_memory_errors(image), torch.inference_mode():
            recent.append(predictor.logits(image, geometry, **settings))
            mean = reduce(torch.add, recent) / len(recent)
            outputs, _ = classify_logits(mean, image.shape[:2], with_confidence=False)
            return predictor.named(outputs)

    return classify


def _predicted(
    video: Video, classify: Classify, report: VideoReport, progress: ProgressCallback | None
) -> Generator[tuple[Uint8Array, Uint8Array], None, None]:
    """Each frame with its classes, while a thread reads the next; others go to the report."""
    first_hw: tuple[int, ...] = ()
    with closing(map_in_threads(lambda _: next(video.frames, None), repeat(None), 1)) as frames:
        for number, frame in enumerate(frames, 1):
            if frame is None:
                return
            if isinstance(frame, Skipped):
                report.skipped.append(frame)
            elif first_hw not in ((), frame.shape[:2]):
                detail = (
                    f"Frame {number} is {_size(frame.shape)}, and the first {_size(first_hw)}: "
                    "bring all to one size"
                )
                report.skipped.append(Skipped("size", detail))
            else:
                first_hw = frame.shape[:2]
                yield frame, classify(frame)
            if progress:
                progress(number, video.total)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]}"


def _write_all(
    writer: "_Writer", predicted: Iterator[tuple[Uint8Array, Uint8Array]], report: VideoReport
) -> None:
    """Write in a thread, while the next frame is predicted, and as long as there is space."""
    with closing(map_in_threads(writer.write, predicted, 1)) as written:
        for _ in written:
            if shutil.disk_usage(writer.path.parent).free < _LEAST_FREE:
                report.stopped = "The disk is full"
                return


class _Writer:
    """A new video file; `frames` counts what was written."""

    def __init__(self, path: Path, rate: float, beside: bool, preview: Path | None) -> None:
        """Nothing is opened before the first frame, which decides the size."""
        self.path, self.frames = path, 0
        self._preview, self._previewed = preview, float("-inf")
        self._rate, self._beside = _writable(rate), beside
        self._writer: cv2.VideoWriter | None = None

    def write(self, predicted: tuple[Uint8Array, Uint8Array]) -> None:
        """Append (H, W, 3) uint8 RGB with its (H, W) uint8 train ids. Raises CitysegError."""
        image, train_ids = predicted
        if self._beside:
            shown = as_uint8(cv2.hconcat([image, colors(train_ids)]))
        else:
            shown = overlay(image, train_ids)
        bgr = as_uint8(cv2.cvtColor(_even(shown), cv2.COLOR_RGB2BGR))
        if self._writer is None:
            self._writer = self._open(bgr)
        self._writer.write(bgr)
        self.frames += 1
        if self._preview and time.monotonic() - self._previewed >= _PREVIEW_SECONDS:
            _write_preview(self._preview, bgr)
            self._previewed = time.monotonic()

    def _open(self, frame: Uint8Array) -> cv2.VideoWriter:
        codec = cv2.VideoWriter.fourcc(*_CODECS[self.path.suffix])
        size = frame.shape[1], frame.shape[0]
        with quiet_stderr():  # OpenCV remarks on the tag of each .webm
            writer = cv2.VideoWriter(str(self.path), cv2.CAP_FFMPEG, codec, self._rate, size)
        if not writer.isOpened():
            raise CitysegError(
                f"Frames of {_size(frame.shape)} cannot be written as {self.path.suffix}: scale "
                "the video, or choose the other of .mp4 and .webm"
            )
        return writer

    def close(self) -> None:
        """Finish the file. Raises CitysegError if it is incomplete."""
        if self._writer:
            self._writer.release()
        # OpenCV reports no error of the disk: whether all was written is seen in the file.
        with quiet_stderr():
            capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        found = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0
        if self.frames > 1 and found <= 0:
            raise CitysegError(
                f"None of {self.frames} frames can be read from the video after writing: check "
                "free space, scale the video, or choose the other of .mp4 and .webm"
            )
        if found < self.frames - 1:  # that of .webm is an estimate
            raise CitysegError(
                f"The video has {max(0, found):.0f} of {self.frames} frames after writing: check "
                "free space, or choose another folder"
            )


def _even(frame: Uint8Array) -> Uint8Array:
    """A frame whose sides are even, as codecs halve colours: the last row or column is repeated."""
    height, width = frame.shape[:2]
    if height % 2 == width % 2 == 0:
        return frame
    return as_uint8(cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE))


def _write_preview(path: Path, bgr: Uint8Array) -> None:
    """Write a small JPEG; a disk that has no space for it ends the work elsewhere."""
    height, width = bgr.shape[:2]
    scale = min(1.0, _PREVIEW_WIDTH / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    _, content = cv2.imencode(".jpg", cv2.resize(bgr, size, interpolation=cv2.INTER_AREA))
    with suppress(OSError), replacing(path) as file:
        file.write(content.tobytes())


def _writable(rate: float) -> float:
    """`rate` with as few digits as the clock of MPEG-4 takes."""
    digits = next(digits for digits in (3, 2, 1) if rate * 10**digits < _MOST_TICKS)
    return round(rate, digits)


def _publish(temporary: Path, path: Path) -> None:
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
