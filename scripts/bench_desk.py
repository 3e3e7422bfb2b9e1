"""The desk of the page Review in a browser: how long the next region takes."""

from app_browser import opened
from playwright.sync_api import Browser

#: What a person does, as the tools of `app_browser` do it.
ACTS = {
    "the next region of the desk by a key, prefetched": "press('k')",
    "the next region of the desk after a verdict": "press('u')",
}


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
