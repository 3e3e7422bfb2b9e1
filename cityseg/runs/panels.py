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
    index = read_or_none(run.panels_index, _Index)
    names = index.frames if index else []
    images, truth = run.panels / "images.png", run.panels / "truth.png"
    try:
        stacks = (
            decode_frame(read_regular_file(images), images),
            *(
                png.decode_grey(read_regular_file(file))
                for file in (truth, run.panels_of_epoch(epoch))
            ),
        )
        parts = [np.split(stack, len(names)) for stack in stacks if stack is not None]
        if len(parts) < len(stacks) or len({each[0].shape[:2] for each in parts}) != 1:
            raise ValueError("the files do not fit together")
    except (OSError, ImageError, ValueError, ZeroDivisionError) as error:
        raise RunError(
            f"The predictions of epoch {epoch} in {run.panels} cannot be shown ({error}): "
            "choose another epoch"
        ) from error
    return [Panel(*each) for each in zip(names, *parts, strict=True)]


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
    _write(run, "images.png", png.encode_rgb(images))
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
