"""Houses along the street and across its end, walls, and a bridge over it."""

from dataclasses import dataclass

import cv2
import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.sample.scene.canvas import Canvas, Floats32, Points
from cityseg.sample.scene.facades import Facade, draw_facade, weathering
from cityseg.sample.scene.light import FACING, Color, Vector, mix, scale


@dataclass(frozen=True)
class Building:
    """A house on one side (-1 left, 1 right) whose front stands at u, from near to far.

    `roof` is "flat" or "pitched"; `exposed` if the wall towards the camera is visible.
    """

    side: int
    u: float
    near: float
    far: float
    facade: Facade
    roof: str
    tiles: Color
    exposed: bool
    depth: float = 10.0

    @property
    def normal(self) -> Vector:
        """The front's normal: across the street."""
        return -self.side, 0, 0


def paint_building(canvas: Canvas, building: Building) -> None:
    """Paint the roof, the wall towards the camera, then the front."""
    u, near, far, top = building.u, building.near, building.far, building.facade.height
    back = u + building.side * building.depth
    with canvas.thing("building"):
        if building.roof == "pitched":
            _paint_roof(canvas, building, back)
        else:
            _paint_chimneys(canvas, building, top)
        gap = ((u, top, near), (back, top, near), (back, 0, near), (u, 0, near))
        if building.exposed:
            hang_facade(canvas, building.facade.side(building.depth), gap, FACING)
        else:
            canvas.face(gap, building.facade.wall)
        front = ((u, top, near), (u, top, far), (u, 0, far), (u, 0, near))
        hang_facade(canvas, building.facade, front, building.normal)


def _paint_roof(canvas: Canvas, building: Building, back: float) -> None:
    u, near, far, eaves = building.u, building.near, building.far, building.facade.height
    middle = (u + back) / 2
    ridge = eaves + building.depth * 0.38
    gable = ((u, eaves, near), (middle, ridge, near), (back, eaves, near))
    _paint_chimneys(canvas, building, ridge - 0.5)
    edge = u - building.side * 0.35
    slope = (
        (edge, eaves - 0.1, near),
        (edge, eaves - 0.1, far),
        (middle, ridge, far),
        (middle, ridge, near),
    )
    canvas.face(slope, building.tiles, (-building.side * 0.6, 0.8, 0))
    canvas.face(gable, scale(building.facade.wall, 0.95), FACING)
    for z in np.arange(near + 1.5, far - 1.5, 3.4):
        _paint_dormer(canvas, building, float(z), eaves)


def _paint_dormer(canvas: Canvas, building: Building, z: float, eaves: float) -> None:
    if canvas.pixels(1.2, z) < 3 or building.facade.seed % 3 == 0:
        return
    u = building.u + building.side * 0.9
    wall = (
        (u, eaves + 0.3, z),
        (u, eaves + 0.3, z + 1.3),
        (u, eaves + 1.7, z + 1.3),
        (u, eaves + 1.7, z),
    )
    cheek = ((u, eaves + 0.3, z), (u, eaves + 1.7, z), (u + building.side * 1.9, eaves + 1.7, z))
    canvas.face(cheek, scale(building.tiles, 0.8), FACING)
    canvas.face(wall, (176, 174, 168), building.normal)
    inset = np.array(((0, 0.25, 0.25), (0, 0.25, -0.25), (0, -0.25, -0.25), (0, -0.25, 0.25)))
    canvas.face(np.array(wall) + inset, (60, 66, 70), building.normal)


def _paint_chimneys(canvas: Canvas, building: Building, base: float) -> None:
    random = np.random.default_rng(building.facade.seed + 7)
    for _ in range(int(random.integers(3))):
        z = random.uniform(building.near + 0.5, building.far - 0.5)
        u = building.u + building.side * random.uniform(2, 4)
        high, half = base + random.uniform(0.8, 1.8), random.uniform(0.3, 0.5)
        stack = (
            (u - half, base - 1, z),
            (u + half, base - 1, z),
            (u + half, high, z),
            (u - half, high, z),
        )
        canvas.face(stack, mix(building.tiles, (110, 96, 88), 0.6), FACING)


def hang_facade(canvas: Canvas, facade: Facade, corners: Points, normal: Vector) -> None:
    """Warp a house front into four corners: upper near, upper far, lower far, lower near."""
    points = np.asarray(corners, np.float64)
    xy = canvas.xy(points)
    left, top, right, bottom = canvas.window(xy)
    near, far = float(points[0, 2]), float(points[1, 2])
    if right - left < 1 or bottom - top < 1:
        return
    reach = canvas.pixels(1, near)
    sheet = draw_facade(facade, int(np.clip(reach, 8, 44)))
    seen = float(np.abs(np.diff(xy[:2, 0]))[0])
    dense = seen * (far / near) ** 0.5
    size = (
        int(np.clip(dense, 2, sheet.shape[1])),
        int(np.clip(reach * facade.height, 2, sheet.shape[0])),
    )
    sheet = np.asarray(cv2.resize(sheet, size, interpolation=cv2.INTER_AREA), np.uint8)
    lit = _light_sheet(canvas, sheet, weathering(facade, size[::-1]), normal, (near, far))
    height, width = lit.shape[:2]
    source = np.array(((0, 0), (width, 0), (width, height), (0, height)), np.float32) - 0.5
    target = (xy - (left, top)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    window = (right - left, bottom - top)
    warped = cv2.warpPerspective(
        lit, matrix, window, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = np.zeros(window[::-1], np.uint8)
    cv2.fillPoly(mask, [np.rint(target * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    canvas.paste(left, top, np.asarray(warped), mask * np.float32(1 / 255))


def _light_sheet(
    canvas: Canvas,
    sheet: Uint8Array,
    gain: Floats32,
    normal: Vector,
    depths: tuple[float, float],
) -> Floats32:
    """Apply light and haze to a front; `depths` are those of its left and right edge."""
    light = canvas.light
    depth = np.linspace(*depths, sheet.shape[1], dtype=np.float32)
    clear = np.exp(-depth / np.float32(light.visibility))
    gain = gain * clear
    lit = np.empty(sheet.shape, np.float32)
    for channel, factor in enumerate(light.on(normal, canvas.sunlit)):
        haze = np.float32(light.haze[channel]) * (1 - clear)
        lit[..., channel] = sheet[..., channel] * (gain * np.float32(factor)) + haze
    return lit


@dataclass(frozen=True)
class Wall:
    """A free-standing wall along the street at u."""

    side: int
    u: float
    near: float
    far: float
    height: float
    color: Color
    seed: int


def paint_wall(canvas: Canvas, wall: Wall) -> None:
    """Paint courses of stones or bricks under a coping, and the wall's end."""
    u, near, far, top = wall.u, wall.near, wall.far, wall.height
    style = "brick" if wall.color[0] > 1.3 * wall.color[2] else "stone"
    trim = scale(wall.color, 1.15)
    face = Facade(far - near, 0, style, wall.color, trim, False, wall.seed, wall_height=top)
    with canvas.thing("wall"):
        end = u + wall.side * 0.3
        canvas.face(((u, 0, near), (u, top, near), (end, top, near), (end, 0, near)), wall.color)
        corners = ((u, top, near), (u, top, far), (u, 0, far), (u, 0, near))
        hang_facade(canvas, face, corners, (-wall.side, 0, 0))


@dataclass(frozen=True)
class Bridge:
    """A bridge over the street at z; `half` the opening's width, and its `clearance`, in metres."""

    z: float
    half: float
    clearance: float
    color: Color


def paint_bridge(canvas: Canvas, bridge: Bridge) -> None:
    """Paint the deck with its dark underside, railings, and a pier on each side."""
    z, far, reach = bridge.z, bridge.z + 9, bridge.half + 40
    low, high = bridge.clearance, bridge.clearance + 1.5
    with canvas.thing("bridge"):
        for side in (-1, 1):
            inner, outer = side * bridge.half, side * (bridge.half + 3)
            canvas.face(
                ((inner, 0, z), (inner, low, z), (inner, low, far), (inner, 0, far)),
                scale(bridge.color, 0.55),
                (-side, 0, 0),
            )
            canvas.face(
                ((inner, 0, z), (outer, 0, z), (outer, low, z), (inner, low, z)),
                scale(bridge.color, 0.85),
            )
        canvas.face(
            ((-reach, low, z), (reach, low, z), (reach, low, far), (-reach, low, far)),
            scale(bridge.color, 0.35),
        )
        canvas.face(
            ((-reach, low, z), (reach, low, z), (reach, high, z), (-reach, high, z)), bridge.color
        )
        canvas.face(
            ((-reach, high - 0.2, z), (reach, high - 0.2, z), (reach, high, z), (-reach, high, z)),
            scale(bridge.color, 1.15),
        )
        rail = canvas.xy(((-reach, high + 0.9, z), (reach, high + 0.9, z)))
        canvas.stroke(rail, canvas.light.shade((90, 98, 96), FACING, z), canvas.pixels(0.1, z))
        for u in np.arange(-reach, reach, 1.6):
            post = canvas.xy(((u, high, z), (u, high + 0.9, z)))
            canvas.stroke(post, canvas.light.shade((90, 98, 96), FACING, z), canvas.pixels(0.06, z))


@dataclass(frozen=True)
class Front:
    """A house whose front faces the camera: its left edge at (u, z)."""

    u: float
    z: float
    facade: Facade
    tiles: Color


def paint_front(canvas: Canvas, front: Front) -> None:
    """Paint a roof and the front below it."""
    left, right, z, top = front.u, front.u + front.facade.width, front.z, front.facade.height
    with canvas.thing("building"):
        if front.facade.seed % 2:
            roof = (
                (left, top, z),
                (left + 1, top + 3, z + 4),
                (right - 1, top + 3, z + 4),
                (right, top, z),
            )
            canvas.face(roof, front.tiles, (0, 0.8, -0.6))
        corners = ((left, top, z), (right, top, z), (right, 0, z), (left, 0, z))
        hang_facade(canvas, front.facade, corners, FACING)
