"""Paint a picture and trace the outline of what is painted as labelled polygons.

What is painted inside `with canvas.thing(label)` adds to one silhouette, whose outline in whole
pixels becomes the annotation's polygon, to be drawn by the rule of `data.polygons`. So picture and
annotation agree by construction, and hidden parts are covered in both.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cityseg.arrays import Uint8Array
from cityseg.labels import LABEL_OF_NAME
from cityseg.sample.scene.light import FACING, Color, Light, Vector

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Points = Sequence[tuple[float, float, float]] | Floats

#: Up to this height, a picture is drawn at twice its size, for smoother edges.
_SUPERSAMPLED_HEIGHT: Final = 640
_SHIFT: Final = 4
_TILE: Final = 512


class Polygon(NamedTuple):
    """One object of an annotation; its outline is [(x, y), …] in whole pixels."""

    label: str
    outline: list[tuple[int, int]]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera above the street, looking along it.

    Street coordinates in metres: u to the right of the camera's path, y up, z ahead. `horizon` is
    a share of the height; `yaw` (radians) and `bend` (1/m) are the street's, positive to the right.
    """

    size_hw: tuple[int, int]
    horizon: float
    yaw: float
    bend: float
    eye: float = 1.25

    @cached_property
    def focal(self) -> float:
        """Focal length in pixels; the genuine camera's is 1.1 times the width."""
        height, width = self.size_hw
        return 1.1 * max(width, 2 * height)

    def project(self, points: Points) -> Floats:
        """Project (N, 3) street coordinates to (N, 2) x, y in pixels; pixel centres at halves."""
        street = np.asarray(points, np.float64)
        z = street[:, 2]
        height, width = self.size_hw
        xy = np.empty((len(street), 2))
        xy[:, 0] = (street[:, 0] / z + z * (self.bend / 2) + self.yaw) * self.focal + width / 2
        xy[:, 1] = (self.eye - street[:, 1]) / z * self.focal + height * self.horizon
        return xy


@cache
def _tile() -> Floats32:
    """(512, 512) cloudy noise that tiles without a seam; mean 0, standard deviation 1."""
    random = np.random.default_rng(20_16)
    tile = np.zeros((_TILE, _TILE), np.float32)
    cells = 4
    while cells <= _TILE:
        grid = random.standard_normal((cells, cells), np.float32)
        wrapped = np.pad(grid, 2, mode="wrap")
        step = _TILE // cells
        large = cv2.resize(wrapped, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        tile += large[2 * step : -2 * step, 2 * step : -2 * step] * cells**-0.75
        cells *= 2
    return np.asarray((tile - tile.mean()) / tile.std(), np.float32)


def noise(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Floats32:
    """Cloudy noise at each (x, y), both (H, W); the largest clouds are about 1/4 wide."""
    # Rotated: the noise comes from a grid, whose rows and columns would be visible.
    across = (np.float32(0.8) * x - np.float32(0.6) * y).astype(np.float32, copy=False)
    down = (np.float32(0.6) * x + np.float32(0.8) * y).astype(np.float32, copy=False)
    across = (across - np.floor(across)) * np.float32(_TILE)
    down = (down - np.floor(down)) * np.float32(_TILE)
    wrapped = cv2.remap(_tile(), across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(wrapped, np.float32)


class Canvas:
    """A picture being painted, and the polygons of the objects painted so far."""

    def __init__(self, camera: Camera, light: Light) -> None:
        """Start with a black picture and no polygons."""
        height, width = camera.size_hw
        self.camera = camera
        self.light = light
        self.scale = 2 if height <= _SUPERSAMPLED_HEIGHT else 1
        self.rgb: Uint8Array = np.zeros((height * self.scale, width * self.scale, 3), np.uint8)
        self.polygons: list[Polygon] = []
        #: Share of sunlight on the object being painted, 0–1.
        self.sunlit = 1.0
        self._silhouette: Uint8Array = np.zeros(self.rgb.shape[:2], np.uint8)
        self._box: tuple[float, float, float, float] | None = None
        self._tracing = False

    # -- coordinates ------------------------------------------------------------------------

    def xy(self, points: Points) -> Floats:
        """Project (N, 3) street coordinates to (N, 2) x, y on this canvas."""
        return self.camera.project(points) * self.scale - 0.5

    def pixels(self, metres: float, depth: float) -> float:
        """Length on this canvas of `metres` at `depth`."""
        return metres * self.camera.focal * self.scale / depth

    # -- paint ------------------------------------------------------------------------------

    def fill(self, xy: Floats, color: Color) -> None:
        """Paint an (N, 2) polygon."""
        points = _fixed_point(xy)
        cv2.fillPoly(self.rgb, [points], color, cv2.LINE_AA, _SHIFT)
        if self._tracing:
            self._cover(points)

    def cover(self, xy: Floats) -> None:
        """Add an (N, 2) polygon to the current object's silhouette without painting it."""
        self._cover(_fixed_point(xy))

    def _cover(self, points: npt.NDArray[np.int32]) -> None:
        cv2.fillPoly(self._silhouette, [points], 255, cv2.LINE_8, _SHIFT)
        left, top, width, height = cv2.boundingRect(points)
        unit = 1 << _SHIFT
        self._widen(left / unit, top / unit, (left + width) / unit, (top + height) / unit)

    def stroke(self, xy: Floats, color: Color, width: float) -> None:
        """Paint an (N, 2) line of this width, at least one pixel."""
        half = max(width, 1.0) / 2
        joints = xy.tolist()
        for (x0, y0), (x1, y1) in pairwise(joints):
            length = max(math.hypot(x1 - x0, y1 - y0), 1e-6)
            a, b = (x1 - x0) / length * half, (y1 - y0) / length * half
            c, d = a * 0.8, b * 0.8  # longer ends, so that bends have no notch
            corners = (
                (x0 - b - c, y0 + a - d), (x1 - b + c, y1 + a + d),
                (x1 + b + c, y1 - a + d), (x0 + b - c, y0 - a - d),
            )  # fmt: skip
            self.fill(np.array(corners), color)

    def face(
        self, points: Points, color: Color, normal: Vector = FACING, sunlit: float | None = None
    ) -> None:
        """Paint an (N, 3) flat face, shaded by light and haze."""
        corners = np.asarray(points, np.float64)
        depth = float(corners[:, 2].mean())
        lit = self.sunlit if sunlit is None else sunlit
        self.fill(self.xy(corners), self.light.shade(color, normal, depth, lit))

    def paste(self, left: int, top: int, rgb: npt.NDArray[Any], alpha: Floats32) -> None:
        """Blend (h, w, 3) colours, 0–255, by (h, w) alpha, 0–1; must lie on the canvas."""
        height, width = alpha.shape
        window = np.s_[top : top + height, left : left + width]
        below = self.rgb[window].astype(np.float32)
        below += (rgb - below) * alpha[..., None]
        self.rgb[window] = np.clip(below, 0, 255)
        if self._tracing:
            solid = (alpha > 0.5).astype(np.uint8) * 255
            self._silhouette[window] = np.maximum(self._silhouette[window], solid)
            self._widen(left, top, left + width, top + height)

    def window(self, xy: Floats) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the points' bounding box on the canvas."""
        height, width = self.rgb.shape[:2]
        left, top = np.floor(xy.min(axis=0)).clip(0, (width, height))
        right, bottom = (np.ceil(xy.max(axis=0)) + 1).clip(0, (width, height))
        return int(left), int(top), int(right), int(bottom)

    # -- trace ------------------------------------------------------------------------------

    @contextmanager
    def thing(self, label: str) -> Iterator[None]:
        """Trace what is painted in this block as one object with this label.

        A nested block belongs to the outer object.
        """
        if self._tracing:
            yield
            return
        self._box, self._tracing = None, True
        try:
            yield
        finally:
            self._tracing = False
        if self._box is not None:
            self._trace(label, self._box)

    def _widen(self, left: float, top: float, right: float, bottom: float) -> None:
        if self._box is not None:
            left, top = min(left, self._box[0]), min(top, self._box[1])
            right, bottom = max(right, self._box[2]), max(bottom, self._box[3])
        self._box = left, top, right, bottom

    def _trace(self, label: str, box: tuple[float, float, float, float]) -> None:
        corners = np.array(box).reshape(2, 2)
        left, top, right, bottom = self.window(corners)
        if left >= right or top >= bottom:
            return
        left, top = left // self.scale, top // self.scale
        right, bottom = -(-right // self.scale), -(-bottom // self.scale)
        window = np.s_[
            top * self.scale : bottom * self.scale, left * self.scale : right * self.scale
        ]
        silhouette = self._silhouette[window]
        small = silhouette
        if self.scale > 1:
            size = silhouette.shape[1] // self.scale, silhouette.shape[0] // self.scale
            small = np.asarray(cv2.resize(silhouette, size, interpolation=cv2.INTER_AREA), np.uint8)
        # Below half coverage: a line one pixel wide may straddle two pixels and must not be lost.
        covered = (small > 96).astype(np.uint8)
        # One row taller, as a polygon of the official tools does not cover its lowest row.
        taller = np.pad(covered, ((0, 1), (0, 0)))
        taller[1:] |= covered
        outlines, _ = cv2.findContours(
            taller,
            cv2.RETR_EXTERNAL,
            cv2.CHAIN_APPROX_NONE,
            offset=(left, top),
        )
        silhouette[:] = 0
        self._keep(label, [np.asarray(outline) for outline in outlines])

    def _keep(self, label: str, outlines: list[npt.NDArray[Any]]) -> None:
        if not outlines:
            return
        outlines.sort(key=lambda outline: -len(outline))
        if label in LABEL_OF_NAME and LABEL_OF_NAME[label].has_instances:
            outlines = outlines[:1]  # an instance is one polygon
        for outline in outlines:
            points = cv2.approxPolyDP(outline, 0.6, closed=True).reshape(-1, 2).tolist()
            points += points[-1:] * (3 - len(points))
            self.polygons.append(Polygon(label, [(int(x), int(y)) for x, y in points]))


def _fixed_point(xy: Floats) -> npt.NDArray[np.int32]:
    return np.rint(xy * (1 << _SHIFT)).astype(np.int32)
