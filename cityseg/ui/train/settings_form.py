"""The form for a new run, made of the fields of TrainConfig: their names, types and help."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import streamlit as st
from pydantic.fields import FieldInfo

from cityseg.config import TrainConfig, choices_of, find_problems, followed_rate, make_config
from cityseg.presets import PRESETS
from cityseg.ui.shell import Folders
from cityseg.ui.text import plain, shown

#: What most people want to change.
ESSENTIALS: Final = ("model", "width", "size", "batch_size", "epochs", "learning_rate", "device")
#: All others, as they belong together.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Data": ("data", "masks", "store", "crop"),
    "Network": ("weights", "norm", "amp", "channels_last", "compile"),
    "Optimisation": (
        "optimizer",
        "schedule",
        "warmup_steps",
        "weight_decay",
        "clip_norm",
        "ema",
        "loss",
        "label_smoothing",
        "class_weights",
        "seed",
    ),
    "Augmentation": ("scale_min", "scale_max", "flip", "jitter"),
    "Checkpoints": ("save_every", "checkpoint_minutes", "patience"),
    "Weights & Biases": ("wandb", "wandb_project"),
}
#: Where the name of a setting is not what people call it.
_WORDS: Final = {
    "amp": "Mixed precision",
    "checkpoint_minutes": "Minutes between checkpoints",
    "clip_norm": "Clip gradients at",
    "data": "Dataset",
    "ema": "Decay of averaged weights",
    "model": "Network",
    "norm": "Normalisation",
    "save_every": "Keep every Nth epoch",
    "scale_max": "Largest scale",
    "scale_min": "Smallest scale",
    "store": "Decoded frames",
    "title": "Name",
    "wandb": "Tracking",
    "wandb_project": "Project",
    "warmup_steps": "Warm-up steps",
    "weights": "Start from weights",
}
#: Offered where anything may be written.
_SUGGESTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "model": ("unet", "unet:resnet34", "deeplabv3plus:resnet50", "segformer:mit_b0"),
    "weights": ("none", "imagenet"),
    "device": ("auto", "cpu", "cuda"),
}

_FIELDS: Final = TrainConfig.model_fields
#: May be left empty.
_OPTIONAL: Final = tuple(name for name, field in _FIELDS.items() if field.default is None)
_COLUMNS: Final = 3
_PRESET: Final = "train_preset"
#: The settings as they were filled in, and the learning rate as the form made it follow.
_BASIS: Final = "train_basis"


def show_form(folders: Folders) -> tuple[dict[str, Any], dict[str, str]]:
    """Draw the form; returns the values for `make_config` and what is wrong with them."""
    if _PRESET not in st.session_state:
        fill_form(make_config({}))
        st.session_state.update({_key("data"): "", _PRESET: "reference"})
    values = _values(folders)
    problems = find_problems(values)
    _show_presets()
    _show_fields(("title",), problems, columns=1)
    _show_fields(ESSENTIALS, problems)
    placeholders = {
        "data": shown(folders.data),
        "masks": shown(values["masks"] or Path(values["data"]) / "masks"),
        "store": shown(folders.runs / ".store"),
        "crop": "as Size",
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


def words_for(name: str) -> str:
    """What people call a setting."""
    return _WORDS.get(name, name.replace("_", " ").capitalize())


def _key(name: str) -> str:
    return f"train_{name}"


def _shown_values(config: TrainConfig) -> dict[str, Any]:
    """What the widgets hold: text, but for switches."""
    return {
        name: value if isinstance(value, bool) else "" if value is None else shown(value)
        for name, value in config.model_dump(mode="json").items()
    }


def _values(folders: Folders) -> dict[str, Any]:
    """What the widgets hold, for `make_config`."""
    held = {name: st.session_state[_key(name)] for name in _FIELDS}
    values = {name: v.strip() if isinstance(v, str) else v for name, v in held.items()}
    empty = {name: None for name in _OPTIONAL if not values[name]}
    if values["data"]:
        return values | empty
    masks = values["masks"] or folders.masks_elsewhere
    return values | empty | {"data": folders.data, "masks": masks}


def _show_presets() -> None:
    chosen = st.segmented_control(
        "Start from",
        list(PRESETS),
        format_func=str.capitalize,
        key=_PRESET,
        persist_state="session",
        on_change=_take_preset,
        help="fills in the form; everything can be changed afterwards",
    )
    if chosen:
        preset = PRESETS[chosen]
        told = (f"{words_for(name)} {_written(value)}" for name, value in preset.settings.items())
        st.caption(plain(f"{preset.why} {', '.join(told)}."))


def _take_preset() -> None:
    preset = st.session_state[_PRESET]
    if preset:
        kept = {name: st.session_state[_key(name)] for name in ("title", "data", "masks", "store")}
        fill_form(make_config({}, preset))
        st.session_state.update({_key(name): value for name, value in kept.items()})
        st.session_state[_PRESET] = preset


def _follow_batch() -> None:
    """Let the learning rate follow the batch size, unless somebody has typed one."""
    filled, followed = st.session_state[_BASIS]
    batch = st.session_state[_key("batch_size")].strip()
    if st.session_state[_key("learning_rate")] == followed and not find_problems(
        {"batch_size": batch}
    ):
        rate = followed_rate(
            filled.learning_rate, filled.batch_size, int(batch), st.session_state[_key("optimizer")]
        )
        st.session_state[_key("learning_rate")] = shown(rate)
        st.session_state[_BASIS] = (filled, shown(rate))


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "×".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _show_fields(
    names: Sequence[str],
    problems: Mapping[str, str],
    placeholders: Mapping[str, str] = MappingProxyType({}),
    columns: int = _COLUMNS,
) -> None:
    """The fields in rows of `columns`, so that the order of keys is the order of reading."""
    for start in range(0, len(names), columns):
        for column, name in zip(st.columns(columns), names[start : start + columns], strict=False):
            with column:
                _show_field(name, _FIELDS[name], placeholders.get(name, ""))
                if name in problems:
                    st.caption(f":red[:material/error: {plain(problems[name])}]")


def _show_field(name: str, field: FieldInfo, placeholder: str) -> None:
    about: dict[str, Any] = {
        "label": words_for(name),
        "key": _key(name),
        "help": plain(field.description or ""),
        "persist_state": "session",
    }
    if field.annotation is bool:
        st.toggle(**about)
    elif choices := choices_of(field):
        st.selectbox(options=choices, **about)
    elif name in _SUGGESTIONS:
        st.selectbox(options=_SUGGESTIONS[name], accept_new_options=True, **about)
    else:
        follow = _follow_batch if name == "batch_size" else None
        st.text_input(placeholder=placeholder, on_change=follow, **about)
