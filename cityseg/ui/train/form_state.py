"""The state of the form for a new run: one home, of which the widgets are views.

A browser sends the values of all widgets with each edit, also of those that an answer on its way to
it will replace: a preset clicked and a field edited at once would leave the values of two presets.
So the key of a widget has the edition of its field. A field that is filled in gets a new edition,
and the values of widgets of earlier ones are not read any more, but for an edit of that very field.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import streamlit as st

from cityseg.config import TrainConfig, find_problems, followed_rate, make_config
from cityseg.errors import CitysegError
from cityseg.places import LOCAL
from cityseg.runs import inherited_settings, started_config
from cityseg.ui.text import utf8

#: Settings of a person or a machine, which a preset leaves as they are.
_KEPT: Final = ("title", "data", "masks", "store")
#: Browsers have no larger whole numbers: such a setting is edited as text.
_LARGEST_NUMBER: Final = 2**53 - 1
_FORM: Final = "train_form"
_PRESET: Final = "preset"


def _new_click() -> str:
    return uuid4().hex


@dataclass
class Form:
    """The values of the fields, as their widgets hold them, and what they were filled in with."""

    values: dict[str, Any]
    filled: dict[str, Any]
    preset: str | None
    #: The settings that were filled in, and the learning rate that the form derived from them.
    basis: tuple[TrainConfig, float]
    editions: dict[str, int] = field(default_factory=dict)
    #: What the widgets of earlier editions showed, by their keys.
    replaced: dict[str, Any] = field(default_factory=dict)
    #: The id of the start that the button stands for: another one after each filling in.
    click: str = field(default_factory=_new_click)
    #: Why the last click on it has started nothing.
    notice: str = ""
    #: Where to train; its widget forgets it whenever another view or page is drawn.
    place: str = LOCAL

    @property
    def changed(self) -> list[str]:
        """The settings that differ from what was filled in, without those of the person."""
        return [n for n, v in self.values.items() if n not in _KEPT and v != self.filled[n]]

    def edition(self, name: str) -> int:
        """How often the form has set the field `name` itself."""
        return self.editions.get(name, 0)

    def key(self, name: str) -> str:
        """The key of the widget of `name`."""
        return _key(name, self.edition(name))

    def put(self, name: str, value: Any) -> None:
        """Set a field in place of its widget, which gets a new edition if it showed another."""
        if value != self.values[name]:
            self.replaced[self.key(name)] = self.values[name]
            self.values[name] = value
            self.editions[name] = self.edition(name) + 1

    def fill(self, values: Mapping[str, Any], basis: TrainConfig, preset: str | None) -> None:
        """Set all fields."""
        for name, value in values.items():
            self.put(name, value)
        self.filled, self.preset = dict(values), preset
        self.basis = basis, basis.learning_rate
        self.renew_click()

    def renew_click(self) -> None:
        """Let the button stand for another start: what was clicked before does not count."""
        self.click, self.notice = _new_click(), ""

    def take_preset(self, name: str) -> None:
        """Set all fields to a preset, but for those of the person and the machine."""
        config = make_config({}, name)
        with suppress(CitysegError):  # shown beside the field of the network to start from
            config = started_config({}, name)
        kept = {each: self.values[each] for each in _KEPT}
        self.fill(shown_values(config) | kept, config, name)

    def sync(self) -> None:
        """Take over what the widgets of the present editions hold.

        An edit's own call may have been ended by the next click: each access to the session's
        state may end it. So there is only one, before anything is changed.
        """
        held = st.session_state.to_dict()
        chosen = held.get(self.key(_PRESET))
        if chosen and chosen != self.preset:
            self.take_preset(str(chosen))
            return
        values = {name: held.get(self.key(name), value) for name, value in self.values.items()}
        edited = [name for name, value in values.items() if value != self.values[name]]
        self.values = values
        for name in edited:
            self._follow(name)

    def take_edit(self, name: str, edition: int) -> None:
        """Take over an edit; one of a widget that was replaced meanwhile goes on top."""
        key = _key(name, edition)
        value = st.session_state.get(key)
        if edition == self.edition(name):
            self.sync()
        # Streamlit calls also for a widget that it had forgotten, whose value is not a new one.
        elif value != self.replaced.get(key, value):
            self.replaced[key] = value
            self.put(name, value)
            self._follow(name)

    def _follow(self, name: str) -> None:
        if name == "batch_size":
            self._follow_batch()
        elif name == "start_from":
            self._take_network()

    def _follow_batch(self) -> None:
        """Let the learning rate follow the batch size, unless one was typed."""
        filled, followed = self.basis
        batch = self.values["batch_size"]
        if self.values["learning_rate"] == followed and not find_problems({"batch_size": batch}):
            rate = self.rate_for(batch, self.values["optimizer"])
            self.put("learning_rate", rate)
            self.basis = filled, rate

    def rate_for(self, batch_size: int, optimizer: str) -> float:
        """The learning rate that follows a batch size from what was filled in."""
        filled, _ = self.basis
        return followed_rate(filled.learning_rate, filled.batch_size, batch_size, optimizer)

    def _take_network(self) -> None:
        """Fill in the settings that the network to start from brings along."""
        name = self.values["start_from"]
        if name == "none":
            return
        with suppress(CitysegError):  # shown beside the field
            for setting, value in inherited_settings(name).items():
                self.put(setting, _shown(value))
            self.put("weights", "none")


def current_form() -> Form:
    """The form of this session; the reference recipe at first."""
    if _FORM not in st.session_state:
        config = make_config({})
        values = shown_values(config) | {"data": ""}
        basis = config, config.learning_rate
        st.session_state[_FORM] = Form(values, dict(values), "reference", basis)
    form: Form = st.session_state[_FORM]
    return form


def fill_form(config: TrainConfig) -> None:
    """Put the settings of `config` into the form; for callbacks, before it is drawn."""
    form = current_form()
    if form.preset is not None:
        form.editions[_PRESET] = form.edition(_PRESET) + 1  # its widget shows one
    form.fill(shown_values(config), config, None)


def preset_key() -> str:
    """The key of the choice of a preset."""
    return current_form().key(_PRESET)


def shown_values(config: TrainConfig) -> dict[str, Any]:
    """The values of the widgets: numbers, truth values, and text for everything else."""
    return {name: _shown(value) for name, value in config.model_dump(mode="json").items()}


def _key(name: str, edition: int) -> str:
    return f"train_{name}_{edition}"


def _shown(value: Any) -> Any:
    if isinstance(value, bool | float) or (isinstance(value, int) and value <= _LARGEST_NUMBER):
        return value
    return "" if value is None else utf8(value)
