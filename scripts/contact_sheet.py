"""Picture, ground truth and prediction of some frames side by side in one PNG."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.data import Frame, read_image, read_label_ids
from cityseg.labels import LABEL_ID_PALETTE


def write(path: Path, frames: Sequence[Frame], predictions: Path, width: int = 480) -> None:
    """Write a row for each frame to `path`; `predictions` is what `predict` wrote."""
    rows = []
    for frame in frames:
        assert frame.image  # noqa: S101 - frames without one were not predicted
        cells = [read_image(frame.image)]
        if source := frame.label_ids or frame.polygons:
            cells.append(LABEL_ID_PALETTE[read_label_ids(source)])
        cells.append(read_image(predictions / "color" / f"{frame.image.stem}.png"))
        rows.append(np.hstack([_fitted(cell, width) for cell in cells]))
    cv2.imwrite(str(path), np.ascontiguousarray(np.vstack(rows)[..., ::-1]))


def _fitted(pixels: Uint8Array, width: int) -> Uint8Array:
    height = round(width * pixels.shape[0] / pixels.shape[1])
    fitted = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(fitted, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    return np.asarray(framed, np.uint8)
