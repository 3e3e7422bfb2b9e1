"""Files of `torch.save`, read without running what is in them, and the names in state dicts."""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, TypeVar

import torch
from torch import Tensor
from torch.torch_version import TorchVersion

from cityseg.errors import ModelError

Value = TypeVar("Value")

#: What DataParallel, Lightning, torch.compile and cityseg put before the names of all tensors.
WRAPPERS: Final = ("module.", "model.", "_orig_mod.", "network.", "net.")
#: Before it, `weights_only=True` could be led to run code.
_SAFE_TORCH: Final = "2.10"
#: What training scripts call the state dict of a network, of several the one to take.
_OUTER_KEYS: Final = (
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net"),
    *("weights", "params"),
)
_MOST_LAYERS: Final = 3


def load_torch_file(path: Path, device: str) -> object:
    """The content of a file, with its tensors on `device`; "meta" reads no values.

    Raises OSError, ModelError if the installed torch is too old for that, and what torch raises of
    files with more than tensors, of many types: no code in them has run by then.
    """
    if TorchVersion(torch.__version__) < _SAFE_TORCH:
        raise ModelError(
            f"{path} is not opened, as PyTorch {torch.__version__} could run code in it: install "
            f"{_SAFE_TORCH} or later, or save the tensors as .safetensors"
        )
    # Opened here, as torch goes by the suffix of a path.
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd files; what follows says more of them
        return torch.load(file, map_location=device, weights_only=True)


def named_tensors(content: object) -> dict[str, Tensor]:
    """The state dict that such a file has in it, without the dicts around it; empty if none."""
    found = content if isinstance(content, Mapping) else {}
    for _ in range(_MOST_LAYERS):
        inner = (found[key] for key in _OUTER_KEYS if key in found)
        found = next((each for each in inner if isinstance(each, Mapping)), found)
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}


def unwrapped(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """`tensors` by their names without the wrappers that all of them share."""
    plain = dict(tensors)
    while plain and (prefix := _shared(plain)):
        plain = {name.removeprefix(prefix): value for name, value in plain.items()}
    return plain


def bare(name: str) -> str:
    """A name without the wrappers before it, whatever the others have."""
    while prefix := _shared([name]):
        name = name.removeprefix(prefix)
    return name


def _shared(names: Collection[str]) -> str:
    """The wrapper that all names begin with, or an empty text."""
    return next((each for each in WRAPPERS if all(name.startswith(each) for name in names)), "")
