"""`cityseg jobs …`: every action, and a job whose shell is killed.

Also tests: cli/job_actions.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_runs import finish, reaches, start_stand_in, trainer_of
from tiny_runs import make_city
from wandb_world import make_run, write_train_row

from cityseg.cli.main import main
from cityseg.config import TrainConfig
from cityseg.jobs import list_runs, state
from cityseg.system import write_json

SETTINGS = ("--size=32x64", "--width=2", "--batch-size=2", "--learning-rate=.01", "--device=cpu")


def cityseg(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cityseg", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("action", ["list", "start", "stop", "resume", "logs", "export"])
def test_each_action_has_help(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["jobs", action, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m cityseg jobs {action}")


def test_a_job_is_started_followed_and_listed(runs: Path, tmp_path: Path) -> None:
    data = make_city(tmp_path / "data")
    settings = (*SETTINGS, "--epochs=2", "--title=Zürich \x1b[31m <b>")
    started = cityseg("jobs", "start", "--data", data, "--runs", runs, *settings)
    assert started.returncode == 0
    (entry,) = list_runs(runs)
    assert started.stdout.startswith(f"Run {entry.run.path}\n")
    followed = cityseg("jobs", "logs", entry.id, "--runs", runs, "--follow")
    assert followed.returncode == 0
    lines = followed.stdout.splitlines()
    assert lines[-1].endswith(f"INFO {entry.id}: done")
    assert len([line for line in lines if " INFO Epoch 2: " in line]) == 1
    reaches(entry.run, "done")
    listed = cityseg("jobs", "list", "--runs", runs)
    assert listed.returncode == 0
    (_, row) = listed.stdout.splitlines()
    assert row.split()[:4] == [entry.id, "done", "2/2", "10"]
    assert row.endswith("Zürich  [31m <b>")


def test_the_list_ends_with_what_is_wrong_with_live_runs(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stalled, ended = (make_run(tmp_path, title="\x1b[31mTry") for _ in range(2))
    for run in (stalled, ended):
        run.begin_attempt()
        write_json(run.progress_file, {"stage": "training"})
        write_train_row(run, 10)
        old = time.time() - 4000
        os.utime(run.metrics_file, (old, old))
    with stalled.locked():
        assert main(["jobs", "list", "--runs", str(runs)]) == 0
    *_, row, alarm = capsys.readouterr().out.splitlines()
    assert len({stalled.id, ended.id} & set(row.split())) == 1
    assert alarm.startswith(f"{stalled.id} ( [31mTry) makes no progress: nothing new for 1:06:")


def test_variants_are_started_as_a_group(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    groups: list[tuple[str, list[TrainConfig]]] = []
    monkeypatch.setattr(
        "cityseg.jobs.start_group",
        lambda name, configs, *a, **k: groups.append((name, configs)) or [],
    )
    vary = ("--vary", "learning-rate=1e-4, 3e-4", "--vary", "seed=1,2", "--title", "Test")
    assert main(["jobs", "start", "--runs", str(runs), "--preset", "demo", *vary]) == 0
    ((name, configs),) = groups
    assert name == "Test: learning_rate, seed"
    assert [(c.learning_rate, c.seed, c.epochs) for c in configs] == [
        (rate, seed, 40) for rate in (1e-4, 3e-4) for seed in (1, 2)
    ]
    assert configs[0].title == "Test: learning rate 1e-4, seed 1"
    assert "0 runs started, 4 existed already" in capsys.readouterr().out
    vary = ("--vary", "learning-rate=1e-4,0.0001", "--vary", "seed=1,2")
    assert main(["jobs", "start", "--runs", str(runs), "--preset", "demo", *vary]) == 0
    assert [config.seed for config in groups[1][1]] == [1, 2]


def test_jobs_are_stopped_and_resumed_by_id_or_folder(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_city(runs.parent, train=1, val=1)  # which is looked at before a run is resumed
    run = start_stand_in(runs)
    waiting = start_stand_in(runs)
    reaches(run, "running")
    assert main(["jobs", "list", "--runs", str(runs)]) == 0
    assert "number 1 in the queue for cpu" in capsys.readouterr().out
    assert main(["jobs", "stop", run.id, "--runs", str(runs)]) == 0
    assert capsys.readouterr().out == f"Run {run.path}\nStopped: 0 of 10 epochs\n"
    reaches(waiting, "running")
    assert main(["jobs", "resume", str(run.path)]) == 0
    assert capsys.readouterr().out == f"Run {run.path}\nQueued: number 1 in the queue for cpu\n"
    assert main(["jobs", "stop", str(run.path)]) == 0
    finish(waiting)
    reaches(waiting, "done")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["stop", "none"], "is no run"),
        (["resume", "none"], "is no run"),
        (["logs", "../none"], "is no run"),
        (["start", "--epochs", "0"], "epochs is 0: it must be a whole number, at least 1"),
        (["resume"], "required: RUN"),
        (["list", "--runs", "{file}"], "cannot be listed"),
        (["start", "--vary", "seed"], "--vary seed has no values"),
        (["start", "--vary", "=1"], "--vary =1 has no setting"),
        (["start", "--vary", "title=a,b"], "--vary title is no setting to compare"),
        (["start", "--vary", "seed=1", "--vary", "seed=2"], "names a setting twice"),
        (["start", "--vary", "width=0"], "width is 0: it must be a whole number"),
        (["start", "--vary", "wdth=1"], "perhaps width is meant"),
        (["start", "--group", "Mine"], "give --vary"),
        (["start", "--on", "slurm"], "has no section [slurm]: add one to run jobs there"),
    ],
)
def test_errors_are_one_sentence_and_end_with_1(
    arguments: list[str], expected: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    named = [argument.format(file=tmp_path / "file") for argument in arguments]
    try:
        status = main(["jobs", *named])
    except SystemExit as ended:
        status = ended.code
    said = capfd.readouterr()
    assert (status, said.out) == (1, "")
    assert said.err.startswith("cityseg: ")
    assert expected in said.err
    assert said.err.count("\n") == 1


def test_a_broken_run_is_listed_with_its_problem(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "20260101-000000-a").mkdir(parents=True)
    assert main(["jobs", "list", "--runs", str(runs)]) == 2
    assert "broken" in capsys.readouterr().out


def test_a_job_outlives_its_shell_and_its_terminal(runs: Path, tmp_path: Path) -> None:
    data = make_city(tmp_path / "data")
    command = [sys.executable, "-m", "cityseg", "jobs", "start", "--data", str(data)]
    shell = subprocess.Popen(
        ["/bin/sh", "-c", '"$@"; kill -9 0', "sh", *command, "--runs", str(runs), *SETTINGS],
        start_new_session=True,  # the shell kills its whole group
        stdout=subprocess.DEVNULL,
    )
    assert shell.wait() != 0
    (entry,) = list_runs(runs)
    assert trainer_of(entry.run).is_alive()
    assert main(["jobs", "stop", str(entry.run.path)]) == 0
    assert state(entry.run).phase == "stopped"
