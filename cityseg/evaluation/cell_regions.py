"""The regions of a cell of the confusion: connected pixels of one true and one predicted class.

They are in no table, because a frame has too many. They are found again from the annotation and the
kept prediction, in the frames with the most pixels of the cell.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import cv2
import numpy as np

from cityseg.arrays import IntArray, Uint8Array, as_uint8
from cityseg.data import png, read_bytes
from cityseg.errors import CitysegError, ScoreError
from cityseg.evaluation.evidence_files import Evidence, picture_paths
from cityseg.evaluation.region_table import FoundRegions, Region
from cityseg.system import map_in_threads

#: The `Region.side` of these regions.
BOTH: Final = "both"
#: In how many frames they are looked for.
MOST_FRAMES: Final = 24


class CellRegions(NamedTuple):
    """The regions in some frames, the largest first, and how much of the cell these frames hold.

    `pixels` are those of the cell in the frames that were looked at, `all_pixels` in all: exact
    counts, while regions are counted in the prediction at the network's size. `problems` says why
    frames could not be read.
    """

    regions: FoundRegions
    frames: int
    pixels: int
    all_pixels: int
    problems: list[str]


def find_cell_regions(
    evidence: Evidence,
    frames: IntArray,
    truth: int,
    predicted: int,
    read_truth: Callable[[str], Uint8Array],
    *,
    least_pixels: int = 0,
    confidence: tuple[float, float] = (0.0, 1.0),
    most: int = 1000,
) -> CellRegions:
    """Find them among `frames`, which are indices; the classes are train ids.

    `read_truth` returns the (H, W) uint8 train ids of a frame by its name; where it raises
    CitysegError, the frame is left out.
    """
    pixels = evidence.class_confusions[frames, truth, predicted]
    order = np.argsort(-pixels, kind="stable")[:MOST_FRAMES]
    looked_at = order[pixels[order] > 0]
    names = [evidence.store.names[index] for index in frames[looked_at]]

    def find(name: str) -> list[Region] | str:
        try:
            return _in_frame(evidence, name, truth, predicted, read_truth(name))
        except CitysegError as error:
            return str(error)

    found = list(map_in_threads(find, names))
    low, high = confidence
    regions = [
        region
        for part in found
        if not isinstance(part, str)
        for region in part
        if region.pixels >= least_pixels and low <= region.confidence <= high
    ]
    regions.sort(key=lambda region: (-region.pixels, region.frame, region.top, region.left))
    counted = sum(region.pixels for region in regions)
    return CellRegions(
        FoundRegions(regions[:most], len(regions), counted),
        len(names),
        int(pixels[looked_at].sum()),
        int(pixels.sum()),
        [part for part in found if isinstance(part, str)],
    )


def _in_frame(
    evidence: Evidence, name: str, truth: int, predicted: int, true_ids: Uint8Array
) -> list[Region]:
    paths = picture_paths(evidence.folder, name)
    train_ids, confidence = (
        enlarged(png.decode_grey(read_bytes(p)), true_ids.shape) for p in paths
    )
    cell = as_uint8(((true_ids == truth) & (train_ids == predicted)).view(np.uint8))
    x, y, across, down = cv2.boundingRect(cell)  # most cells fill a small part of a frame
    if not across:  # only the exact prediction has such pixels
        return []
    part = slice(y, y + down), slice(x, x + across)
    _, ids, statistics, _ = cv2.connectedComponentsWithStats(cell[part], connectivity=4)
    inside = ids > 0
    sums = np.bincount(ids[inside], confidence[part][inside])
    return [
        Region(
            frame=name,
            side=BOTH,
            train_id=truth,
            top=y + top,
            left=x + left,
            bottom=y + top + high,
            right=x + left + wide,
            pixels=pixels,
            confidence=float(sums[number]) / pixels / 255,
            other=predicted,
            other_share=1.0,
            iou=float(truth == predicted),
            counted=pixels,
        )
        for number, (left, top, wide, high, pixels) in enumerate(statistics.tolist())
        if number
    ]


def enlarged(coarse: Uint8Array | None, size_hw: tuple[int, ...]) -> Uint8Array:
    """A map at the network's size with its pixels repeated to another size, (H, W).

    Raises ScoreError where its file could not be decoded, None.
    """
    if coarse is None:
        raise ScoreError("A kept prediction is damaged: collect the evidence again")
    height, width = size_hw
    return as_uint8(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST))
