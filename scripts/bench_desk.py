"""The desk of the page Review in a browser: how long the next region takes."""

from pathlib import Path

from app_browser import opened
from playwright.sync_api import Browser

from cityseg.data import find_frames
from cityseg.review import AUDIT, Finding, findings_folder, write_findings

_REGIONS = 500
#: Top, left, bottom, right in the drawn frames.
_BOX = (520, 900, 640, 1100)
#: What a person does, as the tools of `app_browser` do it.
ACTS = {
    "the next region of the desk by a key, prefetched": "press('k')",
    "the next region of the desk after a verdict": "press('u')",
}


def write_queue(data: Path, runs: Path) -> None:
    """Write a table of findings for the app with these folders: one in each of the first frames."""
    top, left, bottom, right = _BOX
    findings = [
        Finding(
            *(frame.name, "island", 1 - place / _REGIONS, _BOX, (bottom - top) * (right - left)),
            label="car",
            train_id=13,
            other="road",
        )
        for place, frame in enumerate(find_frames(data)[:_REGIONS])
    ]
    write_findings(findings_folder(data, runs) / AUDIT, findings)


def measure_desk(browser: Browser, url: str, repeats: int) -> dict[str, list[float]]:
    """Milliseconds from a key until the next region is painted."""
    times: dict[str, list[float]] = {what: [] for what in ACTS}
    with opened(browser, f"{url}/review") as page:
        page.wait_for_function("viewer()?.dataset.painted")
        for what, act in ACTS.items():
            for _ in range(repeats * 4):
                page.wait_for_timeout(1500)  # let what is fetched in advance come
                times[what].append(float(page.evaluate(act)))
    return times
