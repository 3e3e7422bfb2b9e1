"""What a run predicts for a few fixed validation frames, kept from epoch to epoch to look at.

RUN/panels/ holds them at training size, the frames of one file below each other:

    images.png       RGB
    truth.png        grey: train ids
    epoch-NNN.png    grey: the train ids predicted after that epoch
    frames.json      the frames' names from above to below, and a digest of images and truth

A run of up to a hundred epochs keeps each of them, one of up to two hundred each second, and so
on; the newest always stays.
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
from cityseg.system import read_json, replacing, write_json

logger = logging.getLogger(__name__)

_MOST_EPOCHS: Final = 100
_EPOCH: Final = re.compile(r"epoch-(\d+)\.png")


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture with its truth and its prediction, all of one height and width.

    `image` is (H, W, 3) uint8 RGB; `truth` and `prediction` are (H, W) uint8 train ids.
    """

    name: str
    image: Uint8Array
    truth: Uint8Array
    prediction: Uint8Array


def keep_panels(run: RunDir, epoch: int, epochs: int, panels: Sequence[Panel]) -> None:
    """Keep `panels` as those of `epoch`, counted from 1, in a run of `epochs`.

    What was kept of other frames is dropped. Pictures to look at end no training: what cannot be
    written is a warning in the log.
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
        logger.warning("the predictions of epoch %d cannot be kept to look at: %s", epoch, error)


def panel_epochs(run: RunDir) -> list[int]:
    """The epochs whose predictions are kept, rising."""
    names = [path.name for path in run.panels.glob("epoch-*.png")]
    return sorted(int(match[1]) for match in map(_EPOCH.fullmatch, names) if match)


def load_panels(run: RunDir, epoch: int) -> list[Panel]:
    """What was kept of `epoch`; raises RunError if that is missing or damaged."""
    names: list[str] = read_json(run.panels_index).get("frames", [])
    images, truth = run.panels / "images.png", run.panels / "truth.png"
    try:
        stacks = (
            decode_frame(images.read_bytes(), images),
            *(png.decode_grey(file.read_bytes()) for file in (truth, run.panels_of_epoch(epoch))),
        )
        parts = [np.split(stack, len(names)) for stack in stacks if stack is not None]
        if len(parts) < len(stacks) or len({each[0].shape[:2] for each in parts}) != 1:
            raise ValueError("its files do not fit each other")
    except (OSError, ImageError, ValueError, ZeroDivisionError) as error:
        raise RunError(
            f"the predictions of epoch {epoch} in {run.panels} cannot be shown ({error}): "
            "choose another epoch"
        ) from error
    return [Panel(*each) for each in zip(names, *parts, strict=True)]


def _keep_frames(run: RunDir, panels: Sequence[Panel]) -> None:
    """Write the pictures and their truth, unless they are there already."""
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
