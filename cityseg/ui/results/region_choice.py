"""What the view *Regions* shows: which regions are asked for, and what those found are."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import streamlit as st

from cityseg.evaluation import BOTH, CellRegions, FoundRegions, Region, RegionQuery
from cityseg.labels import CLASS_NAMES, IGNORE
from cityseg.metrics import ERROR_KINDS, SIDES
from cityseg.ui import charts
from cityseg.ui.formatting import percent, short_percent
from cityseg.ui.results.evidence_runs import RunEvidence
from cityseg.ui.text import plain
from cityseg.wording import counted

_SIZES: Final = (0, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
_SIDE_NAMES: Final = {SIDES[0]: "Truth", SIDES[1]: "Prediction", BOTH: "Both"}
_KINDS: Final = {
    "segment": "Regions without a right pixel, whole objects that were missed (in the truth) or "
    "invented (in the prediction), with the most pixels away from a contour first.",
    "extent": "Regions that were found but are too small or too large, with the most wrong pixels "
    "away from a contour first.",
    "boundary": "Regions with wrong pixels close to a contour, those with the most of them first.",
}
#: Of evidence that has no errors by region.
_KINDS_OF_VERSION_1: Final = {
    "segment": "Regions without a right pixel: whole objects that were missed (in the truth) or "
    "invented (in the prediction). Largest first.",
    "extent": "Regions that were found, with right and wrong pixels: most wrong pixels first. "
    "Where most pixels are wrong, only those of the most frequent wrong class are counted.",
    "boundary": "Regions that were found, with right and wrong pixels: longest contour first.",
}
_OLDER: Final = (
    "This evidence is of an older version, which did not count the kinds of errors by region: "
    "collect it again to have the regions with most of these errors first."
)


class Limits(NamedTuple):
    """Which regions are shown: the least pixels, the least and the largest mean confidence."""

    least_pixels: int
    confidence: tuple[float, float]


def implied_side(sides: Sequence[str], truth: int | None, predicted: int | None) -> str:
    """The side to begin with: both together, or the one whose class is chosen."""
    if BOTH in sides:
        return BOTH
    return SIDES[1] if truth is None and predicted is not None else SIDES[0]


def choose_side(sides: Sequence[str], implied: str) -> str:
    """Draw the choice of a side: what the address names, else the one that is `implied`."""
    asked = st.query_params.get("side")
    st.session_state["regions_side"] = asked if asked in sides else implied
    return str(
        st.segmented_control(
            "Regions of",
            sides,
            format_func=_SIDE_NAMES.__getitem__,
            required=True,
            key="regions_side",
            on_change=_keep,
            args=("side",),
            help="Truth: connected pixels of a class in the annotation, which may be predicted as "
            "something else. Prediction: the same in the prediction, which may be something else. "
            "Both: connected pixels of the one class in the truth and the other in the prediction.",
        )
    )


def choose_kind() -> str | None:
    """Draw the choice of a kind of error; None for regions of any kind, right ones as well."""
    asked = st.query_params.get("kind")
    st.session_state["regions_kind"] = asked if asked in ERROR_KINDS else None
    kind = st.segmented_control(
        "Kind of error",
        ERROR_KINDS,
        format_func=str.capitalize,
        key="regions_kind",
        on_change=_keep,
        args=("kind",),
        help="\n\n".join(f"**{kind.capitalize()}**: {text}" for kind, text in _KINDS.items()),
    )
    return str(kind) if kind else None


def _keep(parameter: str) -> None:
    st.query_params[parameter] = st.session_state[f"regions_{parameter}"] or ""


def choose_limits() -> Limits:
    """Draw the choice of sizes and confidences."""
    with st.popover("Size and confidence", icon=":material/filter_list:"):
        least = st.select_slider(
            "Pixels, at least",
            _SIZES,
            format_func=lambda pixels: f"{pixels:,}",
            key="least_pixels",
            bind="query-params",
        )
        low, high = st.slider(
            "Mean confidence, in %", 0, 100, (0, 100), key="confidence", bind="query-params"
        )
    return Limits(least, (low / 100, high / 100))


def query_of(
    side: str, truth: int | None, predicted: int | None, kind: str | None = None
) -> RegionQuery:
    """The question for a pair of classes, columns of the confusion, and a kind of error.

    A kind of error of one class, given for one or for both, asks for its regions on the side.
    """
    classes = [None if each is None else _train_id(each) for each in (truth, predicted)]
    own, other = classes if side == SIDES[0] else classes[::-1]
    if kind and (own is None or own == other):
        own, other = other, None
    return RegionQuery(side, own, other, kind)


def _train_id(column: int) -> int:
    return column if column < len(CLASS_NAMES) else IGNORE


def describe(query: RegionQuery, found: FoundRegions, chosen: RunEvidence) -> str:
    """In Markdown: what is shown, precisely, and what is not."""
    regions = counted(found.number, "region")
    if query.kind:
        kinds = _KINDS if found.has_errors else _KINDS_OF_VERSION_1
        parts = [f"{regions}. {kinds[query.kind]}"]
        if found.has_errors:
            parts.append(f"They have {counted(found.counted, 'pixel')} of {query.kind} errors.")
        else:
            parts.append(_OLDER)
    elif query.train_id is None or query.other is None:
        parts = [f"{regions}, the largest first."]
    else:
        parts = [f"{regions}. {_describe_cell(query, found, chosen)}"]
    if query.other is not None and query.kind:
        parts.append(f"Only those that are mostly {class_name(query.other)} on the other side.")
    if found.number > len(found.first):
        parts.append(f"The first {len(found.first):,} are shown.")
    return " ".join(parts)


def describe_cell_regions(cell: CellRegions, truth: int, predicted: int) -> str:
    """In Markdown: what is shown of the regions of both sides together, and what is not."""
    if not cell.all_pixels:
        return "No pixel of the chosen frames is in this cell."
    parts = [
        f"{counted(cell.regions.number, 'region')} of pixels that are {class_name(truth)} and were "
        f"predicted as {class_name(predicted)}, the largest first."
    ]
    if cell.pixels < cell.all_pixels:
        share = short_percent(cell.pixels / cell.all_pixels)
        parts.append(
            f"Looked for in the {counted(cell.frames, 'frame')} with the most such pixels, which "
            f"have {share} of the {cell.all_pixels:,}."
        )
    if cell.problems:
        parts.append(
            f"{counted(len(cell.problems), 'frame')} could not be read, the first: "
            f"{plain(cell.problems[0])}."
        )
    return " ".join(parts)


def _describe_cell(query: RegionQuery, found: FoundRegions, chosen: RunEvidence) -> str:
    own, other = class_name(query.train_id), class_name(query.other)
    verb = "were mostly predicted as" if query.side == SIDES[0] else "are mostly, in truth,"
    text = f"Those of {own} that {verb} {other}, with the most such pixels first."
    if query.least_pixels or query.confidence != (0.0, 1.0):
        return text
    pixels = cell_pixels(query, chosen)
    if not pixels:
        return text
    share = percent(min(1.0, found.counted / pixels))
    text += f" They hold {share} of the {counted(pixels, 'pixel')} of this cell."
    if found.counted < pixels:
        text += " The others lie in regions that are mostly something else."
    return text


def cell_pixels(query: RegionQuery, chosen: RunEvidence) -> int:
    """The pixels of the confusion's cell that a pair of classes stands for."""
    own, other = query.train_id, query.other
    truth, predicted = (own, other) if query.side == SIDES[0] else (other, own)
    if truth is None or predicted is None or truth == IGNORE:
        return 0
    column = len(CLASS_NAMES) if predicted == IGNORE else predicted
    return int(chosen.evidence.class_confusions[chosen.frames, truth, column].sum())


def class_name(train_id: int | None) -> str:
    """The name of a class; what a train id that is none stands for."""
    return charts.IGNORED if train_id in (None, IGNORE) else CLASS_NAMES[train_id or 0]


def about(region: Region, kind: str | None = None) -> str:
    """In Markdown: what a region is, and what it meets in the other map.

    With a `kind` of error, also the pixels of it, which the region was ordered by.
    """
    name, other = class_name(region.train_id), class_name(region.other)
    share = percent(region.other_share)
    numbers = f"{counted(region.pixels, 'pixel')}, confidence {percent(region.confidence)}"
    if region.side == BOTH:
        return f"**{name}**, predicted as {other}  \n{numbers}"
    if region.side == SIDES[0]:
        first = f"**{name}**, predicted as {other} ({share})"
    else:
        first = f"Predicted **{name}**, in truth {other} ({share})"
    text = f"{first}  \n{numbers}, best IoU {percent(region.iou)}"
    return f"{text}  \n{counted(region.counted, f'{kind} error')}" if kind else text
