"""Pages of a browser for measuring, with tools that time what happens in them."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

#: In every page: the viewer, and milliseconds from an act until a condition holds and is painted.
TOOLS = """
window.shadow = () =>
  [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")]
    .map((each) => each.shadowRoot)
    .find((root) => root?.querySelector(".viewer"));
window.viewer = () => shadow()?.querySelector(".viewer");
window.painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
window.timed = async (act, holds) => {
  const start = performance.now();
  act();
  while (!holds()) {
    if (performance.now() - start > 120_000) throw new Error(`Not within 120 s: ${holds}`);
    await new Promise((done) => requestAnimationFrame(done));
  }
  await painted();
  return performance.now() - start;
};
window.press = (key) => {
  const before = viewer().dataset.painted;
  const event = new KeyboardEvent("keydown", { key, bubbles: true });
  return timed(() => document.dispatchEvent(event), () => viewer().dataset.painted !== before);
};
window.point = () => {
  const canvas = shadow().querySelector(".stage canvas");
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const at = { clientX: left + width * Math.random(), clientY: top + height * Math.random() };
  const readout = () => shadow().querySelector(".readout").innerText;
  return timed(() => canvas.dispatchEvent(new PointerEvent("pointermove", at)), changed(readout));
};
window.where = () =>
  [...(viewer()?.querySelectorAll(".where") ?? [])].map((each) => each.innerText).join("");
window.changed = (tell) => {
  const before = tell();
  return () => tell() !== before;
};
window.heading = () => document.querySelector("h1")?.innerText;
window.link = (title) =>
  [...document.querySelectorAll("a")].find((each) => each.innerText.includes(title));
"""


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """A page of a browser that has never been there."""
    # The app's content policy forbids the evaluation that `wait_for_function` rests on.
    context = browser.new_context(viewport={"width": 1280, "height": 800}, bypass_csp=True)
    context.add_init_script(TOOLS)
    page = context.new_page()
    page.set_default_timeout(120_000)  # milliseconds; the machine may be busy
    page.goto(url)
    yield page
    context.close()
