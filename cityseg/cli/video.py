"""The options of `predict` that make a video, and how it is made."""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cityseg.cli import EXIT_NOTHING, EXIT_SOME
from cityseg.cli.options import whole_number
from cityseg.cli.output import progress_bar, status_of
from cityseg.cli.parser import Parser
from cityseg.errors import CitysegError
from cityseg.wording import counted

if TYPE_CHECKING:
    from cityseg.prediction import PicturePredictor, VideoReport

#: Frames that are averaged: each is kept in memory.
_MOST_SMOOTH: Final = 30
#: Lines about lost frames, before the number of all.
_MOST_PROBLEMS: Final = 10


def add_video(parser: Parser) -> None:
    """The options for a video."""
    group = parser.add_argument_group("video")
    add = group.add_argument
    add(
        "--video",
        type=Path,
        metavar="FILE",
        help="Predict the one IMAGE as a video, or a folder of pictures in the order of their "
        "names, and write FILE: .mp4 for players, or .webm, which browsers play, too; no sound.",
    )
    add(
        "--beside",
        action="store_true",
        help="Show the colours beside the picture instead of over it.",
    )
    add(
        "--smooth",
        type=whole_number(1, _MOST_SMOOTH),
        metavar="N",
        help="Average the network's output over the last N frames: less flicker, and moving things "
        "lag behind [1].",
    )
    add(
        "--frame-rate",
        type=_frame_rate,
        metavar="N",
        help="Frames a second of the result [those of the video, 25 for a folder].",
    )
    add(
        "--preview",
        type=Path,
        metavar="FILE",
        help="Keep the newest frame in FILE, a small JPEG, while the work lasts.",
    )


def _frame_rate(text: str) -> float:
    from cityseg.data import LEAST_RATE, MOST_RATE

    value = float(text)
    if not LEAST_RATE <= value <= MOST_RATE:  # false for nan as well
        raise argparse.ArgumentTypeError(f"{text} is not between {LEAST_RATE:g} and {MOST_RATE:g}")
    return value


_frame_rate.__name__ = "frame rate"  # as argparse calls it in "invalid … value"


def check_video_options(options: argparse.Namespace) -> None:
    """Raise CitysegError for options that only pictures, or only videos have."""
    given = {
        "--beside": options.beside,
        "--smooth": options.smooth,
        "--frame-rate": options.frame_rate,
        "--preview": options.preview,
    }
    if options.video is None:
        for name, value in given.items():
            if value:
                raise CitysegError(f"{name} is for videos: add --video FILE, or leave it out")
        return
    of_pictures = {
        "--out": options.out is not None,
        "--recursive": options.recursive,
        "--shard": options.shard,
        "--merge": options.merge,
    }
    for name, is_given in of_pictures.items():
        if is_given:
            raise CitysegError(f"{name} is for pictures: leave it out, or leave --video out")


def predict_to_video(
    network: Path,
    names: list[str],
    options: argparse.Namespace,
    load: "Callable[[], AbstractContextManager[PicturePredictor]]",
) -> int:
    """Predict the video that is the only one of `names`; returns the exit status.

    `load` loads `network`.
    """
    from cityseg.data import open_video
    from cityseg.prediction import KeptClasses, check_video_output, part_path, predict_video
    from cityseg.system import check_output_file

    if len(names) != 1 or names == ["-"]:
        raise CitysegError("--video takes one video file or one folder of pictures: name that")
    source, out = Path(names[0]), options.video
    check_video_output(out)
    _check_apart(source, out, options.preview)
    video = open_video(source, options.frame_rate)
    if options.preview:
        check_output_file(options.preview)
    pixel_aspect, smooth = options.pixel_aspect or video.pixel_aspect, options.smooth or 1
    key = _key(network, options, pixel_aspect)
    with (
        load() as predictor,
        KeptClasses(_kept_path(out), key, smooth) as kept,
        progress_bar("Predicting", "frame") as progress,
    ):
        report = predict_video(
            predictor,
            video,
            out,
            beside=options.beside,
            smooth=smooth,
            sliding=options.sliding,
            flip=options.flip,
            size_hw=options.size,
            pixel_aspect=pixel_aspect,
            kept=kept,
            preview=options.preview,
            progress=progress,
        )
        if not report.stopped:
            kept.remove()
            if kept.reused:  # the beginning that an earlier call left is in the whole video
                part_path(out).unlink(missing_ok=True)
    return _summed_up(report, out)


def _check_apart(source: Path, out: Path, preview: Path | None) -> None:
    """Raise CitysegError if what is written would replace, or lie in, what is read."""
    from cityseg.prediction import part_path

    for written in filter(None, (out, part_path(out), preview)):
        if written.exists() and source.exists() and written.samefile(source):
            when = "" if written == out else ", which is written to while the work lasts"
            raise CitysegError(
                f"{written} is the video itself{when}: choose another name for the result"
            )
    if preview and preview.resolve().parent == source.resolve():
        raise CitysegError(
            f"{preview} would be among the pictures of the video: choose another folder for it"
        )


def _kept_path(out: Path) -> Path:
    """Where the classes of the frames lie, until the video is complete."""
    from cityseg.data import KEPT_CLASSES

    return out.with_name(f".{out.name}{KEPT_CLASSES}")


def _key(network: Path, options: argparse.Namespace, pixel_aspect: float) -> str:
    """Differs between two networks, and between two ways in which one predicts a frame."""
    from cityseg.runs import find_weights
    from cityseg.system import file_digest

    weights = network if options.model or network.suffix == ".onnx" else find_weights(network)
    names = ("model", "classes", "mean", "std", "backend", "smooth", "sliding", "flip", "size")
    settings = [getattr(options, name) for name in names]
    return json.dumps([file_digest(weights), pixel_aspect, settings])


def _summed_up(report: "VideoReport", out: Path) -> int:
    """Print what came of a video; returns the exit status."""
    for skipped in report.skipped[:_MOST_PROBLEMS]:
        print(f"Skipped: {skipped.detail}.", file=sys.stderr)
    if (further := len(report.skipped) - _MOST_PROBLEMS) > 0:
        print(f"Skipped: {further} more.", file=sys.stderr)
    frames = counted(report.frames, "frame")
    if report.stopped:
        kept = f"{report.path} has the first {frames}" if report.path else "nothing is kept"
        print(f"{report.stopped}: {kept}. The same command continues there.")
        return EXIT_SOME if report.path else EXIT_NOTHING
    if report.path:
        print(f"{out}: {frames} predicted, {len(report.skipped)} skipped.")
    return status_of(report.frames, len(report.skipped))
