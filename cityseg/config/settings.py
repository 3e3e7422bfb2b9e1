"""TrainConfig: one home for each training setting, its default, its bounds and its help.

Command-line flags, forms and messages are derived from the fields below. A TrainConfig that exists
is valid: the same checks run for a flag, a form and a file.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict

from cityseg.defaults import DATASET_VARIABLE, default_root
from cityseg.errors import ModelError

HIGHEST_RATE: Final = 10.0
#: What a device may be called: auto, cpu, cuda or cuda:N.
DEVICE_PATTERN: Final = r"^(auto|cpu|cuda(:[0-9]{1,2})?)$"

_SPEC = re.compile(r"([a-z0-9]+)(?::([A-Za-z0-9][A-Za-z0-9_.+-]*))?")
#: Sides of the pictures that a network is trained on, in pixels.
MIN_SIDE: Final = 16
_MAX_SIDE: Final = 4096
_LONGEST_TITLE: Final = 200

#: What a resumed run may be given: the paths and the device of its machine, and more training.
RESUME_SETTINGS: Final = (
    *("data", "masks", "store", "start_from", "weights", "device", "devices"),
    *("epochs", "patience"),
)

# Marks on fields, for `fields.settings_that`.
_MEMORY: Final[JsonDict] = {"changes_memory": True}
_SPEED: Final[JsonDict] = {"changes_speed": True}
_SHAPE: Final[JsonDict] = {"shapes_network": True}


def _allow(text: str) -> JsonDict:
    """Describe the valid values of a field whose type and bounds do not, for `problems`."""
    return {"allowed": text}


def check_model_spec(spec: str) -> tuple[str, str | None]:
    """Split `architecture` or `architecture:encoder`; the encoder is None if none is named.

    Checks only the syntax: the names themselves are checked when the model is built. Raises
    ModelError if `spec` has another form.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise ModelError(
            f"The model {spec!r} is neither 'unet' nor of the form architecture:encoder: "
            "write for example 'deeplabv3plus:resnet50'"
        )
    return match[1], match[2]


def _shown(name: str | Path) -> str:
    """A name in an error, which pydantic takes in UTF-8 only; the names of files may be none."""
    return str(name).encode(errors="backslashreplace").decode()


def _parse_size(value: Any) -> Any:
    if isinstance(value, str):
        parts = value.lower().replace("×", "x").split("x")
        if not all(part.strip().isdecimal() for part in parts):
            raise ValueError("not of the form HEIGHTxWIDTH")
        return tuple(int(part) for part in parts)
    return value


def _write_size(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[0]}x{size_hw[1]}"


_Side = Annotated[int, Field(ge=MIN_SIDE, le=_MAX_SIDE)]
#: (height, width) in pixels; the text "256x512" is parsed.
Size = Annotated[
    tuple[_Side, _Side],
    BeforeValidator(_parse_size),
    PlainSerializer(_write_size, when_used="json"),
]
_HW: Final = _allow(f"write HEIGHTxWIDTH, each from {MIN_SIDE} to {_MAX_SIDE}, such as 256x512")
_FOLDER: Final = _allow("give the path of a folder")

#: Where an encoder's first weights come from: nowhere, ImageNet's from a hub, or a file.
EncoderWeights = Literal["none", "imagenet"] | Path
#: The network whose weights a run starts from: none, the one that ships, a run's folder or a file.
StartFrom = Literal["none", "box"] | Path


class TrainConfig(BaseModel):
    """Everything that decides what a training run does."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    data: Path = Field(
        default_factory=default_root,
        description=f"Cityscapes folder [${DATASET_VARIABLE} or ./data]",
        json_schema_extra=_FOLDER,
    )
    masks: Path | None = Field(
        None, description="Folder of converted masks [DATA/masks]", json_schema_extra=_FOLDER
    )
    store: Path | None = Field(
        None, description="Folder of decoded frames [RUNS/.store]", json_schema_extra=_FOLDER
    )
    exclude: Path | None = Field(
        None,
        description="File with the names of frames to leave out of train and val, one a line; the "
        "run keeps a copy of it",
        json_schema_extra=_allow("give the path of a file"),
    )
    review: Path | None = Field(
        None,
        description="Ledger of reviewed regions, of which those with a wrong label are ignored in "
        "train; the run keeps a copy of them",
        json_schema_extra=_allow("give the path of a file"),
    )
    fold: str | None = Field(
        None,
        pattern=r"^[1-9]\d{0,3}/[1-9]\d{0,3}$",
        description="Part of the training frames to leave out, such as 1/3: parts are whole cities "
        "or drives, so that the network can be judged on streets that it has not seen",
        json_schema_extra=_allow("write PART/PARTS, such as 1/3"),
    )
    title: str = Field(
        "",
        max_length=_LONGEST_TITLE,
        description="A name for people; folders are never named by it",
        json_schema_extra=_allow(f"give a text of at most {_LONGEST_TITLE} characters"),
    )

    model: str = Field(
        "unet",
        description="Network: unet, or ARCHITECTURE:ENCODER such as unet:resnet34",
        json_schema_extra=_MEMORY
        | _SPEED
        | _SHAPE
        | _allow("choose unet, or ARCHITECTURE:ENCODER such as deeplabv3plus:resnet50"),
    )
    width: int = Field(
        64,
        ge=1,
        le=256,
        description="Channels of the first level of unet",
        json_schema_extra=_MEMORY | _SPEED | _SHAPE,
    )
    norm: Literal["batch", "group"] = Field(
        "batch",
        description="Normalisation in unet; group does not depend on the batch",
        json_schema_extra=_MEMORY | _SPEED | _SHAPE,
    )
    decoder_width: int = Field(
        0,
        ge=0,
        le=1024,
        description="Channels of the widest part of a decoder behind an encoder; 0 takes its own",
        json_schema_extra=_MEMORY | _SPEED | _SHAPE,
    )
    start_from: StartFrom = Field(
        "none",
        description="Trained network whose weights a new run starts from: none, box, a run's "
        "folder or a weights file; it brings the shape of the network along",
        json_schema_extra=_allow("choose none, box, a run's folder or a weights file"),
    )
    weights: EncoderWeights = Field(
        "none",
        description="Weights the encoder starts from: none, imagenet or a file",
        json_schema_extra=_allow("choose none, imagenet or the path of a file"),
    )

    size: Size = Field(
        (256, 512),
        description="Height x width to which frames are resized",
        json_schema_extra=_MEMORY | _HW,
    )
    fit: Literal["contain", "squash", "squash_in_training"] = Field(
        "contain",
        description="How frames of other proportions get that size, in training and in prediction: "
        "contain keeps proportions and pads the rest; squash fills the size; squash_in_training, "
        "as in version 0.1.0, keeps proportions in prediction",
    )
    crop: Size | None = Field(
        None,
        description="Height x width of the crops seen in training [SIZE]",
        json_schema_extra=_MEMORY | _HW,
    )
    batch_size: int = Field(
        8, ge=1, le=1024, description="Frames in each step", json_schema_extra=_MEMORY
    )
    epochs: int = Field(
        10,
        ge=1,
        le=10_000,
        description="Passes over the training frames, in a new order each; a last batch of one "
        "frame is left out",
    )

    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        "adam", description="Update rule", json_schema_extra=_MEMORY
    )
    learning_rate: float = Field(
        1e-4,
        gt=0,
        le=HIGHEST_RATE,
        description="Peak learning rate; follows the batch size unless it is given",
    )
    encoder_rate: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Learning rate of the encoder, as a share of that of the decoder",
    )
    freeze_steps: int = Field(
        0,
        ge=0,
        le=10**9,
        description="Steps at the start that leave the encoder as it is",
    )
    weight_decay: float = Field(0.0, ge=0, le=1, description="Pull of the weights towards zero")
    schedule: Literal["constant", "cosine", "poly"] = Field(
        "constant", description="How the learning rate falls over the run"
    )
    warmup_steps: int = Field(
        0, ge=0, description="Steps at the start over which the learning rate rises"
    )
    clip_norm: float = Field(0.0, ge=0, description="Largest norm of the gradient; 0 does not clip")
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay of a running mean of the weights, which is then kept; 0 keeps none",
        json_schema_extra=_MEMORY,
    )

    loss: Literal[
        "cross_entropy", "dice", "lovasz", "cross_entropy+dice", "cross_entropy+lovasz", "ohem"
    ] = Field(
        "cross_entropy",
        description="Loss to minimise; ignored pixels (255) never count",
        json_schema_extra=_MEMORY | _SPEED,
    )
    lovasz_stride: int = Field(
        1,
        ge=1,
        le=16,
        description="The Lovász loss counts every Nth row and column, which is faster",
        json_schema_extra=_MEMORY | _SPEED,
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of each label that cross-entropy spreads over all classes",
        json_schema_extra=_MEMORY,
    )
    class_weights: Literal["none", "inverse_log"] = Field(
        "none",
        description="Class weights in the loss; inverse_log raises rare classes by pixel counts",
        json_schema_extra=_MEMORY,
    )
    classes: Literal["all", "seen"] = Field(
        "all",
        description="Classes that the network may predict: all, or those seen in training masks",
    )

    scale_min: float = Field(1.0, ge=0.1, le=1.0, description="Smallest random scale of a frame")
    scale_max: float = Field(1.0, ge=1.0, le=10.0, description="Largest random scale of a frame")
    flip: bool = Field(False, description="Mirror half of the frames")
    jitter: float = Field(
        0.0, ge=0, le=1, description="Strength of random brightness, contrast and saturation"
    )
    blur: float = Field(
        0.0, ge=0, le=10, description="Largest random blur, in pixels; half of the frames get none"
    )
    noise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Largest random noise, as a share of white; half of the frames get none",
    )
    copy_paste: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of frames into which rare classes of another frame are pasted",
    )

    device: str = Field(
        "auto",
        pattern=DEVICE_PATTERN,
        description="Device to train on: auto, cpu, cuda or cuda:N",
        json_schema_extra=_MEMORY | _SPEED | _allow("choose auto, cpu, cuda or cuda:N"),
    )
    devices: int = Field(
        1,
        ge=1,
        le=64,
        description="Devices of this machine to train on together, each with its share of every "
        "batch; on the CPU, processes that share the cores",
        json_schema_extra=_MEMORY | _SPEED,
    )
    amp: Literal["auto", "off", "bf16"] = Field(
        "auto",
        description="Mixed precision with bfloat16; auto uses it where the hardware has it",
        json_schema_extra=_MEMORY | _SPEED,
    )
    channels_last: bool = Field(
        True,
        description="Keep channels last in memory, where most convolutions are fastest",
        json_schema_extra=_SPEED,
    )
    compile: bool = Field(
        False,
        description="Compile the network first, for a slow start and faster steps",
        json_schema_extra=_SPEED,
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**63 - 1,
        description="Decides the first weights, the order of frames and the augmentation",
    )

    save_every: int = Field(
        0, ge=0, description="Keep the weights of every Nth epoch; 0 keeps the best only"
    )
    checkpoint_minutes: float = Field(
        5.0, gt=0, description="Minutes of training between saved states, at most"
    )
    patience: int = Field(
        0, ge=0, description="Stop after this many epochs without a better mean IoU; 0 never stops"
    )
    wandb: Literal["off", "offline", "online"] = Field(
        "off", description="Tracking by Weights & Biases"
    )
    wandb_project: str = Field(
        "cityseg",
        pattern=r"^[\w.-]{1,128}$",
        description="Project in Weights & Biases",
        json_schema_extra=_allow("use 1 to 128 letters, digits, dots, dashes and underscores"),
    )

    @field_validator(
        "data", "masks", "store", "exclude", "review", "weights", "start_from", mode="before"
    )
    @classmethod
    def _check_path(cls, path: Any) -> Any:
        # Nothing is what a variable of a shell gives that is not set; Path takes it for ".".
        # No call of the system takes a zero byte, and most raise ValueError.
        if path == "" or "\0" in str(path):
            raise ValueError("no path")
        return path

    @field_validator("fold")
    @classmethod
    def _check_fold(cls, fold: str | None) -> str | None:
        index, count = map(int, (fold or "1/2").split("/"))
        if count < 2 or index > count:
            raise ValueError("no part of two or more")
        return fold

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
        if self.start_from != "none" and self.weights != "none":
            raise ValueError(
                f"The encoder cannot start from the weights {_shown(self.weights)} and from the "
                f"network {_shown(self.start_from)}: set one of weights and start_from to none"
            )
        if self.model == "unet" and self.weights != "none":
            raise ValueError(
                "The network unet has no encoder that could start from the weights "
                f"{_shown(self.weights)}: choose none or a model such as unet:resnet34"
            )
        for name in ("decoder_width", "encoder_rate", "freeze_steps"):
            value, default = getattr(self, name), type(self).model_fields[name].default
            if self.model == "unet" and value != default:
                raise ValueError(
                    f"The network unet has no encoder, but {name} is {value}: choose {default:g} "
                    "or a model such as unet:resnet34"
                )
        if self.label_smoothing and self.classes == "seen":
            raise ValueError(
                f"Labels cannot be smoothed over classes that are never predicted, but classes is "
                f"seen and label_smoothing is {self.label_smoothing}: choose 0, or classes all"
            )
        if self.label_smoothing and "cross_entropy" not in self.loss:
            raise ValueError(
                f"The loss {self.loss} cannot smooth labels, but label_smoothing is "
                f"{self.label_smoothing}: choose 0 or a loss with cross_entropy"
            )
        if self.devices > 1 and ":" in self.device:
            raise ValueError(
                f"The device {self.device} is one, but devices is {self.devices}: choose 1, or "
                "device auto, cpu or cuda"
            )
        if self.devices > self.batch_size:
            raise ValueError(
                f"Each of {self.devices} devices needs a frame of every batch, but batch_size is "
                f"{self.batch_size}: choose a larger batch_size or fewer devices"
            )
        if (
            self.crop
            and self.scale_max == 1
            and any(crop > size for crop, size in zip(self.crop, self.size, strict=True))
        ):
            raise ValueError(
                f"The crop {_write_size(self.crop)} is larger than the size "
                f"{_write_size(self.size)}, so part of every frame would be empty: choose a "
                "smaller crop or a scale_max above 1"
            )
        return self

    @property
    def crop_hw(self) -> tuple[int, int]:
        """(height, width) of what the network sees in training."""
        return self.crop or self.size

    @property
    def frames_per_device(self) -> int:
        """Frames of each step on one of the devices, at most."""
        return -(-self.batch_size // self.devices)

    @property
    def masks_folder(self) -> Path:
        """The folder of the converted masks."""
        return self.masks or self.data / "masks"
