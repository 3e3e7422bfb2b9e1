"""Fields for variants of the training in the form: settings to vary, their values, and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from cityseg.config import TrainConfig, find_problems, make_config
from cityseg.jobs import MOST_RUNS, RunGroup, combinations, variant_title
from cityseg.runs import LONGEST_NAME
from cityseg.ui.text import plain, sentence, utf8
from cityseg.ui.train.form_state import Form
from cityseg.ui.train.settings_form import (
    ESSENTIALS,
    GROUPS,
    find_form_problems,
    label_of,
    written_value,
)

#: Settings of a machine or of the recording, and those with a field of their own here.
_FIXED: Final = ("data", "masks", "store", "device", "wandb", "wandb_project", "seed")
_VARIABLE: Final = tuple(
    name
    for name in (*ESSENTIALS, *(name for names in GROUPS.values() for name in names))
    if name not in _FIXED
)
_ROWS: Final = (("train_vary", "Setting"), ("train_vary_too", "Second setting"))
_SEEDS: Final = "train_seeds"
_GROUP: Final = "train_group"
#: As many titles are listed.
_MOST_TITLES: Final = 4


@dataclass(frozen=True)
class Variants:
    """What the fields ask for: runs of one group, or the sentences that say why there are none."""

    group: RunGroup
    problems: Sequence[str] = ()


def show_fields(form: Form) -> None:
    """Draw the fields."""
    for key, label in _ROWS:
        setting, values = st.columns(2)
        name = setting.selectbox(
            label,
            _VARIABLE,
            index=None,
            format_func=label_of,
            placeholder="None",
            key=key,
            persist_state="session",
        )
        values.text_input(
            "Values",
            key=_values_key(key),
            disabled=name is None,
            placeholder=_example(form, name) if name else "",
            persist_state="session",
            help="Separated by commas. Each is checked like the field of the setting.",
        )
    seeds, group = st.columns(2)
    seeds.text_input(
        "Seeds",
        key=_SEEDS,
        placeholder="0, 1, 2",
        persist_state="session",
        help="Each variant is trained once with each seed, which shows how much chance decides. "
        "Empty: the seed of the form.",
    )
    group.text_input(
        "Group",
        key=_GROUP,
        placeholder=utf8(_default_group(form, _asked())),
        persist_state="session",
        help="The tag of these runs, by which the list of runs can be narrowed. The same settings "
        "are not queued twice in a group.",
    )


def show_titles(variants: Variants) -> None:
    """Draw what keeps the runs from being queued, or how they will be called."""
    for problem in variants.problems:
        st.caption(f":red[:material/error: {plain(sentence(problem))}]")
    if not variants.problems:
        titles = [config.title for config in variants.group.configs]
        more = len(titles) - _MOST_TITLES
        shown = [*titles[:_MOST_TITLES], *([f"and {more} more"] if more > 0 else [])]
        st.caption(plain("; ".join(shown)))


def read_variants(form: Form, values: Mapping[str, Any]) -> Variants | None:
    """What the fields ask for on top of the `values` of the form; None if they are empty."""
    asked = _asked()
    if not asked:
        return None
    name = str(st.session_state.get(_GROUP) or "").strip() or _default_group(form, asked)
    problems = _find_problems(asked, values)
    if len(name) > LONGEST_NAME:
        problems.append(f"A group's name has at most {LONGEST_NAME} characters: shorten it")
    configs: dict[str, TrainConfig] = {}
    for each in [] if problems else combinations(asked):
        chosen = {**values, **_followed(form, values, each), **each}
        if wrong := find_form_problems(chosen):
            problems.append(f"{variant_title('', each)}: {next(iter(wrong.values()))}")
            break
        config = _titled(make_config(chosen), list(each))
        configs[config.title] = config  # 1e-3 and 0.001 are one
    if any(find_problems({"title": title}) for title in configs):
        problems.append("The name of the runs is too long with the settings that vary: shorten it")
    return Variants(RunGroup(name, tuple(configs.values())), problems)


def _followed(form: Form, values: Mapping[str, Any], each: Mapping[str, Any]) -> dict[str, float]:
    """The learning rate that follows the batch size of a variant; none if a person has set one."""
    _, rate = form.basis
    if "batch_size" not in each or values["learning_rate"] != rate:
        return {}
    optimizer = each.get("optimizer", values["optimizer"])
    return {"learning_rate": form.rate_for(int(each["batch_size"]), optimizer)}


def _titled(config: TrainConfig, varied: Sequence[str]) -> TrainConfig:
    written = {name: written_value(name, getattr(config, name)) for name in varied}
    return config.model_copy(update={"title": variant_title(config.title, written)})


def _find_problems(asked: Mapping[str, list[str]], values: Mapping[str, Any]) -> list[str]:
    """What is wrong with single values, or with their number."""
    problems, count = [], 1
    if st.session_state.get(_ROWS[0][0]) and len({st.session_state.get(k) for k, _ in _ROWS}) == 1:
        problems.append("Choose two different settings")
    for name, texts in asked.items():
        count *= max(len(texts), 1)
        if not texts:
            problems.append(f"{label_of(name)}: write the values, separated by commas")
        found = {text: find_problems({**values, name: text}) for text in texts}
        problems += [
            f"{label_of(name)} {t}: {wrong[name]}" for t, wrong in found.items() if name in wrong
        ]
    if count > MOST_RUNS:
        problems.append(f"These are {count:,} runs, and a group has at most {MOST_RUNS}")
    return problems


def _asked() -> dict[str, list[str]]:
    """The texts of the values by setting; empty lists where a setting has none yet."""
    state = st.session_state
    rows = [(state.get(key), state.get(_values_key(key))) for key, _ in _ROWS]
    asked = {str(name): _split(text) for name, text in rows if name}
    return asked | ({"seed": seeds} if (seeds := _split(state.get(_SEEDS))) else {})


def _split(text: Any) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in str(text or "").split(",") if part.strip()))


def _values_key(key: str) -> str:
    return f"{key}_values"


def _default_group(form: Form, asked: Mapping[str, Any]) -> str:
    basis = form.values["title"].strip() or (form.preset or "own settings").capitalize()
    return f"{basis}: {' × '.join(label_of(name) for name in asked) or 'variants'}"


def _example(form: Form, name: str) -> str:
    value = form.values[name]
    if isinstance(value, bool):
        return "off, on"
    if isinstance(value, int | float):
        return f"{value:g}, {3 * value:g}" if value else "0, 1"
    return utf8(value) or "Value, value"
