"""Views of the page Results that compare runs: bars, curves over epochs, a table."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cityseg.evaluation import RunScores, score_table, scores_csv
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import EVALUATED_CATEGORIES, INSTANCE_CLASSES, class_frequency
from cityseg.ui import address, cached, charts
from cityseg.ui.formatting import percent
from cityseg.ui.glossary import explain
from cityseg.ui.results.chosen_runs import Comparison
from cityseg.ui.results.downloads import show_downloads
from cityseg.ui.text import capitalised, cell


class _Measure(NamedTuple):
    """What bars can show: the scores of a result by name, and the names in table order."""

    values: Callable[[RunScores], Mapping[str, float | None]]
    names: Sequence[str]
    about: str


_MEASURES: Final = {
    "Classes": _Measure(
        lambda result: result.class_iou, CLASS_NAMES, "Intersection over union of each class."
    ),
    "Categories": _Measure(
        lambda result: result.category_iou,
        EVALUATED_CATEGORIES,
        "Intersection over union of each category: a car that is predicted as a truck is right.",
    ),
    "Instances": _Measure(
        lambda result: result.instance_iou,
        INSTANCE_CLASSES,
        "Intersection over union in which each single object counts as much as an average one "
        "(iIoU): small objects matter.",
    ),
}
_ORDERS: Final = ("Official", "Best first")


def show_classes(comparison: Comparison, controls: DeltaGenerator) -> None:
    """Bars of the IoU of each class, category, or class with instances."""
    results = comparison.results
    official = [result.evaluation for result in results if result.evaluation]
    frequency = None
    with controls:
        chosen = address.one_of(
            "IoU of",
            list(_MEASURES),
            "iou_of",
            help=explain("IoU", "Category IoU", "Instance IoU"),
        )
        order = address.one_of(
            "Order",
            _ORDERS,
            "order",
            help="Official: as in the label table of Cityscapes. Best first: by the scores of the "
            "first run.",
        )
        if (
            chosen == "Classes"
            and official
            and st.toggle(
                "Frequency",
                value=True,
                key="frequency",
                bind="query-params",
                help="The share of the evaluated pixels that each class has.",
            )
        ):
            frequency = class_frequency(official[0].scores.confusion)
    measure = _MEASURES[chosen]
    series = [
        charts.Series(result.name, values, provisional=result.evaluation is None)
        for result in results
        if (values := measure.values(result))
    ]
    if not series:
        st.info("These scores need an evaluation: start one above.", icon=":material/info:")
        return
    figure = charts.iou_bars(
        series, measure.names, by_value=order == _ORDERS[1], frequency=frequency
    )
    alt = "Bars of the IoU; the view Table has the numbers"
    st.plotly_chart(figure, config=charts.CONFIG, key="bars", alt=alt)
    st.caption(measure.about)


class _Quantity(NamedTuple):
    """What curves can show: keys of the rows of epochs, each with the name of its line."""

    keys: Mapping[str, str]
    percent: bool = False


_CLASS: Final = "IoU of a class"
_QUANTITIES: Final = {
    "Mean IoU": _Quantity({"mean_iou": ""}, percent=True),
    "Pixel accuracy": _Quantity({"pixel_accuracy": ""}, percent=True),
    "Loss": _Quantity({"train_loss": "train", "val_loss": "val"}),
    _CLASS: _Quantity({}, percent=True),
    "Learning rate": _Quantity({"learning_rate": ""}),
}


def show_history(comparison: Comparison, controls: DeltaGenerator) -> None:
    """Curves over the epochs of training."""
    class_name = ""
    with controls:
        chosen = address.one_of("Over the epochs", list(_QUANTITIES), "curve")
        if chosen == _CLASS:
            class_name = st.selectbox(
                "Class", CLASS_NAMES, key="curve_class", bind="query-params", width=200
            )
    quantity = _QUANTITIES[chosen]
    curves = [
        curve
        for position, result in enumerate(comparison.results)
        for curve in _curves(result, position, quantity, class_name)
    ]
    if all(y is None for curve in curves for y in curve.y):
        st.info(
            "None of these runs has recorded this: choose a run that was trained here.",
            icon=":material/info:",
        )
        return
    figure = charts.line_chart(
        curves,
        y_title=f"IoU of {class_name}" if class_name else chosen,
        percent=quantity.percent,
        height=440,
    )
    st.plotly_chart(figure, config=charts.CONFIG, key="curves", alt=f"{chosen} over the epochs")
    st.caption("Measured after each epoch of training, at the size of training.")


def _curves(
    result: RunScores, position: int, quantity: _Quantity, class_name: str
) -> list[charts.Curve]:
    rows = cached.epochs(result.run)
    epochs = [row["epoch"] for row in rows]
    if class_name:
        values = [row["class_iou"].get(class_name) for row in rows]
        return [charts.Curve(result.name, epochs, values, position)]
    return [
        charts.Curve(
            f"{result.name} · {part}" if part else result.name,
            epochs,
            [row.get(key) for row in rows],  # the network in the box has no losses of training
            position,
            dashed=part == "val",
        )
        for key, part in quantity.keys.items()
    ]


def show_table(comparison: Comparison, controls: DeltaGenerator) -> None:
    """All scores as numbers, to look at and to download."""
    results = comparison.results
    show_downloads(controls, "scores", lambda: scores_csv(results), lambda: _scores_json(results))
    rows = score_table(results)
    # By id: a title may be the name of another column. As numbers, or "–" would stand on the left.
    ids = [cell(result.run.id) for result in results]
    table = pd.DataFrame(
        [[math.nan if value is None else value for value in row.values] for row in rows],
        columns=ids,
        dtype="float64",
    )
    table.insert(0, "Score", [capitalised(row.kind) for row in rows])
    names = [capitalised(row.name) if row.kind == "overall" else row.name for row in rows]
    table.insert(1, "Name", names)
    st.dataframe(
        table.style.format(dict.fromkeys(ids, percent)),
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(result.name)
            for name, result in zip(ids, results, strict=True)
        },
        placeholder="–",
        height=560,
        alt="All scores",
    )


def _scores_json(results: Sequence[RunScores]) -> str:
    return json.dumps([result.to_json() for result in results], indent=1, allow_nan=False)
