"""A sample city, the app serving it, and a Chromium that fails a test on any error of the page."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import PATIENCE_MILLISECONDS, REPOSITORY, VIEWPORT, Pages, Server, patient
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from cityseg.data.masks import convert
from cityseg.sample.dataset import make_sample

#: Frames of `app_city` by split, each SIZE_HW.
FRAMES = {"train": 5, "val": 3, "test": 1}
SIZE_HW = (128, 256)

expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture(scope="session")
def app_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted sample city for all tests; one that changes files makes a city of its own."""
    root = tmp_path_factory.mktemp("app") / "city"
    make_sample(root, frames=FRAMES, size_hw=SIZE_HW)
    convert(root)
    return root


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """`start_server(data, runs=None)`: a server of a test's own, stopped with the session."""
    servers: list[Server] = []

    def start(
        data: Path, runs: Path | None = None, app: Path = REPOSITORY / "app.py", **arguments: Any
    ) -> Server:
        folder = tmp_path_factory.mktemp("server")
        log = folder / "server.log"
        servers.append(Server(data, runs or folder / "runs", log, app, **arguments))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.begin_to_stop()
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def server(app_city: Path, start_server: Callable[..., Server]) -> Server:
    """The app on `app_city`, with an empty folder of runs, shared by all tests that only look."""
    return start_server(app_city)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, else the one that `playwright install chromium` fetches."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    system = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        # Without a graphics card, what Chromium does in its place costs more than drawing simply;
        # and pages are left long before a compiler that optimizes has paid off.
        flags = ["--no-sandbox", "--disable-gpu", "--js-flags=--no-turbofan --no-maglev"]
        browser = playwright.chromium.launch(executable_path=system, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One person's browser, whose cache spares all tests but the first to fetch Streamlit."""
    context = patient(browser.new_context(viewport=VIEWPORT, color_scheme="light"))
    yield context
    context.close()


@pytest.fixture
def pages(browser: Browser) -> Iterator[Pages]:
    """`pages.open(url)`: as many pages as a test needs; any error in a console fails it."""
    pages = Pages(browser)
    yield pages
    pages.close()


@pytest.fixture(scope="session")
def tab(context: BrowserContext) -> Page:
    """The page that all tests use one after another: it keeps Streamlit's scripts compiled."""
    return context.new_page()


@pytest.fixture
def page(pages: Pages, tab: Page) -> Iterator[Page]:
    """A page, 1280×800, light and without animations: `page.goto(server.url + "/browse")`."""
    tab.set_viewport_size(VIEWPORT)
    tab.emulate_media(color_scheme="light", reduced_motion="reduce")
    stop_listening = pages.listen(tab)
    yield tab
    stop_listening()
    tab.goto("about:blank")
