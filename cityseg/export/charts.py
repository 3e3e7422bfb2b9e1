"""Small charts as SVG, drawn without a browser or a library of charts.

A chart that is a file of its own is dark on white. In an HTML page it may take the page's colours:
its text has the current colour, and its first rectangle is the background.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import numpy as np

#: A point of a curve.
Point = tuple[float, float]

_WIDTH: Final = 560
_HEIGHT: Final = 240
_LEFT: Final = 66
_BOTTOM: Final = 40
_TOP: Final = 28
_RIGHT: Final = 16
_COLORS: Final = ("#2a78d6", "#d9660a", "#26a269")
_GRID: Final = "#88888860"
#: Steps between two ticks, in powers of ten, and how many of them an axis has at most.
_STEPS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
_MOST_STEPS: Final = 5


def line_chart(
    curves: Mapping[str, Sequence[Point]], x_name: str, y_name: str, *, diagonal: bool = False
) -> str:
    """Curves by their names over common axes, each of at least one point with finite values.

    The y axis begins at 0, and its ticks are round. With `diagonal`, both axes go from 0 to 1 and a
    dashed line shows where the values are equal.
    """
    points = np.array([point for curve in curves.values() for point in curve], np.float64)
    first, last = (0.0, 1.0) if diagonal else (points[:, 0].min(), points[:, 0].max())
    ticks = _ticks(1.0 if diagonal else float(points[:, 1].max()) or 1.0)
    most = ticks[-1]
    span = (last - first) or 1.0

    def place(point: Point) -> Point:
        across = (point[0] - first) / span * (_WIDTH - _LEFT - _RIGHT)
        return _LEFT + across, _HEIGHT - _BOTTOM - point[1] / most * (_HEIGHT - _BOTTOM - _TOP)

    parts = []
    for value in ticks:
        parts.append(_line([place((first, value)), place((first + span, value))], _GRID))
        parts.append(_text(_LEFT - 6, place((first, value))[1] + 4, f"{value:.3g}", "end"))
    parts += [
        _text(place((value, 0))[0], _HEIGHT - _BOTTOM + 14, f"{value:g}", "middle")
        for value in sorted({first, last})
    ]
    if diagonal:
        parts.append(_line([place((0, 0)), place((1, 1))], "#8a8984", "4 3"))
    for index, (name, curve) in enumerate(curves.items()):
        color = _COLORS[index % len(_COLORS)]
        placed = [place(point) for point in curve]
        parts.append(_line(placed, color))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{color}"/>' for x, y in placed]
        parts.append(_text(_LEFT + 150 * index, 16, name, "start", color))
    parts.append(_text((_LEFT + _WIDTH) / 2, _HEIGHT - 8, x_name, "middle"))
    parts.append(f'<g transform="rotate(-90 12 120)">{_text(12, 120, y_name, "middle")}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="11" '
        'color="#111111">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>{"".join(parts)}</svg>'
    )


def _ticks(most: float) -> list[float]:
    """Round values from 0 to `most`, which is above 0, or a little more."""
    magnitude = 10.0 ** math.floor(math.log10(most))
    counts = ((each * magnitude, math.ceil(most / (each * magnitude) - 1e-9)) for each in _STEPS)
    step, count = next((step, count) for step, count in counts if count <= _MOST_STEPS)
    return [step * number for number in range(count + 1)]


def _line(points: Sequence[Point], color: str, dash: str = "none") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5" '
        f'stroke-dasharray="{dash}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str, color: str = "currentColor") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}">{escape(text)}</text>'
    )
