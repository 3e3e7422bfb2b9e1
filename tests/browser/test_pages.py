"""Every page as the first address on a fresh server, and what the shell puts around it.

Also tests: ui/restarts.
"""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from harness import Pages, Server
from playwright.sync_api import Browser, Page, expect

from cityseg.config import make_config
from cityseg.runs.folder import RunDir
from cityseg.ui.shell import PAGES


@pytest.fixture(scope="module")
def fresh_server(
    app_city: Path, tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Server]
) -> Server:
    return start_server(app_city, tmp_path_factory.mktemp("pages") / "runs")


@pytest.mark.parametrize(("path", "title"), [(path, title) for _, path, title, _ in PAGES])
def test_a_page_is_whole_as_the_first_address_of_a_fresh_server(
    fresh_server: Server, pages: Pages, path: str, title: str
) -> None:
    fresh_server.restart()
    page = pages.open()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{fresh_server.url}/{path}")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    for _, _, other, _ in PAGES:
        expect(page.get_by_role("link", name=other, exact=True).first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    hosts = {urlsplit(url).hostname for url in asked if url.startswith("http")}
    assert hosts == {"127.0.0.1"}


def test_a_wrong_folder_typed_in_the_sidebar_is_explained(fresh_server: Server, page: Page) -> None:
    page.goto(f"{fresh_server.url}/masks")
    page.get_by_test_id("stExpandSidebarButton").click()
    field = page.get_by_role("textbox", name="Dataset")
    field.fill("/nowhere/<b>at</b> all")
    field.press("Enter")
    expect(page.get_by_text("/nowhere/<b>at</b> all does not exist")).to_be_visible()
    expect(page.get_by_text("There is no folder /nowhere/<b>at</b> all")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Masks")


def test_the_console_check_knows_streamlits_noise_from_our_faults(
    fresh_server: Server, browser: Browser
) -> None:
    checked = Pages(browser)
    page = checked.open(f"{fresh_server.url}/results")
    expect(page.get_by_text("There are no runs")).to_be_visible()
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
    page.goto(f"{fresh_server.url}/results")
    expect(page.get_by_text("There are no runs")).to_be_visible()
    fresh_server.stop()
    run = RunDir.create(fresh_server.runs, make_config({"data": fresh_server.data}))
    fresh_server.start()
    expect(page.get_by_text("There are no runs")).to_have_count(0)
    expect(page.get_by_text(run.id).first).to_be_visible()
