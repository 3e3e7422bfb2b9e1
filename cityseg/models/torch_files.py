"""Files of `torch.save`, read without running what is in them."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

#: What training scripts call the state dict of a network, of several the one to take.
_OUTER_KEYS: Final = (
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net"),
    *("weights", "params"),
)
_MOST_LAYERS: Final = 3


def load_torch_file(path: Path, device: str) -> object:
    """The content of a file, with its tensors on `device`; "meta" reads no values.

    Raises OSError, and what torch raises of files with more than tensors, of many types: no code in
    them has run by then.
    """
    # Opened here, as torch goes by the suffix of a path.
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd files; what follows says more of them
        # weights_only: a pickle can run any code. Before torch 2.10 there were ways around it.
        return torch.load(file, map_location=device, weights_only=True)


def named_tensors(content: object) -> dict[str, Tensor]:
    """The state dict that such a file has in it, without the dicts around it; empty if none."""
    found = content if isinstance(content, Mapping) else {}
    for _ in range(_MOST_LAYERS):
        inner = (found[key] for key in _OUTER_KEYS if key in found)
        found = next((each for each in inner if isinstance(each, Mapping)), found)
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
