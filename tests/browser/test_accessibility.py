"""Every page, empty and full, light and dark: axe-core finds nothing, and nothing is cropped."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import REPOSITORY, Server, wait_for_script
from playwright.sync_api import Page, expect
from tiny_runs import one_thread, tiny_config

from cityseg.data.dataset import find_frames
from cityseg.evaluation.checkpoint import evaluate
from cityseg.runs.folder import RunDir
from cityseg.training.loop import train
from cityseg.ui.shell import PAGES

AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
#: Rule and element of each fault that is Streamlit's own and cannot be mended here, and why.
STREAMLITS: dict[tuple[str, str], str] = {}
RUN = """
axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, html }) => [id, target.join(" "), html.slice(0, 200)])))
"""
IS_THEME = "theme => getComputedStyle(document.querySelector('.stApp')).colorScheme === theme"
FITS = """() => {
  const main = document.querySelector(".stMain");
  return main.scrollWidth <= main.clientWidth;
}"""
#: With the run and a frame of the full server filled in.
FULL = (
    "browse?frame={frame}",
    "train?run={run}",
    "results?run={run}&view=Confusion",
    "predict?network_run={run}&frame={frame}",
)


@pytest.fixture(scope="module")
def run(app_city: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    run = RunDir.create(
        tmp_path_factory.mktemp("accessible") / "runs", tiny_config(app_city, epochs=1)
    )
    with one_thread():
        train(run)
        evaluate(run.best, app_city).write(run.scores_file("val"))
    return run


@pytest.fixture(scope="module")
def full(app_city: Path, run: RunDir, start_server: Callable[..., Server]) -> Server:
    return start_server(app_city, run.path.parent)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Server]) -> Server:
    return start_server(tmp_path_factory.mktemp("empty") / "nowhere")


def faults(page: Page, theme: str) -> list[tuple[str, str, str]]:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    wait_for_script(page, IS_THEME, theme)
    # Content of a script tag would be refused by our Content-Security-Policy.
    page.evaluate(AXE.read_text())
    found = [tuple(each) for each in page.evaluate(RUN)]
    return [(rule, *node) for rule, *node in found if (rule, node[0]) not in STREAMLITS]


def check(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
    found = {theme: faults(page, theme) for theme in ("light", "dark")}
    assert found == {"light": [], "dark": []}, address
    page.set_viewport_size({"width": 800, "height": 800})
    wait_for_script(page, FITS)


@pytest.mark.slow
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: run npm ci")
def test_no_page_has_a_fault_that_axe_finds(
    full: Server, empty: Server, run: RunDir, app_city: Path, page: Page
) -> None:
    frame = find_frames(app_city, ["val"])[0].name
    for _, path, _, _ in PAGES:
        check(page, f"{empty.url}/{path}")
        check(page, f"{full.url}/{path}")
    for address in FULL:
        check(page, f"{full.url}/{address.format(run=run.id, frame=frame)}")
    page.emulate_media(color_scheme="light")


def test_motion_is_reduced_on_request(empty: Server, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(empty.url)
    button = page.get_by_role("button", name=re.compile("Make the sample city"))
    expect(button).to_have_css("transition-duration", "0s")
    page.emulate_media(reduced_motion="no-preference")
