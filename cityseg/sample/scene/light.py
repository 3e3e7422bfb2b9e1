"""The sun, its effect on colours, and the haze."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

#: RGB, 0–255.
Color = tuple[float, float, float]
#: Right, up, forward.
Vector = tuple[float, float, float]

UP: Final[Vector] = (0, 1, 0)
#: The normal of a face towards the camera.
FACING: Final[Vector] = (0, 0, -1)


def mix(first: Color, second: Color, share: float) -> Color:
    """Mix two colours: `share` 0 gives the first, 1 the second."""
    rest = 1 - share
    return (
        first[0] * rest + second[0] * share,
        first[1] * rest + second[1] * share,
        first[2] * rest + second[2] * share,
    )


def scale(color: Color, factor: float) -> Color:
    """Multiply a colour: darker below 1, brighter above; may exceed 255, where OpenCV clips."""
    return color[0] * factor, color[1] * factor, color[2] * factor


@dataclass(frozen=True)
class Light:
    """Daylight: angles in degrees, azimuth 0 ahead and 90 to the right; visibility in metres.

    `direct` is the sun's share of the light, 0 under clouds; `haze` is the colour of far objects.
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
        """Light reflected by a white face with this unit normal: a factor for each of RGB."""
        sun = self.sun
        cosine = max(0.0, sum(a * b for a, b in zip(sun, normal, strict=True)))
        ambient = (1 - 0.42 * self.direct) * (0.88 + 0.12 * normal[1])
        warm = self.direct * cosine * sunlit * 0.95
        cool = 0.05 * self.direct
        return ambient * (1 - cool) + warm * 1.05, ambient + warm, ambient * (1 + cool) + warm * 0.9

    def shade(
        self, color: Color, normal: Vector = FACING, depth: float = 0.0, sunlit: float = 1.0
    ) -> Color:
        """The colour of a surface at `depth` metres, lit and in haze."""
        red, green, blue = self.on(normal, sunlit)
        lit = color[0] * red, color[1] * green, color[2] * blue
        return mix(self.haze, lit, self.clearness(depth))

    def clearness(self, depth: float) -> float:
        """Share of a colour that haze lets through: 1 at the camera, falling to 0 with distance."""
        return math.exp(-depth / self.visibility)

    def shadow(self, height: float) -> tuple[float, float]:
        """Offset to the right and ahead, in metres, of the shadow of a point at this height."""
        right, up, ahead = self.sun
        return -right / up * height, -ahead / up * height
