"""Buses, trams, trucks, trailers and caravans: boxes on wheels."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cityseg.sample.scene.bodies import PANE, TYRE, Body, gloss
from cityseg.sample.scene.canvas import Canvas
from cityseg.sample.scene.light import FACING, Color, mix, scale


@dataclass(frozen=True)
class Box:
    """A big vehicle whose middle is at (u, z); heading 0 is away, π towards the camera.

    `kind` is a key of SIZES.
    """

    kind: str
    u: float
    z: float
    heading: float
    color: Color
    accent: Color


#: Length, width, height, clearance; metres.
SIZES: Final = {
    "bus": (12.0, 2.5, 3.05, 0.35),
    "train": (27.0, 2.4, 3.4, 0.32),
    "truck": (8.6, 2.5, 3.5, 0.75),
    "trailer": (3.2, 1.7, 1.6, 0.45),
    "caravan": (5.6, 2.2, 2.55, 0.42),
}


#: Length of a truck's cab.
_CAB: Final = 2.0


def paint_box(canvas: Canvas, box: Box) -> None:
    """Paint a big vehicle with the label of its kind."""
    body = Body(canvas, box.u, box.z, box.heading)
    painter = {
        "bus": _paint_bus,
        "train": _paint_tram,
        "truck": _paint_truck,
        "trailer": _paint_trailer,
        "caravan": _paint_caravan,
    }[box.kind]
    with canvas.thing(box.kind):
        painter(body, box)


def _hull(
    body: Body, color: Color, size: tuple[float, float, float], low: float, middle: float = 0.0
) -> None:
    """Paint the visible upright faces of a box whose middle is at `middle` along the body."""
    length, width, high = size
    half, wide = length / 2, width / 2
    for across in (-wide, wide):
        if body.sees(0, np.sign(across), wide):
            body.side(across, (middle - half, middle + half), (low, high), color)
            body.side(
                across, (middle - half, middle + half), (high - 0.14, high), gloss(color, 0.2)
            )
    for end in (-1, 1):
        along = middle + end * half
        if body.sees(end, 0, end * along):
            cut = 0.16
            outline = (
                (-wide, low), (-wide, high - cut), (-wide + cut, high), (wide - cut, high),
                (wide, high - cut), (wide, low),
            )  # fmt: skip
            body.paint([(along, s, y) for s, y in outline], color, body.normal(end, 0))


def _wheels(body: Body, axles: tuple[float, ...], wide: float, radius: float) -> None:
    for across in (-wide, wide):
        if body.sees(0, np.sign(across), wide):
            for along in axles:
                turn = np.linspace(0, np.pi, 9)
                arch = [
                    (
                        along + radius * 1.2 * np.cos(t),
                        across,
                        radius * 0.8 + radius * 1.2 * np.sin(t),
                    )
                    for t in turn
                ]
                body.paint(arch, (18, 18, 19), body.normal(0, np.sign(across)))
                body.wheel(along, across, radius)


def _lamps(body: Body, along: float, wide: float, low: float, color: Color) -> None:
    for side in (-1, 1):
        edge = sorted((side * wide * 0.96, side * wide * 0.74))
        body.end(along, (edge[0], edge[1]), (low, low + 0.22), color)


def _paint_bus(body: Body, box: Box) -> None:
    length, width, height, low = SIZES["bus"]
    half, wide = length / 2, width / 2
    body.under(half - 0.3, wide - 0.1, low)
    for along in (-half + 0.4, half - 0.4):
        if body.sees(np.sign(along), 0, half):
            body.tyres(along, wide - 0.05, 0.5, 0.3)
    _hull(body, box.color, (length, width, height), low)
    for across in (-wide, wide):
        if body.sees(0, np.sign(across), wide):
            body.side(across, (-half, half), (low, low + 0.35), scale(box.accent, 0.8))
            body.pane(across, (-half + 0.3, half - 0.15), (1.25, height - 0.5))
            for along in np.arange(-half + 1.6, half - 0.5, 1.5):
                body.side(across, (along, along + 0.1), (1.25, height - 0.5), (30, 33, 35))
            if across > 0:
                for along in (half - 1.6, -0.8):
                    body.pane(across, (along, along + 1.25), (0.45, height - 0.5))
                    body.side(
                        across, (along + 0.6, along + 0.66), (0.45, height - 0.5), (24, 26, 28)
                    )
    _wheels(body, (-half + 3.2, half - 2.6), wide, 0.5)
    if body.sees(-1, 0, half):
        body.end(-half, (-wide * 0.86, wide * 0.86), (1.6, height - 0.55), PANE)
        body.end(-half, (-wide * 0.86, wide * 0.86), (2.05, height - 0.55), (72, 80, 84))
        body.end(-half, (-0.6, 0.6), (height - 0.45, height - 0.15), (26, 26, 26))
        body.end(-half, (-0.4, 0.4), (height - 0.4, height - 0.2), (214, 150, 40))
        body.end(-half, (-0.8, 0.8), (0.6, 1.3), scale(box.color, 0.82))
        body.end(-half, (-wide, wide), (low, low + 0.3), scale(box.accent, 0.8))
        _lamps(body, -half, wide, 0.95, (150, 26, 22))
    if body.sees(1, 0, half):
        body.end(half, (-wide * 0.93, wide * 0.93), (1.0, height - 0.55), PANE)
        body.end(half, (-wide * 0.93, wide * 0.93), (1.8, height - 0.55), (82, 91, 95))
        body.end(half, (-0.03, 0.03), (1.0, height - 0.55), (24, 25, 26))
        body.end(half, (-wide * 0.85, wide * 0.85), (height - 0.48, height - 0.12), (20, 20, 20))
        body.end(half, (-wide * 0.5, wide * 0.4), (height - 0.42, height - 0.2), (230, 164, 44))
        body.end(half, (-wide, wide), (low, low + 0.3), scale(box.accent, 0.8))
        _lamps(body, half, wide, 0.62, (240, 240, 226))


def _paint_tram(body: Body, box: Box) -> None:
    length, width, height, low = SIZES["train"]
    half, wide = length / 2, width / 2
    body.under(half - 0.4, wide - 0.15, low)
    _hull(body, box.color, (length, width, height), low)
    for across in (-wide, wide):
        if body.sees(0, np.sign(across), wide):
            body.side(across, (-half, half), (low, 0.75), scale(box.accent, 0.85))
            body.side(across, (-half, half), (1.05, 1.25), box.accent)
            body.pane(across, (-half + 1.2, half - 1.2), (1.35, height - 0.7))
            for along in np.arange(-half + 2.2, half - 1.2, 1.7):
                body.side(
                    across, (along, along + 0.12), (1.35, height - 0.7), scale(box.color, 0.9)
                )
            for along in (-half / 3, half / 3):  # joints between the cars
                body.side(across, (along - 0.3, along + 0.3), (low, height - 0.2), (32, 33, 35))
            for along in np.arange(-half + 3, half - 2, 6.2):
                body.pane(across, (along, along + 1.3), (0.5, height - 0.6))
                body.side(
                    across, (along + 0.62, along + 0.68), (0.5, height - 0.6), scale(box.color, 0.8)
                )
    for end in (-1, 1):
        if body.sees(end, 0, half):
            _paint_tram_end(body, box, end)
    _paint_pantograph(body, box)


def _paint_tram_end(body: Body, box: Box, end: int) -> None:
    length, width, height, low = SIZES["train"]
    along, wide = end * length / 2, width / 2
    body.end(along, (-wide, wide), (low, 0.8), box.accent)
    glass = (
        (-wide * 0.9, 1.2),
        (-wide * 0.84, height - 0.75),
        (wide * 0.84, height - 0.75),
        (wide * 0.9, 1.2),
    )
    body.paint([(along, s, y) for s, y in glass], PANE, body.normal(end, 0))
    body.end(along, (-wide * 0.82, wide * 0.82), (1.9, height - 0.78), (80, 89, 93))
    body.end(along, (-wide * 0.7, wide * 0.7), (height - 0.66, height - 0.28), (20, 20, 20))
    body.end(along, (-wide * 0.45, wide * 0.35), (height - 0.58, height - 0.36), (232, 168, 44))
    body.end(along, (-wide * 0.35, wide * 0.35), (0.86, 1.12), scale(box.color, 0.85))
    _lamps(body, along, wide, 0.86, (244, 242, 226) if end > 0 else (158, 28, 22))


def _paint_pantograph(body: Body, box: Box) -> None:
    height = SIZES["train"][2]
    canvas = body.canvas
    metal = canvas.light.shade((46, 47, 48), FACING, box.z)
    arm = body.world(((-1.0, 0, height), (0.4, 0, height + 0.8), (-0.6, 0, height + 1.5)))
    canvas.stroke(canvas.xy(arm), metal, canvas.pixels(0.06, box.z))
    bow = body.world(((-0.6, -0.8, height + 1.5), (-0.6, 0.8, height + 1.5)))
    canvas.stroke(canvas.xy(bow), metal, canvas.pixels(0.06, box.z))


def _paint_truck(body: Body, box: Box) -> None:
    length, width, _, low = SIZES["truck"]
    half, wide = length / 2, width / 2
    body.under(half - 0.1, wide - 0.2, low)
    for along in (-half + 0.9, half - 0.6):
        if body.sees(np.sign(along), 0, half):
            body.tyres(along, wide - 0.05, 0.95, 0.5)
    cargo = length - _CAB - 0.2
    if body.sees(-1, 0, half):
        _paint_cab(body, box, half - _CAB / 2)
        _paint_cargo(body, box, -half + cargo / 2, cargo)
    else:
        _paint_cargo(body, box, -half + cargo / 2, cargo)
        _paint_cab(body, box, half - _CAB / 2)
    _wheels(body, (-half + 1.3, -half + 2.4, half - 1.2), wide, 0.48)


def _paint_cargo(body: Body, box: Box, middle: float, cargo: float) -> None:
    _, width, height, low = SIZES["truck"]
    rear, wide = middle - cargo / 2, width / 2
    _hull(body, box.color, (cargo, width, height), low + 0.25, middle)
    for across in (-wide, wide):
        if body.sees(0, np.sign(across), wide):
            for along in np.arange(rear + 0.5, middle + cargo / 2, 0.62):
                body.side(
                    across,
                    (along, along + 0.03),
                    (low + 0.3, height - 0.15),
                    scale(box.color, 0.86),
                )
            body.side(across, (rear + 1, middle + cargo / 4), (1.9, 2.7), box.accent)
            body.side(
                across, (rear + 1.3, middle), (2.15, 2.45), mix(box.accent, (240, 240, 240), 0.8)
            )
            body.side(across, (rear + 2.6, rear + 4.2), (0.45, low + 0.2), (58, 60, 62))
    if body.sees(-1, 0, -rear):
        for across in (-wide + 0.08, -0.02, wide - 0.12):
            body.end(
                rear, (across, across + 0.04), (low + 0.3, height - 0.1), scale(box.color, 0.6)
            )
        for across in (-0.35, 0.3):
            body.end(rear, (across, across + 0.05), (low + 0.35, height - 0.15), (120, 122, 124))
        body.end(rear, (-wide * 0.7, wide * 0.7), (2.3, 2.9), mix(box.accent, box.color, 0.3))
        body.end(rear, (-wide, wide), (0.5, 0.68), (60, 61, 62))
        _lamps(body, rear, wide, 0.72, (150, 26, 22))


def _paint_cab(body: Body, box: Box, middle: float) -> None:
    _, width, height, _ = SIZES["truck"]
    wide, top = width / 2 - 0.06, height - 0.55
    front = middle + _CAB / 2
    paint = box.accent
    _hull(body, paint, (_CAB, wide * 2, top), 0.55, middle)
    for across in (-wide, wide):
        if body.sees(0, np.sign(across), wide):
            body.pane(across, (middle - 0.1, front - 0.15), (1.65, 2.45))
            body.side(across, (middle - 0.25, middle - 0.2), (0.8, 2.5), scale(paint, 0.6))
    if body.sees(1, 0, front):
        body.end(front, (-wide * 0.92, wide * 0.92), (1.65, 2.55), PANE)
        body.end(front, (-wide * 0.92, wide * 0.92), (2.1, 2.55), (84, 93, 97))
        body.end(front, (-wide * 0.7, wide * 0.7), (0.95, 1.45), (32, 33, 35))
        for y in (1.05, 1.2, 1.35):
            body.end(front, (-wide * 0.68, wide * 0.68), (y, y + 0.04), (110, 112, 114))
        body.end(front, (-wide, wide), (0.5, 0.8), (54, 55, 57))
        _lamps(body, front, wide, 0.62, (236, 236, 224))


def _paint_trailer(body: Body, box: Box) -> None:
    length, width, height, low = SIZES["trailer"]
    half, wide = length / 2, width / 2
    bar = body.world(((half, 0, low), (half + 1.1, 0, low)))
    body.canvas.stroke(body.canvas.xy(bar), (50, 50, 52), body.canvas.pixels(0.1, box.z))
    body.tyres(-half + 0.9, wide, 0.32, 0.2)
    _hull(body, box.color, (length, width, height), low)
    for across in (-wide, wide):
        if body.sees(0, np.sign(across), wide):
            body.side(across, (-half, half), (low, low + 0.35), (120, 122, 124))
            body.wheel(-half + 1.4, across, 0.3)
    if body.sees(-1, 0, half):
        body.end(-half, (-wide, wide), (low, low + 0.35), (120, 122, 124))
        _lamps(body, -half, wide, low + 0.05, (150, 26, 22))


def _paint_caravan(body: Body, box: Box) -> None:
    length, width, height, low = SIZES["caravan"]
    half, wide = length / 2, width / 2
    bar = body.world(((half, 0, low + 0.1), (half + 1.2, 0, low + 0.1)))
    body.canvas.stroke(body.canvas.xy(bar), TYRE, body.canvas.pixels(0.1, box.z))
    body.tyres(0, wide, 0.34, 0.2)
    _hull(body, box.color, (length, width, height), low)
    for across in (-wide, wide):
        if body.sees(0, np.sign(across), wide):
            body.side(across, (-half, half), (1.05, 1.2), box.accent)
            body.pane(across, (-half + 0.6, -half + 1.9), (1.45, 2.1))
            body.pane(across, (half - 2.0, half - 0.7), (1.45, 2.1))
            body.wheel(0, across, 0.33)
    for end in (-1, 1):
        if body.sees(end, 0, half):
            body.end(end * half, (-wide, wide), (1.05, 1.2), box.accent)
            body.end(end * half, (-wide * 0.72, wide * 0.72), (1.4, 2.15), PANE)
            body.end(end * half, (-wide * 0.72, wide * 0.72), (1.8, 2.15), (84, 93, 97))
            _lamps(body, end * half, wide, 0.6, (150, 26, 22) if end < 0 else (210, 210, 200))
