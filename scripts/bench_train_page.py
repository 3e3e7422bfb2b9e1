"""The page Train of the app, in a browser: a preset that fills the form, a start that is shown."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app_browser import opened
from playwright.sync_api import Browser, Page

from cityseg import jobs
from cityseg.config import make_config
from cityseg.data import convert
from cityseg.jobs.queue import DeviceQueue
from cityseg.sample import make_sample
from cityseg.system import device_key

PRESETS = ("demo", "reference")
#: The field of a setting, and the button with a text.
TOOLS = """() => {
  window.field = (label) =>
    [...document.querySelectorAll("input")].find((each) => each.ariaLabel === label);
  window.button = (text) =>
    [...document.querySelectorAll("button")].find((each) => each.innerText.includes(text));
  window.badges = () =>
    [...document.querySelectorAll(".stMarkdownBadge")].map((each) => each.innerText).join(" ");
}"""


def measure_train(browser: Browser, url: str, runs: Path, repeats: int) -> dict[str, list[float]]:
    """Milliseconds from a click to what it shows; the runs only wait for the device.

    The server and this process have one queue, which `$CITYSEG_QUEUE` names.
    """
    fill, start = "a preset fills the form (click → fields)", "Start (click → the state is shown)"
    times: dict[str, list[float]] = {fill: [], start: []}
    ticket = DeviceQueue.of(device_key("auto")).join("bench", at_once=True)
    try:
        with opened(browser, f"{url}/train") as page:
            page.wait_for_function("heading() === 'Train'")
            page.evaluate(TOOLS)
            for _ in range(repeats):
                page.wait_for_function("button('New run')")
                page.evaluate("button('New run').click()")
                times[fill] += [_fill(page, name) for name in PRESETS]
                times[start].append(_start(page, runs))
    finally:
        for entry in jobs.list_runs(runs):
            jobs.stop(entry.run)
        ticket.leave()
    return times


def _fill(page: Page, preset: str) -> float:
    config = make_config({}, preset)
    page.wait_for_function("field('Epochs')")
    page.wait_for_timeout(3000)  # let the estimate of the form before come
    filled = f"field('Epochs')?.value === '{config.epochs}'"
    filled += f" && field('Network width')?.value === '{config.width}'"
    click = f"button('{preset.capitalize()}').click()"
    return float(page.evaluate(f"timed(() => {click}, () => {filled})"))


def _start(page: Page, runs: Path) -> float:
    count = len(jobs.list_runs(runs))
    page.wait_for_function("button('Start training')?.disabled === false")
    page.wait_for_timeout(3000)
    click = "button('Start training').click()"
    shown = "/starting|queued/i.test(badges())"
    milliseconds = float(page.evaluate(f"timed(() => {click}, () => {shown})"))
    while len(jobs.list_runs(runs)) == count:  # until then nothing of it could be stopped
        time.sleep(0.1)
    page.wait_for_function("button('Cancel')")  # the run waits in the queue
    return milliseconds


@contextmanager
def training(scratch: Path) -> Iterator[None]:
    """A training beside the block that takes all cores it can get."""
    city = scratch / "city"
    make_sample(city, frames={"train": 16, "val": 2}, size_hw=(256, 512))
    convert(city)
    settings = {"data": city, "device": "cpu", "epochs": 10_000, "batch_size": 4}
    run = jobs.start(make_config(settings), scratch / "busy", now=True)
    try:
        while jobs.state(run).phase != "running":
            time.sleep(0.2)
        yield
    finally:
        jobs.stop(run)
