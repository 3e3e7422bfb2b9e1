"""Views of the page Results that compare runs: bars by class, curves over epochs, a table."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import streamlit as st

from cityseg.evaluation import RunScores, score_table, scores_csv
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import EVALUATED_CATEGORIES, INSTANCE_CLASSES, class_frequency
from cityseg.ui import address, cached
from cityseg.ui.charts import scores as charts
from cityseg.ui.results.choice import Shown


class _Measure(NamedTuple):
    """What bars can show: the scores of a result by name, and the names in table order."""

    values: Callable[[RunScores], Mapping[str, float | None]]
    names: Sequence[str]
    about: str


_MEASURES: Final = {
    "classes": _Measure(
        lambda result: result.class_iou, CLASS_NAMES, "Intersection over union of each class."
    ),
    "categories": _Measure(
        lambda result: result.category_iou,
        EVALUATED_CATEGORIES,
        "Intersection over union of each category: a car taken for a truck is right.",
    ),
    "instances": _Measure(
        lambda result: result.instance_iou,
        INSTANCE_CLASSES,
        "iIoU: each instance counts as much as an average one, so small ones matter.",
    ),
}


def show_classes(shown: Shown) -> None:
    """Bars of the IoU of each class, category, or class with instances."""
    official = [result.evaluation for result in shown.results if result.evaluation]
    frequency = None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = address.one_of("IoU of", list(_MEASURES), "iou_of")
        order = address.one_of(
            "Order", ["table", "value"], "order", help="value: the best of the first run on top"
        )
        if (
            chosen == "classes"
            and official
            and st.toggle("Frequency", value=True, key="frequency", bind="query-params")
        ):
            frequency = class_frequency(official[0].scores.confusion)
    measure = _MEASURES[chosen]
    series = [
        charts.Series(result.name, values, provisional=result.evaluation is None)
        for result in shown.results
        if (values := measure.values(result))
    ]
    st.caption(measure.about)
    if not series:
        st.info("Only an evaluation has these scores: start one above.", icon=":material/info:")
        return
    figure = charts.iou_bars(series, measure.names, by_value=order == "value", frequency=frequency)
    alt = "bars of the IoU; the view Table has the numbers"
    st.plotly_chart(figure, config=charts.CONFIG, key="bars", alt=alt)


class _Quantity(NamedTuple):
    """What curves can show: keys of the rows of epochs, each with what its line is called."""

    keys: Mapping[str, str]
    percent: bool = False


_CLASS: Final = "IoU of a class"
_QUANTITIES: Final = {
    "mean IoU": _Quantity({"mean_iou": ""}, percent=True),
    "pixel accuracy": _Quantity({"pixel_accuracy": ""}, percent=True),
    "loss": _Quantity({"train_loss": "train", "val_loss": "val"}),
    _CLASS: _Quantity({}, percent=True),
    "learning rate": _Quantity({"learning_rate": ""}),
}


def show_history(shown: Shown) -> None:
    """Curves over the epochs of training."""
    name = ""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = address.one_of("Over the epochs", list(_QUANTITIES), "curve")
        if chosen == _CLASS:
            name = st.selectbox(
                "Class", CLASS_NAMES, key="curve_class", bind="query-params", width=200
            )
    st.caption("Noted after each epoch of training; its validation is at the size of training.")
    quantity = _QUANTITIES[chosen]
    curves = [
        curve
        for place, result in enumerate(shown.results)
        for curve in _curves(result, place, quantity, name)
    ]
    figure = charts.history(
        curves,
        y_title=f"IoU of {name}" if name else chosen,
        percent=quantity.percent,
        height=440,
    )
    st.plotly_chart(figure, config=charts.CONFIG, key="curves", alt=f"{chosen} over the epochs")


def _curves(result: RunScores, place: int, quantity: _Quantity, name: str) -> list[charts.Curve]:
    rows = cached.epochs(result.run)
    epochs = [row["epoch"] for row in rows]
    if name:
        values = [row["class_iou"].get(name) for row in rows]
        return [charts.Curve(result.name, epochs, values, place)]
    return [
        charts.Curve(
            f"{result.name} · {part}" if part else result.name,
            epochs,
            [row[key] for row in rows],
            place,
            dashed=part == "val",
        )
        for key, part in quantity.keys.items()
    ]


def show_table(shown: Shown) -> None:
    """All scores as numbers, to look at and to download."""
    names = [result.name for result in shown.results]
    rows = [
        {"": row.kind, "name": row.name, **dict(zip(names, row.values, strict=True))}
        for row in score_table(shown.results)
    ]
    columns = {name: st.column_config.NumberColumn(format="percent") for name in names}
    st.dataframe(rows, hide_index=True, column_config=columns, height=560, alt="all scores")
    left, right, _ = st.columns([1, 1, 4])
    left.download_button(
        "CSV", scores_csv(shown.results), "scores.csv", "text/csv", icon=":material/download:"
    )
    right.download_button(
        "JSON",
        json.dumps([result.to_json() for result in shown.results], indent=1, allow_nan=False),
        "scores.json",
        "application/json",
        icon=":material/download:",
    )
