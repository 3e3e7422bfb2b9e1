"""Files that are no weights of cityseg are refused with what they are and what would be needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import safetensors.torch
import torch
from tiny_runs import tiny_config
from torch import nn

from cityseg.errors import CheckpointError
from cityseg.runs.checkpoints import load_weights, save_state
from cityseg.runs.folder import RunDir


def refusal_of(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_weights(path)
    assert str(caught.value).startswith(f"{path} ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def named(*names: str) -> dict[str, Any]:
    return {name: torch.zeros(1) for name in names}


MILESIAL = named("inc.double_conv.0.weight", "down1.maxpool_conv.1.weight", "outc.conv.weight")
SMP = named("encoder.conv1.weight", "decoder.blocks.0.weight", "segmentation_head.0.weight")
TORCHVISION = named("backbone.conv1.weight", "classifier.4.weight")


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (MILESIAL | {"mask_values": [0, 255]}, "the U-Net of milesial/Pytorch-UNet"),
        ({f"module.{name}": tensor for name, tensor in MILESIAL.items()}, "of milesial/Pytorch-"),
        (
            {f"model.{name}": tensor for name, tensor in SMP.items()} | named("loss.weight"),
            "a network of segmentation_models_pytorch",
        ),
        ({"state_dict": SMP, "epoch": 3}, "a training starts from its encoder with --model"),
        (TORCHVISION, "a segmentation network of torchvision"),
        ({"state": {}, "param_groups": [{"lr": 0.1}]}, "the state of an optimizer and no network"),
        ({"optimizer": {"state": {}, "param_groups": []}}, "the state of an optimizer and no"),
        (named("0.weight"), "a plain state dict, which does not say what network, size and"),
        (
            {"net": named("0.weight"), "optimizer": {"state": {}, "param_groups": []}},
            "a plain state dict, which does not say what network, size",
        ),
        ({"epoch": 3}, "a PyTorch file without tensors by name: name a .safetensors file"),
        ([torch.zeros(1)], "a PyTorch file without tensors by name: name a .safetensors file"),
        (
            nn.Conv2d(1, 1, 1),
            "it could run code: save the state_dict() of its network alone, or name a .safetensors",
        ),
    ],
)
def test_a_pytorch_file_is_named_with_what_would_be_needed(
    tmp_path: Path, suffix: str, content: Any, expected: str
) -> None:
    path = tmp_path / f"net{suffix}"
    torch.save(content, path)
    assert expected in refusal_of(path)


def test_a_zip_of_other_files_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "weights.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("weights.safetensors", b"inside")
    assert "is a zip archive of other files: unpack it" in refusal_of(path)


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-50], lambda content: content.replace(b"PK\x01\x02", b"PK\x09\x09")],
    ids=["cut", "without a directory"],
)
def test_a_damaged_pytorch_file_is_called_one(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "net.pth"
    torch.save(SMP, path)
    path.write_bytes(damage(path.read_bytes()))
    assert "is a damaged or incomplete PyTorch file: fetch or write it again" in refusal_of(path)


@pytest.mark.parametrize("length", [10, 400, -1])
def test_a_cut_file_of_the_format_before_archives_is_damaged(tmp_path: Path, length: int) -> None:
    path = tmp_path / "net.pth"
    torch.save(SMP, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:length])
    assert "is a damaged or incomplete PyTorch file: fetch or write it again" in refusal_of(path)


def test_a_safetensors_file_of_a_known_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "smp.safetensors"
    safetensors.torch.save_file(SMP, path)
    assert "has no metadata of cityseg: it is a plain state dict of a network of seg" in refusal_of(
        path
    )


def test_a_state_leads_to_the_weights_beside_it(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, tiny_config(tmp_path))
    save_state(run, {"number": 1})
    assert "is a training state, not a weights file: name a .safe" in refusal_of(run.last)
    run.best.write_bytes(b"weights")
    assert refusal_of(run.last).endswith(
        f"is a training state, not a weights file: name {run.best}"
    )
    other = run.checkpoints / "mine.pt"
    torch.save(MILESIAL, other)
    assert refusal_of(other).endswith(f"name {run.best}")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "(git lfs pull)"),
        (b"onnx", "is damaged or not a safetensors file"),
    ],
)
def test_what_is_no_network_at_all_is_said(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    assert expected in refusal_of(tmp_path / "x.safetensors")
