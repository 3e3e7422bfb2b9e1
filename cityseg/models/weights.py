"""Weights that an encoder starts from: files of several makes, and the Hugging Face hub."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cityseg.errors import ModelError
from cityseg.models.efficientnet_names import timm_names

HUB_TIMEOUT_SECONDS = 5.0
#: A weights file that fits fewer of an encoder's tensors was made for something else.
LEAST_FIT = 0.9

_log = logging.getLogger(__name__)


@contextmanager
def impatient_hub() -> Iterator[None]:
    """Go offline where the hub does not answer: take what is cached, or fail at once.

    Left alone, the hub's client asks for each file six times over 23 seconds.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _hub_answers(HUB_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _hub_answers(timeout_seconds: float) -> bool:
    """Ask once, in a thread: a dead name server heeds no timeout of ours."""
    from huggingface_hub import constants, get_session

    answered = threading.Event()

    def ask() -> None:
        with suppress(Exception):
            get_session().head(constants.ENDPOINT, timeout=timeout_seconds)
            answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_seconds)
    return answered.is_set()


class LoadedWeights(NamedTuple):
    """What a weights file gave to an encoder, by tensor name."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    """Tensors of the encoder that the file lacks, or has in another shape."""
    unused: tuple[str, ...]
    """Tensors of the file without a place in the encoder; classifier heads are not listed."""


_WRAPPERS = r"(?:(?:_orig_mod|module|network|model)\.)"
_IN_ENCODER = re.compile(rf"{_WRAPPERS}*(?:encoder|backbone)\.")
_PREFIXES = re.compile(rf"^(?:{_WRAPPERS}|(?:encoder|backbone)\.)+")
_HEADS = ("fc.", "classifier.", "head.", "last.linear.", "linear.")


def load_encoder_weights(encoder: nn.Module, path: Path) -> LoadedWeights:
    """Copy the tensors of a `.safetensors`, `.pth` or `.pt` file into `encoder`, by name.

    Takes state dicts of encoders, of classifiers of torchvision, timm and efficientnet_pytorch,
    and of whole segmentation networks: prefixes are stripped and heads left out. No code in a
    file is run.

    Raises ModelError if the file cannot be read or fits less than 90 % of the encoder; nothing
    is changed then.
    """
    found = _read_tensors(path)
    if "_conv_stem.weight" in found and "_conv_stem.weight" not in encoder.state_dict():
        names = timm_names(found, encoder.state_dict())
        found = {names[key]: tensor for key, tensor in found.items()}
    part = {key: tensor for key, tensor in found.items() if _IN_ENCODER.match(key)} or found
    offered = {_plain_key(key): tensor for key, tensor in part.items()}
    wanted = {key: tensor for key, tensor in encoder.state_dict().items() if not _is_counter(key)}
    fits = {
        key: offered[plain]
        for key, tensor in wanted.items()
        if (plain := _plain_key(key)) in offered and offered[plain].shape == tensor.shape
    }
    used = {_plain_key(key) for key in fits}
    spare = [key for key in part if not _is_counter(key) and _plain_key(key) not in used]
    result = LoadedWeights(
        loaded=tuple(fits),
        missing=tuple(key for key in wanted if key not in fits),
        unused=tuple(key for key in spare if not _plain_key(key).startswith(_HEADS)),
    )
    summary = (
        f"{path} fits {len(fits)} of the encoder's {len(wanted)} tensors "
        f"(without a fit: {_some(result.missing)}; left over: {_some(result.unused)})"
    )
    if len(fits) < LEAST_FIT * len(wanted):
        raise ModelError(f"{summary}; give a file that was made for this encoder")
    with torch.no_grad():
        for key, tensor in fits.items():
            wanted[key].copy_(tensor)
    # A few layers left over are what classifiers have after their last feature map.
    usual = not result.missing and len(result.unused) <= (1 - LEAST_FIT) * len(part)
    _log.log(logging.INFO if usual else logging.WARNING, summary)
    return result


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")  # old files lack it, and nothing here reads it


def _plain_key(key: str) -> str:
    """Reduce the spellings of one tensor's name to one.

    timm's feature extractors write `stages_0` for `stages.0`, torchvision's DenseNet files
    `norm.1` for `norm1`.
    """
    plain = _PREFIXES.sub("", key).replace("_", ".").lstrip(".")
    return re.sub(r"\b(norm|conv)\.(\d)\.", r"\1\2.", plain)


def _some(keys: tuple[str, ...], most: int = 3) -> str:
    if len(keys) <= most:
        return ", ".join(keys) or "none"
    return f"{', '.join(keys[:most])} and {len(keys) - most} more"


def _read_tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix not in {".safetensors", ".pth", ".pt"}:
        raise ModelError(
            f"weights cannot be {str(path)!r}; give 'none', 'imagenet' or a .safetensors, .pth "
            "or .pt file"
        )
    if not path.is_file():
        raise ModelError(f"there is no weights file {path}; check the path")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"{path} is damaged or holds more than tensors, so it was not opened "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}); "
            "give a .safetensors file, or a state dict saved by torch.save"
        ) from error
    while isinstance(content, dict):
        inner = next((content[key] for key in ("state_dict", "model") if key in content), None)
        if not isinstance(inner, dict):
            break
        content = inner
    tensors = content.items() if isinstance(content, dict) else ()
    state = {str(key): tensor for key, tensor in tensors if isinstance(tensor, Tensor)}
    if not state:
        raise ModelError(f"{path} holds no tensors by name; give a state dict")
    return state
