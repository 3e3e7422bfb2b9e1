"""The view "Why not 1?": what each class lacks to an IoU of 1, by the kind of its errors."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.arrays import FloatArray
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import ERROR_KINDS, error_shares
from cityseg.ui import address, charts
from cityseg.ui.formatting import points
from cityseg.ui.glossary import explain
from cityseg.ui.results.chosen_runs import Comparison
from cityseg.ui.results.downloads import show_record_downloads
from cityseg.ui.results.evidence_runs import RunEvidence, choose, choose_run
from cityseg.ui.text import plain

_ORDERS: Final = ("Most lacking first", "Official")
_MOST_PARTS: Final = 10


def show_errors(comparison: Comparison, controls: DeltaGenerator) -> None:
    """Stacked bars of 1 − IoU; a click on a part opens the regions behind it."""
    shown = choose(comparison, controls)
    if not shown:
        return
    with controls:
        order = address.one_of("Order", _ORDERS, "error_order")
    shares = [_shares(each) for each in shown]
    series = [charts.Errors(each.run.name, own) for each, own in zip(shown, shares, strict=True)]
    left, right = st.columns([3, 1], gap="medium")
    with left:
        st.plotly_chart(
            charts.error_bars(series, _order(shares[0], by_value=order == _ORDERS[0])),
            config=charts.CONFIG,
            key="error_bars",
            on_select=partial(_take_click, [each.run.run.id for each in shown]),
            selection_mode="points",
            alt="Bars: 1 − IoU of each class as boundary, extent and segment errors",
        )
        st.caption(
            "What each class lacks to an IoU of 1, by the kind of its wrong pixels. A click on a "
            "part opens the regions behind it.",
            help=explain("IoU", "Boundary error", "Extent error", "Segment error"),
        )
    with right:
        run = choose_run(shown, st.container())
        _list_parts(run, shares[shown.index(run)])
    show_record_downloads(controls, "errors", lambda: _records(shown, shares))


def _shares(each: RunEvidence) -> FloatArray:
    """(19, 3): the kinds of errors as shares of the union, NaN where a class has none."""
    evidence = each.evidence
    confusion = evidence.class_confusions[each.frames].sum(axis=0)
    return error_shares(confusion, evidence.errors(each.frames))


def _order(shares: FloatArray, *, by_value: bool) -> list[int]:
    """The train ids that have a value, in the order of the bars."""
    lacking = shares.sum(axis=1)
    defined = np.flatnonzero(~np.isnan(lacking)).tolist()
    return sorted(defined, key=lambda each: -lacking[each]) if by_value else defined


def _take_click(run_ids: Sequence[str]) -> None:
    selected = st.session_state["error_bars"]["selection"]["points"]
    if selected:
        position, train_id, kind = selected[0]["customdata"][:3]
        _open_regions(run_ids[int(position)], int(train_id), ERROR_KINDS[int(kind)])


def _open_regions(run_id: str, train_id: int, kind: str) -> None:
    """Go to the regions of a class with errors of this kind."""
    asked = {"view": "Regions", "of": run_id, "truth": str(train_id), "prediction": ""}
    st.query_params.update(asked | {"kind": kind})


def _list_parts(each: RunEvidence, shares: FloatArray) -> None:
    """Buttons for the largest parts: the way to them without a mouse."""
    st.markdown(f"**Largest parts** of {plain(each.run.name)}, in points")
    parts = np.nan_to_num(shares)
    with st.container(gap=None):
        for position in np.argsort(-parts, axis=None, kind="stable")[:_MOST_PARTS].tolist():
            train_id, kind = divmod(position, len(ERROR_KINDS))
            if share := float(parts[train_id, kind]):
                st.button(
                    f"{CLASS_NAMES[train_id]} · {ERROR_KINDS[kind]} · {points(share)}",
                    key=f"part-{train_id}-{kind}",
                    type="tertiary",
                    on_click=_open_regions,
                    args=(each.run.run.id, train_id, ERROR_KINDS[kind]),
                )


def _records(shown: Sequence[RunEvidence], shares: Sequence[FloatArray]) -> list[Mapping[str, Any]]:
    return [
        {
            "run": each.run.run.id,
            "frames": len(each.frames),
            "class": CLASS_NAMES[train_id],
            **dict(zip(ERROR_KINDS, own[train_id].tolist(), strict=True)),
        }
        for each, own in zip(shown, shares, strict=True)
        for train_id in _order(own, by_value=False)
    ]
