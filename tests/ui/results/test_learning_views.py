"""The view Learning without a browser: which epochs it compares, and what it says of them."""

from collections.abc import Callable
from pathlib import Path

import boxes
import numpy as np
import pytest
from metric_rows import epoch_row
from streamlit.testing.v1 import AppTest
from tiny_runs import make_run
from waiting import PATIENCE_SECONDS

from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.runs.folder import RunDir
from cityseg.runs.panels import Panel, keep_panels, load_predictions
from cityseg.ui.results import learning_views
from cityseg.ui.results.learning_views import class_curves, learning_history, ranges_text

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
TRUTH = np.array([[0, 0, 10, 255]], np.uint8)
#: After each epoch, for the first of two frames; the second is always right.
PREDICTIONS = [[0, 1, 1, 1], [1, 0, 1, 1], [0, 0, 1, 0], [0, 0, 10, 0]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A run of four epochs with the panels of two frames."""
    boxes.empty_box(tmp_path, monkeypatch)
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    run = make_run(tmp_path / "data", epochs=4)
    image = np.zeros((1, 4, 3), np.uint8)
    for epoch, predicted in enumerate(PREDICTIONS, 1):
        run.append_metrics(epoch_row(epoch, 1.0) | {"mean_iou": 0.5, "class_iou": {}})
        first = Panel("val/ulm/a", image, TRUTH, np.array([predicted], np.uint8))
        keep_panels(run, epoch, 4, [first, Panel("val/ulm/b", image, TRUTH, TRUTH)])
    return run


@pytest.fixture
def open_view(run: RunDir) -> Callable[[], AppTest]:
    def open_view() -> AppTest:
        at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
        at.switch_page("results.py")
        at.query_params["view"] = "Learning"
        at.run()
        assert not at.exception
        return at

    return open_view


def captions(at: AppTest) -> str:
    return "\n".join(caption.value for caption in at.caption)


def test_pixels_are_followed_through_all_epochs(run: RunDir) -> None:
    history = learning_history(run)
    assert history.epochs == [1, 2, 3, 4]
    assert history.of_frame(0, 3).learned.tolist() == [[2, 1, 3, -1]]
    assert history.of_frame(0, 3).forgotten.tolist() == [[1, 0, 0, -1]]
    assert history.of_frame(0, 0).forgotten.tolist() == [[0, 0, 0, -1]]
    assert history.of_frame(1, 3).learned.tolist() == [[0, 0, 0, -1]]
    shares, together = class_curves(history)
    assert shares[:, 0].tolist() == [0.5, 0.75, 1, 1]
    assert shares[:, 10].tolist() == [0.5, 0.5, 0.5, 1]
    assert together.tolist() == pytest.approx([3 / 6, 4 / 6, 5 / 6, 1])


def test_an_epoch_without_predictions_is_left_out(run: RunDir) -> None:
    run.panels_of_epoch(2).unlink()
    history = learning_history(run)
    assert history.epochs == [1, 3, 4]
    assert not history.problems
    assert history.of_frame(0, 2).learned.tolist() == [[0, 1, 2, -1]]
    assert history.of_frame(0, 2).forgotten.tolist() == [[0, 0, 0, -1]]


def test_each_epoch_is_decoded_once_and_a_step_of_the_slider_decodes_one(
    run: RunDir, open_view: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def load(of: RunDir, epoch: int) -> list[np.ndarray]:
        decoded.append(epoch)
        return load_predictions(of, epoch)

    monkeypatch.setattr(learning_views, "load_predictions", load)
    learning_history(run)
    assert decoded == [1, 2, 3, 4]
    at = open_view()
    assert decoded[4:] == [4]  # the history is cached
    at.select_slider[0].set_value(3).run()
    assert decoded[5:] == [3]


@pytest.mark.parametrize("epoch", [2, 4])
def test_a_damaged_epoch_is_named_and_the_others_are_compared(run: RunDir, epoch: int) -> None:
    run.panels_of_epoch(epoch).write_bytes(b"damaged")
    history = learning_history(run)
    assert history.epochs == [number for number in (1, 2, 3, 4) if number != epoch]
    assert len(history.problems) == 1
    assert f"epoch {epoch} " in history.problems[0]


def test_a_run_without_a_readable_epoch_explains_itself(
    run: RunDir, open_view: Callable[[], AppTest]
) -> None:
    run.panels_index.unlink()
    at = open_view()
    assert len(at.warning) == 4
    assert not at.get("plotly_chart")


def test_the_view_says_which_epochs_it_compares_and_follows_the_slider(
    run: RunDir, open_view: Callable[[], AppTest]
) -> None:
    run.panels_of_epoch(3).unlink()
    at = open_view()
    assert "3 epochs: 1–2, 4." in captions(at)
    assert "After epoch 4, of the labelled pixels: 100.0% right" in captions(at)
    at.select_slider[0].set_value(1).run()
    assert not at.exception
    assert "After epoch 1, of the labelled pixels: 33.3% right, 0.0% learned for" in captions(at)
    at.selectbox(key="panel").set_value("val/ulm/b").run()
    assert "100.0% right, 100.0% learned for good, 0.0% forgotten" in captions(at)


def test_a_run_without_predictions_says_what_to_do(
    run: RunDir, open_view: Callable[[], AppTest]
) -> None:
    for file in run.panels.iterdir():
        file.unlink()
    at = open_view()
    assert "choose a run that was trained here" in at.info[0].value


def test_epochs_in_words() -> None:
    assert ranges_text([1, 2, 3, 5, 7, 8]) == "1–3, 5, 7–8"
    assert ranges_text([4]) == "4"
