"""The page Predict without a browser: its choices, its scores, and broken inputs.

Also tests: ui/predict/inputs, ui/predict/networks, ui/predict/prediction_view,
ui/predict/uploads, ui/predict/worse.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boxes
import city
import numpy as np
import pytest
import tiny_runs
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS

from cityseg.corruption import Corruption
from cityseg.data.annotations import read_label_ids
from cityseg.data.dataset import find_frames
from cityseg.data.images import read_image
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.metrics.picture import score_picture
from cityseg.prediction.corruptions import corrupt_picture
from cityseg.prediction.predictor import Predictor
from cityseg.runs.folder import RunDir
from cityseg.ui import cached, network_exports
from cityseg.ui.folders import Folders
from cityseg.ui.predict import inputs, networks, prediction_view
from cityseg.ui.predict.inference import Predicted
from cityseg.ui.viewer import Picture

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
FRAMES = [f"val/tiny/tiny_000000_{number:06d}" for number in range(2)]
HOSTILE = "<img src=x onerror=alert(1)> **bold** :red[red]"

Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A trained run beside its city; `run.path.parent` is the folder of runs."""
    data = tiny_runs.make_city(tmp_path_factory.mktemp("predict") / "city", train=2, val=2)
    return tiny_runs.trained(data, save_every=1, title=HOSTILE)


@pytest.fixture(scope="module")
def many_frames(run: RunDir, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More frames than one select box offers, links to one: 3 and 2 of val, and a long city."""
    root = tmp_path_factory.mktemp("many")
    frame = find_frames(run.config().data)[0]
    assert frame.image
    assert frame.label_ids
    for split, name, count in (
        ("val", "aachen", 3),
        ("val", "bonn", 2),
        ("train", "cologne", 1001),
    ):
        for number in range(count):
            stem = f"{name}_000000_{number:06d}"
            image = city.image_path(root, stem, split)
            annotation = city.annotation_path(root, stem, split)
            for link, file in ((image, frame.image), (annotation, frame.label_ids)):
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file)
    return root


@pytest.fixture(autouse=True)
def _empty_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ships: tests that want a network in the box fill it."""
    boxes.empty_box(tmp_path, monkeypatch)


@pytest.fixture
def open_page(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> Open:
    """`open_page(data=…, runs=…, **query)`: the page on these folders, else those of `run`."""

    def open_page(data: Path | None = None, runs: Path | None = None, **query: str) -> AppTest:
        monkeypatch.setenv(DATASET_VARIABLE, str(data or run.config().data))
        monkeypatch.setenv(RUNS_VARIABLE, str(runs or run.path.parent))
        app = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
        app.query_params.update(query)
        return app.switch_page("predict.py").run()

    return open_page


def sentences(app: AppTest) -> str:
    """The texts of all boxes, without the backslashes that escape Markdown."""
    assert not app.exception
    boxes = [*app.error, *app.warning, *app.info]
    return "\n".join(re.sub(r"\\(.)", r"\1", box.value) for box in boxes)


def metrics_of(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def captions(app: AppTest) -> str:
    return "\n".join(re.sub(r"\\(.)", r"\1", caption.value) for caption in app.caption)


def upload(app: AppTest, label: str, name: str, content: bytes) -> AppTest:
    (field,) = [each for each in app.file_uploader if each.label == label]
    field.set_value((name, content, "application/octet-stream"))
    return app.run()


def test_without_a_run_it_says_where_to_train_one(open_page: Open, tmp_path: Path) -> None:
    app = open_page(runs=tmp_path)
    assert "has saved a network" in sentences(app)
    assert "Train a network" in [link.proto.label for link in app.get("page_link")]
    assert not metrics_of(app)


def test_a_run_behind_a_link_of_another_name_is_offered_by_it(
    open_page: Open, run: RunDir, tmp_path: Path
) -> None:
    (tmp_path / "linked").symlink_to(run.path)
    app = open_page(runs=tmp_path)
    assert not app.exception
    assert app.selectbox(key="network").value == "linked"


def test_a_network_or_a_frame_that_is_not_there_is_named(open_page: Open) -> None:
    app = open_page(network="20250101-000000-unet-00000000", frame="val/a/a_0_0")
    for name in ("network 20250101-000000-unet-00000000", "photo of val/a/a_0_0"):
        assert f"There is no {name} here." in sentences(app)
    app.selectbox(key="frame").select_index(1).run()
    assert "There is no photo" not in sentences(app)


def test_an_annotation_of_another_size_is_named(open_page: Open, tmp_path: Path) -> None:
    city.write_frame(tmp_path, "a_0_0", "val", label_ids=city.street(64, 128))
    city.write(city.image_path(tmp_path, "a_0_0", "val"), city.encode(np.zeros((32, 64, 3), "u1")))
    app = open_page(data=tmp_path)
    assert "has 128×64 pixels, its image 64×32: use both at one size." in sentences(app)


def test_without_a_dataset_a_painted_street_is_predicted_and_scored(
    open_page: Open, tmp_path: Path
) -> None:
    app = open_page(data=tmp_path / "nothing")
    assert "There is no folder" in captions(app)
    assert "Get frames" in [link.proto.label for link in app.get("page_link")]
    assert metrics_of(app).keys() >= {"Mean IoU", "Pixel accuracy"}
    assert metrics_of(app)["Size"] == "512×256"


def test_the_network_in_the_box_comes_first(
    open_page: Open, run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes.fill_box(tmp_path / "box", monkeypatch)
    app = open_page()
    network = app.selectbox(key="network")
    assert network.options[0] == "Street network (in the box)"
    assert network.value == "box"
    assert "Predicted by Street network (in the box), for non-commercial use only." in captions(app)
    assert "For non-commercial use only" in card_of(app)
    assert "# Street network" not in card_of(app)
    network.set_value(run.id).run()
    assert f"Predicted by {HOSTILE}." in captions(app)
    assert "non-commercial" not in card_of(app)


def test_nothing_but_the_box_is_needed(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes.fill_box(tmp_path / "box", monkeypatch)
    app = open_page(data=tmp_path / "nothing", runs=tmp_path / "nowhere")
    assert sentences(app) == ""
    assert "Mean IoU" in metrics_of(app)


def test_a_run_called_as_the_box_is_another_network(
    open_page: Open, run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes.fill_box(tmp_path / "box", monkeypatch)
    shutil.copytree(run.path, tmp_path / "runs" / "box")
    app = open_page(runs=tmp_path / "runs", network="./box")
    assert f"Predicted by {HOSTILE}." in captions(app)


def card_of(app: AppTest) -> str:
    return "\n".join(markdown.value for markdown in app.markdown)


def test_the_network_is_exported_as_the_options_say(
    open_page: Open, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []
    show = "show_export_menu"
    monkeypatch.setattr(network_exports, show, lambda folders, *others: asked.append(others))
    open_page(sliding="true")
    assert asked == [({HOSTILE: run.best}, ("--sliding",))]


def test_a_network_of_a_run_has_a_card(open_page: Open, run: RunDir) -> None:
    card = card_of(open_page())
    assert "python -m cityseg train --data DATA" in card
    assert (
        f"| **Mean IoU** | {max(row['mean_iou'] for row in tiny_runs.epoch_rows(run)):.3f} |"
        in card
    )
    assert HOSTILE not in card


@pytest.mark.parametrize("removed_before", [True, False])
def test_a_refused_file_leaves_the_good_one_in_use(
    open_page: Open, run: RunDir, removed_before: bool
) -> None:
    app = open_page(network="File")
    app = upload(app, "Weights file", "good.safetensors", run.best.read_bytes())
    wanted = metrics_of(app)["Mean IoU"]
    if removed_before:  # as a browser replaces a file
        app.file_uploader[0].set_value(None).run()
        assert not metrics_of(app)
    app = upload(app, "Weights file", "old.pt", b"\x80\x04cbuiltins\nprint\n.")
    assert "old.pt is a PyTorch file" in sentences(app)
    assert "good.safetensors is used instead." in sentences(app)
    assert [each.value for each in app.file_uploader] == [None]
    assert metrics_of(app)["Mean IoU"] == wanted
    app = upload(app, "Weights file", "again.safetensors", run.best.read_bytes())
    assert sentences(app) == ""
    assert "Predicted by again.safetensors." in captions(app)


def test_a_file_that_is_removed_is_not_used_any_more(open_page: Open) -> None:
    app = open_page(picture="File")
    app = upload(app, "Picture file", "a.png", city.encode(np.zeros((20, 30, 3), np.uint8)))
    assert metrics_of(app)
    app.file_uploader[0].set_value(None).run()
    assert not metrics_of(app)


def test_the_choices_are_drawn_before_torch_is_loaded(run: RunDir) -> None:
    code = f"""
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(MAIN)!r}, default_timeout={PATIENCE_SECONDS})
app.query_params["picture"] = "File"
app.query_params["network"] = {run.id!r}
app.switch_page("predict.py").run()
assert not app.exception
assert app.selectbox(key="weights").options[0].startswith("Best")
assert "torch" not in sys.modules
"""
    folders = {DATASET_VARIABLE: str(run.config().data), RUNS_VARIABLE: str(run.path.parent)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=os.environ | folders, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_no_download_depends_on_a_file_that_the_next_rerun_removes(open_page: Open) -> None:
    buttons = open_page().get("download_button")
    assert len(buttons) == 5
    assert all(button.proto.deferred_file_id for button in buttons)


def test_without_a_dataset_the_other_pictures_are_still_offered(
    open_page: Open, tmp_path: Path
) -> None:
    app = open_page(data=tmp_path / "nothing")
    app.button_group(key="picture").set_value("File").run()
    assert sentences(app) == ""
    app = upload(app, "Picture file", "a.png", city.encode(np.zeros((20, 30, 3), np.uint8)))
    assert metrics_of(app)["Size"] == "30×20"


def test_at_first_it_predicts_a_validation_frame_with_the_best_weights(
    open_page: Open, run: RunDir
) -> None:
    app = open_page()
    frame = find_frames(run.config().data, ["val"])[0]
    assert frame.image
    assert frame.label_ids
    predicted = Predictor.load(run.path).predict(read_image(frame.image)).train_ids
    truth = score_picture(predicted, read_label_ids(frame.label_ids)).truth
    assert truth
    shown = metrics_of(app)
    assert app.selectbox(key="frame").value == FRAMES[0]
    assert shown["Mean IoU"] == f"{truth.mean_iou:.1%}"
    assert shown["Pixel accuracy"] == f"{truth.pixel_accuracy:.1%}"


def test_each_kept_checkpoint_is_offered_with_its_score(open_page: Open, run: RunDir) -> None:
    offered = open_page().selectbox(key="weights").options
    scores = [f"{row['mean_iou']:.1%}" for row in tiny_runs.epoch_rows(run)]
    assert offered[0].startswith("Best · epoch")
    assert offered[1:] == [
        f"Epoch 002 · mean IoU {scores[1]}",
        f"Epoch 001 · mean IoU {scores[0]}",
    ]


def test_of_many_runs_only_the_chosen_one_is_looked_through(
    open_page: Open, run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first paint, and a folder may have thousands of runs."""
    runs = tmp_path / "runs"
    for name in ("20260101-000000-a", "20260102-000000-b", "20260103-000000-c"):
        shutil.copytree(run.path, runs / name)
    RunDir(runs / "20260102-000000-b").best.unlink()
    looked: list[str] = []
    found = networks.kept_weights
    monkeypatch.setattr(
        networks, "kept_weights", lambda each: looked.append(each.id) or found(each)
    )
    app = open_page(runs=runs, network="20260101-000000-a")
    assert len(app.selectbox(key="network").options) == 4  # and a file
    assert sorted(looked) == ["20260101-000000-a", "20260102-000000-b"]


def test_the_address_holds_the_choice(open_page: Open, run: RunDir) -> None:
    app = open_page(frame=FRAMES[1], weights="epoch-001", network=run.id)
    assert app.selectbox(key="frame").value == FRAMES[1]
    assert app.selectbox(key="weights").value == "epoch-001"
    app.selectbox(key="weights").set_value("epoch-002").run()
    assert app.query_params["weights"] == "epoch-002"


def test_links_of_version_0_1_0_name_the_run_elsewhere(open_page: Open, run: RunDir) -> None:
    app = open_page(network="Run", network_run=run.id)
    assert app.selectbox(key="network").value == run.id
    assert "network_run" not in app.query_params


def test_next_and_previous_step_through_the_frames(open_page: Open) -> None:
    app = open_page()
    assert app.button(key="Previous").disabled
    app.button(key="Next").click().run()
    assert app.selectbox(key="frame").value == FRAMES[1]
    assert app.query_params["frame"] == FRAMES[1]
    app.button(key="Previous").click().run()
    assert app.selectbox(key="frame").value == FRAMES[0]


def test_of_few_frames_all_are_in_one_select_box(open_page: Open) -> None:
    app = open_page()
    assert "frames_of" not in {box.key for box in app.selectbox}
    assert app.selectbox(key="frame").options[:2] == FRAMES


def test_of_many_frames_only_those_of_one_city_are_in_a_select_box(
    open_page: Open, many_frames: Path
) -> None:
    """A browser takes long to draw thousands of options."""
    app = open_page(data=many_frames)
    cities = app.selectbox(key="frames_of")
    assert cities.label == "Split and city"
    assert cities.options == [
        "val · aachen (3)",
        "val · bonn (2)",
        "train · cologne (1–1,000 of 1,001)",
        "train · cologne (1,001–1,001 of 1,001)",
    ]
    assert app.selectbox(key="frame").options == [f"aachen_000000_{n:06d}" for n in range(3)]
    cities.set_value("val · bonn (2)").run()
    assert app.selectbox(key="frame").options == ["bonn_000000_000000", "bonn_000000_000001"]
    assert app.query_params["frame"] == "val/bonn/bonn_000000_000000"
    assert "frames_of" not in app.query_params


@pytest.mark.parametrize(
    ("frame", "part"),
    [
        ("val/bonn/bonn_000000_000001", "val · bonn (2)"),
        ("train/cologne/cologne_000000_001000", "train · cologne (1,001–1,001 of 1,001)"),
    ],
)
def test_a_link_to_one_of_many_frames_chooses_its_city(
    open_page: Open, many_frames: Path, frame: str, part: str
) -> None:
    app = open_page(data=many_frames, frame=frame)
    assert app.selectbox(key="frames_of").value == part
    assert app.selectbox(key="frame").value == frame


def test_a_link_to_a_frame_that_is_gone_shows_the_first_of_many(
    open_page: Open, many_frames: Path
) -> None:
    app = open_page(data=many_frames, frame="val/bonn/gone")
    assert app.selectbox(key="frame").value == "val/aachen/aachen_000000_000000"


@pytest.mark.parametrize(
    ("last", "first"),
    [
        ("val/aachen/aachen_000000_000002", "val/bonn/bonn_000000_000000"),
        ("val/bonn/bonn_000000_000001", "train/cologne/cologne_000000_000000"),
        ("train/cologne/cologne_000000_000999", "train/cologne/cologne_000000_001000"),
    ],
)
def test_next_and_previous_step_from_city_to_city(
    open_page: Open, many_frames: Path, last: str, first: str
) -> None:
    app = open_page(data=many_frames, frame=last)
    app.button(key="Next").click().run()
    assert app.selectbox(key="frame").value == first
    assert len(app.selectbox(key="frame").options) <= 1000
    app.button(key="Previous").click().run()
    assert app.selectbox(key="frame").value == last


def test_a_text_file_called_png_is_explained_and_the_page_stays_usable(open_page: Open) -> None:
    app = upload(open_page(picture="File"), "Picture file", "notes.png", b"Dear diary,")
    assert "notes.png is damaged or no picture" in sentences(app)
    assert not metrics_of(app)
    app = upload(app, "Picture file", "a.png", city.encode(np.zeros((20, 30, 3), np.uint8)))
    assert sentences(app) == ""
    assert metrics_of(app)["Size"] == "30×20"


@pytest.mark.parametrize("removed", ["weights", "run", "runs"])
def test_what_is_removed_while_it_predicts_is_said(
    open_page: Open, run: RunDir, tmp_path: Path, removed: str
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(run.path, runs / run.id)
    app = open_page(runs=runs)
    assert "Mean IoU" in metrics_of(app)
    gone = {"weights": RunDir(runs / run.id).checkpoints, "run": runs / run.id, "runs": runs}
    shutil.rmtree(gone[removed])
    app.run()
    assert "has saved a network" in sentences(app)
    assert not metrics_of(app)


def test_weights_that_vanish_between_choice_and_prediction_are_explained(
    open_page: Open, run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(run.path, runs / run.id)
    choose = inputs.choose_picture

    def remove_then_choose(
        source: str, folders: Folders, below: DeltaGenerator
    ) -> inputs.InputPicture | None:
        shutil.rmtree(runs, ignore_errors=True)
        return choose(source, folders, below)

    monkeypatch.setattr(inputs, "choose_picture", remove_then_choose)
    assert "There is no checkpoint" in sentences(open_page(runs=runs))


def test_an_upload_has_no_scores(open_page: Open) -> None:
    app = open_page(picture="File")
    app = upload(app, "Picture file", "a.png", city.encode(np.zeros((20, 30, 3), np.uint8)))
    assert "Mean IoU" not in metrics_of(app)


def test_names_and_titles_are_shown_as_they_are(open_page: Open) -> None:
    app = open_page(picture="File")
    assert HOSTILE in app.selectbox(key="network").options
    app = upload(app, "Picture file", f"{HOSTILE}.png", b"Dear diary,")
    assert f"{HOSTILE}.png is damaged" in sentences(app)


def test_uploaded_weights_predict_as_the_run_does(open_page: Open, run: RunDir) -> None:
    wanted = metrics_of(open_page())["Mean IoU"]
    app = upload(open_page(network="File"), "Weights file", "a.safetensors", run.best.read_bytes())
    assert metrics_of(app)["Mean IoU"] == wanted


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "mine.safetensors is empty, as a damaged file is"),
        (b"no weights", "mine.safetensors is damaged or not a safetensors file"),
        (b"\x80\x04cbuiltins\nprint\n.", "mine.safetensors is a PyTorch file of more than tensors"),
    ],
)
def test_an_uploaded_file_that_holds_no_weights_is_explained(
    open_page: Open, content: bytes, message: str
) -> None:
    app = upload(open_page(network="File"), "Weights file", "mine.safetensors", content)
    assert message in sentences(app)


def test_damaged_weights_of_a_run_are_explained_and_others_still_work(
    open_page: Open, run: RunDir
) -> None:
    broken = run.of_epoch(2)
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        app = open_page(weights="epoch-002")
        assert "epoch-002.safetensors is damaged (its digest differs)" in sentences(app)
        app.selectbox(key="weights").set_value("best").run()
        assert sentences(app) == ""
        assert "Mean IoU" in metrics_of(app)
    finally:
        broken.write_bytes(whole)


def test_a_broken_annotation_only_hides_the_scores(open_page: Open, tmp_path: Path) -> None:
    data = tiny_runs.make_city(tmp_path / "city", train=0, val=1)
    frame = find_frames(data)[0]
    assert frame.label_ids
    frame.label_ids.write_bytes(b"")
    app = open_page(data=data)
    assert "No scores:" in sentences(app)
    assert "is empty: fetch it again" in sentences(app)
    assert metrics_of(app).keys() == {"Size", "Time to predict", "Time to decode"}


def test_a_broken_photo_is_explained(open_page: Open, tmp_path: Path) -> None:
    data = tiny_runs.make_city(tmp_path / "city", train=0, val=1)
    frame = find_frames(data)[0]
    assert frame.image
    frame.image.write_bytes(frame.image.read_bytes()[:-20])
    assert "is damaged or no picture: fetch it again" in sentences(open_page(data=data))


def test_the_truth_is_read_in_the_encoding_of_the_dataset(open_page: Open, tmp_path: Path) -> None:
    data = tiny_runs.make_city(tmp_path / "city", train=0, val=1)
    frame = find_frames(data)[0]
    assert frame.label_ids
    expected = metrics_of(open_page(data=data))["Mean IoU"]
    frame.label_ids.write_bytes(city.encode(city.train_ids_of(read_label_ids(frame.label_ids))))
    for path in (frame.instance_ids, frame.polygons):
        if path:
            path.unlink()
    cached.forget_frames()
    app = open_page(data=data)
    assert sentences(app) == ""
    assert metrics_of(app)["Mean IoU"] == expected


def test_annotations_of_unclear_encoding_give_no_scores(open_page: Open, tmp_path: Path) -> None:
    data = tiny_runs.make_city(tmp_path / "city", train=0, val=1)
    frame = find_frames(data)[0]
    assert frame.label_ids
    road = read_label_ids(frame.label_ids) == 7
    frame.label_ids.write_bytes(city.encode(road.astype(np.uint8)))
    for path in (frame.instance_ids, frame.polygons):
        if path:
            path.unlink()
    cached.forget_frames()
    assert "choose it on the page Masks" in sentences(open_page(data=data))


def test_a_corruption_changes_the_picture_its_prediction_and_its_scores(
    open_page: Open, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Picture] = []
    monkeypatch.setattr(
        prediction_view, "viewer", lambda pictures, **settings: shown.extend(pictures)
    )
    app = open_page(frame=FRAMES[0], worse="Fog", severity="5")
    assert app.selectbox(key="worse").value == "Fog"
    assert app.slider(key="severity").value == 5
    assert "Made worse: Fog, severity 5." in captions(app)
    (frame,) = [each for each in find_frames(run.config().data, ["val"]) if each.name == FRAMES[0]]
    assert frame.image
    assert frame.label_ids
    picture = corrupt_picture(read_image(frame.image), Corruption("fog", 5), frame.name)
    train_ids = Predictor.load(run.best).predict_train_ids(picture)
    scores = score_picture(train_ids, read_label_ids(frame.label_ids)).truth
    assert scores
    assert metrics_of(app)["Pixel accuracy"] == f"{scores.pixel_accuracy:.1%}"
    open_page(frame=FRAMES[0])
    worse, plain = shown
    assert worse.image != plain.image
    assert worse.prediction != plain.prediction
    assert worse.labels == plain.labels


@pytest.mark.parametrize("has_frames", [True, False])
def test_the_photo_is_shown_until_the_first_prediction_is_there(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_frames: bool
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(prediction_view.st, "html", shown.append)
    predict = prediction_view.predict

    def after_the_photo(*arguments: Any, **options: Any) -> Predicted:
        assert sum("<img" in each for each in shown) == 1
        return predict(*arguments, **options)

    monkeypatch.setattr(prediction_view, "predict", after_the_photo)
    app = open_page() if has_frames else open_page(data=tmp_path / "nothing")
    assert not app.exception
    (photo,) = [each for each in shown if "<img" in each]
    name = f"image?frame={quote(FRAMES[0], safe='')}" if has_frames else "published/"
    assert name in photo
    app.toggle(key="mirrored").set_value(True).run()
    assert not app.exception  # the viewer shows the prediction before: no photo more
    assert sum("<img" in each for each in shown) == 1
