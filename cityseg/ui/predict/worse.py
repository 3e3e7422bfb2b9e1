"""The choice of a corruption that makes the picture worse before it is predicted."""

from dataclasses import replace
from typing import Final

import streamlit as st

from cityseg.arrays import Uint8Array
from cityseg.corruption import CORRUPTIONS, SEVERITIES, Corruption
from cityseg.ui.glossary import TERMS
from cityseg.ui.predict.inputs import InputPicture

_NAMES: Final = {text: name for name, text in CORRUPTIONS.items()}


def choose_corruption() -> Corruption | None:
    """Draw the choice; None for the picture as it is."""
    with st.popover("Make worse", icon=":material/foggy:"):
        text = st.selectbox(
            "Corruption",
            list(_NAMES),
            index=None,
            placeholder="None",
            key="worse",
            bind="query-params",
            help=TERMS["Corruption"],
        )
        severity = st.slider(
            "Severity",
            SEVERITIES[0],
            SEVERITIES[-1],
            3,
            key="severity",
            bind="query-params",
            disabled=text is None,
        )
    return Corruption(_NAMES[text], severity) if text else None


def said(corruption: Corruption) -> str:
    """A corruption as people read it: "Fog, severity 4"."""
    return f"{CORRUPTIONS[corruption.name]}, severity {corruption.severity}"


def made_worse(picture: InputPicture, corruption: Corruption | None) -> InputPicture:
    """The picture, decoded with the corruption that evidence of it has as well."""
    if corruption is None:
        return picture

    def decode(content: bytes) -> Uint8Array:
        from cityseg.prediction import corrupt_picture  # loads torch

        return corrupt_picture(picture.decode(content), corruption, picture.name)

    return replace(picture, decode=decode, corruption=corruption)
