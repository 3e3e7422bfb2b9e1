"""Pictures of the app's pages, taken once they no longer change."""

from io import BytesIO
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

_HEIGHT = 900
_TIMEOUT_MS = 300_000  # the machine may be busy
_POLL_MS = 300
#: For so many polls in a row nothing may be missing: parts of a page follow each other.
_CALM_POLLS = 4
_MOST_POLLS = 300
#: Whether the script runs, an element is still a placeholder, or a picture is being fetched.
_IS_BUSY = """() =>
  document.querySelector("[data-testid=stApp]")?.dataset.testScriptState !== "notRunning" ||
  document.querySelector("[data-testid=stSpinner], [data-testid=stSkeleton]") !== null ||
  [...document.images].some((image) => !image.complete)"""


def open_page(browser: Browser, url: str, width: int = 1280, theme: Theme = "light") -> Page:
    """The page at `url`, once it no longer changes, in a window of this width."""
    page = browser.new_page(viewport={"width": width, "height": _HEIGHT}, color_scheme=theme)
    page.set_default_timeout(_TIMEOUT_MS)
    page.goto(url)
    page.get_by_test_id("stAppViewContainer").wait_for()
    settle(page)
    return page


def settle(page: Page) -> None:
    """Wait until the page has all of its parts; one that never has is shown as it is then."""
    calm = 0
    for _ in range(_MOST_POLLS):
        page.wait_for_timeout(_POLL_MS)
        is_waiting = page.locator(".viewer[data-waiting]").count() > 0
        is_waiting |= page.get_by_text("Predicting: ").count() > 0
        calm = 0 if is_waiting or page.evaluate(_IS_BUSY) else calm + 1
        if calm == _CALM_POLLS:
            return


def show_whole(page: Page) -> None:
    """Make the window as high as the page, which scrolls inside of it."""
    content = page.locator(".stMainBlockContainer").evaluate("(each) => each.offsetHeight")
    width = page.evaluate("innerWidth")
    page.set_viewport_size({"width": width, "height": max(_HEIGHT, content + 60)})
    settle(page)


def picture_of(page: Page) -> Image.Image:
    """What the window shows."""
    png = page.screenshot(timeout=_TIMEOUT_MS)
    return Image.open(BytesIO(png)).convert("RGB")
