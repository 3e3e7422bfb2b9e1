"""What a run will take, put together from what is measured."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import HEIGHT, WIDTH, make_city, tiny_config

from cityseg.config import TrainConfig
from cityseg.data.dataset import find_frames
from cityseg.data.store.store import StorePlan, open_store
from cityseg.estimates import estimate as estimates
from cityseg.estimates.estimate import (
    Estimate,
    Room,
    Speed,
    earlier_speed,
    estimate_run,
    gigabytes,
    plan_stores,
    room_on,
    trial_speed,
)
from cityseg.estimates.step_cost import StepCost
from cityseg.jobs import Entry
from cityseg.runs.folder import RunDir
from cityseg.system.files import write_json
from cityseg.system.processes import Process

GB = 10**9
COST = StepCost(parameters=10**6, state_bytes=12 * 10**6, peak_bytes=GB, flops=10**9)
STORES = (StorePlan(100, 4 * GB, False), StorePlan(50, 2 * GB, True))


def config(**values: Any) -> TrainConfig:
    return tiny_config(Path("/nowhere"), **values)


def estimated(
    values: dict[str, Any] | None = None,
    speed: Speed | None = None,
    room: Room | None = None,
    disk_free_bytes: int = 100 * GB,
) -> Estimate:
    return estimate_run(
        config(**values or {}), COST, STORES, speed, room=room, disk_free_bytes=disk_free_bytes
    )


def earlier_run(runs: Path, rate: float = 50.0, device: str = "cpu", **values: Any) -> Entry:
    """A run that trained `rate` frames a second as a job on this machine."""
    run = RunDir.create(runs, config(**values))
    run.job.mkdir()
    write_json(run.supervisor_file, {**Process.this().to_json(), "device": device})
    for number in (1.0, rate):
        run.append_metrics({"kind": "epoch", "frames_per_second": number})
    run.append_metrics({"kind": "train", "loss": 1.0})
    return Entry(run, run.id, run.config(), None)


# Frames


def test_stores_are_planned_to_the_byte(tmp_path: Path) -> None:
    data, runs = make_city(tmp_path / "data"), tmp_path / "runs"
    settings = tiny_config(data)
    frames = find_frames(data)
    planned = plan_stores(settings, runs, frames)
    assert [plan.is_built for plan in planned] == [False, False]
    for split, plan in zip(("train", "val"), planned, strict=True):
        found = [frame for frame in frames if frame.split == split]
        store = open_store(found, data / "masks", runs / ".store", (HEIGHT, WIDTH))
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


def test_a_trial_says_less_than_a_run() -> None:
    by_run, by_trial = (estimated(speed=Speed(1000.0, source)) for source in ("run", "trial"))
    assert by_run.seconds
    assert by_trial.seconds
    assert by_trial.seconds[0] < by_run.seconds[0] < by_run.seconds[1] < by_trial.seconds[1]


def test_without_a_speed_there_is_no_time() -> None:
    assert estimated().seconds is None
    assert trial_speed(config(), COST) is None


def test_the_speed_of_a_trial_is_in_pixels_of_this_configuration() -> None:
    cost = StepCost(1, 1, 1, flops=2 * 10**9, flops_per_second=10**9)
    assert trial_speed(config(batch_size=2), cost) == Speed(HEIGHT * WIDTH, "trial")


def test_the_newest_rate_of_an_earlier_run_is_its_speed(tmp_path: Path) -> None:
    run = earlier_run(tmp_path, rate=50.0, crop=(16, 32))
    found = earlier_speed(config(batch_size=4, size=(64, 64)), [run])
    assert found == Speed(50.0 * 16 * 32, "run")


@pytest.mark.parametrize(
    "other",
    [{"width": 4}, {"model": "unet:resnet18"}, {"amp": "bf16"}, {"device": "gpu-1"}],
    ids=str,
)
def test_runs_of_other_networks_or_devices_say_nothing(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    device = other.pop("device", "cpu")
    assert earlier_speed(config(), [earlier_run(tmp_path, device=device, **other)]) is None


def test_a_run_on_another_machine_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = earlier_run(tmp_path)
    monkeypatch.setattr(estimates.socket, "gethostname", lambda: "elsewhere")
    assert earlier_speed(config(), [run]) is None


def test_the_first_run_that_says_something_counts(tmp_path: Path) -> None:
    broken, started, first, second = (earlier_run(tmp_path, rate=r) for r in (1, 2, 3, 4))
    broken = replace(broken, config=None, problem="broken")
    started.run.metrics_file.unlink()
    found = earlier_speed(config(), [broken, started, first, second])
    assert found == Speed(3 * HEIGHT * WIDTH, "run")


# Memory


def test_memory_is_of_the_process_its_tensors_and_a_checkpoint() -> None:
    memory = estimated({"device": "cpu"}).memory_bytes
    assert 0 < memory - 1.15 * GB - COST.state_bytes < 0.5 * GB


def test_frames_stay_on_a_gpu_with_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "device_key", lambda name: "gpu-1")
    large, small = (estimated(room=Room(size * GB, size * GB)) for size in (80, 8))
    assert (large.is_resident, small.is_resident) == (True, False)
    assert large.memory_bytes - small.memory_bytes == 6 * GB


@pytest.mark.parametrize(
    ("room", "said"),
    [
        (Room(GB, GB), r"needs about 1\.6 GB of memory, and there are 1\.0 GB: choose a smaller"),
        (Room(4 * GB, GB), r"needs about 1\.6 GB of memory, and 1\.0 GB are free now: end other"),
    ],
)
def test_too_little_memory_is_said_before(room: Room, said: str) -> None:
    (warning,) = estimated({"device": "cpu"}, room=room).warnings
    assert re.search(said, warning)


def test_too_little_disk_is_said_before() -> None:
    (warning,) = estimated(disk_free_bytes=GB).warnings
    assert "writes about 4.0 GB, and 1.0 GB are free on the disk" in warning


def test_nothing_is_said_where_there_is_room() -> None:
    assert estimated(room=Room(8 * GB, 8 * GB)).warnings == []


def test_the_memory_of_this_machine_is_known() -> None:
    room = room_on("cpu")
    assert room
    assert 0 < room.free_bytes <= room.total_bytes
    assert room_on("gpu-of-another-machine") is None


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "1 MB"),
        (85e6, "85 MB"),
        (999.4e6, "999 MB"),
        (999.6e6, "1.0 GB"),
        (9.949e9, "9.9 GB"),
        (9.96e9, "10 GB"),
        (math.pi * 1e11, "314 GB"),
    ],
)
def test_sizes_are_said_in_two_digits_or_three(size: float, text: str) -> None:
    assert gigabytes(size) == text
