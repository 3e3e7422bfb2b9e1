"""People on foot, on bicycles and on motorcycles."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from cityseg.sample.scene.canvas import Canvas, Floats
from cityseg.sample.scene.light import FACING, Color, scale

#: Forward, right, up, in metres from the figure's position.
_Joint = tuple[float, float, float]

_SKIN: Final[tuple[Color, ...]] = ((190, 148, 124), (174, 130, 106), (206, 166, 140), (112, 78, 60))
_HAIR: Final[tuple[Color, ...]] = ((40, 32, 28), (84, 62, 44), (146, 120, 84), (128, 126, 124))
_TOPS: Final[tuple[Color, ...]] = (
    (40, 42, 48), (54, 60, 72), (112, 34, 38), (44, 66, 104), (150, 148, 142), (72, 82, 60),
    (178, 176, 170), (96, 78, 60), (60, 48, 68), (176, 128, 48), (130, 60, 80), (40, 88, 96),
)  # fmt: skip
_LEGS: Final[tuple[Color, ...]] = (
    (36, 40, 52), (44, 50, 66), (30, 30, 32), (86, 80, 70), (108, 104, 94), (58, 66, 88),
)  # fmt: skip
_SHOE: Final = (30, 28, 28)
_RUBBER: Final = (30, 30, 31)


class _Figure:
    """A jointed figure at (u, z) with heading `turn` in radians: 0 to the right, π/2 away."""

    def __init__(self, canvas: Canvas, u: float, z: float, turn: float) -> None:
        self.canvas = canvas
        self.u, self.z = u, z
        self.cosine, self.sine = math.cos(turn), math.sin(turn)

    def xy(self, joints: list[_Joint]) -> Floats:
        forward, right, up = np.array(joints, np.float64).T
        u = self.u + forward * self.cosine + right * self.sine
        z = self.z + forward * self.sine - right * self.cosine
        return self.canvas.xy(np.stack((u, up, z), axis=1))

    def color(self, color: Color) -> Color:
        return self.canvas.light.shade(color, FACING, self.z, self.canvas.sunlit)

    def limb(self, joints: list[_Joint], color: Color, thick: float, thin: float = 0.0) -> None:
        """Paint round bones from joint to joint, `thick` metres wide first and `thin` last."""
        centers = self.xy(joints).tolist()
        shade = self.color(color)
        widths = np.linspace(thick, thin or thick, len(joints)).tolist()
        radii = [max(self.canvas.pixels(width, self.z), 1.0) / 2 for width in widths]
        for i in range(len(centers) - 1):
            self.canvas.fill(_capsule(centers[i], centers[i + 1], radii[i], radii[i + 1]), shade)

    def blob(self, joint: _Joint, across: float, up: float, color: Color) -> None:
        """Paint an ellipse whose width does not depend on the heading."""
        reach = np.array((self.canvas.pixels(across, self.z), self.canvas.pixels(up, self.z)))
        self.canvas.fill(self.xy([joint])[0] + reach * _CIRCLE, self.color(color))

    def hull(self, joints: list[_Joint], radius: float, color: Color) -> None:
        """Paint a soft body around joints, lighter towards the sun."""
        centers, reach = self.xy(joints), self.canvas.pixels(radius, self.z)
        around = (centers[:, None] + reach * _CIRCLE[None]).reshape(-1, 2)
        outline = cv2.convexHull(around.astype(np.float32)).reshape(-1, 2).astype(np.float64)
        self.canvas.fill(outline, self.color(scale(color, 0.86)))
        sunward = 0.3 if self.canvas.light.sun[0] > 0 else -0.3
        middle = outline.mean(axis=0) + np.array((sunward * reach, -0.15 * reach))
        self.canvas.fill(
            middle + (outline - outline.mean(axis=0)) * 0.72, self.color(scale(color, 1.06))
        )

    def patch(self, joints: list[_Joint], color: Color) -> None:
        """Paint a filled outline."""
        self.canvas.fill(self.xy(joints), self.color(color))


_TURN: Final = np.linspace(0, 2 * np.pi, 15)[:-1]
_CIRCLE: Final = np.stack((np.cos(_TURN), np.sin(_TURN)), axis=1)
_HALF: Final = np.linspace(-np.pi / 2, np.pi / 2, 5)


def _capsule(start: list[float], end: list[float], first: float, last: float) -> Floats:
    """(10, 2) outline of a bone with round ends of these radii."""
    along = math.atan2(end[1] - start[1], end[0] - start[0])
    tail, head = along + np.pi + _HALF, along + _HALF
    x = np.concatenate((start[0] + first * np.cos(tail), end[0] + last * np.cos(head)))
    y = np.concatenate((start[1] + first * np.sin(tail), end[1] + last * np.sin(head)))
    return np.stack((x, y), axis=1)


@dataclass(frozen=True)
class _Clothes:
    top: Color
    legs: Color
    skin: Color
    hair: Color

    @classmethod
    def draw(cls, random: np.random.Generator) -> "_Clothes":
        return cls(*(_pick(random, colors) for colors in (_TOPS, _LEGS, _SKIN, _HAIR)))


def _pick(random: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    return colors[int(random.integers(len(colors)))]


@dataclass(frozen=True)
class _Pose:
    """Joints of the left and right half: hip, knee, foot, shoulder, elbow, hand; and the head."""

    left: tuple[_Joint, ...]
    right: tuple[_Joint, ...]
    head: _Joint
    size: float = 1.0
    coat: float = 0.0


def _paint_pose(figure: _Figure, pose: _Pose, clothes: _Clothes) -> None:
    """Paint far limbs, trunk, near limbs, then the head."""
    k = pose.size
    halves = [pose.left, pose.right] if figure.cosine > 0 else [pose.right, pose.left]
    trunk = [half[i] for half in halves for i in (0, 3)]
    for half, shade in zip(halves, (0.72, 1.0), strict=True):
        hip, knee, foot, shoulder, elbow, hand = half
        if half is halves[1]:
            figure.hull(
                [*trunk, *((f, r, u - pose.coat) for f, r, u in trunk[::2])], 0.095 * k, clothes.top
            )
        figure.limb([hip, knee, foot], scale(clothes.legs, shade), 0.18 * k, 0.1 * k)
        toe = (foot[0] + 0.13 * k, foot[1], foot[2] - 0.02)
        figure.limb([foot, toe], scale(_SHOE, shade), 0.1 * k, 0.07 * k)
        figure.limb([shoulder, elbow, hand], scale(clothes.top, shade * 0.96), 0.13 * k, 0.09 * k)
        figure.blob(hand, 0.045 * k, 0.055 * k, scale(clothes.skin, shade))
    if pose.coat:
        figure.hull(
            [*trunk, *((f, r, u - pose.coat) for f, r, u in trunk[::2])], 0.095 * k, clothes.top
        )
    forward, right, up = pose.head
    figure.limb(
        [(forward - 0.03, right, up - 0.2 * k), pose.head], scale(clothes.skin, 0.8), 0.1 * k
    )
    figure.blob(pose.head, 0.092 * k, 0.125 * k, clothes.skin)
    back = (forward - 0.035 * k, right, up + 0.03 * k)
    away = figure.sine > 0.5
    figure.blob(
        back if away else (forward - 0.03 * k, right, up + 0.06 * k),
        0.1 * k,
        (0.115 if away else 0.08) * k,
        clothes.hair,
    )


@dataclass(frozen=True)
class Person:
    """A pedestrian at (u, z) with heading `turn` in radians: 0 to the right, π/2 away."""

    u: float
    z: float
    height: float
    turn: float
    walks: bool
    seed: int


def paint_person(canvas: Canvas, person: Person) -> None:
    """Paint a pedestrian who walks or stands, some with a bag."""
    random = np.random.default_rng(person.seed)
    figure = _Figure(canvas, person.u, person.z, person.turn)
    clothes, k = _Clothes.draw(random), person.height / 1.75
    stride = random.uniform(0.16, 0.34) * k * person.walks
    swing = stride * 0.8 + 0.02
    halves = [
        (
            (0.0, side * 0.085 * k, 0.92 * k),
            (side * stride * 0.4 + 0.05 * person.walks, side * 0.09 * k, 0.5 * k),
            (side * stride, side * 0.09 * k, 0.06 * k + 0.05 * person.walks * (side < 0)),
            (0.0, side * 0.15 * k, 1.38 * k),
            (-side * swing * 0.5 - 0.04, side * 0.24 * k, 1.13 * k),
            (-side * swing + 0.06, side * 0.22 * k, 0.88 * k),
        )
        for side in (-1, 1)
    ]
    coat = random.choice((0.0, 0.0, 0.06, 0.26)) * k
    with canvas.thing("person"):
        _paint_pose(figure, _Pose(halves[0], halves[1], (0.03, 0.0, 1.62 * k), k, coat), clothes)
        if random.random() < 0.35:
            bag = _pick(random, _TOPS)
            x, y = halves[1][5][0], 0.62 * k
            figure.hull([(x - 0.1, 0.24 * k, y), (x + 0.1, 0.24 * k, y + 0.12)], 0.09 * k, bag)


@dataclass(frozen=True)
class TwoWheeler:
    """A bicycle or motorcycle at (u, z), heading `turn` in radians: 0 to the right, π/2 away."""

    kind: str
    u: float
    z: float
    turn: float
    ridden: bool
    seed: int


def paint_two_wheeler(canvas: Canvas, ride: TwoWheeler) -> None:
    """Paint the vehicle, then its rider if it has one."""
    random = np.random.default_rng(ride.seed)
    figure = _Figure(canvas, ride.u, ride.z, ride.turn)
    paint = _pick(random, _TOPS)
    with canvas.thing(ride.kind):
        (_paint_bicycle if ride.kind == "bicycle" else _paint_motorcycle)(figure, paint)
    if ride.ridden:
        with canvas.thing("rider"):
            _paint_rider(figure, random, helmet=ride.kind == "motorcycle")


def _paint_wheel(figure: _Figure, x: float, radius: float, tyre: float) -> None:
    spin: list[_Joint] = [(x + radius * c, 0.0, radius + radius * s) for c, s in _CIRCLE]
    if abs(figure.cosine) < 0.25:
        figure.blob((x, 0.0, radius), radius * abs(figure.cosine) + tyre / 2, radius, _RUBBER)
        return
    figure.canvas.cover(figure.xy(spin))
    for spoke in spin[::2]:
        figure.limb([(x, 0.0, radius), spoke], (98, 98, 98), 0.012)
    figure.limb([*spin, spin[0]], _RUBBER, tyre)


def _paint_bicycle(figure: _Figure, paint: Color) -> None:
    for x in (-0.52, 0.52):
        _paint_wheel(figure, x, 0.34, 0.05)
    rear, front, crank = (-0.52, 0.0, 0.34), (0.52, 0.0, 0.34), (-0.06, 0.0, 0.32)
    seat, head = (-0.2, 0.0, 0.9), (0.38, 0.0, 0.88)
    for line in (
        [rear, crank, head, front],
        [crank, seat],
        [(-0.16, 0.0, 0.78), (0.4, 0.0, 0.8)],
        [rear, (-0.16, 0.0, 0.78)],
    ):
        figure.limb(line, paint, 0.045)
    figure.limb([(-0.32, 0.0, 0.93), (-0.1, 0.0, 0.93)], (24, 24, 24), 0.08)
    figure.limb([head, (0.36, 0.0, 1.05)], (60, 60, 60), 0.04)
    figure.limb([(0.3, -0.28, 1.06), (0.36, 0.0, 1.05), (0.3, 0.28, 1.06)], (40, 40, 40), 0.04)
    if figure.sine > 0:
        figure.blob((-0.5, 0.0, 0.78), 0.03, 0.03, (150, 24, 20))


def _paint_motorcycle(figure: _Figure, paint: Color) -> None:
    for x in (-0.68, 0.7):
        _paint_wheel(figure, x, 0.32, 0.14)
    for right in (-0.09, 0.09):
        figure.limb([(0.7, right, 0.32), (0.5, right, 0.95)], (120, 122, 124), 0.06)
    figure.hull([(-0.25, 0.0, 0.42), (0.25, 0.0, 0.45)], 0.2, (58, 59, 61))
    figure.limb([(-0.75, 0.14, 0.36), (-0.05, 0.14, 0.4)], (110, 111, 113), 0.1)
    figure.hull([(-0.8, 0.0, 0.86), (-0.3, 0.0, 0.76)], 0.09, scale(paint, 0.9))
    figure.limb([(-0.75, 0.0, 0.93), (-0.15, 0.0, 0.86)], (26, 26, 27), 0.12)
    figure.hull([(0.0, 0.0, 0.88), (0.4, 0.0, 0.9)], 0.15, paint)
    figure.limb([(0.36, -0.34, 1.08), (0.5, 0.0, 1.04), (0.36, 0.34, 1.08)], (40, 40, 40), 0.05)
    if figure.sine < 0:
        figure.blob((0.62, 0.0, 0.92), 0.11, 0.11, (216, 214, 200))
    else:
        figure.blob((-0.88, 0.0, 0.82), 0.09, 0.05, (150, 24, 22))
        figure.blob((-0.9, 0.0, 0.62), 0.09, 0.07, (186, 186, 180))


def _paint_rider(figure: _Figure, random: np.random.Generator, *, helmet: bool) -> None:
    clothes = _Clothes.draw(random)
    pedal = 0.0 if helmet else random.uniform(-0.16, 0.16)
    halves = [
        (
            (-0.22, side * 0.1, 0.96),
            (0.16 + 0.1 * helmet, side * (0.12 + 0.08 * helmet), 0.66 + side * pedal * 0.8),
            (-0.04, side * (0.1 + 0.08 * helmet), 0.3 + side * pedal),
            (0.06, side * 0.16, 1.42),
            (0.16, side * 0.27, 1.2),
            (0.33, side * 0.27, 1.1),
        )
        for side in (-1, 1)
    ]
    head = (0.16, 0.0, 1.66)
    _paint_pose(figure, _Pose(halves[0], halves[1], head), clothes)
    if helmet:
        figure.blob((0.14, 0.0, 1.68), 0.135, 0.155, _pick(random, _TOPS))
        if figure.sine < 0.5:
            figure.blob((0.24, 0.0, 1.67), 0.075, 0.05, (24, 26, 28))
    elif random.random() < 0.4:
        figure.blob((0.12, 0.0, 1.74), 0.12, 0.085, _pick(random, _TOPS))
