"""Plots of what was measured, as pictures for the docs."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright
from plotly.graph_objects import Figure

#: Of lines, in their order.
COLORS: Final = ("#1f5fa8", "#e08a1e", "#3a8f4d", "#b0413e", "#7a5aa6", "#5f6b73")
AXIS: Final = {"showgrid": True, "gridcolor": "#e6e6e6", "exponentformat": "none"}
_SIZE: Final = {"width": 1000, "height": 520}


def write_png(figure: Figure, target: Path) -> None:
    """A picture of the figure, in the style of all of them, as a browser draws it."""
    figure.update_layout(template="simple_white", **_SIZE)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        page_file = Path(scratch, "plot.html")
        page_file.write_text(figure.to_html(include_plotlyjs=True))
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": _SIZE["width"] + 40, "height": _SIZE["height"] + 40}
        )
        page.goto(page_file.as_uri())
        page.locator(".main-svg").first.wait_for()
        page.locator(".plotly-graph-div").screenshot(path=target)
        browser.close()
