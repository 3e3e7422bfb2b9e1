"""A conversion in the browser: started, watched, stopped, seen again, and its report."""

import re
import signal
from collections.abc import Callable
from pathlib import Path

import city
import pytest
from harness import Pages, Server
from playwright.sync_api import Page, expect
from waiting import until

from cityseg.jobs.tasks import Task
from cityseg.system.files import read_json
from cityseg.system.processes import Process

MANY = 300
TAG = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames enough to be watched: full-size, all with the same annotation; two are broken."""
    folder = tmp_path_factory.mktemp("many") / "city"
    first = city.write_frame(folder, "x_000_0", label_ids=city.street(1024, 2048))
    for number in range(1, MANY):
        stem = f"x_{number:03}_0"
        city.annotation_path(folder, stem).hardlink_to(first)
        city.image_path(folder, stem).hardlink_to(city.image_path(folder, "x_000_0"))
    city.write_frame(folder, f"{TAG}_000_0").write_bytes(b"broken")
    city.write_frame(folder, "köln_000_0").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def many_server(many: Path, start_server: Callable[..., Server]) -> Server:
    return start_server(many)


def number(page: Page, label: str) -> int:
    """The number of the tile called `label`."""
    tile = page.get_by_test_id("stMetric").filter(has_text=label)
    return int(tile.get_by_test_id("stMetricValue").inner_text().replace(",", ""))


@pytest.mark.slow
def test_a_conversion_is_watched_stopped_seen_again_and_ended(
    many_server: Server, pages: Pages
) -> None:
    task = Task.of(many_server.runs, "convert", many_server.data)
    progress = re.compile(rf"Converting · \d+ of {MANY + 2:,} frames")
    page = pages.open(f"{many_server.url}/masks")
    page.get_by_role("button", name="Convert").click()
    until(lambda: task.state().done, "the conversion did not begin")
    process = Process.from_json(read_json(task.process_file))
    assert process
    process.send(signal.SIGSTOP)  # so that it lasts as long as the test looks at it
    expect(page.get_by_text(progress)).to_be_visible()
    expect(page.get_by_role("button", name="Convert")).to_be_disabled()
    page.close()

    many_server.restart()
    page = pages.open(f"{many_server.url}/masks")
    expect(page.get_by_text(progress)).to_be_visible()
    main = page.get_by_test_id("stMainBlockContainer")  # the header has another "Stop" meanwhile
    main.get_by_role("button", name="Stop", exact=True).click()
    until(task.stop_file.exists, "the click was lost")
    process.send(signal.SIGCONT)  # at once: what does not end within its grace is killed
    expect(page.get_by_text("Stopped. What was finished is kept.")).to_be_visible()
    finished = number(page, "With a mask")
    assert 0 < finished < MANY

    page.get_by_role("button", name="Convert").click()
    told = page.get_by_text(f"{finished:,} kept from before, 2 skipped")
    expect(told).to_be_visible()
    assert [number(page, label) for label in ("With a mask", "Skipped")] == [MANY, 2]
    assert task.state().phase == "partly"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city of three frames: a good one and two that are broken, one of them named like HTML."""
    folder = tmp_path_factory.mktemp("odd") / "city"
    city.write_frame(folder, "x_000_0")
    city.write_frame(folder, f"{TAG}_000_0").write_bytes(b"broken")
    city.write_frame(folder, "köln_000_0").write_bytes(b"")
    return folder


def test_the_report_leads_to_its_frames_and_can_be_kept(
    odd: Path, start_server: Callable[..., Server], pages: Pages
) -> None:
    server = start_server(odd)
    page = pages.open(f"{server.url}/masks")
    page.get_by_role("button", name="Convert 3 frames").click()
    expect(page.get_by_role("heading", name="Skipped frames")).to_be_visible()
    expect(
        page.get_by_text("1 frame. The annotation's file is damaged or no picture.")
    ).to_be_visible()
    page.get_by_text("Empty file · 1").click()
    expect(page.get_by_text("1 frame. The annotation's file is empty.")).to_be_visible()

    page.get_by_text("Images", exact=True).first.click()
    page.wait_for_url("**/masks?measure=Images")
    expect(page.locator(".js-plotly-plot").get_by_text("Share of the images")).to_be_visible()

    with page.expect_download() as kept:
        page.get_by_role("button", name="Report (JSON)").click()
    assert Path(kept.value.path()).read_bytes() == (odd / "masks" / "report.json").read_bytes()

    opened: list[Page] = []
    page.context.on("page", lambda another: opened.append(another))
    table = page.get_by_test_id("stDataFrame").first  # a canvas: its cells are no elements

    def follow_the_link() -> list[Page]:
        table.hover(position={"x": 60, "y": 52})
        table.click(position={"x": 60, "y": 52})
        return opened

    until(follow_the_link, "the frame's link opened no page")
    expect(opened[0].locator(".viewer")).to_have_attribute("data-painted", re.compile("köln"))
