"""The speed of a network on a device: from an earlier run, or from a short trial."""

import itertools
import math
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from cityseg.config import TrainConfig, settings_that
from cityseg.errors import RunError
from cityseg.estimates.step_cost import StepCost
from cityseg.jobs import Entry
from cityseg.runs import RunDir, newest_rows
from cityseg.system import device_key, read_json

#: The newest runs that are searched for one of the same network.
_MOST_RUNS: Final = 50
#: The end of a metrics.jsonl that is read, in bytes: a few epochs.
_ROWS_BYTES: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class Speed:
    """Pixels of training in a second, and the source of that figure."""

    pixels_per_second: float
    #: An earlier run of this network, a trial, a run of another network, or the kind of device.
    source: Literal["run", "trial", "other", "guess"]


def trial_speed(config: TrainConfig, cost: StepCost) -> Speed | None:
    """The speed of `config` by the trial in `cost`; None if there was no trial."""
    if not cost.flops_per_second:
        return None
    pixels = config.frames_per_device * math.prod(config.crop_hw)
    # Processes on the CPU share its cores, and GPUs share nothing.
    devices = 1 if device_key(config.device) == "cpu" else config.devices
    return Speed(devices * pixels * cost.flops_per_second / cost.flops, "trial")


def earlier_speed(config: TrainConfig, entries: Sequence[Entry]) -> Speed | None:
    """The speed of the first of `entries` with the same network on the same device; None if none.

    `list_runs` gives the entries, the newest first.
    """
    alike = [each for each in entries if each.config and _is_alike(each.config, config)]
    for earlier, rate in recent_rates(device_key(config.device), alike):
        return Speed(rate * math.prod(earlier.crop_hw), "run")
    return None


def recent_rates(device: str, entries: Sequence[Entry]) -> Iterator[tuple[TrainConfig, float]]:
    """The settings of runs that trained on the device with this key, and their frames a second."""
    for entry in itertools.islice(entries, _MOST_RUNS):
        rates = _rates(entry.run) if entry.config and _was_here(entry.run, device) else []
        if rates and entry.config:
            yield entry.config, rates[-1]


def _rates(run: RunDir) -> list[float]:
    """Frames in a second of the newest epochs, in their order."""
    try:
        rows, _ = newest_rows(run.metrics_file, _ROWS_BYTES)
    except (OSError, RunError):
        return []
    return [row["frames_per_second"] for row in rows if row.get("frames_per_second")]


def _is_alike(one: TrainConfig, other: TrainConfig) -> bool:
    """Whether runs of both have the same speed on the same device."""
    # Not by the name of the device, of which one may have several: `_was_here` compares its key.
    decisive = set(settings_that("changes_speed")) - {"device"}
    return all(getattr(one, name) == getattr(other, name) for name in decisive)


def _was_here(run: RunDir, device: str) -> bool:
    """Whether a run trained on the device with this key of this machine."""
    job = read_json(run.supervisor_file)
    return job.get("device") == device and job.get("hostname") == socket.gethostname()
