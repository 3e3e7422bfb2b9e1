"""The needs of a run, computed from what is measured."""

import re
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import HEIGHT, WIDTH, make_city, tiny_config

from cityseg.config import TrainConfig
from cityseg.data.dataset import find_frames
from cityseg.data.store.store import StorePlan, open_store
from cityseg.estimates import estimate as estimates
from cityseg.estimates.estimate import Estimate, estimate_run, plan_stores
from cityseg.estimates.memory import DeviceMemory
from cityseg.estimates.speed import Speed
from cityseg.estimates.step_cost import StepCost
from cityseg.geometry import Geometry

GB = 10**9
COST = StepCost(parameters=10**6, state_bytes=12 * 10**6, peak_bytes=GB, flops=10**9)
STORES = (StorePlan(100, 4 * GB, False), StorePlan(50, 2 * GB, True))


def config(**values: Any) -> TrainConfig:
    return tiny_config(Path("/nowhere"), **values)


def estimated(
    values: dict[str, Any] | None = None,
    speed: Speed | None = None,
    device_memory: DeviceMemory | None = None,
    disk_free_bytes: int = 100 * GB,
) -> Estimate:
    return estimate_run(
        config(**values or {}),
        COST,
        STORES,
        speed,
        device_memory=device_memory,
        disk_free_bytes=disk_free_bytes,
    )


# Frames


def test_stores_are_planned_to_the_byte(tmp_path: Path) -> None:
    data, runs = make_city(tmp_path / "data"), tmp_path / "runs"
    settings = tiny_config(data)
    frames = find_frames(data)
    planned = plan_stores(settings, runs, frames)
    assert [plan.is_built for plan in planned] == [False, False]
    for split, plan in zip(("train", "val"), planned, strict=True):
        found = [frame for frame in frames if frame.split == split]
        store = open_store(found, data / "masks", runs / ".store", Geometry((HEIGHT, WIDTH)))
        assert plan.frames == len(store)
        assert plan.size_bytes == store.images.nbytes + store.masks.nbytes
    assert [plan.is_built for plan in plan_stores(settings, runs, frames)] == [True, True]


def test_frames_without_masks_are_not_trained_on(tmp_path: Path) -> None:
    data = make_city(tmp_path / "data", train=3, val=1)
    next((data / "masks" / "train").rglob("*.png")).unlink()
    train, val = plan_stores(tiny_config(data), tmp_path, find_frames(data))
    assert (train.frames, val.frames) == (2, 1)


def test_only_frames_that_are_yet_to_be_decoded_take_disk() -> None:
    made = estimated({"epochs": 10, "save_every": 3})
    assert made.store_bytes == 4 * GB
    states, weights = 3 * COST.state_bytes, (1 + 3) * 4 * COST.parameters
    assert made.disk_bytes == 4 * GB + states + weights


def test_several_processes_on_a_cpu_take_its_memory_several_times() -> None:
    one, two = (estimated({"devices": count}).memory_bytes for count in (1, 2))
    assert two - COST.state_bytes == pytest.approx(2 * (one - COST.state_bytes))


# Time


def test_the_time_is_that_of_all_pixels_of_all_epochs() -> None:
    pixels = HEIGHT * WIDTH
    made = estimated({"epochs": 7}, Speed(pixels * 10.0, "run"))
    assert made.seconds
    expected = 7 * (100 + 0.4 * 50) / 10
    low, high = (seconds - 5 for seconds in made.seconds)
    assert 0.8 * expected < low < expected < high < 1.3 * expected


def test_crops_are_trained_on_and_whole_frames_validated() -> None:
    made = estimated({"epochs": 1, "crop": (16, 32)}, Speed(HEIGHT * WIDTH * 10.0, "run"))
    assert made.seconds
    assert (sum(made.seconds) / 2 - 5) / 1.05 == pytest.approx((100 / 4 + 0.4 * 50) / 10)


def test_the_time_by_a_trial_is_less_certain_than_by_a_run() -> None:
    by_run, by_trial = (estimated(speed=Speed(1000.0, source)) for source in ("run", "trial"))
    assert by_run.seconds
    assert by_trial.seconds
    assert by_trial.seconds[0] < by_run.seconds[0] < by_run.seconds[1] < by_trial.seconds[1]


def test_without_a_speed_there_is_no_time() -> None:
    assert estimated().seconds is None


# Memory


def test_memory_is_of_the_process_its_tensors_and_a_checkpoint() -> None:
    memory = estimated({"device": "cpu"}).memory_bytes
    assert 0 < memory - 1.15 * GB - COST.state_bytes < 0.5 * GB


def test_frames_stay_on_a_gpu_with_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "device_key", lambda name: "gpu-1")
    large, small = (estimated(device_memory=DeviceMemory(size * GB, size * GB)) for size in (80, 8))
    assert (large.is_resident, small.is_resident) == (True, False)
    assert large.memory_bytes - small.memory_bytes == 6 * GB


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (
            DeviceMemory(GB, GB),
            r"needs about 1\.6 GB of memory, and the device has 1\.0 GB: choose a smaller",
        ),
        (
            DeviceMemory(4 * GB, GB),
            r"needs about 1\.6 GB of memory, and 1\.0 GB are free now: end other",
        ),
    ],
)
def test_too_little_memory_is_a_warning(memory: DeviceMemory, expected: str) -> None:
    (warning,) = estimated({"device": "cpu"}, device_memory=memory).warnings
    assert re.search(expected, warning)


def test_too_little_disk_is_a_warning() -> None:
    (warning,) = estimated(disk_free_bytes=GB).warnings
    assert "writes about 4.0 GB, and 1.0 GB are free on the disk" in warning


def test_enough_memory_and_disk_give_no_warning() -> None:
    assert estimated(device_memory=DeviceMemory(8 * GB, 8 * GB)).warnings == []
