"""What names a trained network: box, a run's folder, a weights file; and what a start inherits."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import tiny_config

from cityseg.cli.main import main
from cityseg.errors import CheckpointError, ConfigError
from cityseg.models import model_of
from cityseg.runs import (
    box_weights,
    find_weights,
    inherited_settings,
    is_box,
    network_path,
    networks,
    started_config,
)
from cityseg.runs.checkpoints import save_weights
from cityseg.runs.folder import RunDir


def save(path: Path, **values: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    config = tiny_config(Path("/data"), **values)
    save_weights(path, model_of(config), config, 1, {"mean_iou": None})
    return path


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network in the box."""
    monkeypatch.setattr(networks, "_FOLDER", tmp_path / "box")
    return save(tmp_path / "box" / "street.safetensors", width=3, norm="group")


@pytest.fixture
def empty_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_FOLDER", tmp_path / "nowhere")


def test_the_weights_of_a_run_are_its_best(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, tiny_config(tmp_path))
    with pytest.raises(CheckpointError, match=r"has no best\.safetensors: train it"):
        find_weights(run.path)
    save(run.best)
    assert find_weights(run.path) == run.best
    assert find_weights(run.best) == run.best
    assert find_weights(str(run.path)) == run.best


def test_box_is_the_network_that_ships(box: Path) -> None:
    assert box_weights() == find_weights("box") == network_path("box") == box
    assert is_box(box)
    assert not is_box(box.parent.parent / "street.safetensors")


def test_a_path_called_box_is_written_with_a_dot(
    box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("box").rename("elsewhere")
    run = RunDir.create(tmp_path, tiny_config(tmp_path))
    save(run.best)
    run.path.rename("box")
    assert find_weights("./box") == Path("box/checkpoints/best.safetensors")
    assert find_weights(Path("box")) == Path("box/checkpoints/best.safetensors")
    assert network_path("./box") == Path("box")


@pytest.mark.usefixtures("empty_box")
def test_an_empty_box_is_said_plainly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckpointError, match="No network ships with this version of cityseg"):
        find_weights("box")
    picture = tmp_path / "a.png"
    for arguments in (["evaluate", "box"], ["predict", str(picture), "--network", "box"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 1
        assert "No network ships with this version of cityseg" in capsys.readouterr().err


def test_a_start_inherits_the_shape_of_the_network(tmp_path: Path) -> None:
    path = save(tmp_path / "w.safetensors", width=3, norm="group", size=(64, 64))
    shape = {"model": "unet", "width": 3, "norm": "group", "decoder_width": 0}
    assert inherited_settings(path) == shape
    config = started_config({"start_from": str(path), "epochs": "3"}, "fast")
    assert {name: getattr(config, name) for name in shape} == shape
    assert (config.start_from, config.epochs, config.size) == (path, 3, (512, 1024))
    assert started_config({"width": "5"}).width == 5
    assert started_config({"start_from": "none", "width": "5"}).width == 5


def test_a_start_from_the_box(box: Path) -> None:
    config = started_config({"start_from": "box"})
    assert (config.start_from, config.width, config.norm) == ("box", 3, "group")


def test_what_a_start_brings_along_cannot_be_chosen(tmp_path: Path) -> None:
    path = save(tmp_path / "w.safetensors", width=3)
    with pytest.raises(ConfigError, match="brings width 3 along, but width is 64: leave width out"):
        started_config({"start_from": path, "width": 64})
    assert started_config({"start_from": path, "width": "3"}).width == 3
    with pytest.raises(ConfigError, match="set one of weights and start_from to none"):
        started_config({"start_from": path, "weights": "imagenet"})


@pytest.mark.parametrize("content", [None, b"", b"no network"])
def test_a_start_from_no_network_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"There is no network|is damaged or not"):
        started_config({"start_from": path})


def test_a_folder_that_is_no_run_is_called_what_it_is(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "runs", tiny_config(Path("/data"))).path
    save(tmp_path / "weights" / "a.safetensors")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("runs", f"holds runs, and is none: name one of them, such as {run}"),
        ("weights", "is no run, but holds weights: name a file, such as .*a.safetensors"),
        ("empty", "is no run, as it has no config.json: name a run's folder or a weights file"),
    ):
        with pytest.raises(CheckpointError, match=f"{tmp_path / name} {message}"):
            find_weights(tmp_path / name)
    with pytest.raises(CheckpointError, match=r"has no best.safetensors: train it for an epoch"):
        find_weights(run)


def test_a_start_from_a_file_of_another_program_is_refused_by_what_it_is(tmp_path: Path) -> None:
    torch.save({"0.weight": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a.pth is a PyTorch file: a plain state dict"):
        inherited_settings(tmp_path / "a.pth")
