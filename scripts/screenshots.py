"""Take the pictures of the README: the pages of the app on the demo's sample city, and a tour.

Run `scripts/demo.py` first; its folder stays as it is. `--all` takes every page in light and dark
and in four widths, to check the app after a change; name another folder for these with `--out`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import bootstrap
from app_server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: The address of each page; {run} and {frame} are filled in.
ADDRESSES = {
    "overview": "",
    "browse": "browse?frame={frame}",
    "masks": "masks",
    "train": "train?run={run}&part=Predictions",
    "results": "results?run={run}&view=Classes",
    "review": "review",
    "predict": "predict?network={run}&frame={frame}",
}
WIDTHS = (800, 1280, 1440, 1920)
_QUALITY = 85


def main() -> None:
    """Serve the app and write a WebP file of each page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder",
        type=Path,
        default=bootstrap.ROOT / "demo",
        help="Folder that the demo filled [./demo]",
    )
    parser.add_argument(
        "--out", type=Path, default=bootstrap.ROOT / "docs", help="Folder of the pictures [./docs]"
    )
    parser.add_argument(
        "--all", action="store_true", help="All pages, light and dark, in four widths"
    )
    options = parser.parse_args()
    data = options.folder / "city"
    options.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        # A copy, because the tour trains another run.
        runs = shutil.copytree(options.folder / "runs", Path(folder) / "runs")
        write_findings(
            findings_folder(data, runs) / AUDIT, audit_dataset(data, splits=SPLITS).findings
        )
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        with serving(bootstrap.ROOT / "app.py", "--", "--data", data, "--runs", runs) as url:
            take(browser, url, data, runs, options.out, check_all=options.all)


def take(browser: Browser, url: str, data: Path, runs: Path, out: Path, *, check_all: bool) -> None:
    """Write the pictures into the folder `out`."""
    run = newest_done(runs)
    filled = {"run": run, "frame": find_frames(data, ["val"])[1].name}
    addresses = {name: f"{url}/{path.format(**filled)}" for name, path in ADDRESSES.items()}
    if check_all:
        for (name, address), width, theme in product(addresses.items(), WIDTHS, THEMES):
            page = open_page(browser, address, width, theme)
            show_whole(page)
            save(page, out / f"{name}-{width}-{theme}.webp")
        return
    for name, address in addresses.items():
        save(open_page(browser, address), out / f"app-{name}.webp")
    file = out / "app-tour.webp"
    tour.write(file, list(tour.tour(browser, url, data, runs, run)))
    print(file, flush=True)


def newest_done(runs: Path) -> str:
    """The id of the newest finished run."""
    for entry in list_runs(runs):
        if entry.state and entry.state.phase == "done":
            return entry.id
    sys.exit(f"{runs} has no finished run: run scripts/demo.py first")


def save(page: Page, file: Path) -> None:
    """Write a picture of the window, and close it."""
    picture_of(page).save(file, quality=_QUALITY, method=6)
    page.close()
    print(file, flush=True)


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    import tour
    from app_pictures import THEMES, open_page, picture_of, show_whole
    from playwright.sync_api import sync_playwright

    from cityseg.data import SPLITS, find_frames
    from cityseg.jobs import list_runs
    from cityseg.review import AUDIT, audit_dataset, findings_folder, write_findings

    main()
