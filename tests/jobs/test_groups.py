"""Groups of runs: all combinations, none of them twice, and nothing lost with the process."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cityseg.config import TrainConfig, make_config
from cityseg.errors import ConfigError, RunError
from cityseg.jobs import (
    LocalMachine,
    RunGroup,
    combinations,
    forget_group,
    interrupted_groups,
    list_runs,
    not_queued,
    start_group,
    variant_title,
)
from cityseg.runs import RunDir, archive_run, read_notes
from cityseg.system import Lock

ROOT = Path(__file__).parents[2]


class Stub(LocalMachine):
    """A machine that only notes that it was given the run."""

    def check(self, config: TrainConfig, stores: Path) -> None:
        if config.seed == 13:
            raise ConfigError("13 is no good seed")

    def submit(self, run: RunDir, lock: Lock, *, now: bool) -> None:
        run.supervisor_file.write_text("{}")


class Failing(Stub):
    """One that cannot take the run of seed 2."""

    def submit(self, run: RunDir, lock: Lock, *, now: bool) -> None:
        if run.config().seed == 2:
            raise RunError("The disk is full")
        super().submit(run, lock, now=now)


def variants(folder: Path, *seeds: int) -> list[TrainConfig]:
    values = {"device": "cpu", "data": folder}
    return [make_config(values | {"title": f"Seed {s}", "seed": s}) for s in seeds]


def queued(runs: Path) -> list[str]:
    return sorted(entry.title for entry in list_runs(runs))


def test_combinations_and_their_titles() -> None:
    found = combinations({"learning_rate": [0.1, 0.2], "seed": [1, 2]})
    assert [variant_title("Test", each) for each in found] == [
        "Test: learning rate 0.1, seed 1",
        "Test: learning rate 0.1, seed 2",
        "Test: learning rate 0.2, seed 1",
        "Test: learning rate 0.2, seed 2",
    ]
    assert variant_title("", {"size": "64x128"}) == "Size 64x128"


def test_each_run_of_a_group_is_started_once_and_tagged(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert len(start_group("Seeds", variants(tmp_path, 1, 2), runs, machine=Stub())) == 2
    assert [read_notes(entry.run).tags for entry in list_runs(runs)] == [["Seeds"]] * 2
    archive_run(list_runs(runs)[0].run)
    assert len(start_group("Seeds", variants(tmp_path, 1, 2, 3), runs, machine=Stub())) == 1
    assert len(list_runs(runs)) == 2
    assert len(start_group("Again", variants(tmp_path, 1), runs, machine=Stub())) == 1
    assert not list((runs / ".groups").iterdir())


def test_a_variant_that_cannot_train_keeps_all_from_being_queued(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(ConfigError, match="no good seed"):
        start_group("Seeds", variants(tmp_path, 1, 13), runs, machine=Stub())
    assert (queued(runs), interrupted_groups(runs)) == ([], [])


def test_a_group_that_fails_in_the_middle_can_be_completed_or_forgotten(tmp_path: Path) -> None:
    runs, group = tmp_path / "runs", RunGroup("Seeds", tuple(variants(tmp_path, 1, 2, 3)))
    with pytest.raises(RunError, match="disk is full"):
        start_group("Seeds", group.configs, runs, machine=Failing())
    assert interrupted_groups(runs) == [group]
    assert [each.seed for each in not_queued(group, runs)] == [2, 3]
    start_group("Seeds", group.configs, runs, machine=Stub())
    assert queued(runs) == ["Seed 1", "Seed 2", "Seed 3"]
    assert interrupted_groups(runs) == []


def test_the_rest_of_a_group_is_known_after_its_starter_was_killed(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    script = (
        "import os, signal, sys; from pathlib import Path; from cityseg.config import make_config\n"
        "from cityseg.jobs import LocalMachine, start_group\n"
        "class Dying(LocalMachine):\n"
        "    def submit(self, run, lock, *, now):\n"
        "        if run.config().seed == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        run.supervisor_file.write_text('{}')\n"
        "folder = Path(sys.argv[1])\n"
        "values = {'device': 'cpu', 'data': folder}\n"
        "configs = [make_config(values | {'seed': s, 'title': f'Seed {s}'}) for s in (1, 2, 3)]\n"
        "start_group('Seeds', configs, folder / 'runs', machine=Dying(checks_data=False))"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    (group,) = interrupted_groups(runs)
    assert group.configs == tuple(variants(tmp_path, 1, 2, 3))
    start_group(group.name, group.configs, runs, machine=Stub())
    assert queued(runs) == ["Seed 1", "Seed 2", "Seed 3"]
    assert interrupted_groups(runs) == []


def test_a_group_that_is_forgotten_keeps_the_runs_it_has(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(RunError):
        start_group("Seeds", variants(tmp_path, 1, 2), runs, machine=Failing())
    forget_group(interrupted_groups(runs)[0], runs)
    assert interrupted_groups(runs) == []
    assert "Seed 1" in queued(runs)


def test_a_damaged_file_and_one_in_use_are_no_interrupted_group(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(RunError):
        start_group("Seeds", variants(tmp_path, 1, 2), runs, machine=Failing())
    (file,) = (runs / ".groups").iterdir()
    with Lock.take(file):
        assert interrupted_groups(runs) == []
    file.write_text("{")
    assert interrupted_groups(runs) == []
