"""Models by name: what is built, and what a wrong name is told."""

import subprocess
import sys

import pytest
import torch

from cityseg.errors import ModelError
from cityseg.models import check_model_spec
from cityseg.models.registry import AnySize, architectures, build_model, count_parameters
from cityseg.models.unet import UNet

SMALL = ["unet:resnet18", "deeplabv3plus:mobilenet_v2", "segformer:mit_b0", "fpn:tu-convnext_atto"]


@pytest.mark.parametrize("spec", SMALL)
def test_smp_models_take_images_of_any_size(spec: str) -> None:
    model = build_model(spec, num_classes=5).eval()
    for size_hw in [(1, 1), (17, 33), (64, 128)]:
        with torch.no_grad():
            assert model(torch.zeros(2, 3, *size_hw)).shape == (2, 5, *size_hw)


def test_models_come_in_training_mode() -> None:
    model = build_model("unet:mobilenet_v2")
    assert all(module.training for module in model.modules())


def test_pan_gets_the_larger_multiple_that_its_decoder_needs() -> None:
    model = build_model("pan:mobilenet_v2").eval()
    assert isinstance(model, AnySize)
    assert model.multiple == 128
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 40, 130)).shape == (1, 19, 40, 130)


def test_swin_takes_more_than_the_size_it_was_built_for() -> None:
    model = build_model("unet:tu-swin_tiny_patch4_window7_224").eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 40, 70)).shape == (1, 19, 40, 70)


def test_plain_unet_is_ours_with_the_width_asked_for() -> None:
    model = build_model("unet", width=8, num_classes=7)
    assert isinstance(model, UNet)
    assert model.head.weight.shape == (7, 8, 1, 1)


@pytest.mark.parametrize(
    ("architecture", "width"), [("unet", 32), ("fpn", 32), ("segformer", 16), ("pspnet", 16)]
)
def test_a_narrow_decoder_leaves_the_encoder_as_it_is(architecture: str, width: int) -> None:
    usual, narrow = (
        build_model(f"{architecture}:mobilenet_v2", num_classes=5, decoder_width=each).eval()
        for each in (0, width)
    )
    assert count_parameters(narrow) < count_parameters(usual)
    encoders = [each.get_submodule("network.encoder") for each in (usual, narrow)]
    assert count_parameters(encoders[0]) == count_parameters(encoders[1])
    with torch.no_grad():
        assert narrow(torch.zeros(1, 3, 64, 40)).shape == (1, 5, 64, 40)


def test_the_decoder_of_a_unet_halves_its_channels_at_each_stage() -> None:
    model = build_model("unet:mobilenet_v2", decoder_width=32)
    blocks = model.get_submodule("network.decoder.blocks")
    widths = [block.get_submodule("conv2.0").out_channels for block in blocks.children()]
    assert widths == [32, 16, 8, 4, 2]


def test_a_decoder_without_a_choice_of_width_is_refused() -> None:
    with pytest.raises(ModelError, match="'linknet' cannot be chosen: set decoder_width to 0"):
        build_model("linknet:mobilenet_v2", decoder_width=16)


def test_count_parameters_counts_what_training_changes() -> None:
    convolution = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    assert count_parameters(convolution) == (12 + 4) + (4 + 4)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [("unet", ("unet", None)), ("fpn:tu-resnet18.a1_in1k", ("fpn", "tu-resnet18.a1_in1k"))],
)
def test_a_spec_is_an_architecture_and_maybe_an_encoder(
    spec: str, parts: tuple[str, str | None]
) -> None:
    assert check_model_spec(spec) == parts


@pytest.mark.parametrize(
    "spec", ["", "U-Net", "unet:", ":resnet18", "unet:a:b", "unet:../x", "a b"]
)
def test_a_spec_of_another_form_is_refused(spec: str) -> None:
    with pytest.raises(ModelError, match="architecture:encoder"):
        check_model_spec(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("unett:resnet18", "No architecture is called 'unett'"),
        ("unett", "No architecture is called 'unett'"),
        ("fpn", "write 'fpn:resnet34'"),
        ("unet:resnet19", "similar names are resnet18"),
        ("unet:tu-convnext_ato", "tu-convnext_atto"),
        ("unet:qqqqqqqqqqqq", "no name is similar"),
        ("unetplusplus:mit_b0", "'unetplusplus:mit_b0' cannot be built"),
        ("dpt:resnet18", "must start with 'tu-'"),
        ("unet:tu-hiera_tiny_224", "does not take images of any size"),
    ],
)
def test_a_wrong_name_is_refused_with_what_would_be_right(spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build_model(spec)


def test_an_unknown_architecture_is_refused_with_all_names() -> None:
    with pytest.raises(ModelError) as caught:
        build_model("unett:resnet18")
    assert all(name in str(caught.value) for name in architectures())


def test_plain_unet_refuses_encoder_weights() -> None:
    with pytest.raises(ModelError, match="has no encoder"):
        build_model("unet", weights="imagenet")


def loaded_modules(code: str) -> set[str]:
    listing = f"{code}\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", listing], capture_output=True, check=True)
    return set(run.stdout.decode().split())


def test_checking_a_spec_loads_no_torch() -> None:
    assert "torch" not in loaded_modules("from cityseg.models import check_model_spec")


def test_our_unet_loads_no_smp() -> None:
    modules = loaded_modules("from cityseg.models import build_model; build_model('unet', width=1)")
    assert not {"segmentation_models_pytorch", "timm"} & modules


def test_a_model_without_content_is_built_without_the_compiler_of_torch() -> None:
    code = (
        "from cityseg.config import make_config; from cityseg.models import blank_model_of; "
        "blank = blank_model_of(make_config({'data': 'city', 'model': 'unet', 'width': 1})); "
        "assert all(tensor.is_meta for tensor in blank.state_dict().values())"
    )
    assert "torch._dynamo" not in loaded_modules(code)
