"""State dicts in and out, and every network by its name: weights of cityseg and of others alike.

No code in a file is run, and nothing is copied before all shapes are known to fit.
"""

import copy
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
from torch import Tensor, nn

from cityseg.config import TrainConfig, make_config, saved_config, settings_that
from cityseg.errors import CheckpointError, ConfigError, ModelError
from cityseg.labels import CLASS_NAMES, LABEL_IDS_OF_CLASSES
from cityseg.models.foreign import Foreign, build_plain, named_part
from cityseg.models.inputs import MEAN, STD
from cityseg.models.torch_files import load_torch_file, named_tensors, unwrapped
from cityseg.runs.box import BOX_LICENCE
from cityseg.runs.checkpoints import Checkpoint, check_finite, load_weights
from cityseg.runs.foreign import why_foreign
from cityseg.runs.interchange import FOREIGN_SIZE, AnyNetwork, ForeignNetwork
from cityseg.runs.networks import find_weights, is_box
from cityseg.runs.weights import FORMAT, check_header, of_another_version
from cityseg.system import JsonError, check_regular, parse_as, replacing

#: The format in the metadata of a state dict that `save_state_dict` has written.
STATE_DICT_FORMAT: Final = "cityseg-state-dict-1"
#: Twice the weights of the largest encoders.
MOST_BYTES: Final = 8 << 30
_AUXILIARY: Final = "aux_classifier."
_COUNTER: Final = "num_batches_tracked"  # old files lack it, and evaluation does not read it
_ENDING: Final = ".safetensors"
_SHAPING: Final = tuple(each for each in settings_that("shapes_network") if each != "model")


@dataclass(frozen=True, slots=True)
class ForeignCheckpoint(Checkpoint):
    """A loaded state dict: `network` has its weights, and `source` says what its outputs are.

    Of `config`, only what concerns prediction has a meaning; `epoch` is 0.
    """

    network: nn.Module
    source: ForeignNetwork

    @property
    def train_ids(self) -> tuple[int, ...]:
        """The train id of each output, 255 where Cityscapes has no such class."""
        return self.source.train_ids

    def described(self) -> dict[str, Any]:
        """What a file of results says of it."""
        return {"network": self.source.described()}

    def build(self) -> nn.Module:
        """A copy of the network: a predictor changes its own."""
        return copy.deepcopy(self.network)


def load_network(network: AnyNetwork) -> Checkpoint:
    """Load the box, the best weights of a run's folder, a weights file, or a state dict.

    Raises CheckpointError if they are missing, damaged or do not fit, ModelError if no model has
    the name that is given with a state dict.
    """
    if isinstance(network, ForeignNetwork):
        return _load_foreign(network)
    return load_weights(find_weights(network))


def save_state_dict(checkpoint: Checkpoint, path: Path) -> None:
    """Write the tensors of `checkpoint` as safetensors, by the names that their library gives them.

    The metadata name the model, the order of the classes, and the mean and deviation of the pixels.
    Raises OSError.
    """
    config = checkpoint.config
    is_wrapped = ":" in config.model
    tensors = {
        name.removeprefix("network.") if is_wrapped else name: tensor
        for name, tensor in checkpoint.weights.items()
    }
    about = {
        "format": STATE_DICT_FORMAT,
        "settings": config.model_dump_json(include={*_SHAPING, "model", "size", "fit"}),
        "classes": json.dumps(CLASS_NAMES),
        "label_ids": json.dumps(LABEL_IDS_OF_CLASSES.tolist()),
        "mean": json.dumps(MEAN),
        "std": json.dumps(STD),
    }
    if is_box(checkpoint.path):
        about["licence"] = BOX_LICENCE
    content = safetensors.torch.save(tensors, about)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(content)


def _load_foreign(source: ForeignNetwork) -> ForeignCheckpoint:
    about, tensors = _read(source.path)
    config = _config(source, about)
    settings = {name: getattr(config, name) for name in _SHAPING}
    model = build_plain(source.model, len(source.train_ids), settings)
    part = named_part(model)
    wanted = part.state_dict()
    offered = {k: v for k, v in unwrapped(tensors).items() if not k.startswith(_AUXILIARY)}
    _check_fit(source, wanted, offered)
    part.load_state_dict({**wanted, **{k: v for k, v in offered.items() if k in wanted}})
    check_finite(part.state_dict(), source.path)
    network = Foreign(model, source.mean, source.std).eval()
    return ForeignCheckpoint(source.path, config, {}, 0, {}, network, source)


def _config(source: ForeignNetwork, about: Mapping[str, str]) -> TrainConfig:
    """The settings in the metadata of `save_state_dict`, or the defaults; raises CheckpointError.

    Its model is that of `source`, which no setting of a training can be if it is torchvision's.
    """
    if about.get("format") != STATE_DICT_FORMAT:
        config = make_config({"size": FOREIGN_SIZE, "data": Path("data")})
        return config.model_copy(update={"model": source.model})
    try:
        config = saved_config({**parse_as(about["settings"], dict[str, object]), "data": "data"})
    except (KeyError, JsonError, ConfigError) as error:
        raise of_another_version(source.path, error) from error
    if config.model != source.model:
        raise CheckpointError(
            f"{source.path} has the weights of the model {config.model}, not of {source.model}: "
            f"write --model {config.model}"
        )
    return config


def _check_fit(
    source: ForeignNetwork, wanted: Mapping[str, Tensor], offered: Mapping[str, Tensor]
) -> None:
    """Raise CheckpointError unless the tensors of a file are those of the model."""
    missing = [k for k in wanted if k not in offered and not k.endswith(_COUNTER)]
    unexpected = [k for k in offered if k not in wanted and not k.endswith(_COUNTER)]
    reshaped = [k for k in wanted if k in offered and wanted[k].shape != offered[k].shape]
    if not (missing or unexpected or reshaped):
        return
    if not (missing or unexpected) and (
        count := _other_count(len(source.train_ids), [(wanted[k], offered[k]) for k in reshaped])
    ):
        raise CheckpointError(
            f"{source.path} is a network of {count} classes, and the order {source.classes} has "
            f"{len(source.train_ids)}: choose --classes cityscapes for 19, voc for 21, or use "
            "another checkpoint"
        )
    shapes = [f"{k} is {_shape(offered[k])}, not {_shape(wanted[k])}" for k in reshaped]
    faults = [
        f"{what} {len(names)} ({_some(names)})"
        for names, what in (
            (missing, "missing"),
            (unexpected, "unexpected"),
            (shapes, "of another shape"),
        )
        if names
    ]
    raise CheckpointError(
        f"{source.path} does not fit the model {source.model} of {len(wanted)} tensors: "
        f"{', '.join(faults)}; name with --model what it was trained as"
    )


def _other_count(expected: int, pairs: Sequence[tuple[Tensor, Tensor]]) -> int | None:
    """The number of classes of a file, if that is all that differs in `pairs` of model and file."""
    counts = {found.shape[0] if found.ndim else 0 for _, found in pairs}
    is_head = all(
        wanted.shape[:1] == (expected,) and wanted.shape[1:] == found.shape[1:]
        for wanted, found in pairs
    )
    return counts.pop() or None if is_head and len(counts) == 1 else None


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"


def _some(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata and the tensors of a file; raises CheckpointError."""
    if path.is_dir():
        raise CheckpointError(
            f"{path} is a folder, and --model goes with a state dict: name its file, or leave "
            "--model out"
        )
    try:
        check_regular(path)
        if path.stat().st_size > MOST_BYTES:
            raise CheckpointError(_too_large(path))
        is_safetensors = path.suffix.lower() == _ENDING
        about, tensors = _read_safetensors(path) if is_safetensors else ({}, _read_torch(path))
    except FileNotFoundError:
        raise CheckpointError(f"There is no state dict {path}: check the path") from None
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror or error}): use another checkpoint"
        ) from error
    if not tensors:
        raise CheckpointError(f"{path} has no tensors by name: save a state dict")
    return about, tensors


def _read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        check_header(path)
        with safetensors.safe_open(path, "pt") as file:
            about = dict(file.metadata() or {})
            if about.get("format") == FORMAT:
                raise CheckpointError(
                    f"{path} is a weights file of cityseg, which names its model: leave --model, "
                    "--classes, --mean and --std out"
                )
            return about, {name: file.get_tensor(name) for name in list(file.keys())}
    except (safetensors.SafetensorError, ValueError) as error:
        raise CheckpointError(why_foreign(path, path)) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of `torch.save`, without the dicts around them."""
    if _unpacked_bytes(path) > MOST_BYTES:
        raise CheckpointError(_too_large(path))
    try:
        return named_tensors(load_torch_file(path, "cpu"))
    except ModelError as error:
        raise CheckpointError(str(error)) from error
    except Exception as error:  # many types
        raise CheckpointError(why_foreign(path, path)) from error


def _unpacked_bytes(path: Path) -> int:
    """The size of the parts of an archive, which may be compressed; 0 if the file is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(each.file_size for each in archive.infolist())
    except zipfile.BadZipFile:
        return 0


def _too_large(path: Path) -> str:
    return f"{path} has more than {MOST_BYTES >> 30} GiB: save the tensors of the network alone"
