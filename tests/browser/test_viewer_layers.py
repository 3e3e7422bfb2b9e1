"""Predictions in the viewer: classes, errors, confidence, drawn from made-up maps."""

from collections.abc import Callable

import city
import numpy as np
import pytest
from harness import Server
from playwright.sync_api import Page, expect
from waiting import until

from cityseg.data import png
from cityseg.labels import IGNORE

HEIGHT, WIDTH = 8, 16
ROAD, CAR, TRUCK = 0, 13, 14

#: Two pictures: truth and prediction by columns, and a prediction of another size than the truth.
SCRIPT = """
import sys
from pathlib import Path
import streamlit as st
from cityseg.ui.routes import publish
from cityseg.ui.viewer import Picture, viewer
files = {path.stem: publish(path.read_bytes(), "image/png") for path in Path(FOLDER).glob("*.png")}
maps = {kind: files[kind] for kind in ("image", "mask", "prediction", "confidence")}
pictures = [Picture("first", note="<b>a note</b>", **maps),
            Picture("second", **maps | {"prediction": files["small"]})]
st.write("Shown:", viewer(pictures, key="predicted", reports_frame=True))
"""
APP = """
import streamlit as st
from cityseg.ui.routes import ROUTES
app = st.App(SCRIPT, routes=ROUTES)
"""


@pytest.fixture(scope="module")
def predicted(
    tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Server]
) -> Server:
    """The viewer alone, on four columns of truth: road, car, car, ignored."""
    folder = tmp_path_factory.mktemp("maps")
    for name, columns in {
        "mask": (ROAD, CAR, CAR, IGNORE),
        "prediction": (ROAD, CAR, TRUCK, TRUCK),
        "confidence": (255, 128, 0, 64),
        "image": (100, 100, 100, 100),
    }.items():
        values = np.repeat(np.array(columns, np.uint8), WIDTH // 4)
        city.write(folder / f"{name}.png", png.encode_grey(np.tile(values, (HEIGHT, 1))))
    city.write(folder / "small.png", png.encode_grey(np.zeros((4, 4), np.uint8)))
    script = city.write(folder / "script.py", SCRIPT.replace("FOLDER", repr(str(folder))).encode())
    app = city.write(folder / "app.py", APP.replace("SCRIPT", repr(str(script))).encode())
    return start_server(folder, app=app)


def open_first(page: Page, server: Server) -> None:
    page.goto(server.url)
    wait_for(page, "first")


def wait_for(page: Page, name: str) -> None:
    expect(page.locator(".viewer")).to_have_attribute("data-painted", name)


def columns_at(page: Page, opacity: float = 1) -> list[tuple[int, ...]]:
    """RGB in the middle of each of the four columns."""
    page.get_by_label("Opacity of the layer").fill(str(opacity))
    colors = page.locator(".stage canvas").evaluate(
        """async (canvas) => {
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const middle = (column) => Math.floor(canvas.width * (column + 0.5) / 4);
          return [0, 1, 2, 3].map((column) => [...canvas.getContext("2d")
            .getImageData(middle(column), canvas.height / 2, 1, 1).data.slice(0, 3)]);
        }"""
    )
    return [tuple(color) for color in colors]


def is_darker_where_unsure(page: Page) -> bool:
    sure, half, unsure, quarter = (sum(color) for color in columns_at(page))
    return unsure < quarter < half < sure


def hover_column(page: Page, column: int) -> None:
    box = page.locator(".stage canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * (column + 0.5) / 4, box["y"] + box["height"] / 2)


def test_layers_have_the_colors_of_classes_errors_and_confidence(
    predicted: Server, page: Page
) -> None:
    open_first(page, predicted)
    photo, error = (100, 100, 100), (255, 45, 85)
    assert columns_at(page) == [(128, 64, 128), (0, 0, 142), (0, 0, 70), (0, 0, 70)]

    page.locator(".stage canvas").focus()
    page.keyboard.down(" ")  # the photo while it is held
    until(lambda: columns_at(page)[0] == photo, "the photo is not shown")
    page.locator(".stage canvas").focus()
    page.keyboard.up(" ")
    until(lambda: columns_at(page)[0] == (128, 64, 128), "the classes are not shown again")

    page.get_by_role("button", name="Errors", exact=True).click()
    differs = [photo, photo, error, photo]  # where the truth counts and differs
    until(lambda: columns_at(page) == differs, "the errors are not shown")
    expect(page.locator(".legend button", has_text="car")).to_have_text("car25.0%")

    page.get_by_role("button", name="Confidence", exact=True).click()
    until(lambda: is_darker_where_unsure(page), "the confidence is not shown")


def test_the_readout_the_note_and_the_report_are_those_of_the_picture(
    predicted: Server, page: Page
) -> None:
    open_first(page, predicted)
    expect(page.locator(".note")).to_have_text("<b>a note</b>")
    hover_column(page, 2)
    expect(page.locator(".readout")).to_contain_text("Mask: car, train id 13")
    expect(page.locator(".readout")).to_contain_text("Predicted: truck, train id 14, 0% sure")
    hover_column(page, 1)
    expect(page.locator(".readout")).to_contain_text("Predicted: car, train id 13, 50% sure")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Shown: second")).to_be_visible()
    wait_for(page, "second")
    # Maps of different sizes are not compared.
    expect(page.get_by_text("The prediction has 4×4 pixels, the labels 16×8.")).to_be_visible()
