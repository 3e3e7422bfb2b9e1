"""The form for a new run, built from the names, types and descriptions of TrainConfig."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import streamlit as st
from pydantic.fields import FieldInfo

from cityseg.config import TrainConfig, choices_of, find_problems
from cityseg.errors import CitysegError
from cityseg.presets import PRESETS
from cityseg.runs import started_config
from cityseg.ui.folders import Folders
from cityseg.ui.glossary import TERMS
from cityseg.ui.text import plain, sentence, utf8, words
from cityseg.ui.train.form_state import Form, current_form, preset_key
from cityseg.ui.train.review_ledger import show_review
from cityseg.ui.train.start_from import show_start_from

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
    "Data": ("data", "masks", "store", "exclude", "review", "fold", "crop", "fit"),
    "Network": ("weights", "decoder_width", "norm", "amp", "channels_last", "compile", "devices"),
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
        "classes",
        "seed",
    ),
    "Augmentation": ("scale_min", "scale_max", "flip", "jitter", "blur", "noise", "copy_paste"),
    "Checkpoints": ("save_every", "checkpoint_minutes", "patience"),
    "Weights & Biases": ("wandb", "wandb_project"),
}
#: Labels of settings whose name alone does not say what they are.
_LABELS: Final = {
    "amp": "Mixed precision",
    "channels_last": "Fast layout",
    "checkpoint_minutes": "Minutes between checkpoints",
    "clip_norm": "Clip gradients at",
    "copy_paste": "Paste rare classes",
    "data": "Dataset",
    "devices": "Number of devices",
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
    "review": "Review ledger",
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
    "ema": TERMS["EMA"],
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
    "weights": ("none", "imagenet"),
    "device": ("auto", "cpu", "cuda"),
}

#: What one click on + or - of a number adds.
_STEPS: Final = {
    "learning_rate": 1e-4,
    "encoder_rate": 0.1,
    "weight_decay": 0.01,
    "clip_norm": 0.5,
    "ema": 0.001,
    "label_smoothing": 0.05,
    "scale_min": 0.05,
    "scale_max": 0.25,
    "jitter": 0.1,
    "blur": 0.5,
    "noise": 0.01,
    "copy_paste": 0.1,
    "checkpoint_minutes": 1.0,
}

_FIELDS: Final = TrainConfig.model_fields
#: Settings that may be left empty.
_OPTIONAL: Final = tuple(name for name, field in _FIELDS.items() if field.default is None)
_COLUMNS: Final = 3
#: Whether all settings are shown.
_ALL_SETTINGS: Final = "train_all_settings"
#: Names of settings in the messages of TrainConfig, which the form has labels for.
_NAMES: Final = re.compile(rf"\b({'|'.join(name for name in _FIELDS if '_' in name)})\b")


def show_form(folders: Folders) -> tuple[dict[str, Any], dict[str, str]]:
    """Draw the form; returns the values for `make_config`, and its problems by setting."""
    form = current_form()
    form.sync()
    values = form_values(form, folders)
    problems = find_form_problems(values)
    _show_presets(form)
    _show_fields(form, ("title",), problems, columns=1)
    _show_fields(form, ESSENTIALS, problems)
    placeholders = {
        "data": utf8(folders.data),
        "masks": utf8(values["masks"] or Path(values["data"]) / "masks"),
        "store": utf8(folders.runs / ".store"),
        "crop": "Same as size",
        "exclude": "None",
        "fold": "None",
    }
    if any(name in problems for names in GROUPS.values() for name in names):
        st.session_state[_ALL_SETTINGS] = True
    # Drawn only while it is open: each field costs time at every click, in the browser too.
    more = st.expander("All settings", icon=":material/tune:", key=_ALL_SETTINGS, on_change="rerun")
    for group, names in GROUPS.items() if more.open else ():
        with more:
            st.markdown(f"**{group}**")
            _show_fields(form, names, problems, placeholders)
    return values, problems


def label_of(name: str) -> str:
    """The label of a setting."""
    return _LABELS.get(name, words(name))


def written(name: str, value: Any) -> str:
    """A setting and its value: `Size: 512×1024`."""
    return f"{label_of(name)}: {written_value(name, value)}"


def written_value(name: str, value: Any) -> str:
    """The value of a setting as people read it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return "×".join(map(str, value))
    if value is None or value == "":
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    return _option_label(value) if choices_of(_FIELDS[name]) else utf8(value)


def form_values(form: Form, folders: Folders) -> dict[str, Any]:
    """The values of the fields as `make_config` takes them."""
    values = {n: v.strip() if isinstance(v, str) else v for n, v in form.values.items()}
    empty = {name: None for name in _OPTIONAL if not values[name]}
    if values["data"]:
        return values | empty
    masks = values["masks"] or folders.masks_elsewhere
    return values | empty | {"data": folders.data, "masks": masks}


def find_form_problems(values: Mapping[str, Any]) -> dict[str, str]:
    """A sentence for each setting that keeps a run from being started, by its name.

    Settings that are valid alone but not together are under "".
    """
    found = find_problems(values)
    if not found:
        try:
            started_config(values)
        except CitysegError as error:
            found = {"start_from": str(error)}
    return {name: with_labels(text) for name, text in found.items()}


def with_labels(text: str) -> str:
    """A sentence on settings with the labels of the form in place of their names."""
    return _NAMES.sub(_quoted_label, text)


def _quoted_label(match: re.Match[str]) -> str:
    return f"“{label_of(match[0])}”"


def _option_label(value: str) -> str:
    return _OPTION_LABELS.get(value, value.capitalize())


def _show_presets(form: Form) -> None:
    st.segmented_control(
        "Preset",
        list(PRESETS),
        default=form.preset,
        format_func=str.capitalize,
        key=preset_key(),
        required=True,
        on_change=form.sync,
        help="Fills in the form. Every setting can be changed afterwards.",
    )
    if form.preset and form.changed:
        _show_changed(form, form.preset)
    elif form.preset:
        preset = PRESETS[form.preset]
        settings = [written(name, value) for name, value in preset.settings.items()]
        st.caption(plain(f"{preset.why} {', '.join(settings)}."))


def _show_changed(form: Form, preset: str) -> None:
    name = preset.capitalize()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(f"{name}, changed", icon=":material/edit:", color="orange")
        st.caption(plain(", ".join(map(label_of, form.changed))))
        st.button(
            f"Back to {name}", icon=":material/undo:", on_click=form.take_preset, args=(preset,)
        )


def _show_fields(
    form: Form,
    names: Sequence[str],
    problems: Mapping[str, str],
    placeholders: Mapping[str, str] = MappingProxyType({}),
    columns: int = _COLUMNS,
) -> None:
    """Draw the fields in rows of `columns`: Tab then goes through them in the order of reading."""
    for start in range(0, len(names), columns):
        for column, name in zip(st.columns(columns), names[start : start + columns], strict=False):
            with column:
                _show_field(form, name, _FIELDS[name], placeholders.get(name, ""))
                if name in problems:
                    st.caption(f":red[:material/error: {plain(sentence(problems[name]))}]")
                elif form.preset and name in form.changed:
                    before = written_value(name, form.filled[name])
                    st.caption(
                        f":orange[:material/edit: {form.preset.capitalize()} has {plain(before)}]"
                    )


def _show_field(form: Form, name: str, field: FieldInfo, placeholder: str) -> None:
    value = form.values[name]
    about: dict[str, Any] = {
        "label": label_of(name),
        "key": form.key(name),
        "help": plain(f"{sentence(field.description or '')} {_MORE_HELP.get(name, '')}".strip()),
        "on_change": form.take_edit,
        "args": (name, form.edition(name)),
    }
    # The value as the default of the widget, not through the session's state: a run that is
    # interrupted may have set that, and the browser never learns of it.
    if field.annotation is bool:
        st.toggle(value=value, **about)
    elif choices := choices_of(field):
        _show_choice(choices, value, format_func=_option_label, **about)
    elif name == "start_from":
        show_start_from(value, **about)
    elif name == "review":
        show_review(value, form.values["data"], **about)
    elif name in _SUGGESTIONS:
        options = dict.fromkeys([*_SUGGESTIONS[name], *([value] if value else [])])
        _show_choice(tuple(options), value, accept_new_options=True, **about)
    elif field.annotation in (int, float) and not isinstance(value, str):
        _show_number(name, field, value, about)
    else:
        st.text_input(value=value, placeholder=placeholder, **about)


def _show_choice(options: Sequence[str], value: str, **about: Any) -> None:
    st.selectbox(options=options, index=options.index(value) if value else None, **about)


def _show_number(name: str, field: FieldInfo, value: float | None, about: dict[str, Any]) -> None:
    """Without bounds: a browser keeps a number beyond them to itself, and the run would have the
    number before it."""
    is_whole = field.annotation is int
    step = 1 if is_whole else _STEPS[name]
    st.number_input(value=value, step=step, format="%d" if is_whole else "%g", **about)
