"""What a file is that is no weights file of cityseg: the true reason, and what would be needed."""

from collections.abc import Collection
from pathlib import Path
from pickle import UnpicklingError
from typing import Final
from zipfile import BadZipFile, ZipFile

from cityseg.errors import ModelError
from cityseg.models.torch_files import bare, load_torch_file, named_tensors
from cityseg.runs.states import STATE_MAGIC
from cityseg.system import LFS_POINTER, LFS_START, check_regular

_USE_OTHER: Final = "use another checkpoint"
_DAMAGED: Final = "a damaged or incomplete PyTorch file: fetch or write it again"
_ZIP: Final = b"PK\x03\x04"
#: By protocol; 0x80 alone may begin the length of a safetensors header.
_PICKLES: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_USE_IT: Final = "to predict or score with it (predict, evaluate, evidence), add"
#: The beginnings of tensor names of networks that people often have, and what these are.
_LAYOUTS: Final = {
    ("inc.double_conv.", "down1.maxpool_conv."): (
        "the U-Net of milesial/Pytorch-UNet",
        "cityseg builds another U-Net: train one (python -m cityseg train)",
    ),
    ("encoder.", "decoder.", "segmentation_head."): (
        "a network of segmentation_models_pytorch",
        f"{_USE_IT} --model ARCHITECTURE:ENCODER, such as fpn:resnet34; a training starts from its "
        "encoder with --model ARCHITECTURE:ENCODER --weights FILE",
    ),
    ("backbone.", "classifier."): (
        "a segmentation network of torchvision",
        f"{_USE_IT} --model NAME, such as deeplabv3_resnet50; a training starts from its backbone "
        "with --model ARCHITECTURE:ENCODER --weights FILE",
    ),
}


def why_foreign(path: Path, called: Path) -> str:
    """Why the file `path`, which people know as `called`, cannot be used as weights.

    Raises OSError.
    """
    check_regular(path)
    with path.open("rb") as file:
        start = file.read(len(STATE_MAGIC) + 64)
    if not start:
        return f"{called} is empty, as a damaged file is: {_USE_OTHER}"
    if start.startswith(LFS_START):
        return f"{called} is {LFS_POINTER}"
    if start.startswith(STATE_MAGIC):
        return f"{called} is a training state, not a weights file: {_best_beside(path)}"
    has_header = start[8:9] == b"{"  # of safetensors, behind its length in 8 bytes
    if start.startswith((_ZIP, *_PICKLES)) and not has_header:
        return f"{called} is {_of_torch(path)}"
    if path.suffix.lower() == ".safetensors":
        return f"{called} is damaged or not a safetensors file: {_USE_OTHER}"
    if has_header:
        return f"{called} seems to be a weights file of another suffix: name a .safetensors file"
    return f"{called} is not a weights file: {_best_beside(path)}"


def why_unnamed(names: Collection[str], called: Path) -> str:
    """Why a safetensors file of these tensors without the metadata of cityseg cannot be used."""
    return f"{called} has no metadata of cityseg: it is {_state_dict(names)}"


def _best_beside(path: Path) -> str:
    best = path.with_name("best.safetensors")
    return f"name {best}" if best.is_file() else "name a .safetensors file or a run's folder"


def _of_torch(path: Path) -> str:
    """What a file of `torch.save` is, and what to do; no code in it is run."""
    try:
        content = load_torch_file(path, "meta")
    except Exception as error:  # many types
        return _why_unopened(path, error)
    tensors = named_tensors(content)
    if not tensors and _is_of_optimizer(content):
        return f"a PyTorch file with the state of an optimizer and no network: {_best_beside(path)}"
    if not tensors:
        return f"a PyTorch file without tensors by name: {_best_beside(path)}"
    if path.with_name("best.safetensors").is_file():
        return f"a PyTorch file, not a weights file of cityseg: {_best_beside(path)}"
    return f"a PyTorch file: {_state_dict(tensors)}"


def _why_unopened(path: Path, error: Exception) -> str:
    """Why torch, with `error`, did not open a file that begins as an archive or a pickle of it."""
    with path.open("rb") as file:
        is_archive = file.read(len(_ZIP)) == _ZIP
    if is_archive:
        try:
            with ZipFile(path) as archive:
                names = archive.namelist()
        except BadZipFile:
            return _DAMAGED
        if not any(name.endswith("/data.pkl") for name in names):
            return "a zip archive of other files: unpack it"
    if not isinstance(error, UnpicklingError | ModelError):
        return _DAMAGED
    return (
        "a PyTorch file of more than tensors, which is not opened because it could run code: "
        f"save the state_dict() of its network alone, or {_best_beside(path)}"
    )


def _is_of_optimizer(content: object) -> bool:
    """Whether these are, or hold, the values of an optimizer."""
    if not isinstance(content, dict):
        return False
    inner = content.get("optimizer", content)
    return isinstance(inner, dict) and {"state", "param_groups"} <= inner.keys()


def _state_dict(names: Collection[str]) -> str:
    plain = [bare(name) for name in names]  # what was trained beside it may have no wrapper
    for beginnings, (what, needed) in _LAYOUTS.items():
        if all(any(name.startswith(each) for name in plain) for each in beginnings):
            return f"a plain state dict of {what}, without size, classes and colours; {needed}"
    return (
        "a plain state dict, which does not say what network, size and classes it is for: "
        "name its model with --model, use a file that cityseg has written, or start an encoder "
        "from it (--weights)"
    )
