"""Behind a reverse proxy that serves the app below a path, everything is found."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_runs
from harness import Pages, Server
from playwright.sync_api import Page, expect
from reverse_proxy import ReverseProxy

from cityseg.data.dataset import find_frames
from cityseg.runs.folder import RunDir
from cityseg.training.loop import train

PREFIX = "/seg/app"


@pytest.fixture(scope="module")
def run(app_city: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    run = RunDir.create(
        tmp_path_factory.mktemp("proxy") / "runs", tiny_runs.tiny_config(app_city, epochs=1)
    )
    train(run)
    return run


def wait_for(page: Page, name: str) -> None:
    """Until the viewer has painted the picture `name`."""
    expect(page.locator(".viewer")).to_have_attribute("data-painted", name)


@pytest.mark.parametrize(
    ("strips", "flags"),
    [(False, [f"--server.baseUrlPath={PREFIX}"]), (True, [])],
    ids=["kept", "stripped"],
)
def test_pictures_predictions_and_the_restart_check_are_found_below_a_path(
    app_city: Path,
    run: RunDir,
    start_server: Callable[..., Server],
    pages: Pages,
    strips: bool,
    flags: list[str],
) -> None:
    with ReverseProxy(f"{PREFIX}/", strips=strips) as proxy:
        server = start_server(
            app_city, run.path.parent, flags=flags, given=[f"--allow-host={proxy.host}"]
        )
        proxy.app_port = server.port
        url = f"http://{proxy.host}{PREFIX}"
        name = find_frames(app_city, ["val"])[0].name
        page = pages.open()
        with page.expect_response(lambda answer: answer.url == f"{url}/server") as asked:
            page.goto(f"{url}/browse?frame={name}")
            wait_for(page, name)
        assert asked.value.status == 200
        page.goto(f"{url}/predict")
        wait_for(page, name)
        page.goto(f"{url}/")  # the page without a name of its own
        expect(page.get_by_role("link", name="Browse").first).to_be_visible()
        page.get_by_role("link", name="Browse").first.click()
        expect(page.locator(".thumbnails img").first).to_have_js_property("naturalWidth", 256)
        assert page.url.startswith(f"{url}/browse")
        page.close()
    ours = ("/frames", "/published", "/viewer", "/server")
    assert [path for path in proxy.refused if path.startswith(ours)] == []
