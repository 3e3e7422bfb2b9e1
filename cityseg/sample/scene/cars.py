"""Cars, from a small hatchback to a van, with their number plates."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from cityseg.sample.scene.bodies import PANE, Body, Local, Point, gloss
from cityseg.sample.scene.canvas import Canvas
from cityseg.sample.scene.light import Color, mix, scale

_MIRRORED: Final = (82, 91, 95)
COLORS: Final[tuple[Color, ...]] = (
    (34, 35, 38), (34, 35, 38), (22, 24, 28), (128, 131, 134), (158, 161, 164), (196, 197, 196),
    (84, 88, 94), (84, 88, 94), (38, 50, 78), (52, 72, 108), (112, 26, 26), (86, 30, 32),
    (60, 72, 62), (120, 108, 88), (176, 170, 150), (156, 120, 34),
)  # fmt: skip


class Shape(NamedTuple):
    """A silhouette in metres; positions run from the tail (−length/2) to the nose."""

    length: float
    width: float
    height: float
    belt: float
    nose: float
    #: From tail to nose: the cabin's extent at the belt, and its roof's.
    cabin: tuple[float, float]
    roof: tuple[float, float]


SHAPES: Final = {
    "hatchback": Shape(4.05, 1.74, 1.48, 0.94, 0.78, (-1.98, 0.95), (-1.62, 0.12)),
    "saloon": Shape(4.65, 1.80, 1.44, 0.95, 0.76, (-1.72, 0.98), (-1.0, 0.2)),
    "estate": Shape(4.70, 1.80, 1.49, 0.96, 0.78, (-2.28, 0.98), (-1.95, 0.2)),
    "suv": Shape(4.50, 1.86, 1.70, 1.06, 0.98, (-2.18, 0.95), (-1.92, 0.2)),
    "van": Shape(5.20, 1.98, 2.05, 1.16, 1.02, (-2.55, 1.75), (-2.48, 1.1)),
}


#: Extent of the rounded corner at each end, along and across.
_CORNER_LENGTH: Final = 0.3
_CORNER_WIDTH: Final = 0.17
_DARK: Final = (18, 18, 19)


@dataclass(frozen=True)
class Car:
    """A car whose middle is at (u, z); heading 0 is away, π towards the camera."""

    u: float
    z: float
    heading: float
    shape: str
    color: Color
    seed: int
    braking: bool = False


def paint_car(canvas: Canvas, car: Car) -> None:
    """Paint the cabin, then the body, which hides its lower edge, wheels, lights and plate."""
    shape = SHAPES[car.shape]
    body = Body(canvas, car.u, car.z, car.heading)
    half, wide = shape.length / 2, shape.width / 2
    with canvas.thing("car"):
        body.under(half - 0.2, wide - 0.12, 0.3)
        for end in (-1, 1):
            if body.sees(end, 0, half):
                body.tyres(end * (half - 0.4), wide - 0.03, 0.34, 0.21)
        _paint_deck(body, car, shape)
        _paint_cabin(body, car, shape)
        for side in (-1, 1):
            if body.sees(0, side, wide):
                _paint_side(body, car, shape, side)
        for end in (-1, 1):
            for side in (-1, 1):
                _paint_corner(body, car, shape, end, side)
            if body.sees(end, 0, half):
                (_paint_tail if end < 0 else _paint_nose)(body, car, shape)
    _paint_plate(canvas, body, car, shape)


def _rounded(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The closed outline with its corners cut off, as by one step of Chaikin's algorithm."""
    corners = np.asarray(points, np.float64)
    following = np.roll(corners, -1, axis=0)
    cut = np.stack((corners * 0.86 + following * 0.14, corners * 0.14 + following * 0.86), axis=1)
    return [(float(x), float(y)) for x, y in cut.reshape(-1, 2)]


def _paint_deck(body: Body, car: Car, shape: Shape) -> None:
    """Paint bonnet and boot lid, seen from above."""
    half, wide = shape.length / 2, shape.width / 2
    end = wide - _CORNER_WIDTH
    up = body.normal(0, 0, 1)
    tail, front = shape.cabin
    paint = gloss(car.color, 0.22)
    bonnet: Local = (
        (front, -wide * 0.95, shape.belt), (front, wide * 0.95, shape.belt),
        (half - _CORNER_LENGTH, wide * 0.97, shape.nose + 0.04), (half, end, shape.nose),
        (half, -end, shape.nose), (half - _CORNER_LENGTH, -wide * 0.97, shape.nose + 0.04),
    )  # fmt: skip
    body.paint(bonnet, paint, up)
    lid: Local = (
        (-half, -end, shape.belt - 0.03), (-half, end, shape.belt - 0.03),
        (tail, wide * 0.95, shape.belt), (tail, -wide * 0.95, shape.belt),
    )  # fmt: skip
    body.paint(lid, paint, up)


def _paint_cabin(body: Body, car: Car, shape: Shape) -> None:
    (tail, front), (first, last) = shape.cabin, shape.roof
    for side in (-1, 1):
        if body.sees(0, side, shape.width / 2):
            _paint_side_glass(body, car, shape, side)
    for end, foot, head in ((-1, tail, first), (1, front, last)):
        if body.sees(end, 0, end * foot):
            _paint_screen(body, car, shape, (end, foot, head))


def _paint_screen(body: Body, car: Car, shape: Shape, slope: tuple[int, float, float]) -> None:
    """Paint windscreen or rear window; `slope`: its end (1, -1), lower and upper edge along."""
    end, foot, head = slope
    low, high = _half_widths(shape)
    belt, top = shape.belt, shape.height
    normal = body.normal(end, 0, 0.4)

    def pane(edge: Sequence[tuple[float, float]], middle: float = 0.0) -> list[Point]:
        """The outline whose right edge is (share of the height, share of the half width), …"""
        both = [(s, -w) for s, w in edge] + [(s, w) for s, w in reversed(edge)]
        return [
            (
                foot + (head - foot) * share,
                (middle + across) * (low + (high - low) * share),
                belt + (top - belt) * share,
            )
            for share, across in both
        ]

    frame = pane([(0, 1.0), (0.8, 1.0), (0.94, 0.9), (1.0, 0.6)])
    body.paint(frame, gloss(car.color, 0.12), normal)
    body.paint(pane([(0.06, 0.92), (0.12, 0.95), (0.78, 0.92), (0.88, 0.8)]), PANE, normal)
    body.paint(pane([(0.5, 0.93), (0.78, 0.91), (0.87, 0.78)]), _MIRRORED, normal)
    if car.seed % 3 == 0:  # the backs of two seats
        for middle in (-0.42, 0.42):
            body.paint(pane([(0.1, 0.2), (0.42, 0.13)], middle), (22, 24, 26), normal)


def _half_widths(shape: Shape) -> tuple[float, float]:
    """Half widths of the cabin at the belt and at the roof."""
    return shape.width / 2 - 0.06, shape.width / 2 - 0.25


def _paint_side_glass(body: Body, car: Car, shape: Shape, side: int) -> None:
    low, high = _half_widths(shape)
    (tail, front), (first, last) = shape.cabin, shape.roof
    belt, top = shape.belt, shape.height
    normal = body.normal(0, side, 0.3)

    def paint(outline: Sequence[tuple[float, float]], color: Color) -> None:
        share = [(y - belt) / (top - belt) for _, y in outline]
        across = [side * (low + (high - low) * s) for s in share]
        body.paint([(a, w, y) for (a, y), w in zip(outline, across, strict=True)], color, normal)

    middle = (first + last) / 2
    shell = ((tail, belt), (first, top - 0.03), (middle, top + 0.02), (last, top - 0.03))
    paint(_rounded((*shell, (front, belt))), car.color)
    base, head = belt + 0.04, top - 0.09
    half = (base + head) / 2
    feet = np.linspace(tail + 0.24, front - 0.26, 4 if shape.length > 4.2 else 3).tolist()
    heads = np.linspace(first + 0.16, last - 0.04, len(feet)).tolist()
    pillars = list(zip(feet, heads, strict=True))
    for (foot, crown), (next_foot, next_crown) in pairwise(pillars):
        right = ((next_crown - 0.05, head), (next_foot - 0.05, base))
        paint(_rounded(((foot, base), (crown, head), *right)), PANE)
        right = ((next_crown - 0.1, head - 0.02), ((next_foot + next_crown) / 2 - 0.08, half))
        left = (((foot + crown) / 2 + 0.03, half), (crown + 0.06, head - 0.02))
        paint((*left, *right), _MIRRORED)


def _paint_side(body: Body, car: Car, shape: Shape, side: int) -> None:
    half, wide, belt = shape.length / 2 - _CORNER_LENGTH, shape.width / 2, shape.belt
    across, normal = side * wide, body.normal(0, side)
    shoulder = shape.nose + 0.05
    outline = (
        (-half, 0.25),
        (-half, belt - 0.05),
        (-half + 0.25, belt + 0.01),
        (shape.cabin[1], belt + 0.01),
        (half - 0.1, shoulder),
        (half, shoulder - 0.04),
        (half, 0.25),
        (half - 0.1, 0.2),
        (-half + 0.1, 0.2),
    )
    body.paint([(a, across, y) for a, y in outline], car.color, normal)
    body.side(across, (-half, half - 0.25), (belt - 0.15, belt - 0.06), gloss(car.color, 0.3))
    body.side(across, (-half, half), (0.52, belt - 0.3), scale(car.color, 0.9))
    body.side(across, (-half, half), (0.22, 0.36), scale(car.color, 0.55))
    for door in (-0.95, 0.05, 0.98):
        body.side(across, (door, door + 0.025), (0.42, belt - 0.03), scale(car.color, 0.55))
    for door in (-0.15, 0.8):
        body.side(
            across, (door - 0.55, door - 0.37), (belt - 0.25, belt - 0.2), scale(car.color, 0.5)
        )
    axle = shape.length / 2 - 0.8
    for along in (-axle, axle):
        turn = np.linspace(-0.3, np.pi + 0.3, 11)
        arch = [(along + 0.4 * np.cos(t), across, 0.33 + 0.4 * np.sin(t)) for t in turn]
        body.paint(arch, _DARK, normal)
        body.wheel(along, across, 0.33)
    mirror = shape.cabin[1] - 0.4
    body.side(
        side * (wide + 0.14),
        (mirror, mirror + 0.2),
        (belt + 0.03, belt + 0.18),
        scale(car.color, 0.8),
    )


def _paint_corner(body: Body, car: Car, shape: Shape, end: int, side: int) -> None:
    """Paint the corner between side and end, with the lamp around it."""
    half, wide = shape.length / 2, shape.width / 2
    inner, outer = wide - _CORNER_WIDTH, wide
    slope = 1 / np.hypot(_CORNER_LENGTH, _CORNER_WIDTH)
    along, across = end * _CORNER_WIDTH * slope, side * _CORNER_LENGTH * slope
    if not body.sees(along, across, abs(along) * half + abs(across) * inner):
        return
    normal = body.normal(along, across)
    top = shape.belt if end < 0 else shape.nose

    def strip(low: float, high: float, color: Color) -> None:
        edge, tip = end * (half - _CORNER_LENGTH), end * half
        body.paint(
            (
                (edge, side * outer, low),
                (edge, side * outer, high + 0.03),
                (tip, side * inner, high),
                (tip, side * inner, low),
            ),
            color,
            normal,
        )

    strip(0.22, top - 0.03, car.color)
    strip(0.22, 0.4, mix(car.color, _DARK, 0.7))
    strip(top - 0.12, top - 0.03, gloss(car.color, 0.25))
    if end < 0:
        strip(top - 0.3, top - 0.12, _tail_lamp(car))
    else:
        strip(top - 0.22, top - 0.1, (178, 182, 180))


def _tail_lamp(car: Car) -> Color:
    return (186, 28, 22) if car.braking else (108, 20, 18)


def _end_outline(along: float, wide: float, top: float) -> Local:
    half = (
        (wide * 0.96, 0.2),
        (wide, 0.3),
        (wide, top - 0.12),
        (wide * 0.97, top - 0.04),
        (wide * 0.9, top),
    )
    return [(along, -w, y) for w, y in half] + [(along, w, y) for w, y in reversed(half)]


def _paint_tail(body: Body, car: Car, shape: Shape) -> None:
    along, wide, belt = -shape.length / 2, shape.width / 2 - _CORNER_WIDTH, shape.belt
    body.paint(_end_outline(along, wide, belt), car.color, body.normal(-1, 0))
    body.end(along, (-wide * 0.95, wide * 0.95), (belt - 0.09, belt - 0.01), gloss(car.color, 0.28))
    body.end(along, (-wide * 0.7, wide * 0.7), (belt - 0.13, belt - 0.115), scale(car.color, 0.5))
    body.end(along, (-wide, wide), (0.48, 0.52), scale(car.color, 0.62))
    body.end(along, (-wide, wide), (0.2, 0.4), mix(car.color, _DARK, 0.75))
    for side in (-1, 1):
        body.end(
            along,
            _between(side * wide, side * wide * 0.78),
            (belt - 0.3, belt - 0.12),
            _tail_lamp(car),
        )
        body.end(
            along,
            _between(side * wide * 0.96, side * wide * 0.8),
            (belt - 0.24, belt - 0.2),
            (164, 140, 128),
        )


def _paint_nose(body: Body, car: Car, shape: Shape) -> None:
    along, wide, top = shape.length / 2, shape.width / 2 - _CORNER_WIDTH, shape.nose
    body.paint(_end_outline(along, wide, top), car.color, body.normal(1, 0))
    body.end(along, (-wide * 0.6, wide * 0.6), (top - 0.26, top - 0.08), (26, 27, 28))
    body.end(along, (-wide * 0.6, wide * 0.6), (top - 0.185, top - 0.16), (140, 142, 144))
    body.end(along, (-wide * 0.85, wide * 0.85), (0.21, 0.4), (24, 25, 26))
    lamp = (250, 248, 232) if car.seed % 2 else (182, 186, 186)
    for side in (-1, 1):
        body.end(
            along,
            _between(side * wide, side * wide * 0.66),
            (top - 0.23, top - 0.08),
            (150, 154, 154),
        )
        body.end(
            along, _between(side * wide * 0.96, side * wide * 0.74), (top - 0.21, top - 0.1), lamp
        )
        body.end(
            along, _between(side * wide * 0.95, side * wide * 0.8), (0.36, 0.42), (150, 150, 146)
        )


def _between(first: float, second: float) -> tuple[float, float]:
    return min(first, second), max(first, second)


def _paint_plate(canvas: Canvas, body: Body, car: Car, shape: Shape) -> None:
    for end in (-1, 1):
        along = end * (shape.length / 2 + 0.01)
        if body.sees(end, 0, shape.length / 2):
            low = 0.46 if end > 0 else 0.56
            if canvas.pixels(0.11, car.z) < 2.5 * canvas.scale:
                body.end(along, (-0.26, 0.26), (low, low + 0.11), (206, 206, 200))
                continue
            with canvas.thing("license plate"):
                body.end(along, (-0.26, 0.26), (low, low + 0.11), (212, 212, 206))
            body.end(along, (-0.26, -0.22), (low, low + 0.11), (30, 50, 120))
            for across in np.arange(-0.18, 0.2, 0.06):
                body.end(along, (across, across + 0.035), (low + 0.025, low + 0.085), (40, 40, 42))
