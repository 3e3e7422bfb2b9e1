"""The viewer: a Streamlit component of our own that shows pictures with their label maps.

Everything a person does in it happens in the browser: zoom, layers, classes, stepping through the
pictures. Python sends addresses and the label table once; the browser fetches what it shows
(`cityseg.ui.routes`). The scripts beside this file are one module, put together here.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import streamlit as st

from cityseg.labels import MAP_LABELS

_SCRIPTS: Final = ("load", "layers", "address", "grid", "stage", "keys", "controls")
_FOLDER: Final = Path(__file__).parent


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "cityseg_viewer",
    html='<div class="viewer"></div>',
    css=_read("viewer.css"),
    js="\n".join([*(_read(f"viewer_{part}.js") for part in _SCRIPTS), _read("viewer.js")]),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture for the viewer: a name, and the addresses of what there is of it.

    Label maps are grey PNGs as `png.encode_grey` makes them, all of one size, to which `image` is
    stretched: `labels` has label ids; `mask` (truth) and `prediction` have train ids;
    `confidence` has 0–255 for 0–1; `instances` has each 16-bit instance id as two bytes, high
    first, side by side. `note` is a line of text beside the name.
    """

    name: str
    image: str
    labels: str | None = None
    instances: str | None = None
    mask: str | None = None
    prediction: str | None = None
    confidence: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Many pictures whose addresses differ by name only: `<base><kind>?frame=<name>`.

    `kinds` are fields of Picture, and "thumbnail". `notes`, if any, has one text for each name.
    """

    names: Sequence[str]
    base: str
    kinds: Sequence[str]
    notes: Sequence[str] = field(default=())


def viewer(
    pictures: Sequence[Picture] | Gallery,
    *,
    key: str,
    start: str | None = None,
    layer: str | None = None,
    beside: str | None = None,
    address: bool = False,
    tell: bool = False,
) -> str | None:
    """Show `pictures`; a gallery begins with a grid of thumbnails.

    `start` is the name of the picture to begin with, `layer` what is shown over it at first:
    "image", "truth", "mask", "ignored", "prediction", "errors" or "confidence" (default: the
    prediction if there is one, else the truth), `beside` another one to begin with side by side.
    `address` keeps the view in the address bar. With `tell`, stepping to another picture runs the
    script again, and its name is returned.
    """
    gallery, listed = (pictures, ()) if isinstance(pictures, Gallery) else (None, pictures)
    predicted = bool(listed and listed[0].prediction)
    told: dict[str, Any] = {"on_frame_change": _nothing} if tell else {}
    result = _component(
        key=key,
        data={
            "labels": _LABELS,
            "gallery": gallery
            and {each.name: getattr(gallery, each.name) for each in fields(gallery)},
            "pictures": [asdict(picture) for picture in listed],
            "grid": gallery is not None,
            "start": start,
            "beside": beside,
            "layer": layer or ("prediction" if predicted else "truth"),
            "address": address,
            "tell": tell,
        },
        **told,
    )
    return result.get("frame") if tell else None


def _nothing() -> None:
    """Streamlit keeps only states that have a callback."""


#: The label table as the scripts want it, in id order.
_LABELS: Final = [
    {
        "id": label.id,
        "name": label.name,
        "category": label.category,
        "train_id": label.train_id,
        "ignored": label.ignore_in_eval,
        "color": label.color,
    }
    for label in MAP_LABELS
]
