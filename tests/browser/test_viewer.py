"""What the viewer shows, pixel by pixel, and what it does with frames that are odd or broken.

Also tests: ui/viewer/component.
"""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import city
import numpy as np
import pytest
from harness import Pages, Server
from playwright.sync_api import Page, expect
from waiting import until

from cityseg.arrays import Uint8Array
from cityseg.data.masks import convert
from cityseg.labels import LABEL_ID_PALETTE, LABEL_OF_ID, MAP_LABELS

HEIGHT, WIDTH = 64, 128
TAG = "<img src=x onerror=alert(1)>"
MARKUP = f"train/{TAG}/{TAG}_000000_000019"
ALL_LABELS = "train/town/town_000000_000000"
TRUNCATED = "train/town/town_000001_000000"
UNANNOTATED = "train/town/town_000002_000000"
STREET = "train/town/town_000003_000000"
#: The pixels of one car in it.
A_CAR = np.s_[10:20, 30:40]


@pytest.fixture(scope="module")
def odd_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames with all 34 labels, a truncated map, no annotation, a street, HTML for a name."""
    root = tmp_path_factory.mktemp("odd") / "city"
    for frame in (ALL_LABELS, TRUNCATED, STREET, MARKUP):
        city.write_frame(root, frame.split("/")[2], label_ids=label_ids(frame))
    instances = label_ids(STREET).astype(np.uint16)
    instances[A_CAR] = 26003
    city.write(
        city.annotation_path(root, "town_000003_000000", kind="instanceIds.png"),
        city.encode(instances),
    )
    truncated = city.annotation_path(root, "town_000001_000000")
    truncated.write_bytes(truncated.read_bytes()[:-20])
    city.write(
        city.image_path(root, "town_000002_000000"),
        city.encode(np.full((HEIGHT, WIDTH, 3), (10, 200, 30), np.uint8)),
    )
    convert(root)
    return root


def label_ids(frame: str) -> Uint8Array:
    if frame != ALL_LABELS:
        street = city.street(HEIGHT, WIDTH).copy()
        street[A_CAR] = city.CAR
        return street
    columns = np.repeat(np.arange(HEIGHT), WIDTH).reshape(HEIGHT, WIDTH)
    ids = (columns // 4 * 16 + np.arange(WIDTH) // 8) % 34
    return np.asarray(ids, np.uint8)


@pytest.fixture(scope="module")
def odd_server(odd_city: Path, start_server: Callable[..., Server]) -> Server:
    return start_server(odd_city)


def open_frame(page: Page, server: Server, frame: str, **view: object) -> None:
    parameters = "".join(f"&{name}={value}" for name, value in view.items())
    page.goto(f"{server.url}/browse?frame={quote(frame, safe='')}{parameters}")
    wait_for(page, frame)


def wait_for(page: Page, frame: str) -> None:
    """Until the viewer has painted `frame`."""
    expect(page.locator(".viewer")).to_have_attribute("data-painted", frame)


def color_at(page: Page, x: int, y: int) -> tuple[int, ...]:
    """RGB on the drawn canvas, amid the picture's pixel (x, y), when all of it is seen."""
    color = page.locator(".stage canvas").evaluate(
        """async (canvas, [x, y]) => {
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const at = [canvas.width * x, canvas.height * y].map(Math.floor);
          return [...canvas.getContext("2d").getImageData(...at, 1, 1).data];
        }""",
        [(x + 0.5) / WIDTH, (y + 0.5) / HEIGHT],
    )
    return tuple(color[:3])


def hover(page: Page, x: int, y: int) -> None:
    box = page.locator(".stage canvas").bounding_box()
    assert box
    at = ((x + 0.5) / WIDTH * box["width"], (y + 0.5) / HEIGHT * box["height"])
    page.mouse.move(box["x"] + at[0], box["y"] + at[1])


def label(name: str) -> int:
    return next(label.id for label in MAP_LABELS if label.name == name)


def position_of(ids: Uint8Array, name: str) -> tuple[int, int]:
    """(x, y) of some pixel in the middle of that label's."""
    found = np.argwhere(ids == label(name))
    y, x = found[len(found) // 2]
    return int(x), int(y)


def test_every_label_pixel_is_what_the_file_holds_and_frames_that_lack_one_say_so(
    odd_server: Server, page: Page, pages: Pages
) -> None:
    pages.expected += ["status of 422", "status of 404"]
    ids = label_ids(ALL_LABELS)
    open_frame(page, odd_server, ALL_LABELS, opacity=1)
    assert np.array_equal(np.reshape(colors(page), (HEIGHT, WIDTH, 3)), LABEL_ID_PALETTE[ids])
    assert np.array_equal(np.reshape(labels_read(page), (HEIGHT, WIDTH)), ids)
    for name, text in {
        "car": "Label 26 → car → vehicle → train id 13",
        "road": "Label 7 → road → flat → train id 0",
        "ego vehicle": "Label 1 → ego vehicle → void → ignored, because void is not evaluated",
        "caravan": "→ ignored, because caravan is not one of the 19 evaluated classes",
    }.items():
        hover(page, *position_of(ids, name))
        expect(page.locator(".readout")).to_contain_text(text)
    share = page.locator(".legend button[title^='car (vehicle)'] .share")
    canvas = page.locator(".stage canvas")
    expect(share).to_have_text(re.compile(r"^\d+\.\d%$"))
    expect(canvas).to_have_attribute("aria-label", re.compile(r"truth: .*\d%"))

    page.keyboard.press("ArrowRight")  # to a frame without a readable map: its photo stays
    wait_for(page, TRUNCATED)
    expect(page.get_by_role("alert").filter(has_text="is truncated")).to_be_visible()
    assert color_at(page, 5, 5) == (0, 0, 0)
    expect(share).to_have_text("")
    expect(canvas).to_have_attribute("aria-label", f"{TRUNCATED}, truth")

    page.keyboard.press("ArrowRight")  # to one without annotation
    wait_for(page, UNANNOTATED)
    expect(page.get_by_role("alert").filter(has_text="has no annotation")).to_be_visible()
    expect(page.locator(".note")).to_have_text(
        "No mask. The image has neither label ids nor polygons."
    )
    assert np.allclose(color_at(page, 5, 5), (10, 200, 30), atol=3)

    page.locator(".legend button[title='road (flat)']").click()
    page.keyboard.press("ArrowRight")  # a class that is switched off stays off
    wait_for(page, STREET)
    assert color_at(page, *position_of(label_ids(STREET), "road")) == (0, 0, 0)


def labels_read(page: Page) -> list[int]:
    """The label that the readout names at each pixel."""
    return list(
        page.locator(".stage canvas").evaluate(
            """(canvas, [width, height]) => {
          const readout = canvas.getRootNode().querySelector(".readout");
          const box = canvas.getBoundingClientRect();
          const said = [];
          for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
            canvas.dispatchEvent(new PointerEvent("pointermove", {
              clientX: box.left + (x + 0.5) / width * box.width,
              clientY: box.top + (y + 0.5) / height * box.height,
            }));
            const [place, label] = readout.children;
            if (place.textContent !== `x ${x}, y ${y}`) throw Error(place.textContent);
            said.push(Number(label.textContent.match(/^Label (\\d+) /)[1]));
          }
          return said;
        }""",
            [WIDTH, HEIGHT],
        )
    )


def colors(page: Page) -> list[int]:
    """RGB on the canvas in the middle of each pixel."""
    return list(
        page.locator(".stage canvas").evaluate(
            """(canvas, [width, height]) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const colors = [];
          for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
            const column = Math.floor((x + 0.5) / width * canvas.width);
            const row = Math.floor((y + 0.5) / height * canvas.height);
            const at = (row * canvas.width + column) * 4;
            colors.push(data[at], data[at + 1], data[at + 2]);
          }
          return colors;
        }""",
            [WIDTH, HEIGHT],
        )
    )


def test_a_frame_has_its_instances_and_its_labels_in_a_legend_for_keys(
    odd_server: Server, page: Page
) -> None:
    ids = label_ids(STREET)
    open_frame(page, odd_server, STREET, layer="mask", opacity=1)
    x, y = position_of(ids, "ego vehicle")
    assert color_at(page, *position_of(ids, "road")) == (128, 64, 128)
    stripes = {color_at(page, x + step, y) for step in range(8)}
    assert stripes == {(20, 20, 20), (235, 235, 235)}  # where it ignores

    page.keyboard.press("2")
    hover(page, 35, 15)
    expect(page.locator(".readout")).to_contain_text("x 35, y 15")
    expect(page.locator(".readout")).to_contain_text("Instance 26003")
    hover(page, 50, 15)
    expect(page.locator(".readout")).to_contain_text("x 50, y 15")
    expect(page.locator(".readout")).not_to_contain_text("Instance")

    present = {LABEL_OF_ID[int(each)].name for each in np.unique(ids)}
    rows = page.locator(".labels button:not(.fold)")
    expect(rows).to_have_count(len(present))
    assert {text.splitlines()[0] for text in rows.all_inner_texts()} == present
    fold = page.get_by_role("button", name=f"{len(MAP_LABELS) - len(present)} absent")
    expect(fold).to_have_attribute("aria-expanded", "false")
    use_the_legend_by_keys(page)
    fold.click()
    expect(rows).to_have_count(len(MAP_LABELS))


def use_the_legend_by_keys(page: Page) -> None:
    """It is one stop of the tabulator, with arrow keys inside."""
    rows = page.locator(".labels button")
    canvas = page.locator(".stage canvas")
    expect(page.locator(".labels button[tabindex='0']")).to_have_count(1)
    canvas.focus()
    page.keyboard.press("Tab")
    expect(rows.first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press(" ")
    expect(rows.nth(1)).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Shift+Tab")
    expect(canvas).to_be_focused()
    page.keyboard.press("Tab")
    expect(rows.nth(1)).to_be_focused()  # where it was left


def test_one_class_outlines_and_the_ignored_are_shown_alone_and_all_fit_into_full_screen(
    odd_server: Server, page: Page
) -> None:
    ids = label_ids(ALL_LABELS)
    car, road = position_of(ids, "car"), position_of(ids, "road")
    open_frame(page, odd_server, ALL_LABELS, opacity=1)
    page.locator(".legend button[title^='car (vehicle)']").click(modifiers=["Shift"])
    expect(page.locator(".legend button[aria-pressed=true]")).to_have_count(1)
    assert (color_at(page, *car), color_at(page, *road)) == ((0, 0, 142), (0, 0, 0))
    page.keyboard.press("a")
    expect(page.locator(".legend button[aria-pressed=false]")).to_have_count(0)
    assert color_at(page, *road) == (128, 64, 128)

    outlines = page.get_by_role("button", name="Only the outlines")
    page.keyboard.press("f")
    expect(outlines).to_have_attribute("aria-pressed", "true")
    # Labels are 8 pixels wide and 4 high here.
    assert ids[29, 72] == label("traffic light")
    assert color_at(page, 72, 29) == LABEL_OF_ID[label("traffic light")].color
    assert color_at(page, 75, 29) == (0, 0, 0)
    page.keyboard.press("f")
    expect(outlines).to_have_attribute("aria-pressed", "false")

    page.get_by_role("button", name="Ignored", exact=True).click()
    until(lambda: color_at(page, *car) == (0, 0, 0), "the photo is not shown")
    x, y = position_of(ids, "caravan")
    stripes = {color_at(page, x, row) for row in range(y - 1, y + 2)}
    assert LABEL_OF_ID[29].color in stripes
    assert stripes <= {LABEL_OF_ID[29].color, (235, 235, 235)}

    page.get_by_role("button", name="Truth", exact=True).click()
    expect(page.locator(".labels button")).to_have_count(len(MAP_LABELS))
    page.keyboard.press("x")
    expect(page.locator(".viewer:fullscreen")).to_be_visible()
    assert cut_off(page) == []
    page.keyboard.press("s")
    expect(page.locator(".columns[data-mode=side]")).to_be_visible()
    assert cut_off(page) == []
    page.keyboard.press("x")


def cut_off(page: Page) -> list[str]:
    """The labels of which a part lies outside of the window."""
    script = """(buttons) => buttons.filter((button) => {
      const { left, right, top, bottom } = button.getBoundingClientRect();
      return left < 0 || top < 0 || right > innerWidth || bottom > innerHeight;
    }).map((button) => button.innerText)"""
    return list(page.locator(".labels button").evaluate_all(script))


def test_a_frame_that_is_not_there_says_so_beside_all_with_their_names_and_help(
    odd_server: Server, page: Page
) -> None:
    page.goto(f"{odd_server.url}/browse?frame=train/town/nowhere")
    expect(page.get_by_text("train/town/nowhere is not among these frames")).to_be_visible()
    expect(page.locator(".thumbnails a")).to_have_count(5)
    page.keyboard.press("?")
    expect(page.locator(".help")).to_contain_text("Previous, next page")
    page.keyboard.press("Escape")
    expect(page.locator(".help")).to_be_hidden()

    expect(page.locator(".thumbnails").get_by_text(f"train / {TAG}")).to_be_visible()
    page.locator(".thumbnails a").first.click()
    wait_for(page, MARKUP)
    expect(page.locator(".name")).to_have_text(MARKUP)
    assert page.locator(".viewer img[src=x]").count() == 0
    page.keyboard.press("?")
    expect(page.locator(".help")).to_contain_text("Back to all frames")
    page.keyboard.press("Escape")
    expect(page.locator(".help")).to_be_hidden()
    expect(page.locator(".stage")).to_be_visible()  # the picture stays open


def test_a_decoder_that_does_not_load_is_reported(
    odd_server: Server, page: Page, pages: Pages
) -> None:
    pages.expected.append("ERR_FAILED")
    page.context.route("**/worker.js", lambda route: route.abort())
    try:
        open_frame(page, odd_server, STREET)
        alert = page.get_by_role("alert").filter(has_text="The viewer's decoder does not run")
        expect(alert).to_be_visible()
    finally:
        page.context.unroute_all()
