"""Browse: stepping with keys, the view in the address, the grid and its filters."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from harness import Pages, Server, wait_for_script
from playwright.sync_api import Page, Request, expect
from waiting import until

from cityseg.data.dataset import find_frames
from cityseg.review import TagChange, append, ledger_file, read_ledger
from cityseg.ui.viewer import modules

ADDRESS = "document.location.search"
#: The column of the picture in the middle, from the address.
PLACE = f"Number(new URLSearchParams({ADDRESS}).get('view')?.split(',')[0])"
#: The labels over thumbnails.
IMAGES = """() => [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")]
  .flatMap((each) => [...each.shadowRoot.querySelectorAll("img.overlay")])"""
COLUMNS = "(grid) => getComputedStyle(grid).gridTemplateColumns.split(' ').length"

#: The address after a viewer of two pictures was mounted, went a step on and was taken away.
MOUNT_STEP_AND_REMOVE = """async (address) => {
  const { default: show } = await import(address);
  const parentElement = document.createElement("div");
  parentElement.innerHTML = '<div class="viewer"></div>';
  document.body.append(parentElement);
  const pictures = ["first", "second"].map((name) => ({ name, note: "", image: "data:," }));
  const data = { labels: [], gallery: null, pictures, start: null, layer: "truth", address: true };
  const remove = show({ parentElement, data });
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  remove();
  return location.search;
}"""


def names(data: Path) -> list[str]:
    return [frame.name for frame in find_frames(data)]


def wait_for(page: Page, frame: str) -> None:
    """Until the viewer has painted `frame`."""
    expect(page.locator(".viewer")).to_have_attribute("data-painted", frame)


def open_frame(page: Page, server: Server, position: int = 0, view: str = "") -> list[str]:
    """Open the frame at `position`; all frames' names."""
    frames = names(server.data)
    page.goto(f"{server.url}/browse?frame={frames[position]}{view}")
    wait_for(page, frames[position])
    return frames


def address_has(page: Page, *parts: str) -> None:
    wait_for_script(page, f"parts => parts.every((part) => {ADDRESS}.includes(part))", [*parts])


def test_keys_step_to_a_frame_that_is_there_and_not_from_a_field(
    server: Server, page: Page
) -> None:
    asked: list[str] = []
    came: list[str] = []

    def note_question(request: Request) -> None:
        asked.append(unquote(request.url))

    def note_answer(request: Request) -> None:
        came.append(unquote(request.url))

    page.on("request", note_question)
    page.on("requestfinished", note_answer)
    frames = open_frame(page, server)
    wanted = [f"/{kind}?frame={name}" for name in frames[1:4] for kind in ("image", "labels")]
    while not all(any(url.endswith(end) for url in came) for end in wanted):
        page.wait_for_event("requestfinished")
    asked.clear()
    page.keyboard.press("ArrowRight")
    wait_for(page, frames[1])
    assert [url for url in asked if url.endswith(frames[1])] == []
    page.remove_listener("request", note_question)
    page.remove_listener("requestfinished", note_answer)

    for key, position in (("End", -1), ("ArrowLeft", -2), ("Home", 0)):
        page.keyboard.press(key)
        wait_for(page, frames[position])
    expect(page.get_by_text(f"1 of {len(frames)}")).to_be_visible()
    expect(page.get_by_role("button", name="Previous picture")).to_be_disabled()

    field = page.get_by_label("Name")
    field.press_sequentially("gr")
    field.press("ArrowLeft")
    field.press("End")
    expect(field).to_have_value("gr")
    wait_for(page, frames[0])
    expect(page.locator(".where").first).to_contain_text("1 of")


def test_an_address_brings_the_exact_view_back(server: Server, page: Page, pages: Pages) -> None:
    frames = open_frame(page, server)
    page.keyboard.press("ArrowRight")
    wait_for(page, frames[1])
    page.get_by_role("button", name="Mask", exact=True).click()
    page.keyboard.press("s")
    page.keyboard.press("]")
    page.keyboard.press("f")
    page.locator(".legend button[title='sky (sky)']").click()
    for _ in range(2):
        page.locator(".stage canvas").press("+")
    view = ("layer=mask", "mode=side", "opacity=0.7", "outline=1", "off=23", ",2.25")
    address_has(page, *view, frames[1])
    before = page.url
    page.locator(".stage canvas").press("Shift+ArrowRight")
    wait_for_script(page, "before => location.href !== before", before)
    other = pages.open(page.url)
    wait_for(other, frames[1])
    expect(other.get_by_role("button", name="Show the whole picture")).to_have_text("225%")
    expect(other.get_by_role("button", name="Side by side")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(other.locator(".legend button[aria-pressed=false]")).to_have_text(re.compile("sky"))
    other.keyboard.press("]")
    address_has(other, "opacity=0.8")
    assert other.url == page.url.replace("opacity=0.7", "opacity=0.8")


def test_an_invalid_view_is_ignored_and_the_address_follows_view_and_filters(
    server: Server, page: Page
) -> None:
    # One of each: tests/ui/viewer/address.test.js has all that can be invalid.
    numbers, words = "&opacity=half&swipe=&from=2.5", "&layer=roads&mode=&with=toString&outline=yes"
    frames = open_frame(page, server, view=f"&view=,,3&off=road.x{numbers}{words}")
    expect(page.get_by_role("button", name="Show the whole picture")).to_have_text("100%")
    page.keyboard.press("3")
    wait_for_script(page, f"wanted => {ADDRESS} === wanted", f"?frame={frames[0]}&layer=mask")
    page.keyboard.press("ArrowRight")
    wait_for_script(page, f"wanted => {ADDRESS} === wanted", f"?frame={frames[1]}&layer=mask")

    page.keyboard.press("ArrowLeft")
    wait_for(page, frames[0])
    page.get_by_test_id("stButtonGroup").get_by_role("button", name="train", exact=True).click()
    expect(page.locator(".where").first).to_contain_text("1 of 5")
    address_has(page, "split=train", "layer=mask", frames[0])
    page.locator(".stage canvas").press("ArrowRight")
    wait_for(page, frames[1])
    address_has(page, "split=train", "layer=mask", frames[1])
    page.get_by_label("Name").fill(frames[1].rpartition("/")[2])
    page.get_by_label("Name").press("Enter")
    expect(page.locator(".where").first).to_be_hidden()  # one of one
    address_has(page, "split=train", "layer=mask", frames[1], "text=")
    page.reload()
    wait_for(page, frames[1])
    address_has(page, "split=train", "layer=mask", frames[1], "text=")
    expect(page.get_by_label("Name")).to_have_value(frames[1].rpartition("/")[2])


def test_the_grid_opens_frames_and_has_filters_labels_sizes_and_pages(
    server: Server, page: Page
) -> None:
    frames = names(server.data)
    page.goto(f"{server.url}/browse?frame=")  # an empty frame is none
    thumbnails = page.locator(".thumbnails a")
    expect(thumbnails).to_have_count(len(frames))
    expect(page.get_by_role("alert")).to_have_count(0)
    thumbnails.nth(2).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    wait_for(page, frames[3])
    expect(page.locator(".stage canvas")).to_be_focused()
    page.keyboard.press("Escape")
    expect(thumbnails.nth(3)).to_be_focused()
    wait_for_script(page, f"!{ADDRESS}.includes('frame=')")

    page.get_by_label("Name").fill("nowhere")
    page.get_by_label("Name").press("Enter")
    expect(page.get_by_text("No frames match these filters.")).to_be_visible()
    page.get_by_role("button", name="Reset filters").click()
    expect(thumbnails).to_have_count(len(frames))

    images = page.locator(".thumbnails img.overlay")
    expect(images).to_have_count(0)
    page.get_by_role("button", name="The labels over the thumbnails").click()
    expect(images).to_have_count(len(frames))
    script = "all => all.every((each) => each.complete && each.naturalWidth === 256)"
    wait_for_script(page, f"({IMAGES})().length && ({script})(({IMAGES})())")
    columns = page.locator(".thumbnails").evaluate(COLUMNS)
    page.get_by_label("Size").fill("420")
    address_has(page, "labels=1", "size=420")
    assert page.locator(".thumbnails").evaluate(COLUMNS) < columns

    page.set_viewport_size({"width": 800, "height": 300})
    page.reload()
    expect(images).to_have_count(2)  # as many as fill the window at that size
    page.get_by_label("Page", exact=True).fill("3")
    page.get_by_label("Page", exact=True).press("Enter")
    expect(page.get_by_text("5–6 of 9")).to_be_visible()
    address_has(page, "from=5")


def test_back_leads_from_a_frame_to_the_sorted_grid(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/browse?split=val&sort=car&descending=true")
    thumbnails = page.locator(".thumbnails a")
    notes = page.locator(".thumbnails .note")
    expect(thumbnails).to_have_count(3)
    expect(notes).to_have_text([re.compile("^car ")] * 3)
    shares = [float(str(text).removeprefix("car ").rstrip("%")) for text in notes.all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    before = page.url
    (first,) = parse_qs(urlsplit(thumbnails.first.get_attribute("href")).query)["frame"]
    thumbnails.nth(1).click()
    page.keyboard.press("ArrowLeft")
    wait_for(page, first)
    address_has(page, "split=val", first)
    page.go_back()
    expect(thumbnails).to_have_count(3)
    assert page.url == before
    page.go_forward()
    wait_for(page, first)


def test_the_photo_is_brightened_zoomed_and_moved_by_mouse_and_fingers(
    server: Server, page: Page
) -> None:
    open_frame(page, server, view="&opacity=0")
    before = middle(page)
    page.get_by_text("Brightness", exact=True).first.click()
    page.get_by_label("Brightness", exact=True).fill("2")
    address_has(page, "brightness=2")
    assert middle(page)[:3] > before[:3]
    page.get_by_role("button", name="Reset").click()
    wait_for_script(page, f"!{ADDRESS}.includes('brightness')")
    assert middle(page) == before

    use_the_mouse(page)
    page.keyboard.press("0")
    use_fingers(page)


def use_the_mouse(page: Page) -> None:
    box = page.locator(".stage canvas").bounding_box()
    assert box
    readout = page.locator(".readout b")
    x, y = box["x"] + box["width"] * 64.5 / 256, box["y"] + box["height"] * 32.5 / 128
    page.mouse.move(x, y)
    expect(readout).to_have_text("x 64, y 32")
    page.mouse.wheel(0, -480)
    expect(page.get_by_role("button", name="Show the whole picture")).to_have_text("400%")
    expect(readout).to_have_text("x 64, y 32")  # what is under the pointer stays there
    page.mouse.down()
    page.mouse.move(x + box["width"] / 4, y)
    page.mouse.up()
    expect(readout).to_have_text("x 64, y 32")
    page.mouse.move(x, y)
    expect(readout).to_have_text("x 48, y 32")  # a quarter of the 256 pixels, at four times
    page.keyboard.press("0")
    expect(readout).to_have_text("x 64, y 32")


def use_fingers(page: Page) -> None:
    box = page.locator(".stage canvas").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": left, "y": top, "id": i} for i, (left, top) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    touch("touchStart", (x - 40, y))
    touch("touchStart", (x - 40, y), (x + 40, y))
    for spread in (60, 80, 100, 120):
        touch("touchMove", (x - spread, y), (x + spread, y))
    touch("touchEnd")
    zoom = page.get_by_role("button", name="Show the whole picture")
    expect(zoom).to_have_text("300%")
    wait_for_script(page, f"Math.abs({PLACE} - 128) < 0.5")  # the middle stays between the fingers
    touch("touchStart", (x, y))
    readout = page.locator(".readout b")
    expect(readout).to_have_text(re.compile(r"x 12[78], y 6[34]"))  # what a finger touches is read
    touched = readout.inner_text()
    for step in (30, 60, 90):
        touch("touchMove", (x + step, y))
    touch("touchEnd")
    moved = 128 - 90 * 256 / (3 * box["width"])
    wait_for_script(page, f"Math.abs({PLACE} - {moved}) < 0.5")
    expect(readout).to_have_text(touched)  # the picture came along with the finger


def test_leaving_and_coming_back_keeps_the_frame(server: Server, page: Page) -> None:
    frames = open_frame(page, server, 2, "&layer=mask")
    page.get_by_role("link", name="Results").click()
    expect(page.get_by_role("heading", name="Results")).to_be_visible()
    assert "layer=" not in page.url
    page.get_by_role("link", name="Browse").click()
    wait_for(page, frames[2])
    address_has(page, frames[2], "layer=mask")
    page.keyboard.press("Escape")
    expect(page.locator(".thumbnails a").nth(2)).to_be_focused()

    # A viewer that is taken away leaves its view in the address.
    page.get_by_role("link", name="Results").click()
    expect(page.get_by_role("heading", name="Results")).to_be_visible()
    address = re.search(r'"(viewer/\w+/main\.js)"', modules.LOADER)
    assert address
    search = page.evaluate(MOUNT_STEP_AND_REMOVE, f"/{address[1]}")
    assert parse_qs(search.removeprefix("?"))["frame"] == ["second"]


def test_a_restarted_server_goes_on_with_the_open_page(
    app_city: Path, start_server: Callable[..., Server], page: Page
) -> None:
    server = start_server(app_city)
    frames = open_frame(page, server)
    server.restart()

    def steps_to_the_end() -> bool:
        # The page's rerun after the restart may take a step back: Streamlit writes the address.
        page.locator(".stage canvas").press("End")
        return page.locator(".viewer").get_attribute("data-painted") == frames[-1]

    until(steps_to_the_end, "the last frame is not painted")
    expect(page.get_by_role("alert")).to_have_count(0)


def middle(page: Page) -> list[int]:
    """The colour in the middle of the canvas, once it is drawn."""
    script = """async (canvas) => {
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const at = [canvas.width / 2, canvas.height / 2].map(Math.floor);
      return [...canvas.getContext("2d").getImageData(...at, 1, 1).data];
    }"""
    return list(page.locator(".stage canvas").evaluate(script))


def test_frames_are_tagged_with_keys_and_filtered_by_tags(server: Server, page: Page) -> None:
    ledger = ledger_file(server.data, server.runs)
    frames = open_frame(page, server)

    def tagged() -> list[str]:
        tags = read_ledger(ledger).tags()
        return sorted(frame for frame, of_frame in tags.items() if of_frame == ("wet road",))

    page.keyboard.press("t")
    page.locator(".tag-form input").fill("wet road")
    page.keyboard.press("Enter")
    expect(page.locator(".title .tag")).to_have_text("wet road")
    for position in (1, 2):  # while the script may still be running because of the one before
        page.keyboard.press("ArrowRight")
        wait_for(page, frames[position])
        page.keyboard.press("T")
    until(lambda: tagged() == frames[:3], "not all tags were kept")
    page.goto(f"{server.url}/browse?tag=wet+road")
    thumbnails = page.locator(".thumbnails a")
    expect(thumbnails).to_have_count(3)
    expect(page.locator(".thumbnails .tag")).to_have_text(["wet road"] * 3)
    thumbnails.first.focus()
    page.keyboard.press("t")
    page.get_by_role("button", name="Remove the tag wet road").click()
    expect(thumbnails).to_have_count(2)
    page.get_by_role("button", name="More filters").click()
    expect(page.get_by_role("textbox", name="Your name")).not_to_have_value("")
    assert tagged() == frames[1:3]
    lines = [TagChange(reviewer="x", frame=f, tag="wet road", is_set=False) for f in frames[1:3]]
    append(ledger, lines)
