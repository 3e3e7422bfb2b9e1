"""State dicts of other programs are loaded by the name of their model, and ours leave by theirs.

Also tests: runs/interchange, models/foreign, cli/export.
"""

import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import safetensors
import safetensors.torch
import segmentation_models_pytorch as smp
import torch
import torchvision
from torch import nn

from cityseg.cli.main import main
from cityseg.config import make_config
from cityseg.errors import CheckpointError, ModelError
from cityseg.geometry import Geometry
from cityseg.labels import CLASS_NAMES, IGNORE
from cityseg.models import model_of
from cityseg.models.inputs import MEAN, STD
from cityseg.prediction import Predictor, video
from cityseg.runs import ForeignNetwork, state_dicts
from cityseg.runs.checkpoints import load_weights, save_weights
from cityseg.runs.interchange import TRAIN_IDS_OF_OUTPUTS, VOC_CLASSES
from cityseg.runs.state_dicts import load_network

SPEC = "fpn:tu-mobilenetv3_small_050"
TORCHVISION = "lraspp_mobilenet_v3_large"


@pytest.fixture(scope="module")
def of_smp() -> nn.Module:
    torch.manual_seed(0)
    architecture, _, encoder = SPEC.partition(":")
    return smp.create_model(architecture, encoder, encoder_weights=None, classes=19).eval()


@pytest.fixture(scope="module")
def of_torchvision() -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = torchvision.models.get_model(
        TORCHVISION, weights=None, weights_backbone=None, num_classes=21
    )
    return model.eval()


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def refusal_of(network: ForeignNetwork) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_network(network)
    assert str(caught.value).startswith(f"{network.path} ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


PIXELS = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def test_a_network_of_smp_gives_its_own_logits(of_smp: nn.Module, tmp_path: Path) -> None:
    path = saved(tmp_path / "net.ckpt", {"state_dict": of_smp.state_dict(), "epoch": 3})
    loaded = load_network(ForeignNetwork(path, SPEC)).build()
    with torch.inference_mode():
        assert torch.allclose(loaded(PIXELS), of_smp(PIXELS), atol=1e-5)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {"state_dict": {f"model.{name}": each for name, each in state.items()}},
        lambda state: {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()},
        lambda state: state | {"aux_classifier.4.bias": torch.zeros(21)},
        lambda state: {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")},
    ],
    ids=["plain", "data parallel", "lightning", "compiled", "auxiliary", "without counters"],
)
def test_a_network_of_torchvision_gives_its_own_logits(
    of_torchvision: nn.Module, tmp_path: Path, wrapped: Any
) -> None:
    path = saved(tmp_path / "net.pth", wrapped(of_torchvision.state_dict()))
    loaded = load_network(ForeignNetwork(path, TORCHVISION, "voc")).build()
    with torch.inference_mode():
        assert torch.allclose(loaded(PIXELS), of_torchvision(PIXELS)["out"], atol=1e-5)


def test_pixels_are_normalised_as_the_network_was_trained(
    of_torchvision: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "net.SafeTensors"
    safetensors.torch.save_file(of_torchvision.state_dict(), path)
    values = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    network = ForeignNetwork(path, TORCHVISION, "voc", *values)
    mean, std, own_mean, own_std = (
        torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, STD, *values)
    )
    with torch.inference_mode():
        found = load_network(network).build()((PIXELS - mean) / std)
        expected = of_torchvision((PIXELS - own_mean) / own_std)["out"]
        assert torch.allclose(found, expected, atol=1e-4)


def test_each_output_of_voc_is_the_cityscapes_class_of_that_name() -> None:
    named = dict(zip(VOC_CLASSES, TRAIN_IDS_OF_OUTPUTS["voc"], strict=True))
    same = {name: CLASS_NAMES[each] for name, each in named.items() if each != IGNORE}
    assert same.pop("motorbike") == "motorcycle"
    assert same == {name: name for name in ("bicycle", "bus", "car", "person", "train")}


@pytest.mark.parametrize(("output", "train_id"), [("person", 11), ("background", 255)])
def test_classes_of_voc_become_train_ids_or_255(
    of_torchvision: nn.Module, tmp_path: Path, output: str, train_id: int
) -> None:
    chosen = torch.zeros(21)
    chosen[VOC_CLASSES.index(output)] = 1e3
    state = of_torchvision.state_dict() | {"classifier.low_classifier.bias": chosen}
    path = saved(tmp_path / "net.pth", state)
    predictor = Predictor.load(ForeignNetwork(path, TORCHVISION, "voc"), "cpu", amp="off")
    picture = np.random.default_rng(0).integers(0, 256, (32, 96, 3), np.uint8)
    for sliding in (False, True):
        found = predictor.predict(picture, sliding=sliding, size_hw=(32, 96), with_confidence=True)
        assert set(found.train_ids.flat) == {train_id}
        assert found.confidence is not None
        assert found.confidence.min() > 0.99
    smooth = video._classifier(predictor, 2, (32, 96), 1.0, {})
    assert set(smooth(picture).flat) == {train_id}


def test_windows_of_a_network_of_21_classes_are_averaged(
    of_torchvision: nn.Module, tmp_path: Path
) -> None:
    path = saved(tmp_path / "net.pth", of_torchvision.state_dict())
    predictor = Predictor.load(ForeignNetwork(path, TORCHVISION, "voc"), "cpu", amp="off")
    picture = np.zeros((16, 1200, 3), np.uint8)
    geometry = Geometry((16, 1200))
    with torch.inference_mode():  # the windows are 512×1024
        assert predictor.logits(picture, geometry, sliding=True).shape == (21, 16, 1200)


def test_a_file_that_does_not_fit_is_refused_with_what_differs(
    of_torchvision: nn.Module, tmp_path: Path
) -> None:
    state, path = of_torchvision.state_dict(), tmp_path / "net.pth"
    first, bias = "backbone.0.0.weight", "classifier.low_classifier.bias"
    network = ForeignNetwork(path, TORCHVISION, "voc")
    saved(path, {k: v for k, v in state.items() if k != bias} | {"x": torch.ones(1)})
    assert (
        f"does not fit the model {TORCHVISION} of {len(state)} tensors: missing 1 ({bias}), "
        "unexpected 1 (x); name with --model" in refusal_of(network)
    )
    saved(path, state | {first: torch.ones(1, 3, 3, 3)})
    assert f"of another shape 1 ({first} is 1×3×3×3, not 16×3×3×3)" in refusal_of(network)
    saved(path, state)
    assert "is a network of 21 classes, and the order cityscapes has 19" in refusal_of(
        ForeignNetwork(path, TORCHVISION)
    )
    saved(path, state | {bias: torch.full((21,), torch.nan)})
    assert "weights that are not finite" in refusal_of(network)


def test_files_that_are_no_state_dict_are_refused(
    of_torchvision: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.pth"
    network = ForeignNetwork(path, TORCHVISION)
    saved(path, of_torchvision)
    assert "could run code" in refusal_of(network)
    saved(path, [1])
    assert "has no tensors by name" in refusal_of(network)
    endless: dict[str, Any] = {}
    endless["model"] = endless
    saved(path, endless)
    assert "has no tensors by name" in refusal_of(network)
    assert "is a folder" in refusal_of(ForeignNetwork(tmp_path, TORCHVISION))
    with pytest.raises(CheckpointError, match=r"There is no state dict .*gone\.pth"):
        load_network(ForeignNetwork(tmp_path / "gone.pth", TORCHVISION))
    saved(path, {"x": torch.ones(1)})
    with pytest.raises(ModelError, match=r"No model is called 'deeplabv3_net'.*, fcn_resnet50"):
        load_network(ForeignNetwork(path, "deeplabv3_net"))
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    assert "PyTorch 2.9.1+cpu could run code in it" in refusal_of(network)


def test_an_archive_without_a_directory_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    saved(path, {"x": torch.ones(1)})
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x09\x09"))
    assert "is a damaged or incomplete PyTorch file" in refusal_of(
        ForeignNetwork(path, TORCHVISION)
    )


def test_files_of_more_than_the_limit_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_dicts, "MOST_BYTES", 1 << 20)
    large, packed = tmp_path / "large.pth", tmp_path / "packed.pth"
    with large.open("wb") as file:
        file.truncate((1 << 20) + 1)
    assert "save the tensors of the network alone" in refusal_of(ForeignNetwork(large, TORCHVISION))
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", bytes((1 << 20) + 1))
    assert packed.stat().st_size < 1 << 12
    assert "the tensors of the network alone" in refusal_of(ForeignNetwork(packed, TORCHVISION))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "own.safetensors"
    config = make_config({"model": SPEC, "decoder_width": 32, "size": (64, 96), "fit": "squash"})
    save_weights(path, model_of(config), config, 1, {})
    return path


def test_an_exported_state_dict_loads_in_smp_and_here(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "plain.safetensors"
    assert main(["export", str(weights), "--to", "state_dict", "--out", str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"MB, model {SPEC}.\n")
    with safetensors.safe_open(out, "pt") as file:
        about = file.metadata()
    assert json.loads(about["classes"]) == list(CLASS_NAMES)
    assert str(tmp_path) not in json.dumps(about)
    architecture, _, encoder = SPEC.partition(":")
    plain = smp.create_model(
        *(architecture, encoder),
        encoder_weights=None,
        classes=19,
        decoder_pyramid_channels=32,
        decoder_segmentation_channels=32,
    )
    plain.load_state_dict(safetensors.torch.load_file(out))
    again = load_network(ForeignNetwork(out, SPEC))
    own = load_weights(weights)
    assert (again.config.size, again.config.fit) == ((64, 96), "squash")
    with torch.inference_mode():
        expected = own.build()(PIXELS)
        assert torch.allclose(again.build()(PIXELS), expected, atol=1e-5)
        assert torch.allclose(plain.eval()(PIXELS), expected, atol=1e-5)
    assert f"has the weights of the model {SPEC}, not of unet" in refusal_of(
        ForeignNetwork(out, "unet")
    )
    assert "is a weights file of cityseg, which names its model: leave --model" in refusal_of(
        ForeignNetwork(weights, SPEC)
    )


def test_a_state_dict_is_written_as_safetensors_without_options_of_other_forms(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", str(weights), "--to", "state_dict"]
    assert main([*command, "--out", str(tmp_path / "net.pt")]) == 1
    assert f"name {tmp_path / 'net.safetensors'}" in capsys.readouterr().err
    whole = weights.read_bytes()
    assert main([*command, "--out", str(weights)]) == 1
    assert f"{weights} is the network itself: choose another name" in capsys.readouterr().err
    assert weights.read_bytes() == whole
    assert main([*command, "--size", "32x64"]) == 1
    assert "--size goes with --to" in capsys.readouterr().err
    assert IGNORE not in load_weights(weights).train_ids
