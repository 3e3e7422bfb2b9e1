"""The speed of a network, from runs on this machine or a trial."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import HEIGHT, WIDTH, tiny_config

from cityseg.config import TrainConfig
from cityseg.estimates import speed as speeds
from cityseg.estimates.speed import Speed, earlier_speed, trial_speed
from cityseg.estimates.step_cost import StepCost
from cityseg.jobs import Entry
from cityseg.runs.folder import RunDir
from cityseg.system.files import write_json
from cityseg.system.processes import Process


def config(**values: Any) -> TrainConfig:
    return tiny_config(Path("/nowhere"), **values)


def earlier_run(runs: Path, rate: float = 50.0, device: str = "cpu", **values: Any) -> Entry:
    """A run that trained `rate` frames a second as a job on this machine."""
    run = RunDir.create(runs, config(**values))
    run.job.mkdir()
    write_json(run.supervisor_file, {**Process.this().to_json(), "device": device})
    for number in (1.0, rate):
        run.append_metrics({"kind": "epoch", "frames_per_second": number})
    run.append_metrics({"kind": "train", "loss": 1.0})
    return Entry(run, run.id, run.config(), None)


def test_the_speed_of_a_trial_is_in_pixels_of_this_configuration() -> None:
    assert trial_speed(config(), StepCost(1, 1, 1, flops=1)) is None
    cost = StepCost(1, 1, 1, flops=2 * 10**9, flops_per_second=10**9)
    assert trial_speed(config(batch_size=2), cost) == Speed(HEIGHT * WIDTH, "trial")


def test_several_gpus_train_in_parallel_and_processes_share_a_cpu() -> None:
    cost = StepCost(1, 1, 1, flops=2 * 10**9, flops_per_second=10**9)
    for device, shares in (("cpu", 1), ("cuda", 2)):
        found = trial_speed(config(batch_size=4, devices=2, device=device), cost)
        assert found == Speed(shares * HEIGHT * WIDTH, "trial")


def test_the_newest_rate_of_an_earlier_run_is_its_speed(tmp_path: Path) -> None:
    run = earlier_run(tmp_path, rate=50.0, crop=(16, 32))
    found = earlier_speed(config(batch_size=4, size=(64, 64)), [run])
    assert found == Speed(50.0 * 16 * 32, "run")


@pytest.mark.parametrize(
    "other",
    [{"width": 4}, {"model": "unet:resnet18"}, {"amp": "bf16"}, {"device": "gpu-1"}],
    ids=str,
)
def test_runs_of_other_networks_or_devices_do_not_count(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    device = other.pop("device", "cpu")
    assert earlier_speed(config(), [earlier_run(tmp_path, device=device, **other)]) is None


def test_a_run_on_another_machine_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = earlier_run(tmp_path)
    monkeypatch.setattr(speeds.socket, "gethostname", lambda: "elsewhere")
    assert earlier_speed(config(), [run]) is None


def test_the_first_run_with_a_speed_counts(tmp_path: Path) -> None:
    broken, started, first, second = (earlier_run(tmp_path, rate=r) for r in (1, 2, 3, 4))
    broken = replace(broken, config=None, problem="broken")
    started.run.metrics_file.unlink()
    found = earlier_speed(config(), [broken, started, first, second])
    assert found == Speed(3 * HEIGHT * WIDTH, "run")
