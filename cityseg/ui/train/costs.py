"""What a new run will take, beside its form: worked out in the background, shown when known."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import streamlit as st

from cityseg.config import TrainConfig, make_config, settings_that
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
from cityseg.jobs import Entry
from cityseg.system import device_key, free_bytes
from cityseg.ui import cached, shell
from cityseg.ui.durations import span
from cityseg.ui.text import plain

_POLL_SECONDS: Final = 0.5
#: A trial of one size stands for all sizes.
_OF_SPEED: Final = settings_that("changes_speed")
_OF_MEMORY: Final = settings_that("changes_memory")
_SOURCES: Final = {
    "run": "by the newest run of this network on this device",
    "trial": "by a few small steps of this network, tried just now",
}


def show_cost(config: TrainConfig, runs: Path, earlier: Sequence[Entry]) -> bool:
    """Draw what a run of `config` will take; False if it has nothing to train on, which is said.

    `earlier` are the runs there are, the newest first. Raises DatasetError.
    """
    stores = _planned(config.data, config.masks_folder, config.store, config.size, runs)
    train, val = (plan.frames for plan in stores)
    if not train or not val:
        st.warning(
            f"{train} frames to train on and {val} to validate on have a mask. Training needs "
            "both kinds.",
            icon=":material/layers_clear:",
        )
        st.page_link(shell.page_file("masks"), label="Make the masks", icon=":material/layers:")
        return False
    measurements = _measurements(config, earlier)
    is_pending = not all(each.done() for each in measurements)
    every = _POLL_SECONDS if is_pending else None
    st.fragment(_draw, run_every=every)(config, runs, stores, earlier, is_pending)
    return True


@st.cache_data(ttl=20, max_entries=8, show_spinner=False)
def _planned(
    data: Path, masks: Path, store: Path | None, size_hw: tuple[int, int], runs: Path
) -> tuple[StorePlan, StorePlan]:
    config = make_config({"data": data, "masks": masks, "store": store, "size": size_hw})
    return plan_stores(config, runs, cached.frames(data))


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
            st.rerun()
        cost, speed = None, earlier_speed(config, earlier)
        if measurements[0].done():
            cost = measurements[0].result()
            if speed is None and measurements[-1].done():
                tried = measurements[-1].result().flops_per_second
                speed = trial_speed(config, replace(cost, flops_per_second=tried))
        if cost is None:
            st.caption("Working out memory and time …")
            return
        free = free_bytes(runs)
        memory = device_memory(device_key(config.device))
        made = estimate_run(config, cost, stores, speed, device_memory=memory, disk_free_bytes=free)
        _show_estimate(made, stores, is_pending=was_pending)


def _show_estimate(
    made: Estimate, stores: tuple[StorePlan, StorePlan], *, is_pending: bool
) -> None:
    shown = f"~ {span(*made.seconds)}" if made.seconds else "…" if is_pending else "unknown"
    told = _SOURCES[made.speed_source] if made.speed_source else "trying a few steps"
    memory = f"~ {gigabytes(made.memory_bytes)}"
    with st.container(horizontal=True, gap="medium"):
        st.metric("Time", shown, help=told, width="content")
        st.metric("Memory", memory, help=_about_memory(made), width="content")
    facts = [
        f"{made.parameters / 1e6:.3g} million parameters",
        f"{stores[0].frames:,} frames to train on, {stores[1].frames:,} to validate on",
        f"{gigabytes(made.disk_bytes)} on disk",
    ]
    if made.store_bytes:
        facts[-1] += f", {gigabytes(made.store_bytes)} of it decoded frames, made first"
    if made.is_resident:
        facts.append("frames stay in the GPU's memory")
    st.caption(plain(" · ".join(facts)))
    if made.speed_source:
        st.caption(plain(f"Time {told}."))
    for sentence in made.warnings:
        st.warning(plain(sentence), icon=":material/memory_alt:")


def _about_memory(made: Estimate) -> str:
    if made.device_memory is None:
        return "how much the device has is not known"
    room = made.device_memory
    return plain(
        f"the device has {gigabytes(room.total_bytes)}, of which {gigabytes(room.free_bytes)} are "
        "free now"
    )


# --- in the background -------------------------------------------------------------------------


def _measurements(config: TrainConfig, earlier: Sequence[Entry]) -> list[Future[StepCost]]:
    """The memory of a step, and where no run tells it, the speed of the network."""
    wanted = [_measured(_part(config, _OF_MEMORY), is_tried=False)]
    if earlier_speed(config, earlier) is None:
        wanted.append(_measured(_part(config, _OF_SPEED), is_tried=True))
    return wanted


def _part(config: TrainConfig, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in names}


# What failed may have done so for want of memory, and is tried again after a while.
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def _measured(settings: dict[str, Any], is_tried: bool) -> Future[StepCost]:
    return _worker(is_tried).submit(measure_step, make_config(settings), trial=is_tried)


@st.cache_resource(show_spinner=False)
def _worker(tries: bool) -> ThreadPoolExecutor:
    """A thread for all sessions: trials at the same time would disturb each other."""
    return ThreadPoolExecutor(1, "cityseg-trial" if tries else "cityseg-cost")
