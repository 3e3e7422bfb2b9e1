"""Where the sun stands, what it does to colours, and how far one can see."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

#: RGB, 0–255.
Color = tuple[float, float, float]
#: Right, up, forward.
Vector = tuple[float, float, float]

UP: Final[Vector] = (0, 1, 0)
#: Of whatever looks back at the camera.
FACING: Final[Vector] = (0, 0, -1)


def mix(first: Color, second: Color, share: float) -> Color:
    """`share` 0 gives the first colour, 1 the second."""
    rest = 1 - share
    return (
        first[0] * rest + second[0] * share,
        first[1] * rest + second[1] * share,
        first[2] * rest + second[2] * share,
    )


def scale(color: Color, factor: float) -> Color:
    """Darker below 1, brighter above; the caller's canvas cuts at white."""
    return color[0] * factor, color[1] * factor, color[2] * factor


@dataclass(frozen=True)
class Light:
    """Daylight: angles in degrees, azimuth 0 ahead and 90 to the right; visibility in metres.

    `direct` is the sun's share, 0 under clouds; `haze` is the colour of the distance.
    """

    azimuth: float
    elevation: float
    direct: float
    visibility: float
    haze: Color
    zenith: Color
    clouds: float

    @cached_property
    def sun(self) -> Vector:
        """Unit vector towards the sun."""
        azimuth, elevation = math.radians(self.azimuth), math.radians(self.elevation)
        level = math.cos(elevation)
        return math.sin(azimuth) * level, math.sin(elevation), math.cos(azimuth) * level

    def on(self, normal: Vector, sunlit: float = 1.0) -> tuple[float, float, float]:
        """What a white face with this unit normal sends back, as a factor for each of RGB."""
        sun = self.sun
        cosine = max(0.0, sum(a * b for a, b in zip(sun, normal, strict=True)))
        ambient = (1 - 0.42 * self.direct) * (0.88 + 0.12 * normal[1])
        warm = self.direct * cosine * sunlit * 0.95
        cool = 0.05 * self.direct
        return ambient * (1 - cool) + warm * 1.05, ambient + warm, ambient * (1 + cool) + warm * 0.9

    def shade(
        self, color: Color, normal: Vector = FACING, depth: float = 0.0, sunlit: float = 1.0
    ) -> Color:
        """A surface's colour as seen from `depth` metres away."""
        red, green, blue = self.on(normal, sunlit)
        lit = color[0] * red, color[1] * green, color[2] * blue
        return mix(self.haze, lit, self.clearness(depth))

    def clearness(self, depth: float) -> float:
        """1 here, falling to 0 with distance."""
        return math.exp(-depth / self.visibility)

    def shadow(self, height: float) -> tuple[float, float]:
        """How far right and how far ahead a point at this height throws its shadow, in metres."""
        right, up, ahead = self.sun
        return -right / up * height, -ahead / up * height
