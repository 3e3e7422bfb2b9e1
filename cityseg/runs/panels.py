"""Predictions for a few fixed validation frames after each epoch, for people to look at.

RUN/panels/ has them at the size of training, the frames of one file below each other:

    images.png       RGB
    truth.png        grey: train ids
    epoch-NNN.png    grey: the train ids predicted after that epoch
    frames.json      the frames' names from top to bottom, and a digest of images and truth

A run of up to a hundred epochs keeps all of them, a run of up to two hundred every second, and so
on. The newest always stays.
"""

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.data import decode_frame, png
from cityseg.errors import ImageError, RunError
from cityseg.runs.folder import RunDir
from cityseg.system import (
    FileModel,
    read_json,
    read_or_none,
    read_regular_file,
    replacing,
    write_json,
)

logger = logging.getLogger(__name__)

_MOST_EPOCHS: Final = 100
_IMAGES: Final = "images.png"
_EPOCH: Final = re.compile(r"epoch-(\d+)\.png")


class _Index(FileModel):
    """The content of frames.json."""

    frames: list[str]


@dataclass(frozen=True, slots=True)
class Panel:
    """A frame with its truth and its prediction, all of one height and width.

    `image` is (H, W, 3) uint8 RGB; `truth` and `prediction` are (H, W) uint8 train ids.
    """

    name: str
    image: Uint8Array
    truth: Uint8Array
    prediction: Uint8Array


def keep_panels(run: RunDir, epoch: int, epochs: int, panels: Sequence[Panel]) -> None:
    """Keep `panels` as those of `epoch`, counted from 1, in a run of `epochs` epochs.

    Panels of other frames are removed. A failed write is only logged, because images to look at
    must not end a training.
    """
    try:
        _keep_frames(run, panels)
        predictions = np.concatenate([panel.prediction for panel in panels])
        _write(run, run.panels_of_epoch(epoch).name, png.encode_grey(predictions))
        stride = -(-epochs // _MOST_EPOCHS)
        for other in panel_epochs(run):
            if other > epoch or (other < epoch and (other - 1) % stride):
                run.panels_of_epoch(other).unlink()
    except OSError as error:
        logger.warning("The predictions of epoch %d cannot be kept (%s)", epoch, error)


def panel_epochs(run: RunDir) -> list[int]:
    """The epochs whose predictions are kept, in order."""
    names = [path.name for path in run.panels.glob("epoch-*.png")]
    return sorted(int(match[1]) for match in map(_EPOCH.fullmatch, names) if match)


def load_panels(run: RunDir, epoch: int) -> list[Panel]:
    """The panels of `epoch`; raises RunError if they are missing or damaged."""
    files = run.panels / _IMAGES, run.panels / "truth.png", run.panels_of_epoch(epoch)
    names, stacks = _load(run, epoch, files)
    return [Panel(*each) for each in zip(names, *stacks, strict=True)]


def load_predictions(run: RunDir, epoch: int) -> list[Uint8Array]:
    """The `Panel.prediction` of each frame after `epoch`; raises RunError as `load_panels` does."""
    _, (predictions,) = _load(run, epoch, [run.panels_of_epoch(epoch)])
    return predictions


def _load(
    run: RunDir, epoch: int, files: Sequence[Path]
) -> tuple[list[str], list[list[Uint8Array]]]:
    """The names of the frames, and for each file its part of each frame, all of one size."""
    index = read_or_none(run.panels_index, _Index)
    names = index.frames if index else []
    try:
        stacks = [_decode(file) for file in files]
        parts = [np.split(stack, len(names)) for stack in stacks if stack is not None]
        if len(parts) < len(stacks) or len({each[0].shape[:2] for each in parts}) != 1:
            raise ValueError("the files do not fit together")
    except (OSError, ImageError, ValueError, ZeroDivisionError) as error:
        raise RunError(
            f"The predictions of epoch {epoch} in {run.panels} cannot be shown ({error}): "
            "choose another epoch"
        ) from error
    return names, parts


def _decode(file: Path) -> Uint8Array | None:
    content = read_regular_file(file)
    return decode_frame(content, file) if file.name == _IMAGES else png.decode_grey(content)


def _keep_frames(run: RunDir, panels: Sequence[Panel]) -> None:
    """Write the images and their truth, unless those of the same frames are there."""
    images = np.concatenate([panel.image for panel in panels])
    truth = np.concatenate([panel.truth for panel in panels])
    index = {"frames": [panel.name for panel in panels], "digest": _digest(images, truth)}
    if read_json(run.panels_index) == index:
        return
    run.panels.mkdir(exist_ok=True)
    for file in run.panels.iterdir():
        file.unlink()
    _write(run, _IMAGES, png.encode_rgb(images))
    _write(run, "truth.png", png.encode_grey(truth))
    write_json(run.panels_index, index, durable=False)


def _digest(*arrays: Uint8Array) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _write(run: RunDir, name: str, content: bytes) -> None:
    with replacing(run.panels / name, durable=False) as file:
        file.write(content)
