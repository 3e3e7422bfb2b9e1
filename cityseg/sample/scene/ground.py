"""The ground: road, pavements, markings, and the shadows on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.sample.scene.canvas import Canvas, Floats, Floats32, noise
from cityseg.sample.scene.light import UP, Color, mix, scale

#: Where the ground begins and ends, in metres ahead.
NEAR: Final = 2.5
FAR: Final = 400.0
KERB_HEIGHT: Final = 0.12


@dataclass(frozen=True)
class Strip:
    """Ground from `left` to `right` (u) and `near` to `far` (z), in metres.

    `roughness` is the variation of its brightness, in per cent; `slabs` the length of its paving
    stones, 0 for none; `kerb` the side on which it drops to the road: -1 left, 1 right, 0 none;
    `ragged` the deviation of its edges.
    """

    label: str
    color: Color
    left: float
    right: float
    near: float = NEAR
    far: float = FAR
    roughness: int = 8
    slabs: float = 0
    kerb: int = 0
    ragged: float = 0


def strip_points(left: float, right: float, near: float, far: float, y: float = 0) -> Floats:
    """(N, 3) outline of a strip, with enough points to follow the street's bend."""
    count = 2 + int(6 * np.log(far / near))
    z = np.geomspace(near, far, count)
    both = np.concatenate((z, z[::-1]))
    u = np.repeat((left, right), count)
    return np.stack((u, np.full(2 * count, y), both), axis=1)


class Ground:
    """The ground of a picture: lay the strips, cast shadows, finish; then objects are painted."""

    def __init__(self, canvas: Canvas) -> None:
        """Start without strips and shadows."""
        self.canvas = canvas
        shape = canvas.rgb.shape[:2]
        self._roughness: Uint8Array = np.full(shape, 8, np.uint8)
        self._cast: Uint8Array = np.zeros(shape, np.uint8)
        self._contact: Uint8Array = np.zeros(shape, np.uint8)

    def lay(self, strip: Strip) -> None:
        """Paint a strip."""
        canvas = self.canvas
        xy = canvas.xy(strip_points(strip.left, strip.right, strip.near, strip.far))
        if strip.ragged:
            xy[:, 0] += np.sin(np.arange(len(xy)) * 2.4) * canvas.pixels(strip.ragged, 18)
        with canvas.thing(strip.label):
            canvas.fill(xy, self._lit(strip.color))
        _fill_mask(self._roughness, xy, strip.roughness)
        if strip.slabs:
            self._lay_slabs(strip)
        if strip.kerb:
            self._lay_kerb(strip)

    def mark(self, points: Floats, color: Color = (196, 196, 188), wear: float = 0.2) -> None:
        """Paint a marking, an (N, 3) outline."""
        canvas = self.canvas
        canvas.fill(canvas.xy(points), self._lit(mix(color, (92, 92, 90), wear)))

    def mark_line(self, u: float, near: float, far: float, width: float = 0.13) -> None:
        """Paint a line along the street."""
        self.mark(strip_points(u - width / 2, u + width / 2, near, far))

    def shade(self, points: Floats, *, contact: bool = False) -> None:
        """Darken an (N, 3) outline: a cast shadow, or the contact shadow under an object."""
        points = points[points[:, 2] > 0.5]
        if len(points) > 2:
            hull = cv2.convexHull(self.canvas.xy(points).astype(np.float32)).reshape(-1, 2)
            mask = self._contact if contact else self._cast
            _fill_mask(mask, np.asarray(hull, np.float64), 255)

    def sunlit(self, u: float, z: float) -> float:
        """Share of sunlight on the ground at a place: 0 in a cast shadow, else 1."""
        (x, y) = self.canvas.xy([(u, 0, z)])[0]
        height, width = self._cast.shape
        return float(self._cast[int(np.clip(y, 0, height - 1)), int(np.clip(x, 0, width - 1))] == 0)

    def finish(self) -> None:
        """Apply grain, shadows and haze to all strips and markings."""
        canvas, light = self.canvas, self.canvas.light
        top = min(int(canvas.xy([(0, 0, FAR)])[0, 1]) + 1, canvas.rgb.shape[0] - 1)
        u, z = self._street_coordinates(top)
        grain = 0.5 * noise(u * 1.9, z * 1.1) / (1 + z / 14)
        grain += 0.7 * noise(u * 7.3, z * 4.1 + 0.5) / (1 + z / 5)
        grain += 0.5 * noise(u / 3.5 + 0.3, z / 110) + 0.35 * noise(u / 29, z / 41)
        gain = 1 + grain * self._roughness[top:] * np.float32(0.01)
        sigma = canvas.rgb.shape[1] / 700
        cast = cv2.GaussianBlur(self._cast[top:], (0, 0), sigma).astype(np.float32)
        contact = cv2.GaussianBlur(self._contact[top:], (0, 0), sigma * 1.5).astype(np.float32)
        gain *= 1 - contact * np.float32(0.62 / 255)
        depth = np.float32(light.direct * 0.55 / 255)
        clear = np.exp(-z[:, :1] / light.visibility, dtype=np.float32)
        below = canvas.rgb[top:]
        for channel, cool in enumerate((1.0, 0.95, 0.86)):
            lit = below[..., channel] * gain * (1 - cast * (depth * np.float32(cool)))
            haze = np.float32(light.haze[channel])
            below[..., channel] = np.clip(haze + (lit - haze) * clear, 0, 255)

    def _street_coordinates(self, top: int) -> tuple[Floats32, Floats32]:
        """(H, W) u and (H, W) z of each pixel from row `top` downwards."""
        canvas, camera = self.canvas, self.canvas.camera
        height, width = canvas.rgb.shape[:2]
        focal = camera.focal * canvas.scale
        rows = np.arange(top, height, dtype=np.float32)[:, None] + 0.5
        z = focal * camera.eye / np.maximum(rows - camera.horizon * height, 0.5)
        columns = np.arange(width, dtype=np.float32)[None] + 0.5 - width / 2
        u = columns * z / focal - camera.yaw * z - camera.bend / 2 * z * z
        return u.astype(np.float32), np.broadcast_to(z, u.shape).astype(np.float32)

    def _lit(self, color: Color) -> Color:
        return self.canvas.light.shade(color, UP)

    def _lay_slabs(self, strip: Strip) -> None:
        dark = scale(strip.color, 0.82)
        for z in np.arange(strip.near, min(strip.far, 30), strip.slabs):
            self._joint(np.array(((strip.left, 0, z), (strip.right, 0, z))), dark)
        for u in np.arange(strip.left, strip.right, strip.slabs)[1:]:
            far = min(strip.far, 35.0)
            if far > strip.near:
                points = strip_points(u, u, strip.near, far)
                self._joint(points[: len(points) // 2], dark)

    def _joint(self, points: Floats, color: Color) -> None:
        width = self.canvas.pixels(0.02, float(points[:, 2].mean()))
        if width > 0.25:
            self.canvas.stroke(self.canvas.xy(points), self._lit(color), width)

    def _lay_kerb(self, strip: Strip) -> None:
        """Paint the kerb stones: their top on the strip, their face above the road."""
        canvas = self.canvas
        edge = strip.right if strip.kerb > 0 else strip.left
        face = strip_points(edge, edge, strip.near, strip.far)
        face[: len(face) // 2, 1] = KERB_HEIGHT
        top = strip_points(edge, edge - strip.kerb * 0.16, strip.near, strip.far, KERB_HEIGHT)
        stone = mix(strip.color, (150, 150, 144), 0.6)
        with canvas.thing(strip.label):
            canvas.fill(canvas.xy(top), self._lit(stone))
            canvas.fill(canvas.xy(face), self._lit(scale(stone, 0.72)))
        gutter = strip_points(edge, edge + strip.kerb * 0.25, strip.near, strip.far)
        canvas.fill(canvas.xy(gutter), self._lit((84, 85, 83)))


def footprint(
    left: float, right: float, near: float, far: float, shift: tuple[float, float]
) -> Floats:
    """(8, 3) corners on the ground of a box and of its shadow, `shift` (u, z) away."""
    corners = np.array(((left, 0, near), (right, 0, near), (right, 0, far), (left, 0, far)))
    return np.concatenate((corners, corners + np.array((shift[0], 0, shift[1]))))


def dashes(near: float, far: float, dash: float, gap: float) -> Sequence[tuple[float, float]]:
    """(start, end) of each dash of a broken line."""
    starts = np.arange(near, far, dash + gap)
    return [(float(start), float(start + dash)) for start in starts]


def _fill_mask(mask: Uint8Array, xy: Floats, value: int) -> None:
    cv2.fillPoly(mask, [np.rint(xy * 16).astype(np.int32)], value, cv2.LINE_8, 4)
