"""Save and load checkpoints: files that are complete or not there, and run no code when loaded.

- `*.safetensors`: weights, with configuration, classes and scores in the metadata, so that one file
  is enough to predict. The metadata has a BLAKE2 digest over names, types, shapes and bytes too,
  because a tensor with a flipped bit loads without an error.
- `last.pt`: the whole training state: a digest, then the output of `torch.save`, which is read with
  `weights_only=True`, as a pickle could run any code. The state before it stays as `previous.pt`.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from cityseg.config import TrainConfig, saved_config
from cityseg.errors import CheckpointError, ConfigError, ModelError
from cityseg.labels import CLASS_NAMES, IGNORE
from cityseg.models import blank_model_of, model_of
from cityseg.runs.folder import RunDir
from cityseg.runs.foreign import why_foreign, why_unnamed
from cityseg.runs.states import (
    DIGEST_BYTES,
    STATE_MAGIC,
    fresh_state,
    newest_state,
    read_payload,
)
from cityseg.runs.weights import FORMAT, WeightsScores, check_header, of_another_version
from cityseg.system import Count, JsonError, parse_as, replacing

#: What torch's DataParallel and DistributedDataParallel put before the name of each tensor.
_WRAPPED: Final = "module."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Loaded weights, with the settings they were trained with and their scores in validation."""

    path: Path
    config: TrainConfig
    weights: dict[str, Tensor]
    epoch: int
    scores: dict[str, Any]

    @property
    def train_ids(self) -> tuple[int, ...]:
        """The train id of each output: 0–18, and 255 where Cityscapes has no such class."""
        return tuple(range(len(CLASS_NAMES)))

    @property
    def classes(self) -> frozenset[str]:
        """The names of the classes that the network can answer."""
        return frozenset(CLASS_NAMES[each] for each in self.train_ids if each != IGNORE)

    def described(self) -> dict[str, Any]:
        """What a file of results says of a network whose file does not say it; here nothing."""
        return {}

    def build(self) -> nn.Module:
        """Build the network with these weights, in evaluation mode, on the CPU.

        Raises CheckpointError if the weights do not fit it, ModelError if it cannot be built.
        """
        self._check_shapes()
        model = model_of(self.config)
        try:
            model.load_state_dict(self.weights)
        except RuntimeError as error:  # its message lists every tensor
            raise self._misfit() from error
        return model.eval()

    def _check_shapes(self) -> None:
        """Refuse a model of other shapes before it takes memory: a small file can name a giant."""
        try:
            blank = blank_model_of(self.config).state_dict()
        except ModelError:
            return  # some models need content while they are built; `build` reports other errors
        if {name: tensor.shape for name, tensor in blank.items()} != {
            name: tensor.shape for name, tensor in self.weights.items()
        }:
            raise self._misfit()

    def _misfit(self) -> CheckpointError:
        return CheckpointError(
            f"The weights in {self.path} do not fit the model {self.config.model!r} of width "
            f"{self.config.width} that the file names: use another checkpoint"
        )


def save_weights(
    path: Path, model: nn.Module, config: TrainConfig, epoch: int, scores: Mapping[str, Any]
) -> None:
    """Write the weights of `model` to `path` with everything needed to use them."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    _write_weights(path, tensors, config, epoch, scores)


def save_for_others(checkpoint: Checkpoint, path: Path) -> None:
    """Write a weights file of half the size that names no folder of this machine.

    Kernels become float16. Norms and biases stay float32: they take little space, and variances may
    be larger than float16 holds. Raises CheckpointError if a kernel does not fit float16.
    """
    kernels = {k for k, v in checkpoint.weights.items() if v.is_floating_point() and v.ndim > 1}
    tensors = {k: v.half() if k in kernels else v for k, v in checkpoint.weights.items()}
    if overflows := [name for name in kernels if not tensors[name].isfinite().all()]:
        raise CheckpointError(
            f"{overflows[0]} in {checkpoint.path} has values beyond float16: use other weights"
        )
    settings = checkpoint.config.model_dump()
    paths = {name for name, value in settings.items() if isinstance(value, Path)}
    config = TrainConfig(**{k: v for k, v in settings.items() if k not in paths}, data=Path("data"))
    _write_weights(path, tensors, config, checkpoint.epoch, checkpoint.scores)


def _write_weights(
    path: Path,
    tensors: dict[str, Tensor],
    config: TrainConfig,
    epoch: int,
    scores: Mapping[str, Any],
) -> None:
    about = {
        "format": FORMAT,
        "config": config.model_dump_json(),
        "classes": json.dumps(CLASS_NAMES),
        "epoch": str(epoch),
        "scores": json.dumps(scores, allow_nan=False),
    }
    content = safetensors.torch.save(tensors, about | {"digest": _digest(tensors, about)})
    with replacing(path) as file:
        file.write(content)


def load_weights(path: Path, name: str = "") -> Checkpoint:
    """Read a weights file; raises CheckpointError if it is missing, damaged or not ours.

    Messages call the file `name`, if one is given: people may know it by another name.
    """
    checkpoint, classes = _load(path, name)
    if classes != list(CLASS_NAMES):
        count = len(classes) if isinstance(classes, list) else "other"
        raise CheckpointError(
            f"{checkpoint.path} is a network of {count} classes, and not of the {len(CLASS_NAMES)} "
            "of Cityscapes: use another checkpoint"
        )
    return checkpoint


def load_start(path: Path) -> tuple[Checkpoint, bool]:
    """Read a weights file to start another training from, and whether its classes are the 19.

    Raises CheckpointError if it is missing, damaged or not ours.
    """
    checkpoint, classes = _load(path)
    return checkpoint, classes == list(CLASS_NAMES)


def check_finite(tensors: Mapping[str, Tensor], called: Path) -> None:
    """Raise CheckpointError if weights are infinite or not a number: they predict nothing."""
    if odd := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise CheckpointError(
            f"{called} has weights that are not finite, such as {odd[0]}: use another checkpoint"
        )


def _load(path: Path, name: str = "") -> tuple[Checkpoint, Any]:
    """A weights file, and the names of its classes."""
    called = Path(name or path)
    about, tensors = _read_tensors(path, called)
    digest = about.pop("digest", None)
    if about.get("format") != FORMAT:
        raise CheckpointError(why_unnamed(tensors, called))
    if all(key.startswith(_WRAPPED) for key in tensors):  # saved from DataParallel
        tensors = {key.removeprefix(_WRAPPED): tensor for key, tensor in tensors.items()}
    if digest != _digest(tensors, about):
        raise CheckpointError(
            f"{called} is damaged (its digest differs{_other_count(about)}): use another checkpoint"
        )
    try:
        classes = parse_as(about["classes"], list[str])
        config = saved_config(parse_as(about["config"], dict[str, object]))
        epoch = parse_as(about["epoch"], Count)
        scores = parse_as(about["scores"], dict[str, Any])
        parse_as(about["scores"], WeightsScores)
    except (KeyError, JsonError, ConfigError) as error:
        raise of_another_version(called, error) from error
    check_finite(tensors, called)
    return Checkpoint(called, config, tensors, epoch, scores), classes


def _other_count(about: Mapping[str, str]) -> str:
    """Whether metadata that may have been edited names another number of classes, in words."""
    try:
        count = len(parse_as(about["classes"], list[str]))
    except (KeyError, JsonError):
        return ""
    if count == len(CLASS_NAMES):
        return ""
    return f", and it names {count} classes instead of {len(CLASS_NAMES)}"


def _read_tensors(path: Path, called: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata and the tensors of a safetensors file; raises CheckpointError."""
    if path.is_dir():
        raise CheckpointError(f"{called} is a folder: name a weights file, or a run's folder")
    try:
        if path.suffix.lower() != ".safetensors":
            raise CheckpointError(why_foreign(path, called))
        try:
            check_header(path)
            with safetensors.safe_open(path, "pt") as file:
                names = list(file.keys())
                return dict(file.metadata() or {}), {key: file.get_tensor(key) for key in names}
        except (safetensors.SafetensorError, ValueError) as error:
            raise CheckpointError(why_foreign(path, called)) from error
    except FileNotFoundError:
        raise CheckpointError(
            f"There is no checkpoint {called}: name a run's folder or a .safetensors file"
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"{called} cannot be read ({error.strerror or error}): use another checkpoint"
        ) from error


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> str:
    digest = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=DIGEST_BYTES)
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_state(run: RunDir, state: Mapping[str, Any]) -> None:
    """Write the training state as last.pt; the file of that name before becomes previous.pt."""
    # Not into the file: on a full disk, torch.save leaves a part of it and raises RuntimeError.
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    content = buffer.getbuffer()
    digest = hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
    fresh = fresh_state(run)
    with replacing(fresh) as file:
        file.write(STATE_MAGIC + digest)
        file.write(content)
    if run.last.exists():
        run.last.replace(run.previous)
    fresh.replace(run.last)


def load_state(run: RunDir) -> dict[str, Any] | None:
    """The newest undamaged training state of a run, or None if it has neither states nor results.

    A damaged state is logged, and the one before it is used. Raises CheckpointError if all are
    damaged, or if there is none but the run has results.
    """
    return newest_state(run, _read_state)


def _read_state(path: Path) -> dict[str, Any]:
    payload = read_payload(path)
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # weights_only raises many types; it has run nothing by then
        raise CheckpointError(
            f"{path} is not a training state (it is damaged, or has more than tensors in it)"
        ) from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} is not a training state (it is a {type(state).__name__})")
    return state
