"""From the empty machine to the sample city, and on from there, in the browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Pages, Server
from playwright.sync_api import expect


@pytest.mark.slow
def test_from_nothing_to_the_sample_city_and_to_the_next_step(
    tmp_path: Path, start_server: Callable[..., Server], pages: Pages
) -> None:
    server = start_server(tmp_path / "city")
    page = pages.open(server.url)
    expect(page.get_by_text(f"There is no folder {tmp_path / 'city'}")).to_be_visible()
    expect(page.get_by_text("Register at")).to_be_visible()

    page.get_by_role("textbox", name="Paths of the zips").fill(f"{tmp_path}/<b>nowhere</b>.zip")
    page.get_by_role("button", name="Unpack").click()
    expect(page.get_by_text(f"There is no file {tmp_path}/<b>nowhere</b>.zip")).to_be_visible()

    page.get_by_role("button", name="Make the sample city").click()
    expect(page.get_by_text("Painting ·")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Painting ·")).to_be_visible()
    expect(page.get_by_text("36 frames wait for a mask")).to_be_visible()
    page.get_by_role("button", name="Make the masks").click()
    page.wait_for_url("**/masks")
    expect(page.get_by_role("button", name="Convert 36 frames")).to_be_visible()
