"""The viewer: a Streamlit component of our own that shows pictures with their label maps.

Everything that a person does in it happens in the browser: zoom, layers, classes, stepping through
the pictures. Python sends addresses and the label table once; the browser fetches what it shows
(`cityseg.ui.routes`).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import streamlit as st

from cityseg.labels import MAP_LABELS
from cityseg.ui.glossary import LABELS
from cityseg.ui.viewer import modules

_component = st.components.v2.component(
    "cityseg_viewer",
    html='<div class="viewer"></div>',
    css=(Path(__file__).parent / "viewer.css").read_text(encoding="utf-8"),
    js=modules.LOADER,
)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture for the viewer: a name, and the addresses of what there is of it.

    Label maps are grey PNGs as `png.encode_grey` makes them, all of one size, to which `image` is
    stretched: `labels` has label ids; `mask` (truth) and `prediction` have train ids;
    `confidence` has 0–255 for 0–1; `values` has what the annotation's file holds, one byte a pixel
    or red, green and blue side by side; `instances` has each 16-bit instance id as two bytes, high
    first, side by side. `note` is a line of text beside the name.
    """

    name: str
    image: str
    labels: str | None = None
    values: str | None = None
    instances: str | None = None
    mask: str | None = None
    prediction: str | None = None
    confidence: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Many pictures whose addresses differ by name only: `<base><kind>?frame=<name>`.

    `kinds` are fields of Picture, "thumbnail" and "overlay" (the labels over it). `notes`, if any,
    has one text for each name, and `tags` its tags, separated by commas.
    """

    names: Sequence[str]
    base: str
    kinds: Sequence[str]
    notes: Sequence[str] = field(default=())
    tags: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class Tagging:
    """That pictures can be tagged in the viewer, with the tags `known` so far as suggestions.

    `keep` is called, before the script runs again, with what the browser sent: a list of objects
    with `id`, `frame`, `tag` and `is_set`. A change is sent again until its id is in `confirmed`.
    """

    known: Sequence[str]
    confirmed: Sequence[str]
    keep: Callable[[object], None]


def viewer(
    pictures: Sequence[Picture] | Gallery,
    *,
    key: str,
    start: str | None = None,
    layer: str | None = None,
    beside: str | None = None,
    pixel_aspect: float = 1.0,
    address: bool = False,
    reports_frame: bool = False,
    tagging: Tagging | None = None,
) -> str | None:
    """Show `pictures`; a gallery begins with a grid of thumbnails.

    `start` is the name of the first picture. `layer` is the layer to begin with: "image", "truth",
    "mask", "ignored", "prediction", "errors", "mistakes" (the errors in the colours of what was
    predicted) or "confidence" (default: the prediction if there is one, else the truth); `beside`
    is another one to begin with side by side. `pixel_aspect` is the width of the pictures' pixels
    divided by their height. `address` keeps the view in the page's address. With `reports_frame`,
    stepping to another picture runs the script again, and the picture's name is returned. Without
    `tagging`, pictures cannot be tagged.
    """
    gallery, listed = (pictures, ()) if isinstance(pictures, Gallery) else (None, pictures)
    predicted = bool(listed and listed[0].prediction)
    # Streamlit keeps only states that have a callback.
    callbacks: dict[str, Any] = {"on_frame_change": lambda: None} if reports_frame else {}
    if tagging:
        callbacks["on_tagging_change"] = lambda: tagging.keep(st.session_state[key].get("tagging"))
    result = _component(
        key=key,
        data={
            "labels": _LABELS,
            "gallery": gallery and _as_dict(gallery),
            "pictures": [asdict(picture) for picture in listed],
            "pixel_aspect": pixel_aspect,
            "start": start,
            "beside": beside,
            "layer": layer or ("prediction" if predicted else "truth"),
            "address": address,
            "reports_frame": reports_frame,
            "tagging": tagging
            and {"known": list(tagging.known), "confirmed": list(tagging.confirmed)},
        },
        **callbacks,
    )
    return result.get("frame") if reports_frame else None


def _as_dict(gallery: Gallery) -> dict[str, Any]:
    """The gallery's fields; `asdict` would copy thousands of names one by one."""
    return {each.name: getattr(gallery, each.name) for each in fields(gallery)}


#: The label table as the JavaScript wants it, in the order of ids.
_LABELS: Final = [
    {
        "id": label.id,
        "name": label.name,
        "category": label.category,
        "train_id": label.train_id,
        "ignored": label.ignore_in_eval,
        "color": label.color,
        "about": LABELS.get(label.name, ""),
    }
    for label in MAP_LABELS
]
