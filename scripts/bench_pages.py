"""The first paint of the pages of the app, in a browser."""

from app_browser import opened
from playwright.sync_api import Browser

#: The heading of each page, with its address.
PAGES = {
    "Overview": "",
    "Browse": "browse",
    "Masks": "masks",
    "Train": "train",
    "Results": "results",
    "Predict": "predict",
}


def measure_pages(browser: Browser, url: str, repeats: int) -> dict[str, list[float]]:
    """Milliseconds until a page has its heading, by a new browser and by a click in an open one."""
    cold: dict[str, list[float]] = {f"{title}, first visit of a browser": [] for title in PAGES}
    warm: dict[str, list[float]] = {f"{title}, from another page": [] for title in PAGES}
    for _ in range(repeats):
        for times, (title, path) in zip(cold.values(), PAGES.items(), strict=True):
            with opened(browser, f"{url}/{path}") as page:
                page.wait_for_function(f"heading() === '{title}'")
                times.append(float(page.evaluate("performance.now()")))
    with opened(browser, f"{url}/predict") as page:
        page.wait_for_function("heading() === 'Predict'")
        for _ in range(repeats):
            for times, title in zip(warm.values(), PAGES, strict=True):
                page.wait_for_timeout(1500)  # let the page before finish
                act = f"timed(() => link('{title}').click(), () => heading() === '{title}')"
                times.append(float(page.evaluate(act)))
    return cold | warm
