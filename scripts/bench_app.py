"""The app in a browser: keys, the pointer, filters, the desk, pages, a new training, a cold start.

All but the last also while a training takes the cores.

Beside it the alternative (the same JPEG through `st.image`) and the floor (the browser decodes the
same JPEG and draws it, with nothing around it). What another process does meanwhile counts too.
"""

import base64
import os
import shutil
import statistics
import tempfile
from pathlib import Path

import bootstrap
from app_browser import opened
from app_server import serving
from bench_desk import measure_desk
from bench_pages import measure_pages
from bench_train_page import measure_train, training
from many import make_findings, make_frames
from playwright.sync_api import Browser, Page, sync_playwright

from cityseg.data import LABEL_IDS, find_frames
from cityseg.jobs import QUEUE_VARIABLE
from cityseg.ui.pictures import KINDS

FRAMES = 5000
SIZE_HW = (1024, 2048)
#: Those to review, and where in the drawn frames: top, left, bottom, right.
REGIONS, BOX = 500, (520, 900, 640, 1100)
FIRST = "train/city1/city1_000001_000019"

FLOOR = """async (url) => {
  const canvas = document.body.appendChild(document.createElement("canvas"));
  canvas.width = 1000; canvas.height = 500;
  const file = await (await fetch(url)).blob();
  const start = performance.now();
  canvas.getContext("2d").drawImage(await createImageBitmap(file), 0, 0, 1000, 500);
  await painted();
  return performance.now() - start;
}"""

#: The same frames with Streamlit's own means: a click shows the next.
ALTERNATIVE = """
import sys
from pathlib import Path
import streamlit as st
at = st.session_state.setdefault("at", 0)
files = sorted(Path(sys.argv[1]).glob("*.jpg"))
st.image(files[at % len(files)].read_bytes())
st.button("next", on_click=lambda: st.session_state.update(at=at + 1))
"""
NEXT_IMAGE = """async () => {
  const before = document.querySelector("img").src;
  const loaded = () => {
    const image = document.querySelector("img");
    return image.src !== before && image.complete;
  };
  const button = [...document.querySelectorAll("button")].find((each) => each.innerText === "next");
  return timed(() => button.click(), loaded);
}"""


def run(_dataset: Path, repeats: int) -> None:
    """Print the table; the frames are those of a sample of genuine size, not of the dataset."""
    folder = bootstrap.ROOT / "demo" / "many-frames"
    make_frames(folder, FRAMES, SIZE_HW)
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        os.environ[QUEUE_VARIABLE] = f"{scratch}/queue"  # no run of this machine waits for ours
        runs = Path(scratch, "runs")
        make_findings(folder, runs, REGIONS, BOX)
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        app = (bootstrap.ROOT / "app.py", "--", "--data", folder, "--runs", runs)
        for _ in range(repeats):
            with serving(*app) as url:
                times.setdefault("first page of a cold server", []).append(cold(browser, url))
        with serving(*app) as url:
            times |= measure_app(browser, url, runs, repeats)
            with opened(browser, url) as page:
                times["floor: the browser decodes the JPEG and draws it"] = measure_floor(
                    page, folder, repeats
                )
            with training(Path(scratch)):
                busy = measure_app(browser, url, runs, repeats)
        alternative = write_alternative(Path(scratch), folder)
        with serving(alternative, "--", scratch) as url, opened(browser, url) as page:
            times["the next frame by st.image"] = measure_alternative(page, repeats)
        browser.close()
    print(f"{FRAMES:,} frames of {SIZE_HW[1]}×{SIZE_HW[0]}, Chromium without a GPU\n")
    print("| what | times | p50, ms | p95, ms | p50 beside a training, ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for what, values in times.items():
        p95 = sorted(values)[round(0.95 * (len(values) - 1))]
        beside = f"{statistics.median(busy[what]):.0f}" if what in busy else ""
        print(
            f"| {what} | {len(values)} | {statistics.median(values):.0f} | {p95:.0f} | {beside} |"
        )


def measure_app(browser: Browser, url: str, runs: Path, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of what a person does in Browse, Review and Train, and between pages."""
    with opened(browser, f"{url}/browse?frame={FIRST}") as page:
        times = measure_viewer(page, repeats)
    times |= measure_desk(browser, url, repeats)
    times |= measure_pages(browser, url, repeats)
    return times | measure_train(browser, url, runs, repeats)


def measure_viewer(page: Page, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of what a person does in Browse, and of the way to another page and back."""
    split = "document.querySelectorAll('[data-testid=stButtonGroup] button')[1]"
    acts = {
        "the next frame by a key, prefetched": "press('ArrowRight')",
        "ten frames on by a key, not prefetched": "press('PageDown')",
        "a label read under the pointer (hover → name)": "point()",
        "a filter over all frames": f"timed(() => {split}.click(), changed(where))",
        "to the page Masks": "timed(() => link('Masks').click(), () => heading() === 'Masks')",
        "to the page Browse": "timed(() => link('Browse').click(), where)",
    }
    times: dict[str, list[float]] = {what: [] for what in acts}
    page.wait_for_function("viewer()?.dataset.painted")
    *single, to_masks, to_browse = acts
    for group in (*([act] for act in single), [to_masks, to_browse]):
        for _ in range(repeats * (1 if "filter" in group[0] or "page" in group[0] else 4)):
            for what in group:
                page.wait_for_timeout(1500)  # let what is fetched in advance come
                times[what].append(page.evaluate(acts[what]))
    return times


def measure_floor(page: Page, folder: Path, repeats: int) -> list[float]:
    """Milliseconds in which the browser decodes and draws a frame's JPEG."""
    content = jpegs(folder)[0]
    address = f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
    return [page.evaluate(FLOOR, address) for _ in range(repeats * 4)]


def measure_alternative(page: Page, repeats: int) -> list[float]:
    """Milliseconds from a click until `st.image` shows another frame."""
    page.wait_for_selector("img")
    times = []
    for _ in range(repeats * 4):
        page.wait_for_timeout(500)
        times.append(page.evaluate(NEXT_IMAGE))
    return times


def write_alternative(scratch: Path, folder: Path) -> Path:
    """The alternative's script, and the JPEGs that it shows beside it."""
    for number, content in enumerate(jpegs(folder)):
        (scratch / f"{number}.jpg").write_bytes(content)
    script = scratch / "alternative.py"
    script.write_text(ALTERNATIVE)
    return script


def jpegs(folder: Path) -> list[bytes]:
    """The drawn frames as the viewer gets them."""
    images = [frame.image for frame in find_frames(folder / "drawn")]
    return [KINDS["image"].encode(image, LABEL_IDS).content for image in images if image]


def cold(browser: Browser, url: str) -> float:
    """Milliseconds from asking a server that has just started until its first page has a title."""
    with opened(browser, url) as page:
        page.wait_for_function("heading()")
        return float(page.evaluate("performance.now()"))
