"""What a new run will take, beside its form: estimated in the background, drawn when ready."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import streamlit as st

from cityseg.config import TrainConfig, make_config, settings_that
from cityseg.data import picture_size_hw
from cityseg.data.store import StorePlan
from cityseg.estimates import (
    Estimate,
    StepCost,
    device_memory,
    earlier_speed,
    estimate_run,
    gigabytes,
    measure_step,
    plan_stores,
    trial_speed,
)
from cityseg.geometry import placement_note, training_geometry
from cityseg.jobs import Entry
from cityseg.system import device_key, free_bytes
from cityseg.ui import cached, shell
from cityseg.ui.formatting import counted, duration_range
from cityseg.ui.text import plain, sentence

_POLL_SECONDS: Final = 0.5
#: A trial of one size stands for all sizes.
_OF_SPEED: Final = settings_that("changes_speed")
_OF_STORES: Final = ("data", "masks", "store", "exclude", "fold", "size", "fit")
_OF_MEMORY: Final = settings_that("changes_memory")
_SOURCES: Final = {
    "run": "Estimated from the newest run of this network on this device.",
    "trial": "Estimated from a few small steps of this network, run just now.",
}


def show_cost(config: TrainConfig, runs: Path, earlier: Sequence[Entry]) -> bool:
    """Draw what a run of `config` will take; False, with an explanation, if it cannot train.

    `earlier` are the existing runs, the newest first.
    """
    if not shell.has_frames(config.data, config.masks_folder):
        return False
    excluded = cached.stamp(config.exclude) if config.exclude else ()
    stores = _plan(_part(config, _OF_STORES), excluded, runs)
    train, val = (plan.frames for plan in stores)
    if not train or not val:
        st.warning(
            f"Only {counted(train, 'training frame')} and {counted(val, 'validation frame')} "
            "have a mask: training needs both.",
            icon=":material/layers_clear:",
        )
        st.page_link(shell.page_file("masks"), label="Make the masks", icon=":material/layers:")
        return False
    if note := _placement_note(config):
        st.caption(plain(sentence(note)))
    measurements = _measurements(config, earlier)
    is_pending = not all(each.done() for each in measurements)
    # A fragment with `run_every` polls for as long as the page is open: only while it must.
    every = _POLL_SECONDS if is_pending else None
    st.fragment(_draw, run_every=every)(config, runs, stores, earlier, is_pending)
    return True


# Planning looks at every frame, and the form runs the script at every change.
@st.cache_data(ttl=20, max_entries=8, show_spinner=False)
def _plan(
    settings: dict[str, Any], excluded: cached.Stamps, runs: Path
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
        measurements = _measurements(config, earlier)
        if was_pending and all(each.done() for each in measurements):
            st.rerun()  # of the whole page, which ends the polling
        cost, speed = None, earlier_speed(config, earlier)
        if measurements[0].done():
            cost = measurements[0].result()
            if speed is None and measurements[-1].done():
                flops_per_second = measurements[-1].result().flops_per_second
                speed = trial_speed(config, replace(cost, flops_per_second=flops_per_second))
        if cost is None:
            st.caption("Estimating memory and time …")
            return
        free = free_bytes(runs)
        memory = device_memory(device_key(config.device))
        estimate = estimate_run(
            config, cost, stores, speed, device_memory=memory, disk_free_bytes=free
        )
        _show_estimate(estimate, stores, is_pending=was_pending)


def _show_estimate(
    estimate: Estimate, stores: tuple[StorePlan, StorePlan], *, is_pending: bool
) -> None:
    unknown = "…" if is_pending else "Unknown"
    seconds, source = estimate.seconds, estimate.speed_source
    about_time = _SOURCES[source] if source else "Running a few small steps of this network."
    with st.container(horizontal=True, gap="medium"):
        time = f"~ {duration_range(*seconds)}" if seconds else unknown
        st.metric("Time", time, help=about_time, width="content")
        memory = f"~ {gigabytes(estimate.memory_bytes)}"
        st.metric("Memory", memory, help=_about_memory(estimate), width="content")
    facts = [
        f"{estimate.parameters / 1e6:.3g} million parameters",
        f"{stores[0].frames:,} frames to train on, {stores[1].frames:,} to validate on",
        f"{gigabytes(estimate.disk_bytes)} on disk",
    ]
    if estimate.store_bytes:
        facts[-1] += f", of which {gigabytes(estimate.store_bytes)} are decoded frames, made first"
    if estimate.is_resident:
        facts.append("frames stay in the GPU's memory")
    st.caption(plain(" · ".join(facts)))
    if source:
        st.caption(f"Time: {about_time}")
    for warning in estimate.warnings:
        st.warning(plain(sentence(warning)), icon=":material/memory_alt:")


def _about_memory(estimate: Estimate) -> str:
    memory = estimate.device_memory
    if memory is None:
        return "How much memory the device has is unknown."
    return plain(
        f"The device has {gigabytes(memory.total_bytes)}, of which "
        f"{gigabytes(memory.free_bytes)} are free now."
    )


# --- In the background -------------------------------------------------------------------------


def _measurements(config: TrainConfig, earlier: Sequence[Entry]) -> list[Future[StepCost]]:
    """The memory of a step and, where no run has measured it, the speed of the network."""
    measurements = [_measure(_part(config, _OF_MEMORY), with_trial=False)]
    if earlier_speed(config, earlier) is None:
        measurements.append(_measure(_part(config, _OF_SPEED), with_trial=True))
    return measurements


def _part(config: TrainConfig, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in names}


# A failure is cached too, and may have come from a lack of memory: it is tried again after a while.
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def _measure(settings: dict[str, Any], with_trial: bool) -> Future[StepCost]:
    return _worker(with_trial).submit(measure_step, make_config(settings), trial=with_trial)


@st.cache_resource(show_spinner=False)
def _worker(for_trials: bool) -> ThreadPoolExecutor:
    """A thread for all sessions: trials at the same time would slow each other down."""
    return ThreadPoolExecutor(1, "cityseg-trial" if for_trials else "cityseg-cost")
