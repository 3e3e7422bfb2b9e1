"""Every page, empty and full, light and dark: axe-core finds nothing, and nothing is cropped."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from harness import REPOSITORY, VIEWPORT, Server, visit, wait_for_script
from playwright.sync_api import Page, expect
from tiny_runs import tiny_config
from waiting import until

from cityseg.data.dataset import find_frames
from cityseg.evaluation.checkpoint import evaluate
from cityseg.review import AUDIT, Finding, findings_folder, write_findings
from cityseg.runs.folder import RunDir
from cityseg.training.loop import train
from cityseg.ui.shell import PAGES

AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
#: Faults that are Streamlit's own and cannot be mended here: the rule, the element, and why.
STREAMLITS = (
    (
        "presentation-role-conflict",
        'data-testid="stFileUploaderDropzone"',
        "The dropzone of a file uploader has the role of decoration, and a label.",
    ),
)
#: What depends on the theme.
CONTRAST = ["color-contrast", "link-in-text-block"]
#: What axe-core finds on a page that was quiet from before it began until it had ended, as a page
#: that is drawn again is paler for a moment; null if the page did not come to rest.
RUN = """async ([theme, rules]) => {
  const app = document.querySelector(".stApp");
  const isQuiet = () => getComputedStyle(app).colorScheme === theme
    && app.dataset.testScriptState === "notRunning"
    && !app.querySelector("[data-stale=true]")
    && document.getAnimations().every((each) => each.playState !== "running");
  let hasChanged = false;
  const observer = new MutationObserver(() => { hasChanged = true; });
  observer.observe(app, {
    subtree: true, attributeFilter: ["data-test-script-state", "data-stale"],
  });
  try {
    for (let turn = 0; turn < 100; turn++) {
      if (isQuiet()) {
        hasChanged = false;
        const { violations } = await axe.run(document, {
          preload: false, resultTypes: ["violations"],
          ...(rules && { runOnly: { type: "rule", values: rules } }),
        });
        const nodes = violations.flatMap(({ id, nodes }) =>
          nodes.map(({ target, html }) => [id, target.join(" "), html.slice(0, 200)]));
        if (isQuiet() && !hasChanged) return { nodes };
      }
      await new Promise((done) => setTimeout(done, 50));
    }
    return null;
  } finally {
    observer.disconnect();
  }
}
"""
FITS = """() => {
  const main = document.querySelector(".stMain");
  return main.scrollWidth <= main.clientWidth;
}"""
#: The pages of the full server, with its run and a frame filled in, and the title of each. Titles
#: differ from one to the next: they say that the page is another one now.
FULL = (
    ("", "Overview"),
    ("browse", "Browse"),
    ("masks", "Masks"),
    ("browse?frame={frame}", "Browse"),
    ("train?run={run}", "Train"),
    ("results?run={run}", "Results"),
    ("predict?network={run}&frame={frame}", "Predict"),
    ("results?run={run}&view=Confusion", "Results"),
    ("review?frame={frame}@40,60,60,90", "Review"),
    ("results?run={run}&view=Frames", "Results"),
)


@pytest.fixture(scope="module")
def run(app_city: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    run = RunDir.create(
        tmp_path_factory.mktemp("accessible") / "runs", tiny_config(app_city, epochs=1)
    )
    train(run)
    evaluate(run.best, app_city).write(run.scores_file("val"))
    return run


@pytest.fixture(scope="module")
def full(app_city: Path, run: RunDir, start_server: Callable[..., Server]) -> Server:
    frame, box = find_frames(app_city, ["val"])[0].name, (40, 60, 60, 90)
    finding = Finding(frame, "island", 0.9, box, 600, "truth", "car", 13, predicted="truck")
    write_findings(findings_folder(app_city, run.path.parent) / AUDIT, [finding])
    return start_server(app_city, run.path.parent)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Server]) -> Server:
    return start_server(tmp_path_factory.mktemp("empty") / "nowhere")


def faults(
    page: Page, theme: Literal["light", "dark"], rules: Sequence[str] = ()
) -> list[list[str]]:
    """What axe-core finds: the rule, the selector and the beginning of each element.

    Without `rules`, all are applied.
    """
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")

    def look() -> dict[str, list[list[str]]] | None:
        found: dict[str, list[list[str]]] | None = page.evaluate(RUN, [theme, list(rules) or None])
        return found

    found = until(look)["nodes"]
    return [each for each in found if not is_streamlits(*each)]


def is_streamlits(rule: str, selector: str, element: str) -> bool:
    return any(rule == known and part in element for known, part, _ in STREAMLITS)


def look_at(page: Page, addresses: Sequence[tuple[str, str]], server: Server) -> dict[str, object]:
    """The faults of the pages at `addresses`, which must fit into 800 pixels, too."""
    page.goto(server.url)
    # Content of a script tag would be refused by our Content-Security-Policy.
    page.evaluate(AXE.read_text())
    found = {}
    for address, title in addresses:
        page.set_viewport_size(VIEWPORT)
        visit(page, f"/{address}")
        expect(page.get_by_role("heading", level=1, name=title, exact=True)).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        found[address] = faults(page, "light") + faults(page, "dark", CONTRAST)
        page.set_viewport_size({"width": 800, "height": 800})
        wait_for_script(page, FITS)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: run npm ci")
def test_no_page_has_a_fault_that_axe_finds(
    full: Server, empty: Server, run: RunDir, app_city: Path, page: Page
) -> None:
    frame = quote(find_frames(app_city, ["val"])[0].name, safe="")
    shown = [(each.format(run=run.id, frame=frame), title) for each, title in FULL]
    for server, addresses in (
        (empty, [(path, title) for _, path, title, _ in PAGES]),
        (full, shown),
    ):
        found = look_at(page, addresses, server)
        assert {address: each for address, each in found.items() if each} == {}


@pytest.mark.slow
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: run npm ci")
def test_no_open_menu_has_a_fault_that_axe_finds(full: Server, run: RunDir, page: Page) -> None:
    page.goto(f"{full.url}/train?run={run.id}")
    # axe-core leaves the text of pictures out: that of the axes, on white, and not paler than this.
    ticks = page.locator(".stPlotlyChart .xtick text")
    expect(ticks.first).to_have_css("fill", "rgb(74, 78, 87)")
    page.evaluate(AXE.read_text())
    found = {}
    for menu, button in (("Name, note, tags", "Save"), ("1 notifications", "Mark all as seen")):
        page.get_by_role("button", name=menu).click()
        expect(page.get_by_test_id("stPopoverBody").get_by_text(button)).to_be_visible()
        found[menu] = faults(page, "light") + faults(page, "dark", CONTRAST)
        page.keyboard.press("Escape")
    assert {menu: each for menu, each in found.items() if each} == {}


def test_motion_is_reduced_on_request(empty: Server, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(empty.url)
    button = page.get_by_role("button", name=re.compile("Make the sample city"))
    expect(button).to_have_css("transition-duration", "0s")
