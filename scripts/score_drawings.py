"""What `score_pictures` draws: small charts as SVG, and masks over a photo as WebP."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cityseg.arrays import BoolArray, FloatArray, Uint8Array
from cityseg.labels import IGNORE
from cityseg.metrics import connected_components

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 560, 260, 60, 44, 14
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - 14, HEIGHT - BOTTOM - TOP
BLUE, ORANGE, GREY = "#2a78d6", "#d9660a", "#8a8984"
COLORS = [(46, 160, 67), (42, 120, 214), (217, 102, 10), (150, 80, 190), (200, 160, 0)]


# --- charts -----------------------------------------------------------------------------------


def bars(
    path: Path, values: Mapping[str, float], line: float, line_name: str, first: int = 0
) -> None:
    """Bars of shares with a line across; the `first` ones in another colour."""
    step = PLOT_WIDTH / len(values)
    parts = [_grid()]
    for index, (name, value) in enumerate(values.items()):
        x, y = LEFT + index * step, _y(value)
        color = ORANGE if index < first else BLUE
        parts.append(_rectangle(x, y, step * 0.8, HEIGHT - BOTTOM - y, color))
        parts.append(_tilted(x + step * 0.4, name))
    y = _y(line)
    parts.append(_line([(LEFT, y), (WIDTH - 14, y)], ORANGE, "4 3"))
    parts.append(_text(WIDTH - 16, y - 5, f"{line_name} {line:.1%}", ORANGE, "end"))
    _write(path, parts)


def table(path: Path, iou: FloatArray, names: Sequence[str]) -> None:
    """The IoU of each frame (row) and class, and the means of both."""
    rows = np.vstack([iou, _nanmean(iou, 0)])
    rows = np.hstack([rows, np.append(_nanmean(iou, 1), np.nan)[:, None]])
    step_x, step_y = PLOT_WIDTH / rows.shape[1], PLOT_HEIGHT / rows.shape[0]
    parts = []
    for row, values in enumerate(rows):
        is_mean = row == len(iou)
        parts.append(
            _text(LEFT - 4, TOP + (row + 0.7) * step_y, "Mean" if is_mean else f"{row + 1}")
        )
        for column, value in enumerate(values):
            if np.isnan(value):
                continue
            x, y = LEFT + column * step_x, TOP + row * step_y
            color = ORANGE if is_mean or column == len(names) else BLUE
            opacity = 0.15 + 0.85 * float(value)
            parts.append(_rectangle(x, y, step_x - 1, step_y - 1, color, opacity))
            parts.append(
                _text(x + step_x / 2, y + step_y * 0.7, f"{100 * value:.0f}", "#111", "middle")
            )
    parts += [_tilted(LEFT + (i + 0.5) * step_x, name) for i, name in enumerate([*names, "mean"])]
    _write(path, parts)


def curve(
    path: Path,
    x: FloatArray,
    y: FloatArray,
    names: tuple[str, str],
    *,
    diagonal: bool = False,
) -> None:
    """A curve over 0–1; where it stays low, the axis ends there."""
    most = 1.0 if diagonal else float(max(y.max() * 1.2, 1e-3))
    parts = [_grid(most), _axes(*names)]
    parts += [
        _text(_x(tick), HEIGHT - BOTTOM + 14, f"{tick:.0%}", "#111", "middle")
        for tick in np.linspace(0, 1, 5)
    ]
    if diagonal:
        parts.append(_line([(_x(0), _y(0)), (_x(1), _y(1))], GREY, "4 3"))
    points = [(_x(a), _y(b / most)) for a, b in zip(x, y, strict=True)]
    parts.append(_line(points, BLUE))
    parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5" fill="{BLUE}"/>' for a, b in points]
    _write(path, parts)


def histogram(path: Path, values: FloatArray, low: float, high: float, name: str) -> None:
    """Values in 40 bins; those between `low` and `high` in another colour."""
    counts, edges = np.histogram(values, 40)
    start, stop = edges[0], edges[-1]
    step = PLOT_WIDTH / len(counts)
    parts = [_axes(name, "Drawn sets of frames")]
    for index, count in enumerate(counts):
        height = PLOT_HEIGHT * count / counts.max()
        is_inside = low <= (edges[index] + edges[index + 1]) / 2 <= high
        x, y = LEFT + index * step, HEIGHT - BOTTOM - height
        parts.append(_rectangle(x, y, step - 1, height, BLUE if is_inside else GREY))
    for value in (start, low, high, stop):
        x = LEFT + PLOT_WIDTH * (value - start) / (stop - start)
        parts.append(_text(x, HEIGHT - BOTTOM + 14, f"{value:.1%}", "#111", "middle"))
    _write(path, parts)


def _nanmean(values: FloatArray, axis: int) -> FloatArray:
    counts = (~np.isnan(values)).sum(axis=axis)
    return np.asarray(np.nansum(values, axis=axis) / np.maximum(counts, 1))


def _x(share: float) -> float:
    return LEFT + PLOT_WIDTH * share


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - PLOT_HEIGHT * share


def _grid(most: float = 1.0) -> str:
    lines = []
    for tick in np.linspace(0, 1, 5):
        lines.append(_line([(LEFT, _y(tick)), (WIDTH - 14, _y(tick))], "#dddddd"))
        digits = 0 if most > 0.5 else 1
        lines.append(_text(LEFT - 4, _y(tick) + 4, f"{tick * most:.{digits}%}"))
    return "".join(lines)


def _axes(x: str, y: str) -> str:
    middle = TOP + PLOT_HEIGHT / 2
    return (
        _text(LEFT + PLOT_WIDTH / 2, HEIGHT - 6, x, "#111", "middle")
        + f'<g transform="rotate(-90 12 {middle})">{_text(12, middle, y, "#111", "middle")}</g>'
    )


def _rectangle(
    x: float, y: float, width: float, height: float, color: str, opacity: float = 1
) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{color}" fill-opacity="{opacity:.2f}"/>'
    )


def _line(points: Sequence[tuple[float, float]], color: str, dash: str = "") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5" '
        f'stroke-dasharray="{dash}"/>'
    )


def _text(x: float, y: float, text: str, color: str = "#111", anchor: str = "end") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}" '
        f'paint-order="stroke" stroke="white" stroke-width="3">{escape(text)}</text>'
    )


def _tilted(x: float, text: str) -> str:
    y = HEIGHT - BOTTOM + 10
    return f'<g transform="rotate(-35 {x:.1f} {y})">{_text(x, y, text)}</g>'


def _write(path: Path, parts: Sequence[str]) -> None:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-20 0 {WIDTH + 20} {HEIGHT + 20}" '
        f'width="{WIDTH + 20}" font-family="sans-serif" font-size="10">'
        '<rect x="-20" width="100%" height="100%" fill="white"/>'
    )
    path.write_text(f"{head}{''.join(parts)}</svg>\n", encoding="utf-8")


# --- masks over a photo -----------------------------------------------------------------------


def overlay(
    path: Path, photo: Uint8Array, masks: Mapping[str, BoolArray], *, at_places: bool = False
) -> None:
    """Masks in colours over the grey photo, with a legend, or their names where they are."""
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    pixels = 255 - (255 - grey.astype(np.int32)) // 2
    for color, mask in zip(_cycled(len(masks)), masks.values(), strict=True):
        pixels[mask] = (pixels[mask] + 3 * np.array(color)) // 4
    image = Image.fromarray(pixels.astype(np.uint8))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    for index, (name, color) in enumerate(zip(masks, _cycled(len(masks)), strict=True)):
        if at_places:
            rows, columns = np.nonzero(masks[name])
            place = float(columns.mean()) - 12, float(rows.min()) - 15
            draw.text(place, name, fill=color, font=font, stroke_width=2, stroke_fill="white")
        else:
            top = 6 + 18 * index
            draw.rectangle((6, top, 18, top + 12), fill=color)
            draw.text(
                (24, top - 2), name, fill="black", font=font, stroke_width=2, stroke_fill="white"
            )
    image.save(path, quality=75)


def _cycled(count: int) -> list[tuple[int, int, int]]:
    return [COLORS[index % len(COLORS)] for index in range(count)]


def sheet(path: Path, cells: Mapping[str, Uint8Array], columns: int = 4) -> None:
    """Pictures side by side, each with its name below."""
    width, height, margin = 200, 100, 18
    rows = -(-len(cells) // columns)
    image = Image.new("RGB", (columns * width, rows * (height + margin)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    for index, (name, pixels) in enumerate(cells.items()):
        row, column = divmod(index, columns)
        place = column * width, row * (height + margin)
        small = Image.fromarray(pixels).resize((width - 4, height - 2), Image.Resampling.BOX)
        image.paste(small, place)
        draw.text((place[0] + 2, place[1] + height), name, fill="black", font=font)
    image.save(path, quality=80)


def error_kinds(truth: Uint8Array, found: Uint8Array, distance: int) -> dict[str, Any]:
    """Masks of the missed pixels of all classes, by kind; see `cityseg.metrics.error_kinds`."""
    kinds = {name: np.zeros(truth.shape, bool) for name in ("Boundary", "Extent", "Segment")}
    window = np.ones((2 * distance + 1,) * 2, np.uint8)
    ids = connected_components(truth).ids
    with_hits = np.isin(ids, np.unique(ids[truth == found]))
    for train_id in np.unique(truth[truth != IGNORE]).tolist():
        right = (truth == train_id) & (found == train_id)
        background = (truth != train_id) & (found != train_id) & (truth != IGNORE)
        near = [cv2.dilate(each.astype(np.uint8), window) > 0 for each in (right, background)]
        missed = (truth == train_id) & (found != train_id)
        kinds["Boundary"] |= missed & near[0] & near[1]
        kinds["Extent"] |= missed & ~(near[0] & near[1]) & with_hits
        kinds["Segment"] |= missed & ~(near[0] & near[1]) & ~with_hits
    return kinds
