"""House fronts, drawn flat; `buildings` warps them into the street."""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.sample.scene.canvas import Floats32, noise
from cityseg.sample.scene.light import Color, mix, scale

_GLASS: Final = (50, 58, 62)
_SKY_IN_GLASS: Final = (128, 140, 146)


@dataclass(frozen=True)
class Facade:
    """A house front in metres; `style` is plaster, brick, concrete, glass or blind."""

    width: float
    floors: int
    style: str
    wall: Color
    trim: Color
    shop: bool
    seed: int
    ground_floor: float = 3.7
    storey: float = 3.1
    #: Set for a free-standing wall, which has no floors.
    wall_height: float = 0.0

    @property
    def height(self) -> float:
        """Height from the pavement to the eaves."""
        return self.wall_height or self.ground_floor + (self.floors - 1) * self.storey + 0.5

    def side(self, width: float) -> "Facade":
        """The same house's wall towards a gap, with few windows."""
        return replace(self, width=width, style="blind", shop=False, seed=self.seed + 1)


def draw_facade(facade: Facade, pixels_per_metre: int) -> Uint8Array:
    """Draw a front as (H, W, 3) uint8 RGB; its bottom row is at the pavement."""
    sheet = _Sheet(facade, pixels_per_metre)
    if facade.style == "brick" and pixels_per_metre >= 14:
        sheet.lay_bricks()
    if facade.wall_height:
        return _draw_masonry(facade, pixels_per_metre)
    if facade.style in ("plaster", "brick"):
        _draw_storeys(sheet)
    elif facade.style == "concrete":
        _draw_ribbons(sheet)
    elif facade.style == "glass":
        _draw_curtain_wall(sheet)
    else:
        _draw_blind_wall(sheet)
    if facade.style != "blind":
        (_draw_shop if facade.shop else _draw_entrance)(sheet)
        top = facade.height
        sheet.box(0, top - 0.45, facade.width, top - 0.32, scale(facade.wall, 0.6))
        sheet.box(0, top - 0.32, facade.width, top, facade.trim)
    return sheet.rgb


def weathering(facade: Facade, shape: tuple[int, int]) -> Floats32:
    """(H, W) gain, about 1, of stains and of the dirt near the ground."""
    height, width = (max(2, length // 2) for length in shape)  # stains have no fine detail
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x *= np.float32(facade.width / width)
    y = (height - y) * np.float32(facade.height / height)
    offset = np.float32(facade.seed % 1009 / 1009)
    stains = 0.035 * noise(x / 9 + offset, y / 30) + 0.03 * noise(x / 2, y / 2 + offset)
    gain = np.asarray(1 + stains - 0.12 * np.exp(y / -1.2), np.float32)
    return np.asarray(cv2.resize(gain, shape[::-1]), np.float32)


class _Sheet:
    """A flat drawing in metres, x from the left, y up from the pavement."""

    def __init__(self, facade: Facade, pixels_per_metre: int) -> None:
        self.facade = facade
        self.scale = pixels_per_metre
        self.random = np.random.default_rng(facade.seed)
        shape = (int(facade.height * self.scale) + 1, int(facade.width * self.scale) + 1, 3)
        self.rgb: Uint8Array = np.empty(shape, np.uint8)
        self.rgb[:] = np.clip(facade.wall, 0, 255)

    def box(self, left: float, low: float, right: float, high: float, color: Color) -> None:
        """Fill a rectangle of at least one pixel."""
        rows = self.rgb.shape[0]
        x0, x1 = round(left * self.scale), round(right * self.scale)
        y0, y1 = rows - round(high * self.scale), rows - round(low * self.scale)
        cv2.rectangle(self.rgb, (x0, y0), (max(x1 - 1, x0), max(y1 - 1, y0)), color, cv2.FILLED)

    def lay_bricks(self) -> None:
        """Darken the joints between courses of bricks."""
        rows = np.arange(self.rgb.shape[0])[::-1] / self.scale
        joints = self.rgb[rows % 0.25 < 0.06]
        self.rgb[rows % 0.25 < 0.06] = (joints * 0.9).astype(np.uint8)


def _draw_window(sheet: _Sheet, x: float, y: float, width: float, height: float) -> None:
    """Draw surround, frame, panes, curtains or blinds, and a sill with its shadow."""
    trim, wall = sheet.facade.trim, sheet.facade.wall
    behind = sheet.random.random(3)
    sheet.box(x - 0.13, y - 0.05, x + width + 0.13, y + height + 0.16, trim)
    sheet.box(x - 0.03, y, x + width + 0.03, y + height, (198, 198, 192))
    glass = mix(_GLASS, (28, 30, 32), behind[0])
    sheet.box(x + 0.05, y + 0.05, x + width - 0.05, y + height - 0.05, glass)
    reflected = mix(glass, _SKY_IN_GLASS, 0.25 + 0.5 * behind[1])
    sheet.box(
        x + 0.05,
        y + height * (0.45 + 0.3 * behind[0]),
        x + width - 0.05,
        y + height - 0.05,
        reflected,
    )
    if behind[2] < 0.3:  # curtains
        for side in (x + 0.05, x + width * 0.72):
            sheet.box(side, y + 0.05, side + width * 0.22, y + height - 0.05, (158, 156, 148))
    elif behind[2] < 0.45:  # a blind
        sheet.box(
            x + 0.05,
            y + height * (1 - behind[1]),
            x + width - 0.05,
            y + height - 0.05,
            (186, 182, 170),
        )
    elif behind[2] > 0.96:  # a lamp is on
        sheet.box(x + 0.05, y + 0.05, x + width - 0.05, y + height - 0.05, (214, 186, 128))
    sheet.box(x + width / 2 - 0.04, y, x + width / 2 + 0.04, y + height, (198, 198, 192))
    sheet.box(
        x - 0.03, y + height * 0.7, x + width + 0.03, y + height * 0.7 + 0.07, (198, 198, 192)
    )
    sheet.box(x - 0.18, y - 0.14, x + width + 0.18, y - 0.02, mix(trim, (220, 220, 215), 0.3))
    sheet.box(x - 0.16, y - 0.26, x + width + 0.16, y - 0.14, scale(wall, 0.72))


def _columns(sheet: _Sheet, pitch: float) -> tuple[int, float]:
    """Number of windows side by side, and the distance between their middles."""
    count = max(1, round((sheet.facade.width - 0.6) / pitch))
    return count, sheet.facade.width / count


def _draw_storeys(sheet: _Sheet) -> None:
    facade, random = sheet.facade, sheet.random
    count, pitch = _columns(sheet, random.uniform(2.2, 3.0))
    width, height = random.uniform(0.95, 1.3), random.uniform(1.5, 1.95)
    balconies = (
        set(random.permutation(count)[: count // 3].tolist()) if random.random() < 0.4 else set()
    )
    for floor in range(1, facade.floors):
        level = facade.ground_floor + (floor - 1) * facade.storey
        if floor == 1 or random.random() < 0.15:
            sheet.box(0, level - 0.05, facade.width, level + 0.12, facade.trim)
        for column in range(count):
            x = (column + 0.5) * pitch - width / 2
            _draw_window(sheet, x, level + 0.85, width, height)
            if column in balconies:
                _draw_balcony(sheet, x, level, width)


def _draw_balcony(sheet: _Sheet, x: float, level: float, width: float) -> None:
    rail = mix(sheet.facade.trim, (120, 124, 124), 0.5)
    sheet.box(x - 0.5, level + 0.1, x + width + 0.5, level + 0.28, scale(rail, 0.7))
    sheet.box(x - 0.5, level + 0.28, x + width + 0.5, level + 1.2, rail)
    for bar in np.arange(x - 0.42, x + width + 0.5, 0.2):
        sheet.box(bar, level + 0.3, bar + 0.05, level + 1.12, scale(rail, 0.62))


def _draw_ribbons(sheet: _Sheet) -> None:
    """Draw bands of windows between bands of wall."""
    facade, random = sheet.facade, sheet.random
    pane = random.uniform(1.1, 1.8)
    for floor in range(1, facade.floors):
        level = facade.ground_floor + (floor - 1) * facade.storey
        sheet.box(0, level + 0.95, facade.width, level + 2.6, _GLASS)
        sheet.box(0, level + 0.82, facade.width, level + 0.95, scale(facade.wall, 1.12))
        sheet.box(0, level + 2.48, facade.width, level + 2.6, scale(facade.wall, 0.5))
        for x in np.arange(0.3, facade.width - 0.5, pane):
            shade = random.random(2)
            glass = mix(_GLASS, _SKY_IN_GLASS, 0.75 * shade[0] ** 2)
            sheet.box(x, level + 1.0, x + pane - 0.1, level + 2.5, glass)
            if shade[1] < 0.35:
                sheet.box(
                    x, level + 1.3 + shade[1] * 2, x + pane - 0.1, level + 2.5, (176, 174, 164)
                )
            sheet.box(x + pane - 0.1, level + 0.95, x + pane, level + 2.6, facade.trim)


def _draw_curtain_wall(sheet: _Sheet) -> None:
    """Draw a glass front that mirrors a sky that becomes paler upwards."""
    facade, random = sheet.facade, sheet.random
    pane = random.uniform(1.2, 1.7)
    low, tall = facade.ground_floor, facade.height - facade.ground_floor
    for floor in range(1, facade.floors):
        level = low + (floor - 1) * facade.storey
        for x in np.arange(0, facade.width, pane):
            shade = random.normal(0, 0.1) + 0.15 + 0.6 * (level - low) / tall
            glass = mix(mix(_GLASS, facade.wall, 0.25), _SKY_IN_GLASS, float(np.clip(shade, 0, 1)))
            sheet.box(x, level, x + pane - 0.08, level + facade.storey - 0.6, glass)
            sheet.box(
                x,
                level + facade.storey - 0.6,
                x + pane - 0.08,
                level + facade.storey - 0.08,
                scale(glass, 0.78),
            )


def _draw_blind_wall(sheet: _Sheet) -> None:
    facade, random = sheet.facade, sheet.random
    columns = [facade.width * share for share in (0.16, 0.42, 0.72) if random.random() < 0.55]
    for floor in range(facade.floors):
        level = 0.4 + floor * facade.storey
        for x in columns:
            if random.random() < 0.85:
                _draw_window(sheet, x, level + 0.9, 0.85, 1.3)
    sheet.box(0, 0, facade.width, 0.6, scale(facade.wall, 0.78))


def _draw_shop(sheet: _Sheet) -> None:
    """Draw display windows under a sign, some with an awning."""
    facade, random = sheet.facade, sheet.random
    units = max(1, round(facade.width / random.uniform(5, 8)))
    width = facade.width / units
    for unit in range(units):
        left, right = unit * width + 0.25, (unit + 1) * width - 0.25
        hue = _sign_color(random)
        sheet.box(left, 0, right, facade.ground_floor - 0.75, (74, 76, 76))
        for x in np.arange(left + 0.1, right - 0.5, 1.5):
            glass = mix(_GLASS, (176, 164, 134), random.uniform(0.05, 0.8))
            sheet.box(x, 0.5, min(x + 1.4, right - 0.1), 2.7, glass)
            goods = (random.uniform(60, 190), random.uniform(60, 170), random.uniform(50, 150))
            sheet.box(x + 0.2, 0.55, x + random.uniform(0.5, 1.2), random.uniform(0.9, 1.9), goods)
            sheet.box(
                x,
                random.uniform(2.0, 2.4),
                min(x + 1.4, right - 0.1),
                2.7,
                mix(glass, _SKY_IN_GLASS, 0.5),
            )
        door = random.uniform(left + 0.3, right - 1.3)
        sheet.box(door, 0.05, door + 1.0, 2.4, (60, 62, 60))
        sheet.box(door + 0.1, 0.3, door + 0.9, 2.3, (96, 100, 98))
        sheet.box(left, 2.9, right, facade.ground_floor - 0.2, hue)
        for x in np.arange(left + 0.5, right - 0.6, 0.42):
            if random.random() < 0.8:
                sheet.box(
                    x, 3.05, x + 0.28, facade.ground_floor - 0.35, mix(hue, (245, 245, 240), 0.85)
                )
        if random.random() < 0.35:
            _draw_awning(sheet, left, right, hue)


def _sign_color(random: np.random.Generator) -> Color:
    hues = (
        (150, 36, 34),
        (34, 70, 120),
        (40, 92, 60),
        (186, 140, 40),
        (70, 70, 74),
        (170, 168, 160),
    )
    return hues[int(random.integers(len(hues)))]


def _draw_awning(sheet: _Sheet, left: float, right: float, hue: Color) -> None:
    for index, x in enumerate(np.arange(left, right, 0.35)):
        color = hue if index % 2 else (206, 202, 190)
        sheet.box(x, 2.25, min(x + 0.35, right), 2.95, color)


def _draw_entrance(sheet: _Sheet) -> None:
    """Draw a plinth, a door, and windows beside it."""
    facade, random = sheet.facade, sheet.random
    sheet.box(0, 0, facade.width, 0.75, scale(mix(facade.wall, (110, 108, 104), 0.5), 0.85))
    count, pitch = _columns(sheet, 2.6)
    door = int(random.integers(count))
    wood = ((84, 60, 44), (58, 70, 64), (110, 110, 108), (52, 56, 70))[int(random.integers(4))]
    for column in range(count):
        x = (column + 0.5) * pitch
        if column == door:
            sheet.box(x - 0.85, 0, x + 0.85, 2.9, facade.trim)
            sheet.box(x - 0.62, 0.12, x + 0.62, 2.65, wood)
            sheet.box(x - 0.5, 2.15, x + 0.5, 2.55, mix(_GLASS, _SKY_IN_GLASS, 0.3))
        elif facade.style != "glass":
            _draw_window(sheet, x - 0.55, 1.15, 1.1, 1.55)
        else:
            sheet.box(
                x - pitch / 2 + 0.1, 0.2, x + pitch / 2 - 0.1, 3.2, mix(_GLASS, _SKY_IN_GLASS, 0.2)
            )


def _draw_masonry(facade: Facade, pixels_per_metre: int) -> Uint8Array:
    """Draw a free-standing wall as (H, W, 3) uint8 RGB: courses of stones under a coping."""
    sheet = _Sheet(facade, pixels_per_metre)
    random = sheet.random
    course = 0.16 if facade.style == "brick" else 0.36
    sheet.box(0, 0, facade.width, facade.height, scale(facade.wall, 0.72))
    for row, y in enumerate(np.arange(0, facade.height, course)):
        x = -random.uniform(0, 0.6) - row % 2 * 0.1
        while x < facade.width:
            length = course * random.uniform(2.0, 2.6)
            stone = scale(facade.wall, random.uniform(0.86, 1.08))
            sheet.box(max(x, 0), y, x + length - 0.025, y + course - 0.025, stone)
            x += length
    sheet.box(0, facade.height - 0.13, facade.width, facade.height, facade.trim)
    return sheet.rgb
