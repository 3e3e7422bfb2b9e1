"""What would end a training is found before its run exists and before a frame is decoded."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from city import encode
from huggingface_hub import constants
from safetensors.numpy import save_file
from tiny_runs import content_of, make_city, tiny_config

from cityseg.cli.main import main
from cityseg.errors import CitysegError, ConfigError
from cityseg.runs.checks import check_start, stores_of


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_city(tmp_path_factory.mktemp("checks") / "data", train=3, val=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "unet:resnet19"}, "No encoder is called 'resnet19'"),
        ({"model": "unett"}, "No architecture is called 'unett'"),
        ({"model": "dpt:resnet18"}, "cannot be built"),
        ({"model": "unet:resnet18", "weights": "/none.pth"}, "There is no weights file /none.pth"),
        ({"model": "unet:tu-resnet10t.none", "weights": "imagenet"}, "Invalid pretrained tag"),
        ({"device": "cuda:9"}, "device is cuda:9, but this machine has"),
        ({"batch_size": 1, "size": "16x16"}, "a single value in a channel: choose a larger batch"),
        ({"batch_size": 2, "size": "16x16", "devices": 2}, "a single value in a channel"),
        ({"batch_size": 1, "model": "deeplabv3plus:resnet18"}, "a single value in a channel"),
        ({"start_from": "box"}, "The network box brings model fpn:tu-tf_efficientnet_lite2 along"),
        ({"masks": "/no/masks"}, "None of 3 train frames has a mask below /no/masks"),
        ({"data": "/no/such/data"}, "There is no folder /no/such/data"),
        ({"store": "/dev/null/frames"}, "Cannot write to /dev/null/frames"),
    ],
)
def test_what_would_end_a_training_is_found_before_there_is_a_run(
    data: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    config = tiny_config(**{"data": data} | settings)
    with pytest.raises(CitysegError) as caught:
        check_start(config, stores_of(config, tmp_path / "runs"))
    assert message in str(caught.value)
    assert content_of(tmp_path) == {}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size": 1},
        {"batch_size": 1, "size": "16x16", "norm": "group", "width": 8},
        {"model": "unet:resnet18"},
        {"batch_size": 1, "model": "fpn:resnet18", "size": "64x128"},
    ],
)
def test_what_can_be_trained_passes(data: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    check_start(tiny_config(data, **settings), tmp_path / "stores")


def test_a_weights_file_of_another_network_is_found(data: Path, tmp_path: Path) -> None:
    save_file({"layer.weight": np.zeros((2, 2), np.float32)}, tmp_path / "other.safetensors")
    config = tiny_config(data, model="unet:resnet18", weights=tmp_path / "other.safetensors")
    with pytest.raises(CitysegError, match="has 0 of the encoder's"):
        check_start(config, tmp_path / "stores")


def test_imagenet_weights_that_cannot_be_had_are_found_and_leave_no_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("cityseg.models.weights._hub_answers", lambda timeout_seconds: False)
    runs = ["--data", str(data), "--runs", str(tmp_path / "runs")]
    network = ["--model", "unet:mobilenet_v2", "--weights", "imagenet"]
    assert main(["train", *runs, *network, "--epochs", "1", "--size", "32x64"]) == 1
    assert "'mobilenet_v2' (https://huggingface.co/smp-hub" in capfd.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_frames_or_without_a_labelled_pixel_is_found(
    data: Path, tmp_path: Path, split: str
) -> None:
    shutil.copytree(data, tmp_path / "void")
    for mask in (tmp_path / "void" / "masks" / split).rglob("*.png"):
        mask.write_bytes(encode(np.full((32, 64), 255, np.uint8)))
    with pytest.raises(ConfigError, match=f"No mask of {split} in .* has a pixel of a class"):
        check_start(tiny_config(tmp_path / "void"), tmp_path)
    shutil.rmtree(tmp_path / "void" / "leftImg8bit" / split)
    shutil.rmtree(tmp_path / "void" / "gtFine" / split)
    with pytest.raises(ConfigError, match=f"has no {split} frames: training needs frames in"):
        check_start(tiny_config(tmp_path / "void"), tmp_path)


@pytest.mark.parametrize("command", [["train"], ["jobs", "start"]])
@pytest.mark.parametrize(
    "mistake", [["--model=unet:resnet19"], ["--data=/none"], ["--batch-size=1", "--size=16x16"]]
)
def test_mistakes_leave_no_run(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    mistake: list[str],
) -> None:
    monkeypatch.setenv("CITYSEG_QUEUE", str(tmp_path / "queues"))
    settings = [f"--data={data}", f"--runs={tmp_path / 'runs'}", "--width=2", "--device=cpu"]
    assert main([*command, *settings, *mistake]) == 1
    assert content_of(tmp_path) == {}
    assert not (tmp_path / "runs").exists()
