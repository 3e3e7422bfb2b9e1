"""Street furniture: poles, traffic lights, signs, fences, rails, bins."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from cityseg.sample.scene.canvas import Canvas, Floats
from cityseg.sample.scene.light import FACING, UP, Color, mix, scale

STEEL: Final = (104, 108, 108)


def _stand(canvas: Canvas, u: float, z: float, low: float, high: float, width: float) -> None:
    """Paint an upright round bar with a lit edge."""
    line = canvas.xy(((u, low, z), (u, high, z)))
    across = max(canvas.pixels(width, z), 1.1 * canvas.scale)
    color = canvas.light.shade(STEEL, FACING, z, canvas.sunlit)
    canvas.stroke(line, scale(color, 0.8), across)
    if across > 3:
        side = 0.22 * across * (1 if canvas.light.sun[0] > 0 else -1)
        canvas.stroke(line + np.array((side, 0)), scale(color, 1.25), across * 0.35)


@dataclass(frozen=True)
class Pole:
    """A pole at (u, z); `arm` metres reach over the road (negative: to the left) to a lamp."""

    u: float
    z: float
    height: float
    width: float = 0.14
    arm: float = 0.0
    label: str = "pole"


def paint_pole(canvas: Canvas, pole: Pole) -> None:
    """Paint a pole, its arm, and the lamp at the arm's end."""
    u, z, top = pole.u, pole.z, pole.height
    metal = canvas.light.shade(STEEL, FACING, z, canvas.sunlit)
    with canvas.thing(pole.label):
        _stand(canvas, u, z, 0, top, pole.width)
        if pole.label == "polegroup":
            _stand(canvas, u + 0.35, z, 0, top * 0.9, pole.width)
        _stand(canvas, u, z, 0, min(0.9, top), pole.width * 1.5)
        if pole.arm:
            reach = np.linspace(0, 1, 6)
            bend = [(u + pole.arm * s, top - 0.6 + 0.75 * np.sin(s * 1.5), z) for s in reach]
            canvas.stroke(canvas.xy(bend), metal, max(canvas.pixels(0.09, z), canvas.scale))
    if pole.arm:
        end, low = u + pole.arm, top + 0.03
        lamp = (
            (end - 0.4, low, z),
            (end + 0.4, low, z),
            (end + 0.3, low + 0.17, z),
            (end - 0.3, low + 0.17, z),
        )
        with canvas.thing("static"):
            canvas.face(lamp, (88, 90, 92))


@dataclass(frozen=True)
class TrafficLight:
    """A signal at (u, z) whose housing starts at `low`; `shows` is 0 red, 1 amber, 2 green."""

    u: float
    z: float
    low: float
    shows: int


def paint_traffic_light(canvas: Canvas, light: TrafficLight) -> None:
    """Paint three lamps in a dark housing, one of them lit."""
    u, z, low = light.u, light.z, light.low
    lamps: tuple[Color, Color, Color] = ((255, 60, 44), (255, 190, 50), (70, 240, 170))
    with canvas.thing("traffic light"):
        canvas.face(_plate(u, low, z, 0.19, 1.0), (24, 26, 26))
    for index, color in enumerate(lamps):
        disc = _disc(u, low + 0.82 - 0.32 * index, z, 0.115)
        canvas.face(disc, (42, 43, 43))
        if index == light.shows:  # it shines by itself, so it is not shaded
            canvas.fill(canvas.xy(_disc(u, low + 0.82 - 0.32 * index, z, 0.125)), color)
        hood = _plate(u, low + 0.945 - 0.32 * index, z, 0.14, 0.025)
        canvas.face(hood, (8, 9, 9))


def _plate(u: float, low: float, z: float, half: float, height: float) -> Floats:
    return np.array(
        (
            (u - half, low, z),
            (u + half, low, z),
            (u + half, low + height, z),
            (u - half, low + height, z),
        )
    )


def _disc(
    u: float, y: float, z: float, radius: float, corners: int = 14, start: float = 0
) -> Floats:
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False) + start
    return np.stack(
        (u + radius * np.sin(turn), y + radius * np.cos(turn), np.full(corners, z)), axis=1
    )


_RED: Final = (168, 28, 30)
_WHITE: Final = (206, 206, 200)
_BLUE: Final = (26, 66, 140)
_YELLOW: Final = (206, 164, 36)
_BLACK: Final = (26, 26, 26)
#: Type of sign -> (corners, angle of the first corner, radius, rim, field).
_SIGNS: Final[dict[str, tuple[int, float, float, Color, Color]]] = {
    "limit": (16, 0, 0.32, _RED, _WHITE),
    "no entry": (16, 0, 0.32, _RED, _RED),
    "warning": (3, 0, 0.46, _RED, _WHITE),
    "yield": (3, np.pi, 0.46, _RED, _WHITE),
    "stop": (8, np.pi / 8, 0.38, _WHITE, _RED),
    "priority": (4, 0, 0.38, _WHITE, _YELLOW),
    "way": (16, 0, 0.32, _WHITE, _BLUE),
    "no parking": (16, 0, 0.3, _RED, _BLUE),
    "parking": (4, np.pi / 4, 0.42, _WHITE, _BLUE),
}
#: Types of the signs beside the road; a Sign may also be a "board".
SIGN_KINDS: Final = tuple(_SIGNS)


@dataclass(frozen=True)
class Sign:
    """A traffic sign whose middle is at (u, y, z); `kind` is one of SIGN_KINDS or "board"."""

    kind: str
    u: float
    y: float
    z: float
    size: float = 1.0


def paint_sign(canvas: Canvas, sign: Sign) -> None:
    """Paint a sign's plate and its symbol."""
    u, y, z, size = sign.u, sign.y, sign.z, sign.size
    if sign.kind == "board":
        _paint_board(canvas, sign)
        return
    corners, start, radius, rim, field = _SIGNS[sign.kind]
    with canvas.thing("traffic sign"):
        canvas.face(_disc(u, y, z, radius * size, corners, start), rim)
    inner = 0.62 if corners == 3 else 0.78
    canvas.face(_disc(u, y, z, radius * size * inner, corners, start), field)
    if sign.kind == "no entry":
        canvas.face(_plate(u, y - 0.06 * size, z, 0.22 * size, 0.12 * size), _WHITE)
    elif sign.kind in ("limit", "warning", "stop"):
        ink = _WHITE if sign.kind == "stop" else _BLACK
        for x in (-0.1, 0.04):
            canvas.face(
                _plate(u + (x + 0.03) * size, y - 0.1 * size, z, 0.035 * size, 0.2 * size), ink
            )
    elif sign.kind == "no parking":
        across = canvas.xy(
            ((u - 0.16 * size, y + 0.16 * size, z), (u + 0.16 * size, y - 0.16 * size, z))
        )
        canvas.stroke(across, canvas.light.shade(_RED, FACING, z), canvas.pixels(0.07 * size, z))
    elif sign.kind in ("way", "parking"):
        canvas.face(_plate(u - 0.03 * size, y - 0.15 * size, z, 0.035 * size, 0.3 * size), _WHITE)
        canvas.face(_plate(u + 0.04 * size, y + 0.02 * size, z, 0.07 * size, 0.12 * size), _WHITE)


def _paint_board(canvas: Canvas, sign: Sign) -> None:
    """Paint a yellow direction board with two lines of text."""
    u, y, z, size = sign.u, sign.y, sign.z, sign.size
    with canvas.thing("traffic sign"):
        canvas.face(_plate(u, y - 0.6 * size, z, 1.2 * size, 1.2 * size), _BLACK)
    canvas.face(_plate(u, y - 0.56 * size, z, 1.16 * size, 1.12 * size), _YELLOW)
    for low in (0.14, -0.36):
        canvas.face(_plate(u - 0.9 * size, y + low * size, z, 0.12 * size, 0.22 * size), _BLACK)
        for x in np.arange(-0.55, 0.95, 0.17):
            canvas.face(
                _plate(u + x * size, y + (low + 0.04) * size, z, 0.055 * size, 0.16 * size),
                (52, 46, 30),
            )


@dataclass(frozen=True)
class Barrier:
    """A fence or guard rail along the street at u; `kind` is fence, pickets or guard rail."""

    kind: str
    u: float
    near: float
    far: float
    height: float
    color: Color


def paint_barrier(canvas: Canvas, barrier: Barrier) -> None:
    """Paint posts and rails; as in genuine annotations, the polygon covers the gaps too."""
    u, near, far, top = barrier.u, barrier.near, barrier.far, barrier.height
    if barrier.kind == "guard rail":
        with canvas.thing("guard rail"):
            _paint_posts(canvas, barrier, 2.0, 0.12, top)
            for low, shade in ((top - 0.32, 0.75), (top - 0.2, 1.1), (top - 0.1, 0.9)):
                band = ((u, low, near), (u, low + 0.11, near), (u, low + 0.11, far), (u, low, far))
                canvas.face(band, scale(barrier.color, shade), UP)
        return
    with canvas.thing("fence"):
        panel = ((u, 0, near), (u, top, near), (u, top, far), (u, 0, far))
        canvas.cover(canvas.xy(panel))
        slats = barrier.kind == "pickets"
        _paint_posts(canvas, barrier, 0.14 if slats else 0.16, 0.09 if slats else 0.03, top - 0.06)
        _paint_posts(canvas, barrier, 2.4, 0.1, top)
        for y in (0.18, top - 0.1):
            for start, stop in _runs(near, far):
                rail = ((u, y, start), (u, y + 0.06, start), (u, y + 0.06, stop), (u, y, stop))
                canvas.face(rail, barrier.color, UP)


def _runs(near: float, far: float) -> list[tuple[float, float]]:
    return list(pairwise([*np.arange(near, far, 8.0).tolist(), far]))


def _paint_posts(canvas: Canvas, barrier: Barrier, pitch: float, width: float, top: float) -> None:
    z = barrier.near
    while z <= barrier.far:
        line = canvas.xy(((barrier.u, 0, z), (barrier.u, top, z)))
        color = canvas.light.shade(barrier.color, FACING, z, canvas.sunlit)
        canvas.stroke(line, scale(color, 0.85), canvas.pixels(width, z))
        z += max(pitch, pitch * z / 30) if pitch < 1 else pitch


CLUTTER_KINDS: Final = ("bin", "cabinet", "bench", "column", "bollard", "bollard")


@dataclass(frozen=True)
class Clutter:
    """A small thing at (u, z); `kind` is one of CLUTTER_KINDS or "pram"."""

    kind: str
    u: float
    z: float
    color: Color


def paint_clutter(canvas: Canvas, clutter: Clutter) -> None:
    """Paint an object that Cityscapes calls static or dynamic, which is none of the classes."""
    painters = {"column": _paint_column, "bench": _paint_bench, "bollard": _paint_bollard}
    if clutter.kind == "pram":
        with canvas.thing("dynamic"):
            _paint_pram(canvas, clutter)
    else:
        with canvas.thing("static"):
            painters.get(clutter.kind, _paint_cupboard)(canvas, clutter)


def _paint_column(canvas: Canvas, clutter: Clutter) -> None:
    """Paint an advertising column with three posters."""
    u, z = clutter.u, clutter.z
    canvas.face(_plate(u, 0, z, 0.62, 3.2), clutter.color)
    prints: tuple[Color, ...] = ((170, 60, 50), (60, 90, 140), (190, 170, 90))
    for low, poster in zip((0.5, 1.4, 2.3), prints, strict=True):
        place = _plate(u + 0.1 * low - 0.2, low, z, 0.35, 0.8)
        canvas.face(place, mix(clutter.color, poster, 0.7))
    canvas.face(_plate(u, 3.2, z, 0.75, 0.22), (64, 70, 66))


def _paint_bench(canvas: Canvas, clutter: Clutter) -> None:
    u, z = clutter.u, clutter.z
    for low in (0.42, 0.6, 0.74):
        canvas.face(_plate(u, low, z, 0.85, 0.09), (104, 78, 54))
    for x in (-0.7, 0.7):
        canvas.face(_plate(u + x, 0, z, 0.04, 0.8), (50, 52, 52))


def _paint_bollard(canvas: Canvas, clutter: Clutter) -> None:
    u, z = clutter.u, clutter.z
    canvas.face(_plate(u, 0, z, 0.07, 0.9), (90, 92, 92))
    canvas.face(_plate(u, 0.68, z, 0.07, 0.1), (190, 60, 50))


def _paint_pram(canvas: Canvas, clutter: Clutter) -> None:
    u, z = clutter.u, clutter.z
    canvas.face(_disc(u, 0.72, z, 0.32), clutter.color)
    canvas.face(_plate(u, 0.42, z, 0.34, 0.3), scale(clutter.color, 0.8))
    for x in (-0.26, 0.26):
        canvas.face(_disc(u + x, 0.15, z, 0.15), (34, 34, 34))
    handle = canvas.xy(((u - 0.3, 0.5, z), (u - 0.6, 1.0, z)))
    canvas.stroke(handle, (40, 40, 40), canvas.pixels(0.05, z))


def _paint_cupboard(canvas: Canvas, clutter: Clutter) -> None:
    """Paint a bin or a utility cabinet."""
    u, z, color = clutter.u, clutter.z, clutter.color
    half, top = (0.28, 1.05) if clutter.kind == "bin" else (0.5, 1.25)
    canvas.face(_plate(u, 0, z, half, top), color)
    if u < 0:  # its right side is visible
        back, edge = z + 0.5, u + half
        side = ((edge, 0, z), (edge, top, z), (edge, top, back), (edge, 0, back))
        canvas.face(side, scale(color, 0.75), (1, 0, 0))
    canvas.face(_plate(u, top - 0.14, z, half * 1.06, 0.14), scale(color, 1.2))
