"""The viewer: a Streamlit component of our own that shows pictures with their label maps.

Everything that a person does in it happens in the browser: zoom, layers, classes, stepping through
the pictures. Python sends addresses and the label table once; the browser fetches what it shows
(`cityseg.ui.routes`).
"""

from collections.abc import Callable, Mapping, Sequence
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
    has one text for each name, and `tags` its tags, separated by commas. `reviewed` has the
    verdicts on regions of pictures, as `cityseg.ui.review.reviewed.offer` returns them.
    """

    names: Sequence[str]
    base: str
    kinds: Sequence[str]
    notes: Sequence[str] = field(default=())
    tags: Sequence[str] = field(default=())
    reviewed: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class QueuedRegion:
    """A region of a frame to judge: its own name, the frame's, and its place in a Queue's sources.

    `box` is top, left, bottom, right in pixels of the frame; `outline` is the address of a grey PNG
    of the box, 255 inside of the region. `pair` stands for regions that may be judged together;
    `predicted` is the label that a network has there, if one was asked.
    """

    name: str
    frame: str
    source: int
    box: tuple[int, int, int, int]
    outline: str
    note: str
    pair: str
    predicted: str


@dataclass(frozen=True, slots=True)
class Queue:
    """Regions to judge, each with the pictures of its frame, of one of the galleries `sources`.

    Verdicts are sent to `address` (`cityseg.ui.review.verdicts`), whose answer has `judged`,
    `progress` and the `version` of the ledger as they are given here. `ledger` stands for the
    ledger in the browser's storage, where verdicts wait until they are confirmed. `requested` is
    the region that the viewer asked for, be it among these or not.
    """

    regions: Sequence[QueuedRegion]
    sources: Sequence[Gallery]
    address: str
    ledger: str
    reviewer: str
    judged: Mapping[str, Any]
    progress: Mapping[str, float]
    version: tuple[int, int]
    requested: str


@dataclass(frozen=True, slots=True)
class Tagging:
    """That pictures can be tagged in the viewer, with the tags `known` so far as suggestions.

    `keep` is called, before the script runs again, with what the browser sent: an object with
    `attempt` and `changes`, each with `id`, `frame`, `tag` and `is_set`. A change is sent again
    until its id is in `confirmed`.
    """

    known: Sequence[str]
    confirmed: Sequence[str]
    keep: Callable[[object], None]


def viewer(
    pictures: Sequence[Picture] | Gallery | Queue,
    *,
    key: str,
    start: str | None = None,
    layer: str | None = None,
    beside: str | None = None,
    mode: str | None = None,
    pixel_aspect: float = 1.0,
    address: bool = False,
    reports_frame: bool = False,
    tagging: Tagging | None = None,
    request: Callable[[object], None] | None = None,
) -> str | None:
    """Show `pictures`; a gallery begins with a grid of thumbnails, a queue with its first region.

    `start` is the name of the first picture. `layer` is the layer to begin with: "image", "truth",
    "mask", "ignored", "prediction", "errors", "mistakes" (the errors in the colours of what was
    predicted) or "confidence" (default: the prediction if there is one, else the truth); `beside`
    is another one to begin with side by side, and `mode` is another way to compare: "blink" or
    "panes". `pixel_aspect` is the width of the pictures' pixels
    divided by their height. `address` keeps the view in the page's address. With `reports_frame`,
    stepping to another picture runs the script again, and the picture's name is returned. Without
    `tagging`, pictures cannot be tagged. `request` is called, before the script runs again, with
    what the browser sent where a region is to be shown that the queue lacks: an object with `id`
    and `region`.
    """
    gallery = pictures if isinstance(pictures, Gallery) else None
    queue = pictures if isinstance(pictures, Queue) else None
    listed = () if isinstance(pictures, Gallery | Queue) else pictures
    predicted = bool(listed and listed[0].prediction)
    # Streamlit keeps only states that have a callback.
    callbacks: dict[str, Any] = {"on_frame_change": lambda: None} if reports_frame else {}
    if tagging:
        callbacks["on_tagging_change"] = lambda: tagging.keep(st.session_state[key].get("tagging"))
    if request:
        callbacks["on_requested_change"] = lambda: request(st.session_state[key].get("requested"))
    result = _component(
        key=key,
        data={
            "labels": _LABELS,
            "gallery": gallery and _as_dict(gallery),
            "queue": queue and _queue_as_dict(queue),
            "pictures": [asdict(picture) for picture in listed],
            "pixel_aspect": pixel_aspect,
            "start": start,
            "beside": beside,
            "mode": mode,
            "layer": layer or ("prediction" if predicted else "truth"),
            "address": address,
            "reports_frame": reports_frame,
            "tagging": tagging
            and {"known": list(tagging.known), "confirmed": list(tagging.confirmed)},
        },
        **callbacks,
    )
    return result.get("frame") if reports_frame else None


def _as_dict(value: Any) -> dict[str, Any]:
    """The fields of a dataclass; `asdict` would copy thousands of names one by one."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


def _queue_as_dict(queue: Queue) -> dict[str, Any]:
    return _as_dict(queue) | {
        "regions": [_as_dict(each) for each in queue.regions],
        "sources": [{"base": each.base, "kinds": each.kinds} for each in queue.sources],
    }


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
