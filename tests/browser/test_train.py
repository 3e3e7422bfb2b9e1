"""A training run in the browser: started, watched, left alone, stopped, resumed, finished."""

import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import forks
import numpy as np
import pytest
from harness import Pages, Server
from job_runs import trainer_of
from playwright.sync_api import Locator, Page, expect
from waiting import until

from cityseg import jobs
from cityseg.config import make_config
from cityseg.jobs.queue import QUEUE_VARIABLE, DeviceQueue
from cityseg.labels import TRAIN_ID_PALETTE
from cityseg.runs.folder import RunDir
from cityseg.runs.panels import load_panels
from cityseg.system import device_key
from cityseg.ui.train.form_state import shown_values
from cityseg.ui.train.settings_form import label_of

TAG = "<img src=x onerror=alert(1)> *mine*"
#: Trains an epoch in a moment, and so many of them that it never ends by itself.
ENDLESS = {
    "width": "2",
    "size": "32x64",
    "batch_size": "2",
    "epochs": "10000",
    "learning_rate": "0.01",
}


@pytest.fixture
def train_server(
    app_city: Path, tmp_path: Path, start_server: Callable[..., Server]
) -> Iterator[Server]:
    """A server with runs of its own; what still trains at the end is stopped."""
    server = start_server(app_city, tmp_path / "runs")
    yield server
    server.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(QUEUE_VARIABLE, str(tmp_path / "runs-queue"))
        for entry in jobs.list_runs(server.runs):
            jobs.stop(entry.run)


def box(page: Page, name: str) -> Locator:
    """The field of a setting: the first, as one that was replaced stays until the page is drawn."""
    label = label_of(name)
    text = page.get_by_role("textbox", name=label, exact=True)
    return text.or_(page.get_by_role("spinbutton", name=label, exact=True)).first


def fill(page: Page, **settings: str) -> None:
    for name, value in settings.items():
        box(page, name).fill(value)
        box(page, name).press("Enter")


def has_one_preset(page: Page, preset: str, epochs: str) -> bool:
    """Whether the form holds `preset` and nothing else, but for the number of epochs at most."""
    expected = shown_values(make_config({}, preset))
    names = ("width", "size", "batch_size", "learning_rate")
    if [box(page, name).input_value() for name in names] != [str(expected[n]) for n in names]:
        return False
    is_changed = page.get_by_text(f"{preset.capitalize()}, changed").is_visible()
    return box(page, "epochs").input_value() == (epochs if is_changed else str(expected["epochs"]))


def test_a_preset_and_an_edit_right_after_it_leave_no_mixture(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/train")
    expect(box(page, "epochs")).to_be_visible()
    for number, delay in enumerate((0, 100, 400)):
        preset, epochs = ("reference", "demo")[number % 2 == 0], str(100 + number)
        page.get_by_role("radio", name=preset.capitalize()).click()
        page.wait_for_timeout(delay)
        fill(page, epochs=epochs)
        until(lambda p=preset, e=epochs: has_one_preset(page, p, e), f"a mixture: {delay} ms")
        expect(page.get_by_role("radio", name=preset.capitalize())).to_be_checked()


# The layer that keeps the click is tested by tests/ui/test_leaving.py.
@pytest.mark.soak
def test_a_reload_right_after_the_click_leaves_one_run(
    train_server: Server, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(QUEUE_VARIABLE, f"{train_server.runs}-queue")
    busy = DeviceQueue.of(device_key("auto")).join("another", at_once=True)  # runs only wait
    for number, delay in enumerate((0, 50, 500), 1):
        page.goto(f"{train_server.url}/train")
        view = page.get_by_role("radio", name="New run")
        expect(view).to_be_visible()
        view.click()
        start = page.get_by_role("button", name="Start training")
        expect(start).to_be_enabled()
        # An edit keeps the script busy when the click arrives.
        box(page, "epochs").fill(str(100 + number))
        with page.expect_navigation():
            start.evaluate(
                "(b, ms) => { b.focus(); b.click(); setTimeout(() => location.reload(), ms); }",
                delay,
            )
        until(lambda n=number: len(jobs.list_runs(train_server.runs)) == n, f"{delay} ms")
    epochs = [e.config.epochs for e in jobs.list_runs(train_server.runs) if e.config]
    assert sorted(epochs) == [101, 102, 103]
    busy.leave()


def stop_button(page: Page) -> Locator:
    """The one of the run: Streamlit's header has another one while the script runs."""
    return page.get_by_test_id("stMainBlockContainer").get_by_role(
        "button", name="Stop", exact=True
    )


def expect_state(page: Page, word: str) -> None:
    """Over the run: a canvas draws the table, from the same look at the folder."""
    expect(page.locator(".stMarkdownBadge", has_text=word)).to_have_count(1)


def shorten(run: RunDir) -> None:
    """Let the run end with the epoch after the one it has reached."""
    settings = json.loads(run.config_file.read_text())
    settings["epochs"] = jobs.state(run).progress.epochs_done + 1
    run.config_file.write_text(json.dumps(settings))


@pytest.mark.slow
def test_a_run_goes_through_all_that_can_happen_to_it(
    train_server: Server, pages: Pages, page: Page
) -> None:
    page.goto(f"{train_server.url}/train")
    fill(page, **ENDLESS, title=TAG)
    page.get_by_role("button", name="Start training").dblclick()
    until(lambda: jobs.list_runs(train_server.runs), "it makes no run")
    (entry,) = jobs.list_runs(train_server.runs)

    def epochs() -> int:
        return len([row for row in entry.run.metrics() if row["kind"] == "epoch"])

    until(lambda: epochs() > 1, "it does not train")  # so that all of the first epoch is there
    trainer = trainer_of(entry.run)
    trainer.send(signal.SIGSTOP)  # it would take the core from the browser while that is looked at
    expect(page.get_by_role("heading", name=TAG)).to_be_visible()
    expect_state(page, "running")
    expect(page).to_have_url(f"{train_server.url}/train?run={entry.id}")
    expect(page.get_by_text("Best mean IoU")).to_be_visible()
    page.get_by_role("radio", name="Predictions").click()
    predictions = page.get_by_role("img", name="Prediction of")
    expect(predictions).to_have_count(3)
    # What Streamlit keeps itself is gone with the next epoch, and a slow browser would miss it.
    for address in predictions.evaluate_all("images => images.map((image) => image.src)"):
        assert address.startswith(f"{train_server.url}/published/")

    expect(page).to_have_url(re.compile("part=Predictions"))  # follows a moment after the pictures
    page.reload()
    expect_state(page, "running")
    expect(predictions).to_have_count(3)

    page.goto("about:blank")  # a page that loses its server complains
    before = epochs()
    train_server.stop()
    trainer.send(signal.SIGCONT)
    until(lambda: epochs() > before + 1, "it does not train without the app")
    trainer.send(signal.SIGSTOP)
    train_server.start()
    page.goto(f"{train_server.url}/train")
    expect_state(page, "running")

    trainer.send(signal.SIGCONT)
    stop_button(page).click()
    expect_state(page, "stopped")
    shorten(entry.run)
    reached = epochs()
    page.get_by_role("button", name="Resume").click()
    expect_state(page, "done")
    assert epochs() == reached + 1
    assert [each.id for each in jobs.list_runs(train_server.runs)] == [entry.id]
    assert_pictures_are_what_was_predicted(page, entry.run, reached + 1)


def assert_pictures_are_what_was_predicted(page: Page, run: RunDir, epoch: int) -> None:
    page.get_by_role("radio", name="Predictions").click()
    panels = load_panels(run, epoch)
    for panel in panels:
        picture = page.get_by_role("img", name=f"Prediction of {panel.name}")
        expect(picture).to_be_visible()
        pixels = picture.evaluate(
            """async (image) => {
              await image.decode();
              const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
              const context = canvas.getContext("2d");
              context.drawImage(image, 0, 0);
              return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
            }"""
        )
        height, width = panel.prediction.shape
        times = round((len(pixels) / 4 / height / width) ** 0.5)
        shown = np.reshape(pixels, (height * times, width * times, 4))[::times, ::times, :3]
        np.testing.assert_array_equal(shown, TRAIN_ID_PALETTE[panel.prediction])


@pytest.mark.slow
def test_a_run_of_a_terminal_is_seen_and_can_be_stopped(
    train_server: Server, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = []
    for name, value in ENDLESS.items():
        flags += [f"--{name.replace('_', '-')}", value]
    folders = ["--data", train_server.data, "--runs", train_server.runs]
    monkeypatch.setenv(QUEUE_VARIABLE, f"{train_server.runs}-queue")
    code = "import sys; from cityseg.cli.main import main; sys.exit(main(['train', *sys.argv[1:]]))"
    terminal = forks.fork(forks.TRAINING, code, *folders, *flags, "--title", "By hand")
    until(lambda: jobs.list_runs(train_server.runs), "it makes no run")
    page.goto(f"{train_server.url}/train")
    expect_state(page, "running")
    expect(page.get_by_role("heading", name="By hand")).to_be_visible()
    stop_button(page).click()
    expect_state(page, "stopped")
    assert terminal.wait() == 2
