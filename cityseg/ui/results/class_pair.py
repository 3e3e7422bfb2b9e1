"""The choice of a true and a predicted class, which several views share.

The address has their train ids: `truth` and `prediction`. It alone holds the choice, so that any
link leads to it.
"""

from typing import Final

import streamlit as st

from cityseg.labels import CLASS_NAMES, IGNORE, NUM_CLASSES
from cityseg.ui import charts

#: What a class is predicted as; the last is what no class is.
PREDICTED: Final = (*CLASS_NAMES, charts.IGNORED)
#: The parameters of the address by the keys of the widgets; later ones are of older links.
_PARAMETERS: Final = {"truth": ("truth",), "predicted": ("prediction", "predicted")}


def choose_pair() -> tuple[int | None, int | None]:
    """Draw both choices side by side; columns of the confusion, None where any class will do."""
    left, right = st.columns(2)
    with left:
        truth = _choose("Ground truth", "truth", CLASS_NAMES)
    with right:
        predicted = _choose("Predicted as", "predicted", PREDICTED)
    return truth, predicted


def set_pair(truth: int | None, predicted: int | None) -> None:
    """Choose for the person; for a callback."""
    for key, position in (("truth", truth), ("predicted", predicted)):
        _write(key, None if position is None else PREDICTED[position])


def _choose(label: str, key: str, names: tuple[str, ...]) -> int | None:
    st.session_state[key] = _read(key, names)
    name = st.selectbox(
        label,
        names,
        index=None,
        key=key,
        placeholder="Any",
        on_change=lambda: _write(key, st.session_state[key]),
    )
    return names.index(name) if name else None


def _read(key: str, names: tuple[str, ...]) -> str | None:
    """The name that the address gives, by its train id or as older links do."""
    texts = (st.query_params.get(parameter) for parameter in _PARAMETERS[key])
    text = next((text for text in texts if text is not None), "")
    of_text = {_parameter_of(position): name for position, name in enumerate(names)}
    return of_text.get(text, text if text in names else None)


def _write(key: str, name: str | None) -> None:
    parameter, *older = _PARAMETERS[key]
    st.query_params[parameter] = _parameter_of(PREDICTED.index(name) if name else None)
    for each in older:
        if each in st.query_params:
            del st.query_params[each]


def _parameter_of(position: int | None) -> str:
    """What the address has for a column of the confusion."""
    if position is None:
        return ""
    return str(IGNORE if position == NUM_CLASSES else position)
