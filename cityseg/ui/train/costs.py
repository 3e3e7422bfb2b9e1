"""What a new run will take, beside its form: estimated in the background, drawn when ready."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from cityseg.config import (
    TrainConfig,
    make_config,
    settings_that,
    settings_without_effect,
    steps_of_epoch,
)
from cityseg.data import picture_size_hw
from cityseg.data.store import StorePlan
from cityseg.estimates import (
    Estimate,
    Speed,
    StepCost,
    device_memory,
    earlier_speed,
    estimate_run,
    measure_step,
    plan_stores,
    rough_cost,
    rough_speed,
    trial_speed,
)
from cityseg.geometry import placement_note, training_geometry
from cityseg.jobs import Entry
from cityseg.system import device_key, free_bytes
from cityseg.ui import cached, shell
from cityseg.ui.formatting import duration_range
from cityseg.ui.text import plain, sentence
from cityseg.ui.train import measurements
from cityseg.ui.train.settings_form import with_labels
from cityseg.wording import counted, readable_size

_POLL_SECONDS: Final = 0.5
#: A trial of one size stands for all sizes.
_OF_SPEED: Final = settings_that("changes_speed")
_OF_STORES: Final = ("data", "masks", "store", "exclude", "review", "fold", "size", "fit")
_OF_MEMORY: Final = settings_that("changes_memory")
_SOURCES: Final = {
    "run": "Estimated from the newest run of this network on this device.",
    "trial": "Estimated from a few small steps of this network, run just now.",
    "other": "Roughly, from the newest run of another network. A few small steps will tell more.",
    "guess": "Very roughly, from the kind of device. A few small steps will tell more.",
}


def show_cost(config: TrainConfig, runs: Path, earlier: Sequence[Entry]) -> bool:
    """Draw what a run of `config` will take; False, with an explanation, if it cannot train.

    `earlier` are the existing runs, the newest first.
    """
    if not shell.has_frames(config.data, config.masks_folder):
        return False
    stores = _stores(config, runs)
    train, val = (plan.frames for plan in stores)
    if not train or not val:
        found = f"{counted(train, 'training frame')} and {counted(val, 'validation frame')}"
        st.warning(
            f"Only {found} have a mask: training needs both."
            if train or val
            else "No frame to train on or to validate with has a mask yet: training needs both.",
            icon=":material/layers_clear:",
        )
        st.page_link(shell.page_file("masks"), label="Make the masks", icon=":material/layers:")
        return False
    if note := _placement_note(config):
        st.caption(plain(sentence(note)))
    steps = steps_of_epoch(config, train) * config.epochs
    for note in settings_without_effect(config, steps):
        st.warning(plain(sentence(with_labels(note))), icon=":material/tune:")
    is_pending = not all(each.done() for each in _measurements(config, earlier))
    # A fragment with `run_every` polls for as long as the page is open: only while it must.
    every = _POLL_SECONDS if is_pending else None
    st.fragment(_draw, run_every=every)(config, runs, stores, earlier, is_pending)
    return True


def expected_seconds(
    config: TrainConfig, runs: Path, earlier: Sequence[Entry]
) -> tuple[float, float] | None:
    """The shortest and the longest time of a run whose cost is shown; None if that is unknown.

    Raises ModelError if the network cannot be built.
    """
    stores = _stores(config, runs)
    return _estimate(config, runs, stores, earlier, _measurements(config, earlier)).seconds


def _stores(config: TrainConfig, runs: Path) -> tuple[StorePlan, StorePlan]:
    lists = [path for path in (config.exclude, config.review) if path]
    return _plan(_part(config, _OF_STORES), cached.stamp(*lists), runs)


# Planning looks at every frame, and the form runs the script at every change.
@st.cache_data(ttl=20, max_entries=8, show_spinner=False)
def _plan(
    settings: dict[str, Any], lists: cached.Stamps, runs: Path
) -> tuple[StorePlan, StorePlan]:
    config = make_config(settings)
    return plan_stores(config, runs, cached.frames(config.data, config.masks_folder))


def _placement_note(config: TrainConfig) -> str:
    """What the size does to frames of other proportions, by the first frame; "" if nothing."""
    found = cached.frames(config.data, config.masks_folder)
    frames = (frame for frame in found if frame.split == "train")
    picture_hw = next((size for each in frames if (size := picture_size_hw(each.image))), None)
    pixels = cached.pixel_aspect(config.data, config.masks_folder)
    return placement_note(training_geometry(config, pixels), picture_hw) if picture_hw else ""


def _draw(
    config: TrainConfig,
    runs: Path,
    stores: tuple[StorePlan, StorePlan],
    earlier: Sequence[Entry],
    was_pending: bool,
) -> None:
    with shell.errors_shown():
        measured = _measurements(config, earlier)
        if was_pending and all(each.done() for each in measured):
            st.rerun()  # of the whole page, which ends the polling
        estimate = _estimate(config, runs, stores, earlier, measured)
        _show_estimate(estimate, stores, is_rough=not measured[0].done())


def _estimate(
    config: TrainConfig,
    runs: Path,
    stores: tuple[StorePlan, StorePlan],
    earlier: Sequence[Entry],
    measured: Sequence[Future[StepCost]],
) -> Estimate:
    cost, speed = _best_known(config, earlier, measured)
    return estimate_run(
        config,
        cost,
        stores,
        speed,
        device_memory=device_memory(device_key(config.device)),
        disk_free_bytes=free_bytes(runs),
    )


def _best_known(
    config: TrainConfig, earlier: Sequence[Entry], measured: Sequence[Future[StepCost]]
) -> tuple[StepCost, Speed]:
    """The cost of a step and the speed: measured, or rough for as long as that takes."""
    cost = measured[0].result() if measured[0].done() else rough_cost(config)
    speed = earlier_speed(config, earlier)
    if speed is None and all(each.done() for each in measured):
        flops_per_second = measured[-1].result().flops_per_second
        speed = trial_speed(config, replace(cost, flops_per_second=flops_per_second))
    return cost, speed or rough_speed(config, earlier)


def _show_estimate(
    estimate: Estimate, stores: tuple[StorePlan, StorePlan], *, is_rough: bool
) -> None:
    seconds, source = estimate.seconds, estimate.speed_source
    about_time = _SOURCES[source] if source else ""
    with st.container(horizontal=True, gap="medium"):
        time = f"~ {duration_range(*seconds)}" if seconds else "Unknown"
        st.metric("Time", time, help=about_time, width="content")
        memory = f"~ {readable_size(estimate.memory_bytes)}"
        st.metric("Memory", memory, help=_about_memory(estimate), width="content")
    facts = [
        f"{estimate.parameters / 1e6:.{2 if is_rough else 3}g} million parameters",
        f"{stores[0].frames:,} frames to train on, {stores[1].frames:,} to validate on",
        f"{readable_size(estimate.disk_bytes)} on disk",
    ]
    if estimate.store_bytes:
        facts[-1] += (
            f", of which {readable_size(estimate.store_bytes)} are decoded frames, made first"
        )
    if estimate.is_resident:
        facts.append("frames stay in the GPU's memory")
    st.caption(plain(" · ".join(facts)))
    st.caption(f"Time: {about_time}{' Memory: rough so far.' if is_rough else ''}")
    # What is only guessed warns of nothing.
    for warning in [] if is_rough else estimate.warnings:
        st.warning(plain(sentence(warning)), icon=":material/memory_alt:")


def _about_memory(estimate: Estimate) -> str:
    memory = estimate.device_memory
    if memory is None:
        return "How much memory the device has is unknown."
    return plain(
        f"The device has {readable_size(memory.total_bytes)}, of which "
        f"{readable_size(memory.free_bytes)} are free now."
    )


# --- In the background -------------------------------------------------------------------------


def _measurements(config: TrainConfig, earlier: Sequence[Entry]) -> list[Future[StepCost]]:
    """The memory of a step and, where no run has measured it, the speed of the network."""
    found = [_measured(config, "cost", _OF_MEMORY)]
    if earlier_speed(config, earlier) is None:
        found.append(_measured(config, "trial", _OF_SPEED))
    return found


def _measured(
    config: TrainConfig, kind: Literal["cost", "trial"], names: Sequence[str]
) -> Future[StepCost]:
    settings = _part(config, names)

    def measure(is_wanted: Callable[[], bool]) -> StepCost:
        return measure_step(make_config(settings), trial=kind == "trial", is_wanted=is_wanted)

    context = get_script_run_ctx()
    return measurements.want(context.session_id if context else "", kind, settings, measure)


def _part(config: TrainConfig, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in names}
