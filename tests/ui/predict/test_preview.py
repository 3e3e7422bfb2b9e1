"""Previews: made beside the page, once for all sessions; a fault is a sentence."""

from concurrent.futures import Future
from pathlib import Path

import boxes
import city
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS

from cityseg.data import read_image
from cityseg.errors import CheckpointError
from cityseg.ui.predict.inputs import InputPicture
from cityseg.ui.predict.preview import preview

RNG = np.random.default_rng(0)


@pytest.fixture
def picture() -> InputPicture:
    """Another one for each test, as previews are kept."""
    pixels = RNG.integers(0, 256, (32, 64, 3)).astype(np.uint8)
    return InputPicture("street.png", city.encode(pixels), read_image)


def test_a_preview_has_the_proportions_of_the_street(tmp_path: Path, picture: InputPicture) -> None:
    weights = boxes.stand_in(tmp_path)
    made = preview(weights, picture, 2.0)
    assert preview(weights, picture, 2.0) is made
    assert read_image(made.result(PATIENCE_SECONDS)).shape == (160, 640, 3)


def test_damaged_weights_have_no_preview(tmp_path: Path, picture: InputPicture) -> None:
    weights = boxes.stand_in(tmp_path)
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"street\.safetensors"):
        preview(weights, picture, 1.0).result(PATIENCE_SECONDS)


def script(weights: str, content: bytes, photo: str = "") -> None:
    """The script of a page with a preview."""
    from pathlib import Path

    from cityseg.data import read_image
    from cityseg.ui.predict.inputs import InputPicture
    from cityseg.ui.predict.preview import show_preview

    picture = InputPicture("street.png", content, read_image)
    show_preview(Path(weights), "A <b>net", picture, photo=photo)


def test_a_page_shows_the_photo_until_the_preview_is_there(
    tmp_path: Path, picture: InputPicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityseg.ui.predict.preview.preview", lambda *_: Future())
    arguments = (str(boxes.stand_in(tmp_path)), picture.content, 'frames/a/image?frame="b"')
    app = AppTest.from_function(script, args=arguments, default_timeout=PATIENCE_SECONDS).run()
    assert not app.exception
    (shown,) = [html.proto.body for html in app.get("html")]
    assert 'src="frames/a/image?frame=&quot;b&quot;"' in shown
    assert app.caption[0].value.startswith("Predicting: A \\<b\\>net on street")


def test_a_page_shows_the_preview_when_it_is_there(tmp_path: Path, picture: InputPicture) -> None:
    weights = boxes.stand_in(tmp_path)
    app = AppTest.from_function(
        script, args=(str(weights), picture.content), default_timeout=PATIENCE_SECONDS
    )
    preview(weights, picture, 1.0).result(PATIENCE_SECONDS)
    app.run()
    assert not app.exception
    (shown,) = [html.proto.body for html in app.get("html")]
    assert 'alt="Prediction: A &lt;b&gt;net on street.png"' in shown
    assert 'src="published/' in shown


def test_a_page_shows_what_is_wrong(tmp_path: Path, picture: InputPicture) -> None:
    weights = boxes.stand_in(tmp_path)
    weights.write_bytes(b"")
    app = AppTest.from_function(
        script, args=(str(weights), picture.content), default_timeout=PATIENCE_SECONDS
    )
    preview(weights, picture, 1.0).exception(PATIENCE_SECONDS)
    app.run()
    assert not app.exception
    assert "is empty" in app.caption[0].value
