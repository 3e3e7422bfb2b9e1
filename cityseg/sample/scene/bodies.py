"""A rigid body on the street, painted face by face."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from cityseg.sample.scene.canvas import Canvas, Floats
from cityseg.sample.scene.light import Color, Vector, mix, scale

#: Along the body from its middle, across to its right, up; metres.
Point = tuple[float, float, float]
Local = Sequence[Point]

TYRE: Final = (26, 26, 27)
_RIM: Final = (126, 128, 130)
PANE: Final = (38, 44, 48)


class Body:
    """A vehicle's position and heading in radians: 0 away from the camera, π/2 to the right."""

    def __init__(self, canvas: Canvas, u: float, z: float, heading: float) -> None:
        """Put its middle at (u, z)."""
        self.canvas = canvas
        self.u, self.z = u, z
        self._sine, self._cosine = np.sin(heading), np.cos(heading)
        self._seen_u = u - canvas.camera.bend / 2 * z * z  # in a bend, sides face the camera

    def world(self, points: Local) -> Floats:
        """Map (N, 3) along, across, up to (N, 3) street coordinates."""
        along, across, up = np.asarray(points, np.float64).T
        u = self.u + along * self._sine + across * self._cosine
        z = self.z + along * self._cosine - across * self._sine
        return np.stack((u, up, np.maximum(z, 1.0)), axis=1)

    def normal(self, along: float, across: float, up: float = 0.0) -> Vector:
        """Map a direction of the body to street coordinates."""
        u = along * self._sine + across * self._cosine
        return float(u), up, float(along * self._cosine - across * self._sine)

    def sees(self, along: float, across: float, offset: float) -> bool:
        """Whether the camera sees the upright face at `offset` metres in this direction."""
        u, _, z = self.normal(along, across)
        return self._seen_u * u + self.z * z + offset < 0

    def paint(self, points: Local, color: Color, normal: Vector) -> None:
        """Paint a flat face; its normal is in street coordinates."""
        self.canvas.face(self.world(points), color, normal)

    def side(
        self, across: float, along: tuple[float, float], up: tuple[float, float], color: Color
    ) -> None:
        """Paint an upright rectangle on the left or right side."""
        (rear, front), (low, high) = along, up
        points = (
            (rear, across, low),
            (rear, across, high),
            (front, across, high),
            (front, across, low),
        )
        self.paint(points, color, self.normal(0, np.sign(across)))

    def end(
        self, along: float, across: tuple[float, float], up: tuple[float, float], color: Color
    ) -> None:
        """Paint an upright rectangle at the front or rear."""
        (left, right), (low, high) = across, up
        points = (
            (along, left, low),
            (along, left, high),
            (along, right, high),
            (along, right, low),
        )
        self.paint(points, color, self.normal(np.sign(along), 0))

    def pane(self, across: float, along: tuple[float, float], up: tuple[float, float]) -> None:
        """Paint a side window, paler at its top, which mirrors the sky."""
        self.side(across, along, up, PANE)
        self.side(across, along, (up[0] + 0.55 * (up[1] - up[0]), up[1]), (76, 84, 88))

    def wheel(self, along: float, across: float, radius: float) -> None:
        """Paint a wheel as seen from the side: tyre, rim and hub."""
        turn = np.linspace(0, 2 * np.pi, 15)[:-1]
        for share, color in (
            (1.0, TYRE),
            (0.66, _RIM),
            (0.5, (84, 86, 88)),
            (0.16, (150, 150, 150)),
        ):
            reach = radius * share
            points = [(along + reach * np.cos(t), across, radius + reach * np.sin(t)) for t in turn]
            self.paint(points, color, self.normal(0, np.sign(across)))

    def tyres(self, along: float, across: float, radius: float, width: float) -> None:
        """Paint both wheels of an axle as seen from the front or rear."""
        for middle in (-across + width / 2, across - width / 2):
            self.end(along, (middle - width / 2, middle + width / 2), (0, radius), TYRE)

    def under(self, half_length: float, half_width: float, clearance: float) -> None:
        """Paint the dark space under the body, which would show the background otherwise."""
        for along in (-half_length, half_length):
            if self.sees(np.sign(along), 0, half_length):
                self.end(
                    along,
                    (-half_width, half_width),
                    (clearance * 0.35, clearance + 0.2),
                    (14, 14, 15),
                )
        for across in (-half_width, half_width):
            if self.sees(0, np.sign(across), half_width):
                reach = half_length * 0.94
                self.side(
                    across, (-reach, reach), (clearance * 0.35, clearance + 0.2), (14, 14, 15)
                )


def gloss(color: Color, share: float) -> Color:
    """The colour of paint that mirrors this share of sky."""
    return mix(scale(color, 1.0 - share / 2), (190, 198, 200), share)
