"""What objects show in a notebook: tables and pictures as HTML, all text escaped."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

import cv2
import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.labels import TRAIN_LABELS

#: Of a picture in a notebook, in pixels: outputs are saved with it.
_MOST_WIDTH: Final = 640
_QUALITY: Final = 85


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table; cells are texts."""

    def row(cells: Iterable[object], tag: str) -> str:
        return "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells)

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
    return f"<table><thead><tr>{row(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def heading(text: str) -> str:
    """A line above a table or picture."""
    return f"<div><b>{escape(text)}</b></div>"


def picture(pixels: Uint8Array, alt: str, most_width: int = _MOST_WIDTH) -> str:
    """(H, W, 3) uint8 RGB as a picture of at most `most_width` pixels, within the HTML."""
    height, width = pixels.shape[:2]
    if width > most_width:
        size = most_width, max(1, round(height * most_width / width))
        pixels = as_uint8(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    text = base64.b64encode(content.tobytes()).decode()
    return f'<img src="data:image/jpeg;base64,{text}" alt="{escape(alt)}">'


def legend(train_ids: Uint8Array) -> str:
    """The classes of (H, W) uint8 train ids with their colours and shares, the largest first."""
    shares = np.bincount(train_ids.ravel(), minlength=256) / train_ids.size
    present = sorted(
        (label for label in TRAIN_LABELS if shares[label.train_id]),
        key=lambda label: -shares[label.train_id],
    )
    return " ".join(
        f'<span style="white-space:nowrap"><span style="background:{label.css_color}">'
        f"&emsp;</span> {escape(f'{label.name} {_share(shares[label.train_id])}')}</span>"
        for label in present
    )


def _share(value: float) -> str:
    """A share above 0 as a percentage."""
    return f"{value:.1%}" if value >= 0.001 else "<0.1%"


def score(value: float) -> str:
    """A score as a percentage; a dash where it is undefined."""
    return "–" if value != value else f"{value:.1%}"
