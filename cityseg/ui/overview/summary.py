"""The parts of the page Overview: what to do next, and what is there."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from cityseg.arrays import BoolArray
from cityseg.data import Catalogue
from cityseg.jobs import Entry
from cityseg.runs import RunDir
from cityseg.system import free_bytes, this_hardware
from cityseg.ui.charts import scores as charts
from cityseg.ui.shell import Folders, page_file
from cityseg.ui.text import counted, plain, shown

#: Phases of runs with the icon and colour of their badges, in the order of the list.
_BADGES: Final = {
    "running": (":material/directions_run:", "blue"),
    "starting": (":material/hourglass_top:", "blue"),
    "queued": (":material/hourglass_empty:", "blue"),
    "stopping": (":material/front_hand:", "blue"),
    "done": (":material/check_circle:", "green"),
    "stopped": (":material/stop_circle:", "gray"),
    "failed": (":material/error:", "red"),
    "lost": (":material/help:", "orange"),
    "broken": (":material/broken_image:", "red"),
}
_NEWEST: Final = 8
#: Letters of a city's name in the figure.
_LONGEST: Final = 14
_REASONS: Final = 3


class Step(NamedTuple):
    """What to do next, why, and the page where it is done."""

    title: str
    why: str
    button: str
    page: str
    run: str | None = None


def next_step(catalogue: Catalogue, entries: Sequence[Entry]) -> Step:
    """The one thing to do next, from what there is."""
    new = int(catalogue.unseen.sum())
    live = [each for each in entries if each.state and each.state.is_live]
    done = [each for each in entries if each.state and each.state.phase == "done"]
    if not catalogue.converted.any() and not new:
        why = "None of them has a mask, so there is nothing to train on."
        return Step("See why every frame was skipped", why, "Go to Masks", "masks")
    if not catalogue.converted.any():
        why = f"{counted(new, 'frame')} to convert, at some milliseconds each."
        return Step("Make the masks", why, "Go to Masks", "masks")
    if live:
        why = f"{plain(_name(live[0]))}: {plain(live[0].state.text if live[0].state else '')}"
        return Step("Watch the training", why, "Go to Train", "train", live[0].id)
    if not done and entries:
        why = f"{plain(_name(entries[0]))} did not come to its end. See why, and go on from there."
        return Step("Look after the last run", why, "Go to Train", "train", entries[0].id)
    if not done:
        ready = counted(int(catalogue.converted.sum()), "frame")
        why = f"{ready} with masks are ready. Choose a preset and start."
        return Step("Train a network", why, "Go to Train", "train")
    if not any(_is_evaluated(each.run) for each in done):
        why = f"{plain(_name(done[0]))} is done. Score it at full resolution, class by class."
        return Step("See how good it is", why, "Go to Results", "results")
    why = f"{plain(_name(done[0]))} is trained and scored. Give it a picture of your own."
    return Step("Try it on a picture", why, "Go to Predict", "predict")


def show_next_step(step: Step) -> None:
    """The step, with a button that leads there."""
    with st.container(border=True):
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.markdown(f"**Next: {step.title}**  \n{step.why}")
        if right.button(step.button, type="primary", key="next", width="stretch"):
            st.switch_page(page_file(step.page), query_params={"run": step.run} if step.run else {})


def show_dataset(folders: Folders, catalogue: Catalogue) -> None:
    """Frames by split and city, with and without masks."""
    st.subheader("Frames")
    st.caption(plain(folders.data))
    converted, new = int(catalogue.converted.sum()), int(catalogue.unseen.sum())
    skipped = len(catalogue.frames) - converted - new
    cities = len({(frame.split, frame.city) for frame in catalogue.frames})
    columns = st.columns(4)
    columns[0].metric("Frames", f"{len(catalogue.frames):,}", border=True)
    columns[1].metric("Cities", f"{cities:,}", border=True)
    columns[2].metric("With a mask", f"{converted:,}", border=True)
    columns[3].metric("Skipped", f"{skipped:,}", border=True)
    figure = cities_figure(catalogue)
    st.plotly_chart(figure, config=charts.CONFIG, alt="Bars: frames of each city", key="cities")
    if skipped:
        st.page_link(
            page_file("masks"), label=f"Skipped: {_reasons(catalogue)}", icon=":material/rule:"
        )
    if new and converted:
        st.page_link(
            page_file("masks"),
            label=f"Without a mask so far: {counted(new, 'frame')}",
            icon=":material/update:",
        )


def _reasons(catalogue: Catalogue) -> str:
    """The most frequent reasons for which frames were skipped."""
    counts = Counter(reason for reason in catalogue.reasons if reason).most_common()
    named = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts[:_REASONS]]
    rest = sum(count for _, count in counts[_REASONS:])
    return ", ".join([*named, f"{rest:,} for other reasons"] if rest else named)


def cities_figure(catalogue: Catalogue) -> go.Figure:
    """Bars of the frames of each city, by split; colour and hatching tell what has a mask."""
    places = [(frame.split, frame.city) for frame in catalogue.frames]
    order = list(dict.fromkeys(places))
    skipped = ~catalogue.converted & ~catalogue.unseen
    figure = go.Figure()
    for name, chosen, color, shape in (
        ("with a mask", catalogue.converted, "#3584e4", ""),
        ("skipped", skipped, "#e66100", "x"),
        ("not converted yet", catalogue.unseen, "#8a8f98", "/"),
    ):
        if chosen.any():
            figure.add_trace(_stack(name, chosen, places, order, color, shape))
    figure.update_layout(
        height=300,
        margin={"l": 0, "r": 0, "t": 30, "b": 90},
        barmode="stack",
        bargap=0.3,
        yaxis={"title": "frames", "rangemode": "tozero", "fixedrange": True},
        xaxis={"fixedrange": True},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        showlegend=True,
    )
    return figure


def _stack(
    name: str,
    chosen: BoolArray,
    places: Sequence[tuple[str, str]],
    order: Sequence[tuple[str, str]],
    color: str,
    shape: str,
) -> go.Bar:
    counts = Counter(places[position] for position in np.flatnonzero(chosen).tolist())
    return go.Bar(
        x=[[split for split, _ in order], [_short(city) for _, city in order]],
        y=[counts[place] for place in order],
        name=name,
        marker={
            "color": color,
            "pattern": {"shape": shape, "fillmode": "overlay", "fgcolor": "#ffffff", "size": 6},
        },
        hovertemplate=f"%{{y:,}} {name}<extra>%{{x}}</extra>",
    )


def _short(city: str) -> str:
    text = shown(city)
    return escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def show_runs(folders: Folders, entries: Sequence[Entry]) -> None:
    """Runs by state, and the newest of them."""
    st.subheader("Runs")
    st.caption(plain(folders.runs))
    if not entries:
        st.markdown("No training run yet.")
        return
    counts = Counter(each.state.phase if each.state else "broken" for each in entries)
    badges = [
        f":{color}-badge[{icon} {counts[phase]:,} {phase}]"
        for phase, (icon, color) in _BADGES.items()
        if counts[phase]
    ]
    st.markdown(" ".join(badges))
    st.dataframe(
        [_row(each) for each in entries[:_NEWEST]],
        hide_index=True,
        placeholder="–",
        alt="The newest runs",
        column_config={
            "run": st.column_config.LinkColumn("run", display_text=r"run=(.*)", width="medium"),
            "mean IoU": st.column_config.NumberColumn(format="percent", width="small"),
            "state": st.column_config.TextColumn(width="small"),
            "what it is at": st.column_config.TextColumn(width="large"),
        },
    )


def _row(entry: Entry) -> dict[str, object]:
    state = entry.state
    return {
        "run": f"train?run={entry.id}",
        "title": shown(entry.config.title if entry.config else ""),
        "state": state.phase if state else "broken",
        "mean IoU": state.mean_iou if state else None,
        "what it is at": shown(state.text if state else entry.problem),
    }


def show_machine(folders: Folders) -> None:
    """What there is to train with."""
    st.subheader("This machine")
    hardware = this_hardware()
    gpus = [f"{plain(gpu.name)}, {gpu.memory_bytes / 2**30:.0f} GiB" for gpu in hardware.gpus]
    st.markdown(
        f"- **Device:** {'; '.join(gpus) or 'no GPU is found: training uses the CPU'}\n"
        f"- **CPU:** {hardware.cores} cores, {hardware.memory_bytes / 2**30:.0f} GiB of memory\n"
        f"- **Disk:** {free_bytes(folders.data) / 1e9:,.0f} GB free for the dataset, "
        f"{free_bytes(folders.runs) / 1e9:,.0f} GB for runs"
    )


def _name(entry: Entry) -> str:
    return (entry.config.title if entry.config else "") or entry.id


def _is_evaluated(run: RunDir) -> bool:
    return any(run.path.glob("scores-*.json"))
