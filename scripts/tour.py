"""A short animated tour of the app, from the first page to a prediction."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from app_pictures import open_page, picture_of, settle
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page

from cityseg.config import make_config
from cityseg.jobs import start, state, stop
from cityseg.runs import RunDir

_SIZE = (1024, 720)
_QUALITY = 80
#: At once, as the page may replace a chart at any moment.
_SHOW_CURVES = "document.querySelector('[data-testid=stPlotlyChart]')?.scrollIntoView(false)"
_LIVE_EPOCHS = (1, 2, 3, 4)
#: Where the pointer goes in the viewer: shares of the picture's width and height.
_POINTS = ((0.25, 0.3), (0.4, 0.52), (0.55, 0.6), (0.62, 0.55), (0.5, 0.85))
_POINTER = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))


class Shot(NamedTuple):
    """A picture of the tour, and how long it is shown."""

    image: Image.Image
    milliseconds: int


def write(file: Path, shots: Sequence[Shot]) -> None:
    """Write the tour as an animated WebP."""
    images = [shot.image.resize(_SIZE, Image.Resampling.LANCZOS) for shot in shots]
    images[0].save(
        file,
        save_all=True,
        append_images=images[1:],
        duration=[shot.milliseconds for shot in shots],
        loop=0,
        quality=_QUALITY,
        method=6,
    )


def tour(browser: Browser, url: str, data: Path, runs: Path, run: str) -> Iterator[Shot]:
    """The pages in the order in which a person comes to them; `run` is a finished run."""
    page = open_page(browser, url)
    yield Shot(picture_of(page), 2500)
    page.close()
    yield from _browse(browser, url)
    yield from _train(browser, url, data, runs)
    page = open_page(browser, f"{url}/results?run={run}")
    yield Shot(picture_of(page), 2500)
    page.close()
    yield from _predict(browser, f"{url}/predict?network={run}")


def _browse(browser: Browser, url: str) -> Iterator[Shot]:
    page = open_page(browser, f"{url}/browse")
    yield Shot(picture_of(page), 1200)
    page.keyboard.press("l")
    settle(page)
    yield Shot(picture_of(page), 1800)
    page.locator(".thumbnails a").first.click()
    page.locator(".viewer[data-painted]").wait_for()
    settle(page)
    yield Shot(picture_of(page), 1200)
    canvas = page.locator(".stage canvas").evaluate("(each) => each.getBoundingClientRect()")
    for right, down in _POINTS:
        at = canvas["x"] + right * canvas["width"], canvas["y"] + down * canvas["height"]
        page.mouse.move(*at)
        page.wait_for_timeout(500)
        yield Shot(_with_pointer(picture_of(page), at), 900)
    page.get_by_role("button", name="Side by side").click()
    settle(page)
    yield Shot(picture_of(page), 2000)
    page.close()


def _with_pointer(image: Image.Image, at: tuple[float, float]) -> Image.Image:
    """The picture with an arrow, which pictures of a page lack."""
    arrow = [(at[0] + x, at[1] + y) for x, y in _POINTER]
    ImageDraw.Draw(image).polygon(arrow, fill="white", outline="black")
    return image


def _train(browser: Browser, url: str, data: Path, runs: Path) -> Iterator[Shot]:
    with _training(data, runs) as run:
        page = open_page(browser, f"{url}/train?run={run.path.name}")
        for epochs in _LIVE_EPOCHS:
            while state(run).is_live and state(run).progress.epochs_done < epochs:
                time.sleep(0.2)
            page.wait_for_timeout(4000)  # the page asks every few seconds
            page.evaluate(_SHOW_CURVES)
            page.wait_for_timeout(300)
            yield Shot(picture_of(page), 900)
        page.close()


@contextmanager
def _training(data: Path, runs: Path) -> Iterator[RunDir]:
    """A run on small frames, stopped at the end."""
    settings = {"data": data, "title": "A quick try", "size": (64, 128)}
    run = start(make_config(settings, "demo"), runs, now=True)
    try:
        yield run
    finally:
        stop(run)


def _predict(browser: Browser, url: str) -> Iterator[Shot]:
    page = open_page(browser, url)
    yield Shot(picture_of(page), 2000)
    for layer in ("Predicted instead", "Confidence"):
        _choose(page, layer)
        yield Shot(picture_of(page), 2000)
    page.close()


def _choose(page: Page, layer: str) -> None:
    page.get_by_role("group", name="Layer").get_by_role("button", name=layer).click()
    settle(page)
