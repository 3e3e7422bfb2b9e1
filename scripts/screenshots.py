"""Take the pictures of the README: the pages of the app on the demo's sample city.

Run `scripts/demo.py` first. `--all` takes every page in light and dark and in three widths, to
check the app after a change; name another folder for these with `--out`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import bootstrap
from app_server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: The address of each page; {run} and {frame} are filled in.
ADDRESSES = {
    "overview": "",
    "browse": "browse?frame={frame}",
    "masks": "masks",
    "train": "train?run={run}&part=Predictions",
    "results": "results?run={run}&view=Classes",
    "predict": "predict?network={run}&frame={frame}",
}
IN_README = ("browse", "masks", "train", "results", "predict")

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")


def main() -> None:
    """Serve the app and write a PNG file of each page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path("demo"), help="Folder that the demo filled [./demo]"
    )
    parser.add_argument(
        "--out", type=Path, default=bootstrap.ROOT / "docs", help="Folder of the pictures [./docs]"
    )
    parser.add_argument(
        "--all", action="store_true", help="All pages, light and dark, in three widths"
    )
    options = parser.parse_args()
    data, runs = options.folder / "city", options.folder / "runs"
    filled = {"run": newest_done(runs), "frame": find_frames(data, ["val"])[1].name}
    addresses = {name: address.format(**filled) for name, address in ADDRESSES.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    app = (bootstrap.ROOT / "app.py", "--", "--data", data, "--runs", runs)
    with serving(*app) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        if not options.all:
            for name in IN_README:
                shoot(browser, f"{url}/{addresses[name]}", options.out / f"app-{name}.png")
            return
        for name, address in addresses.items():
            for width, theme in product((800, 1280, 1920), THEMES):
                out = options.out / f"{name}-{width}-{theme}.png"
                shoot(browser, f"{url}/{address}", out, width, theme, whole=True)


def newest_done(runs: Path) -> str:
    """The id of the newest finished run."""
    for entry in list_runs(runs):
        if entry.state and entry.state.phase == "done":
            return entry.id
    sys.exit(f"{runs} has no finished run: run scripts/demo.py first")


def shoot(
    browser: Browser,
    url: str,
    out: Path,
    width: int = 1280,
    theme: Theme = "light",
    whole: bool = False,
) -> None:
    """Write a picture of the page at `url` as soon as it no longer changes.

    `whole` makes the window as high as the page.
    """
    page = browser.new_page(viewport={"width": width, "height": 860}, color_scheme=theme)
    page.goto(url)
    page.get_by_test_id("stAppViewContainer").wait_for()
    before, now = b"", page.screenshot()
    while before != now or page.get_by_test_id("stSpinner").count():
        page.wait_for_timeout(1500)
        before, now = now, page.screenshot()
    if whole:
        # Playwright's full_page shows no more than the window: Streamlit scrolls inside of it.
        height = page.evaluate(
            "document.querySelector('.stMainBlockContainer').getBoundingClientRect().height"
        )
        page.set_viewport_size({"width": width, "height": max(860, round(height) + 60)})
        page.wait_for_timeout(1500)
    page.screenshot(path=out)
    print(out, flush=True)
    page.close()


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    from playwright.sync_api import sync_playwright

    from cityseg.data import find_frames
    from cityseg.jobs import list_runs

    main()
