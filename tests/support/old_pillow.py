"""The official tools as they drew in 2015, when the label maps were made: with the old Pillow."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from cityscapesscripts.preparation import json2instanceImg, json2labelImg
from PIL import Image


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Let json2labelImg and json2instanceImg draw with the old Pillow."""
    old = SimpleNamespace(Draw=DrawOfOldPillow)
    with (
        patch.object(json2labelImg, "ImageDraw", old),
        patch.object(json2instanceImg, "ImageDraw", old),
    ):
        yield


class DrawOfOldPillow:
    """ImageDraw before Pillow's rewrite of 2015: row by row, after `polygon8` of its Draw.c."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image

    def polygon(self, points: Sequence[tuple[float, float]], fill: Any) -> None:
        """Fill the outline through `points`."""
        vertices = [(int(x), int(y)) for x, y in points]
        edges = list(zip(vertices, vertices[1:] + vertices[:1], strict=True))
        heights = [y for _, y in vertices] or [0]
        for row in range(max(0, min(heights)), min(self.image.height, max(heights))):
            middle = np.float32(row + 0.5)
            crossings = []
            for (x0, y0), (x1, y1) in edges:
                if min(y0, y1) <= middle <= max(y0, y1) and y0 != y1:
                    slope = np.float32(x1 - x0) / np.float32(y1 - y0)
                    crossings.append((middle - np.float32(y0)) * slope + np.float32(x0))
            crossings.sort()
            for left, right in zip(crossings[::2], crossings[1::2], strict=True):
                first = max(0, math.ceil(float(left) - 0.5))
                last = min(self.image.width - 1, math.floor(float(right) + 0.5))
                if first <= last:
                    self.image.paste(fill, (first, row, last + 1, row + 1))
