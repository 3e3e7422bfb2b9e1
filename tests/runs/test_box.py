"""The network in the box: what ships keeps its promises, and it can be seen as a run.

Until a network ships, a stand-in of the same writer takes its place.
"""

import pickle
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import boxes
import numpy as np
import pytest
import torch
from setuptools import Distribution

from cityseg.errors import CheckpointError
from cityseg.evaluation import run_scores
from cityseg.labels import CLASS_NAMES, LABEL_ID_OF_TRAIN_ID
from cityseg.metrics import ConfusionStore
from cityseg.metrics.counts import count_frame
from cityseg.prediction import Predictor
from cityseg.runs import BoxRun, box_card, networks, read_config
from cityseg.sample import paint_frame

ROOT = Path(__file__).parents[2]
FOLDER = networks._FOLDER
SHIPPED = sorted(FOLDER.glob("*.safetensors"))
MOST_BYTES = 12_000_000
#: On frames of the sample city, which it has never seen.
LEAST_MEAN_IOU = 0.30
#: Of two cores, by size: 0.25 s at 256×512 and 1 s at 512×1024.
MOST_CPU_SECONDS = {(256, 512): 0.5, (512, 1024): 2.0}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights that ship, else a stand-in."""
    return SHIPPED[0] if SHIPPED else boxes.stand_in(tmp_path_factory.mktemp("box"))


@pytest.fixture(scope="module")
def predictor(weights: Path) -> Iterator[Predictor]:
    """Loaded where neither a connection nor a pickle can be opened."""
    Predictor.load(weights, "cpu")  # libraries are imported before

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("The network in the box opens a connection or a pickle.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        for owner, name in ((pickle, "load"), (pickle, "loads"), (torch, "load")):
            patch.setattr(owner, name, refuse)
        yield Predictor.load(weights, "cpu")


def test_one_network_ships_at_most() -> None:
    assert len(SHIPPED) <= 1


def test_the_weights_fit_the_box_and_have_a_card(weights: Path) -> None:
    assert weights.stat().st_size <= MOST_BYTES
    card = weights.with_suffix(".md").read_text()
    assert "non-commercial use only" in card
    assert "python -m cityseg train" in card
    assert all(f"| {name} |" in card for name in CLASS_NAMES)


def test_the_weights_name_no_folder_of_the_machine_they_come_from(weights: Path) -> None:
    config = read_config(weights)
    paths = {name: value for name, value in config if isinstance(value, Path)}
    assert paths == {"data": Path("data")}


def test_it_loads_without_a_connection_and_without_pickle(predictor: Predictor) -> None:
    assert predictor.predict_train_ids(np.zeros((32, 64, 3), np.uint8)).shape == (32, 64)


def test_the_network_that_ships_sees_the_streets_of_the_sample_city(predictor: Predictor) -> None:
    """The stand-in, which has learned nothing, does not: the score can tell."""
    counts = []
    for index in range(3):
        picture, label_ids = paint_frame("val", index)
        predicted = LABEL_ID_OF_TRAIN_ID[predictor.predict_train_ids(picture)]
        counts.append(count_frame(f"{index}", label_ids, predicted))
    mean_iou = ConfusionStore.of(counts).scores().mean_iou
    assert mean_iou is not None
    assert (mean_iou >= LEAST_MEAN_IOU) == bool(SHIPPED), f"mean IoU {mean_iou:.3f}"


@pytest.mark.parametrize("size_hw", MOST_CPU_SECONDS)
def test_it_predicts_within_its_time(predictor: Predictor, size_hw: tuple[int, int]) -> None:
    picture = np.zeros((*size_hw, 3), np.uint8)

    def cpu_seconds() -> float:
        start = time.process_time()
        predictor.predict(picture, size_hw=size_hw)
        return time.process_time() - start

    assert min(cpu_seconds() for _ in range(3)) <= MOST_CPU_SECONDS[size_hw]


def test_the_package_contains_everything_in_the_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """As setuptools finds it, which builds wheels."""
    monkeypatch.chdir(ROOT)
    distribution = Distribution({"packages": ["cityseg.models"]})
    distribution.parse_config_files(["pyproject.toml"])
    distribution.packages = ["cityseg.models"]
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    ((package, folder, _, names),) = build.get_data_files_without_manifest()
    found = {Path(folder, name) for name in names}
    wanted = {path.relative_to(ROOT) for path in FOLDER.iterdir()}
    assert Path("cityseg/models/box/LICENSE.md") in wanted
    assert (package, found) == ("cityseg.models", wanted)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return boxes.fill_box(tmp_path / "box", monkeypatch, width=3)


def test_the_box_is_a_run_whose_scores_lie_in_the_folder_of_runs(box: Path, tmp_path: Path) -> None:
    run = BoxRun.below(tmp_path / "runs")
    assert (run.id, run.best) == ("box", box)
    assert run.config().width == 3
    scores = run.scores_file("val")
    assert scores.name == "scores-val.json"
    assert scores.parent.parent == tmp_path / "runs" / ".box"
    assert not run.path.exists()


def test_another_network_in_the_box_has_other_scores(
    box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = BoxRun.below(tmp_path).path
    boxes.fill_box(tmp_path / "box", monkeypatch, width=2)
    assert BoxRun.below(tmp_path).path != before


@pytest.mark.usefixtures("box")
def test_its_scores_are_those_of_its_validation(tmp_path: Path) -> None:
    run = BoxRun.below(tmp_path)
    scores = run_scores(run, "The box", run.metrics())
    assert scores
    assert (scores.epoch, scores.mean_iou, scores.pixel_accuracy) == (3, 0.5, 0.75)
    assert scores.class_iou["road"] == 0.5
    assert "the network's own validation frames" in scores.validated_on


def test_the_card_is_read_beside_the_weights(box: Path) -> None:
    assert box_card().startswith("# Street network")
    box.with_suffix(".md").unlink()
    with pytest.raises(CheckpointError, match=r"street\.md cannot be read .*: install cityseg"):
        box_card()


def test_an_empty_box_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes.empty_box(tmp_path, monkeypatch)
    with pytest.raises(CheckpointError, match="No network ships"):
        BoxRun.below(tmp_path)
