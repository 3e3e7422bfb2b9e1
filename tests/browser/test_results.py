"""Results in a browser: evaluate, click through the confusion matrix, look at worst frames."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from harness import Pages, Server
from playwright.sync_api import Page, expect
from tiny_runs import tiny_config
from waiting import until

from cityseg.evaluation import load_evaluation
from cityseg.evaluation.checkpoint import evaluate
from cityseg.evaluation.evidence import collect_evidence
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import CONFIDENCE_BINS
from cityseg.metrics.confusions import class_confusion, confused_frames, frame_scores, rank_frames
from cityseg.runs.folder import RunDir
from cityseg.training.loop import train
from cityseg.ui.results.evidence_confidence import answered

HOSTILE = '<img src=x onerror="alert(1)"> <b>bold</b> %{x} *\'_'


def make_run(runs: Path, data: Path, title: str) -> RunDir:
    run = RunDir.create(runs, tiny_config(data, title=title, epochs=1))
    train(run)
    return run


@pytest.fixture(scope="module")
def runs(app_city: Path, tmp_path_factory: pytest.TempPathFactory) -> list[RunDir]:
    """An evaluated run, and one that is not."""
    folder = tmp_path_factory.mktemp("results") / "runs"
    made = [make_run(folder, app_city, title) for title in (HOSTILE, "Second")]
    evaluate(made[0].best, app_city).write(made[0].scores_file("val"))
    return made


@pytest.fixture(scope="module")
def server(app_city: Path, runs: list[RunDir], start_server: Callable[..., Server]) -> Server:
    return start_server(app_city, runs[0].path.parent)


def click_cell(page: Page, row: int, column: int) -> None:
    """Click the middle of a cell of the matrix, of 19 by 19."""
    box = page.locator(".stPlotlyChart .nsewdrag").bounding_box()
    assert box
    width, height = box["width"] / 19, box["height"] / 19
    page.mouse.click(box["x"] + (column + 0.5) * width, box["y"] + (row + 0.5) * height)


def test_a_click_in_the_matrix_leads_to_the_frames_behind_it(
    server: Server, runs: list[RunDir], page: Page, pages: Pages
) -> None:
    evaluation = load_evaluation(runs[0], "val")
    assert evaluation
    errors = class_confusion(evaluation.scores.confusion)[:, :19]
    np.fill_diagonal(errors, 0)
    row, column = map(int, np.unravel_index(errors.argmax(), errors.shape))
    frames = confused_frames(evaluation.store, row, column)
    told = f"{CLASS_NAMES[row]} predicted as {CLASS_NAMES[column]} in {len(frames)} of 3 frames"

    page.goto(f"{server.url}/results?run={runs[0].id}&view=Confusion")
    expect(page.locator(".heatmaplayer image")).to_be_visible()
    page.wait_for_load_state("networkidle")
    click_cell(page, row, column)
    expect(page.get_by_text(told)).to_be_visible()
    expect(page.get_by_text(f"{frames[0].pixels:,} pixels, {frames[0].share:.1%}")).to_be_visible()
    address = page.url

    page.get_by_role("link", name=frames[0].name.rpartition("/")[2]).click()
    page.wait_for_url("**/browse?**")
    expect(page.locator(f'.viewer[data-painted="{frames[0].name}"]')).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["frame"] == [frames[0].name]

    other = pages.open(address)
    expect(other.get_by_text(told)).to_be_visible()


def test_the_worst_frames_are_predicted_beside_their_truth(
    server: Server, runs: list[RunDir], page: Page
) -> None:
    evaluation = load_evaluation(runs[0], "val")
    assert evaluation
    values = frame_scores(evaluation.store).mean_iou
    names = [evaluation.store.names[index] for index in rank_frames(values, worst_first=True)]

    page.goto(f"{server.url}/results?run={runs[0].id}&view=Frames")
    worst = page.locator(f'.viewer[data-painted="{names[0]}"]')
    expect(worst).to_be_visible()
    expect(worst.get_by_role("button", name="Prediction", exact=True)).to_be_visible()
    expect(worst.get_by_role("button", name="Errors", exact=True)).to_be_visible()
    page.get_by_text(names[1].rpartition("/")[2]).click()
    expect(page.locator(f'.viewer[data-painted="{names[1]}"]')).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["looked_at"] == [names[1]]


@pytest.mark.slow
def test_an_evaluation_started_here_goes_on_over_a_reload_and_shows_its_scores(
    server: Server, runs: list[RunDir], page: Page
) -> None:
    page.goto(f"{server.url}/results?run={runs[1].id}&run={runs[0].id}")
    expect(page.get_by_text("Some of these scores come from the validation")).to_be_visible()
    page.get_by_text("Evaluation on val: 1 of 2 runs to do").click()
    page.get_by_role("button", name="Evaluate", exact=True).click()
    task = runs[0].path.parent / ".tasks"
    until(lambda: any(task.glob("evaluate-*")), "no evaluation was started")
    page.reload()
    done = page.get_by_test_id("stExpander").get_by_text("Evaluation on val", exact=True)
    expect(done).to_be_visible()
    evaluation = load_evaluation(runs[1], "val")
    assert evaluation
    page.get_by_text("Table", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0] == f"kind,name,{runs[1].id},{runs[0].id}"
    mean_ious = re.match(r"overall,mean IoU,([^,]+),", lines[1])
    assert mean_ious
    assert float(mean_ious[1]) == evaluation.scores.mean_iou


def test_the_panes_of_learning_are_close_in_a_narrow_window(
    server: Server, runs: list[RunDir], page: Page
) -> None:
    page.set_viewport_size({"width": 800, "height": 800})
    page.goto(f"{server.url}/results?run={runs[0].id}&view=Learning")
    photo = page.locator(".st-key-learned .imagelayer image").first
    below = page.locator(".st-key-learned .annotation-text", has_text="Learned for good")
    expect(photo).to_be_visible()

    def gap() -> float:
        upper, lower = photo.bounding_box(), below.bounding_box()
        assert upper
        assert lower
        return lower["y"] - upper["y"] - upper["height"]

    until(lambda: 0 <= gap() < 50)


def test_titles_are_shown_as_they_are_typed(server: Server, runs: list[RunDir], page: Page) -> None:
    page.goto(f"{server.url}/results?run={runs[1].id}&run={runs[0].id}&view=Classes")
    legend = page.locator(".stPlotlyChart .legendtext").first
    expect(page.locator(".stPlotlyChart .legendtext").nth(1)).to_have_text(HOSTILE)
    expect(legend).to_have_text("Second")
    page.get_by_text("History", exact=True).click()
    expect(page.locator(".stPlotlyChart .scatterlayer .trace")).to_have_count(2)
    expect(page.locator(".stPlotlyChart .legendtext").nth(1)).to_have_text(HOSTILE)
    expect(page.locator('img[src="x"]')).to_have_count(0)
    expect(page.locator("b", has_text="bold")).to_have_count(0)


def test_evidence_leads_to_pictures_of_frames_and_to_regions(
    server: Server, runs: list[RunDir], app_city: Path, page: Page
) -> None:
    evidence = collect_evidence(runs[0].path, app_city, runs[0].evidence, device="cpu")
    names = evidence.store.names
    page.goto(f"{server.url}/results?run={runs[0].id}&view=Which frames?&against=Frame order")
    points = page.locator(".stPlotlyChart .scatterlayer .points path")
    expect(points).to_have_count(len(names))
    expect(page.locator(".viewer .thumbnails img").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    box = points.nth(1).bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(f'.viewer[data-painted="{names[1]}"]')).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["picked"] == [names[1]]

    histogram = evidence.confidence().histogram
    shares = [answered(histogram, edge).coverage for edge in range(CONFIDENCE_BINS)]
    edge = next(edge for edge, share in enumerate(shares) if share < 1)
    page.get_by_role("radio", name="How sure?").click()
    expect(page.get_by_role("cell", name="100.0%")).to_be_visible()
    slider = page.get_by_role("slider", name="Answer only where")
    slider.focus()
    for _ in range(edge):
        slider.press("ArrowRight")
    expect(page.get_by_role("cell", name=f"{shares[edge]:.1%}")).to_be_visible()
    expect(page.locator(".viewer[data-painted]")).to_be_visible()
    summary = page.locator(".st-key-summary")
    page.locator(".viewer").scroll_into_view_if_needed()
    page.get_by_text("Evidence on val", exact=True).scroll_into_view_if_needed()
    expect(summary).to_be_in_viewport()
    for cell in ("th.col0", "td.col0"):  # stand below each other
        expect(summary.locator(cell).first).to_have_css("padding-left", "16px")

    page.get_by_role("radio", name="Why not 1?").click()
    page.get_by_role("button", name=re.compile(" · segment · ")).first.click()
    expect(page.get_by_role("radio", name="Regions")).to_be_checked()
    expect(page).to_have_url(re.compile("view=Regions.*kind=segment"))
