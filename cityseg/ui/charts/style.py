"""What all figures share: colours, the legend, and text that Plotly must not interpret.

Classes have the colours of the label table, with the name beside each. All other colours can be
told apart on a light and a dark background, and by people with a colour deficiency.
"""

import html
from collections.abc import Sequence
from itertools import count
from typing import Any, Final

from cityseg.labels import CLASS_NAMES, LABEL_OF_NAME

#: For `st.plotly_chart(config=…)`: no buttons over the figure; the wheel scrolls the page.
CONFIG: Final[dict[str, Any]] = {"displayModeBar": False, "scrollZoom": False}
#: By the position of a run among those shown.
RUN_COLORS: Final = ("#3584e4", "#e66100", "#26a269", "#c061cb", "#b5835a", "#8a8f98")
#: Outlines of bars, and bars that belong to no class.
GREY: Final = "rgba(128,128,128,0.7)"
#: From what is barely different from the background of the page to what stands out most.
_LIGHT: Final = ("#e3ecf7", "#a9c8ea", "#5e9bd8", "#2763a8", "#0b2447")
_DARK: Final = ("#1b2b40", "#1f4a7c", "#2d74c0", "#7db4ef", "#dcebff")
#: A row of names above the figure.
LEGEND: Final[dict[str, Any]] = {
    "orientation": "h",
    "y": 1,
    "yanchor": "bottom",
    "x": 0,
    "title": {"text": ""},
}
#: Of an axis.
MOST_TICKS: Final = 12


def whole_ticks(last: float) -> dict[str, int]:
    """At most 12 ticks up to `last` of an axis that counts: there is no half epoch or frame."""
    steps = (factor * 10**power for power in count() for factor in (1, 2, 5))
    return {"tick0": 0, "dtick": next(s for s in steps if last <= s * MOST_TICKS)}


def run_color(position: int) -> str:
    """The colour of the run at this position among those shown."""
    return RUN_COLORS[position % len(RUN_COLORS)]


def shades(*, dark: bool) -> Sequence[str]:
    """The colours of quantities from small to large on a light or a `dark` page."""
    return _DARK if dark else _LIGHT


def class_colors(names: Sequence[str]) -> list[str]:
    """The colours of classes; empty if not all `names` are those of classes."""
    if not set(names) <= set(CLASS_NAMES):  # a category may be called like a class: sky
        return []
    return [LABEL_OF_NAME[name].css_color for name in names]


def escape(text: str) -> str:
    """Text that a person typed, for a figure: Plotly reads HTML, placeholders and formulas."""
    return (
        html.escape(text, quote=False)
        .replace("%", "&#37;")
        .replace("$", "&#36;")
        .replace("\n", " ")
    )
