"""TrainConfig: one home for each training setting, its default, its bounds and its help.

Command-line flags, forms and documentation are made from the fields below. A TrainConfig that
exists is valid: the same checks run for a flag, a form and a file.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from cityseg.defaults import DATASET_VARIABLE, default_root
from cityseg.errors import ConfigError, ModelError
from cityseg.presets import PRESETS


def _parse_size(value: Any) -> Any:
    if isinstance(value, str):
        parts = value.lower().replace("×", "x").split("x")
        if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
            raise ValueError("write HEIGHTxWIDTH, such as 256x512")
        return tuple(int(part) for part in parts)
    return value


def _write_size(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[0]}x{size_hw[1]}"


#: The shortest side of a picture that a network is trained on, or sees, in pixels.
MIN_SIDE: Final = 16
_Side = Annotated[int, Field(ge=MIN_SIDE, le=4096)]
#: (height, width) in pixels; "256x512" is understood.
Size = Annotated[
    tuple[_Side, _Side],
    BeforeValidator(_parse_size),
    PlainSerializer(_write_size, when_used="json"),
]


_HIGHEST_RATE: Final = 10.0
#: What a device may be called: auto, cpu, cuda or cuda:N.
DEVICE_PATTERN: Final = r"^(auto|cpu|cuda(:[0-9]{1,2})?)$"
_SPEC = re.compile(r"([a-z0-9]+)(?::([A-Za-z0-9][A-Za-z0-9_.+-]*))?")


#: Marks on fields, for `settings_that`.
_MEMORY: Final[JsonDict] = {"changes_memory": True}
_SPEED: Final[JsonDict] = {"changes_speed": True}


def check_model_spec(spec: str) -> tuple[str, str | None]:
    """Split `architecture` or `architecture:encoder`; the encoder is None where none is named.

    Only the syntax is looked at: which names exist is known when the model is built. Raises
    ModelError if `spec` has another form.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise ModelError(
            f"the model {spec!r} is neither 'unet' nor of the form architecture:encoder; "
            "write for example 'deeplabv3plus:resnet50'"
        )
    return match[1], match[2]


class TrainConfig(BaseModel):
    """Everything that decides what a training run does."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    data: Path = Field(
        default_factory=default_root,
        description=f"Cityscapes folder [${DATASET_VARIABLE} or ./data]",
    )
    masks: Path | None = Field(None, description="folder of converted masks [DATA/masks]")
    store: Path | None = Field(None, description="folder of decoded frames [RUNS/.store]")
    title: str = Field("", max_length=200, description="a name for people; never a file's name")

    model: str = Field(
        "unet",
        description="unet, or ARCHITECTURE:ENCODER such as unet:resnet34",
        json_schema_extra=_MEMORY | _SPEED,
    )
    width: int = Field(
        64,
        ge=1,
        le=256,
        description="channels of the first U-Net level",
        json_schema_extra=_MEMORY | _SPEED,
    )
    norm: Literal["batch", "group"] = Field(
        "batch",
        description="what the U-Net normalises over: group does not depend on the batch",
        json_schema_extra=_MEMORY | _SPEED,
    )
    weights: str = Field(
        "none", description="encoder weights to start from: none, imagenet or a local file"
    )

    size: Size = Field(
        (256, 512),
        description="height x width that frames are resized to",
        json_schema_extra=_MEMORY,
    )
    crop: Size | None = Field(
        None, description="height x width seen in training [SIZE]", json_schema_extra=_MEMORY
    )
    batch_size: int = Field(
        8, ge=1, le=1024, description="frames in a step", json_schema_extra=_MEMORY
    )
    epochs: int = Field(10, ge=1, le=10_000, description="passes over the training frames")

    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        "adam", description="update rule", json_schema_extra=_MEMORY
    )
    learning_rate: float = Field(
        1e-4,
        gt=0,
        le=_HIGHEST_RATE,
        description="peak step size; follows the batch size unless it is given",
    )
    weight_decay: float = Field(0.0, ge=0, le=1, description="pull of the weights towards zero")
    schedule: Literal["constant", "cosine", "poly"] = Field(
        "constant", description="how the learning rate falls"
    )
    warmup_steps: int = Field(0, ge=0, description="steps over which the learning rate rises")
    clip_norm: float = Field(0.0, ge=0, description="largest gradient norm; 0 does not clip")
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of a running mean of the weights, which is kept; 0: none",
        json_schema_extra=_MEMORY,
    )

    loss: Literal[
        "cross_entropy", "dice", "lovasz", "cross_entropy+dice", "cross_entropy+lovasz", "ohem"
    ] = Field(
        "cross_entropy",
        description="what is minimised; 255 never counts",
        json_schema_extra=_MEMORY,
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the truth that cross-entropy spreads over all classes",
        json_schema_extra=_MEMORY,
    )
    class_weights: Literal["none", "inverse_log"] = Field(
        "none",
        description="weigh rare classes up, from the pixel counts of the training frames",
        json_schema_extra=_MEMORY,
    )

    scale_min: float = Field(1.0, ge=0.1, le=1.0, description="smallest random scale")
    scale_max: float = Field(1.0, ge=1.0, le=10.0, description="largest random scale")
    flip: bool = Field(False, description="mirror half of the frames")
    jitter: float = Field(
        0.0, ge=0, le=1, description="strength of random brightness, contrast and saturation"
    )

    device: str = Field(
        "auto",
        pattern=DEVICE_PATTERN,
        description="auto, cpu, cuda or cuda:N",
        json_schema_extra=_MEMORY | _SPEED,
    )
    amp: Literal["auto", "off", "bf16"] = Field(
        "auto",
        description="bfloat16 autocast; auto means where the hardware has it",
        json_schema_extra=_MEMORY | _SPEED,
    )
    channels_last: bool = Field(
        True, description="memory order that convolutions like best", json_schema_extra=_SPEED
    )
    compile: bool = Field(
        False,
        description="compile the model first: slow start, fast steps",
        json_schema_extra=_SPEED,
    )
    seed: int = Field(0, ge=0, lt=2**63, description="decides order, augmentation and start")

    save_every: int = Field(
        0, ge=0, description="keep the weights of every Nth epoch; 0 keeps the best only"
    )
    checkpoint_minutes: float = Field(
        5.0, gt=0, description="longest stretch of work that a crash may cost"
    )
    patience: int = Field(
        0, ge=0, description="stop after this many epochs without a better mean IoU; 0 never"
    )
    wandb: Literal["off", "offline", "online"] = Field(
        "off", description="Weights & Biases tracking"
    )
    wandb_project: str = Field(
        "cityseg", pattern=r"^[\w.-]{1,128}$", description="Weights & Biases project"
    )

    @field_validator("model")
    @classmethod
    def _check_model(cls, model: str) -> str:
        try:
            check_model_spec(model)
        except ModelError as error:
            raise ValueError(str(error)) from None
        return model

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.model == "unet" and self.weights != "none":
            raise ValueError(
                f"weights is {self.weights!r}: unet has no encoder that could start from them, "
                "choose none or a model such as unet:resnet34"
            )
        if self.label_smoothing and "cross_entropy" not in self.loss:
            raise ValueError(
                f"label_smoothing is {self.label_smoothing}: the loss {self.loss} cannot smooth, "
                "choose 0 or a loss with cross_entropy"
            )
        if (
            self.crop
            and self.scale_max == 1
            and any(crop > size for crop, size in zip(self.crop, self.size, strict=True))
        ):
            raise ValueError(
                f"crop is {_write_size(self.crop)}: larger than size, {_write_size(self.size)}, so "
                "part of every frame would be empty; choose a smaller crop or a scale_max above 1"
            )
        return self

    @property
    def crop_hw(self) -> tuple[int, int]:
        """(height, width) of what the network sees in training."""
        return self.crop or self.size

    @property
    def masks_folder(self) -> Path:
        """Where the converted masks lie."""
        return self.masks or self.data / "masks"


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """The values of a setting that takes one of a few words; () for all other settings."""
    is_choice = get_origin(field.annotation) is Literal
    return get_args(field.annotation) if is_choice else ()


def settings_that(effect: Literal["changes_memory", "changes_speed"]) -> tuple[str, ...]:
    """The settings on which the memory of a training step, or its time for each pixel, depends.

    They are marked on the fields of TrainConfig.
    """
    marks = {name: field.json_schema_extra for name, field in TrainConfig.model_fields.items()}
    return tuple(name for name, mark in marks.items() if isinstance(mark, dict) and effect in mark)


def make_config(values: Mapping[str, Any], preset: str = "reference") -> TrainConfig:
    """Build a TrainConfig from `preset` and `values` (strings are parsed).

    Raises ConfigError that names each wrong setting, what was found, and what is allowed.
    """
    try:
        return _build(values, preset)
    except ValidationError as error:
        raise ConfigError("; ".join(map(_explain, error.errors()))) from None


def find_problems(values: Mapping[str, Any], preset: str = "reference") -> dict[str, str]:
    """What keeps `make_config` from building a TrainConfig, by setting; empty if nothing does.

    What is wrong with several settings together stands under "".
    """
    found: dict[str, str] = {}
    try:
        _build(values, preset)
    except ValidationError as error:
        for problem in error.errors():
            found.setdefault(_name(problem), _message(problem))
    return found


def _build(values: Mapping[str, Any], preset: str) -> TrainConfig:
    if preset not in PRESETS:
        raise ConfigError(f"no preset is called {preset!r}: choose from {', '.join(PRESETS)}")
    settings = {**PRESETS[preset].settings, **values}
    config = TrainConfig(**settings)
    if "learning_rate" in values or "batch_size" not in values:
        return config
    basis = TrainConfig(**PRESETS[preset].settings)
    rate = followed_rate(basis.learning_rate, basis.batch_size, config.batch_size, config.optimizer)
    return TrainConfig(**settings | {"learning_rate": rate})


def followed_rate(
    learning_rate: float, batch_size: int, new_batch_size: int, optimizer: str
) -> float:
    """What a learning rate that suits `batch_size` becomes for another batch size.

    In proportion for SGD (Goyal et al., 2017), to its square root for Adam, which divides by the
    size of gradients (Malladi et al., 2022); three digits, and never above what is allowed.
    """
    growth = new_batch_size / batch_size
    rate = learning_rate * (growth if optimizer == "sgd" else growth**0.5)
    return min(float(f"{rate:.3g}"), _HIGHEST_RATE)


def _explain(problem: Any) -> str:
    name = _name(problem)
    if problem["type"] == "extra_forbidden":
        return f"there is no setting {name!r}: see python -m cityseg train --help"
    return f"{name} is {problem['input']!r}: {_message(problem)}" if name else _message(problem)


def _name(problem: Any) -> str:
    return ".".join(str(part) for part in problem["loc"][:1])


def _message(problem: Any) -> str:
    return str(problem["msg"]).removeprefix("Value error, ")


def load_config(path: Path) -> TrainConfig:
    """Read the TrainConfig of a run's config.json; raises ConfigError."""
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is not a readable configuration: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is not a configuration: found {type(values).__name__}")
    try:
        return make_config(values)
    except ConfigError as error:
        raise ConfigError(f"{path} is not a valid configuration: {error}") from error
