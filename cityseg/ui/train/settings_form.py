"""The form for a new run, built from the names, types and descriptions of TrainConfig."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import streamlit as st
from pydantic.fields import FieldInfo

from cityseg.config import TrainConfig, choices_of, find_problems, followed_rate, make_config
from cityseg.errors import CitysegError
from cityseg.presets import PRESETS
from cityseg.runs import inherited_settings, started_config
from cityseg.ui.folders import Folders
from cityseg.ui.text import plain, sentence, utf8, words

#: The settings that most people change.
ESSENTIALS: Final = (
    "start_from",
    "model",
    "width",
    "size",
    "batch_size",
    "epochs",
    "learning_rate",
    "device",
)
#: All others, in groups.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Data": ("data", "masks", "store", "exclude", "fold", "crop", "fit"),
    "Network": ("weights", "decoder_width", "norm", "amp", "channels_last", "compile"),
    "Optimisation": (
        "optimizer",
        "encoder_rate",
        "freeze_steps",
        "schedule",
        "warmup_steps",
        "weight_decay",
        "clip_norm",
        "ema",
        "loss",
        "lovasz_stride",
        "label_smoothing",
        "class_weights",
        "seed",
    ),
    "Augmentation": ("scale_min", "scale_max", "flip", "jitter", "blur", "noise"),
    "Checkpoints": ("save_every", "checkpoint_minutes", "patience"),
    "Weights & Biases": ("wandb", "wandb_project"),
}
#: Labels of settings whose name alone does not say what they are.
_LABELS: Final = {
    "amp": "Mixed precision",
    "channels_last": "Fast layout",
    "checkpoint_minutes": "Minutes between checkpoints",
    "clip_norm": "Clip gradients at",
    "data": "Dataset",
    "ema": "Decay of averaged weights",
    "encoder_rate": "Encoder's share of the learning rate",
    "exclude": "List of excluded frames",
    "fold": "Part left out",
    "fit": "Frames of other proportions",
    "flip": "Mirror",
    "freeze_steps": "Steps with a frozen encoder",
    "jitter": "Colour jitter",
    "lovasz_stride": "Lovász on every Nth pixel",
    "model": "Network",
    "norm": "Normalisation",
    "patience": "Patience in epochs",
    "save_every": "Keep every Nth epoch",
    "scale_max": "Largest scale",
    "scale_min": "Smallest scale",
    "start_from": "Start from",
    "store": "Folder of decoded frames",
    "title": "Name",
    "wandb": "Tracking",
    "wandb_project": "Project",
    "warmup_steps": "Warm-up steps",
    "weights": "Weights of the encoder",
    "width": "Network width",
}
#: Labels of options that would not be right with a capital letter alone.
_OPTION_LABELS: Final = {
    "adamw": "AdamW",
    "bf16": "bfloat16",
    "contain": "Keep proportions, pad the rest",
    "cross_entropy": "Cross-entropy",
    "cross_entropy+dice": "Cross-entropy + Dice",
    "cross_entropy+lovasz": "Cross-entropy + Lovász",
    "inverse_log": "Higher for rare classes",
    "lovasz": "Lovász",
    "none": "Equal",
    "ohem": "Hardest pixels (OHEM)",
    "poly": "Polynomial",
    "sgd": "SGD",
    "squash": "Squash",
    "squash_in_training": "Squash in training only (0.1.0)",
}
#: What the description of a setting takes for granted.
_MORE_HELP: Final = {
    "class_weights": "Here that is “Higher for rare classes”: they are hardly learned otherwise.",
    "store": "Frames are decoded and resized once and kept there, so that no epoch waits for that.",
    "width": "More channels make a larger and slower network that can learn more.",
}
#: Offered where other values may be typed.
_SUGGESTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "model": (
        "unet",
        "unet:resnet34",
        "deeplabv3plus:resnet50",
        "segformer:mit_b0",
        "fpn:tu-tf_efficientnet_lite2",
    ),
    "start_from": ("none", "box"),
    "weights": ("none", "imagenet"),
    "device": ("auto", "cpu", "cuda"),
}

_FIELDS: Final = TrainConfig.model_fields
#: Settings that may be left empty.
_OPTIONAL: Final = tuple(name for name, field in _FIELDS.items() if field.default is None)
_COLUMNS: Final = 3
_PRESET: Final = "train_preset"
#: The settings that were filled in, and the learning rate that the form derived from them.
_BASIS: Final = "train_basis"


def show_form(folders: Folders) -> tuple[dict[str, Any], dict[str, str]]:
    """Draw the form; returns the values for `make_config`, and its problems by setting."""
    if _PRESET not in st.session_state:
        fill_form(make_config({}))
        st.session_state.update({_key("data"): "", _PRESET: "reference"})
    values = _values(folders)
    problems = find_problems(values) or _start_problems(values)
    _show_presets()
    _show_fields(("title",), problems, columns=1)
    _show_fields(ESSENTIALS, problems)
    placeholders = {
        "data": utf8(folders.data),
        "masks": utf8(values["masks"] or Path(values["data"]) / "masks"),
        "store": utf8(folders.runs / ".store"),
        "crop": "Same as size",
        "exclude": "None",
        "fold": "None",
    }
    is_wrong = any(name in problems for names in GROUPS.values() for name in names)
    with st.expander("All settings", icon=":material/tune:", expanded=is_wrong):
        for group, names in GROUPS.items():
            st.markdown(f"**{group}**")
            _show_fields(names, problems, placeholders)
    return values, problems


def fill_form(config: TrainConfig) -> None:
    """Put the settings of `config` into the form; for callbacks, before it is drawn."""
    st.session_state[_PRESET] = None
    shown_values = _shown_values(config)
    for name, value in shown_values.items():
        st.session_state[_key(name)] = value
    st.session_state[_BASIS] = (config, shown_values["learning_rate"])


def label_of(name: str) -> str:
    """The label of a setting."""
    return _LABELS.get(name, words(name))


def _option_label(value: str) -> str:
    return _OPTION_LABELS.get(value, value.capitalize())


def _key(name: str) -> str:
    return f"train_{name}"


def _shown_values(config: TrainConfig) -> dict[str, Any]:
    """The values of the widgets: text, but for toggles."""
    return {
        name: value if isinstance(value, bool) else "" if value is None else utf8(value)
        for name, value in config.model_dump(mode="json").items()
    }


def _values(folders: Folders) -> dict[str, Any]:
    """The values of the widgets as `make_config` takes them."""
    held = {name: st.session_state[_key(name)] for name in _FIELDS}
    values = {name: v.strip() if isinstance(v, str) else v for name, v in held.items()}
    empty = {name: None for name in _OPTIONAL if not values[name]}
    if values["data"]:
        return values | empty
    masks = values["masks"] or folders.masks_elsewhere
    return values | empty | {"data": folders.data, "masks": masks}


def _start_problems(values: Mapping[str, Any]) -> dict[str, str]:
    """Why no run can start from the network that `values` names."""
    try:
        started_config(values)
    except CitysegError as error:
        return {"start_from": str(error)}
    return {}


def _take_network() -> None:
    """Fill in the settings that the network to start from brings along."""
    name = st.session_state[_key("start_from")]
    if name == "none":
        return
    with suppress(CitysegError):  # shown beside the field
        for setting, value in inherited_settings(name).items():
            st.session_state[_key(setting)] = utf8(value)
        st.session_state[_key("weights")] = "none"


def _show_presets() -> None:
    chosen = st.segmented_control(
        "Preset",
        list(PRESETS),
        format_func=str.capitalize,
        key=_PRESET,
        persist_state="session",
        on_change=_take_preset,
        help="Fills in the form. Every setting can be changed afterwards.",
    )
    if chosen:
        preset = PRESETS[chosen]
        settings = [_written(name, value) for name, value in preset.settings.items()]
        st.caption(plain(f"{preset.why} {', '.join(settings)}."))


def _take_preset() -> None:
    preset = st.session_state[_PRESET]
    if preset:
        kept = {name: st.session_state[_key(name)] for name in ("title", "data", "masks", "store")}
        fill_form(make_config({}, preset))
        st.session_state.update({_key(name): value for name, value in kept.items()})
        st.session_state[_PRESET] = preset


def _follow_batch() -> None:
    """Let the learning rate follow the batch size, unless one was typed."""
    filled, followed = st.session_state[_BASIS]
    batch = st.session_state[_key("batch_size")].strip()
    if st.session_state[_key("learning_rate")] == followed and not find_problems(
        {"batch_size": batch}
    ):
        rate = followed_rate(
            filled.learning_rate, filled.batch_size, int(batch), st.session_state[_key("optimizer")]
        )
        st.session_state[_key("learning_rate")] = utf8(rate)
        st.session_state[_BASIS] = (filled, utf8(rate))


def _written(name: str, value: Any) -> str:
    """A setting and its value: `Size: 512×1024`."""
    if isinstance(value, bool):
        text = "on" if value else "off"
    elif isinstance(value, tuple):
        text = "×".join(map(str, value))
    else:
        text = _option_label(value) if choices_of(_FIELDS[name]) else str(value)
    return f"{label_of(name)}: {text}"


def _show_fields(
    names: Sequence[str],
    problems: Mapping[str, str],
    placeholders: Mapping[str, str] = MappingProxyType({}),
    columns: int = _COLUMNS,
) -> None:
    """Draw the fields in rows of `columns`: Tab then goes through them in the order of reading."""
    for start in range(0, len(names), columns):
        for column, name in zip(st.columns(columns), names[start : start + columns], strict=False):
            with column:
                _show_field(name, _FIELDS[name], placeholders.get(name, ""))
                if name in problems:
                    st.caption(f":red[:material/error: {plain(sentence(problems[name]))}]")


def _show_field(name: str, field: FieldInfo, placeholder: str) -> None:
    about: dict[str, Any] = {
        "label": label_of(name),
        "key": _key(name),
        "help": plain(f"{sentence(field.description or '')} {_MORE_HELP.get(name, '')}".strip()),
        "persist_state": "session",
    }
    if field.annotation is bool:
        st.toggle(**about)
    elif choices := choices_of(field):
        st.selectbox(options=choices, format_func=_option_label, **about)
    elif name in _SUGGESTIONS:
        take = _take_network if name == "start_from" else None
        options = _SUGGESTIONS[name]
        st.selectbox(options=options, accept_new_options=True, on_change=take, **about)
    else:
        follow = _follow_batch if name == "batch_size" else None
        st.text_input(placeholder=placeholder, on_change=follow, **about)
