"""Every page, what the shell puts around it, and servers that restart.

Also tests: ui/restarts.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from harness import Pages, Server, folders_button, open_folder
from playwright.sync_api import Browser, Page, Request, Route, expect

from cityseg.config import make_config
from cityseg.runs.folder import RunDir
from cityseg.sample.dataset import make_sample
from cityseg.ui.shell import PAGES


@pytest.fixture(scope="module")
def fresh_server(
    app_city: Path, tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Server]
) -> Server:
    return start_server(app_city, tmp_path_factory.mktemp("pages") / "runs")


def test_every_page_is_whole_and_asks_no_other_host(fresh_server: Server, page: Page) -> None:
    # Each is the first address of a fresh server in the file that is about it.
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.goto(fresh_server.url)
    for _, path, title, _ in PAGES:
        page.get_by_role("link", name=title, exact=True).first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
        assert urlsplit(page.url).path == f"/{path}"
        for _, _, other, _ in PAGES:
            expect(page.get_by_role("link", name=other, exact=True).first).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
    page.remove_listener("request", note)
    hosts = {urlsplit(url).hostname for url in asked if url.startswith("http")}
    assert hosts == {"127.0.0.1"}


def test_the_buttons_of_the_header_stand_in_one_line_with_its_links(
    server: Server, page: Page
) -> None:
    page.goto(server.url)
    link = page.get_by_role("link", name="Browse", exact=True).first
    buttons = page.locator(".st-key-header").get_by_test_id("stPopoverButton")
    expect(buttons).to_have_count(2)
    boxes = [each.bounding_box() for each in (link, *buttons.all())]
    middles = {round(box["y"] + box["height"] / 2) for box in boxes if box}
    heights = {round(box["height"]) for box in boxes[1:] if box}
    assert (len(middles), len(heights)) == (1, 1), boxes


def test_a_wrong_folder_is_explained_and_the_chosen_one_survives_reload_restart_and_a_copied_link(
    fresh_server: Server, page: Page, pages: Pages, tmp_path: Path
) -> None:
    page.goto(f"{fresh_server.url}/masks")
    open_folder(page, "Dataset", "/nowhere/<b>at</b> all")
    expect(page.get_by_text("There is no folder /nowhere/<b>at</b> all")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Masks")
    expect(page.get_by_text("b> all does not exist")).to_be_visible()

    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    make_sample(tmp_path / "elsewhere", frames={"train": 1, "val": 1, "test": 0}, size_hw=(64, 128))
    open_folder(page, "Dataset", tmp_path / "elsewhere")
    expect(folders_button(page)).to_contain_text("elsewhere")
    page.wait_for_url("**/masks?dataset=elsewhere")
    page.get_by_role("link", name="Train", exact=True).first.click()
    page.wait_for_url("**/train?**dataset=elsewhere**")
    expect(page.get_by_role("heading", level=1)).to_have_text("Train")
    page.go_back()
    page.wait_for_url("**/masks?dataset=elsewhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("Masks")
    page.reload()
    expect(page.get_by_role("button", name="Convert 2 frames")).to_be_visible()
    fresh_server.restart()
    other = pages.open(page.url)
    expect(folders_button(other)).to_contain_text("elsewhere")
    expect(other.get_by_role("button", name="Convert 2 frames")).to_be_visible()


def test_the_console_check_knows_streamlits_noise_from_our_faults(
    fresh_server: Server, browser: Browser
) -> None:
    checked = Pages(browser)
    page = checked.open(f"{fresh_server.url}/results")
    expect(page.get_by_role("heading", level=1)).to_have_text("Results")
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_attached()
    fresh_server.stop()
    # As Streamlit's own scripts and Chromium say it, and as a script of ours would.
    page.evaluate("fetch('/gone').catch(() => null)")
    page.evaluate("eval('console.error(\"disconnected\")\\n//# sourceURL=/static/js/index.js')")
    page.evaluate("eval('console.error(\"ours\")\\n//# sourceURL=blob:viewer')")
    with page.expect_event("pageerror"):
        page.evaluate("setTimeout(() => { throw new Error('thrown by us') })")
    fresh_server.start()
    with pytest.raises(AssertionError, match="uncaught: thrown by us") as caught:
        checked.close()
    assert "'ours (blob:viewer)'" in str(caught.value)
    assert "disconnected" not in str(caught.value)
    assert "/gone" not in str(caught.value)


def test_an_open_page_looks_again_when_the_server_was_restarted(
    fresh_server: Server, page: Page
) -> None:
    page.goto(f"{fresh_server.url}/train")
    expect(page.get_by_role("button", name="Start training")).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(0)
    fresh_server.stop()
    RunDir.create(fresh_server.runs, make_config({"data": fresh_server.data}))
    fresh_server.start()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()  # the table of runs


def test_a_page_that_lacks_a_script_is_loaded_again(fresh_server: Server, pages: Pages) -> None:
    pages.expected += ["dynamically imported module", "ERR_CONNECTION_REFUSED"]
    page = pages.open()
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort("connectionrefused")

    page.route("**/static/js/Metric.*.js", refuse_once)
    page.goto(fresh_server.url)
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    expect(page.get_by_text("dynamically imported module")).to_have_count(0)
    assert refused
