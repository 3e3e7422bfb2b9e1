"""The command that sends a run to Weights & Biases: statuses and sentences."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import forks
import pytest
from waiting import PATIENCE_SECONDS
from wandb_world import (
    FakeServer,
    Follower,
    losses,
    make_run,
    read_parts,
    recorded,
    until_finished,
    until_recorded,
    write_train_row,
)

from cityseg.jobs.tracking import upload_command
from cityseg.runs import RunDir

pytestmark = pytest.mark.usefixtures("no_account")


def cityseg_track(run: RunDir, *options: str) -> subprocess.CompletedProcess[str]:
    return forks.run_module(Follower.imports, "cityseg", "track", run.path, *options)


def test_a_finished_run_is_tracked_later(tmp_path: Path, server: str) -> None:
    run = make_run(tmp_path, wandb="off")
    write_train_row(run, 10)
    run.write_summary({"status": "done"})
    done = cityseg_track(run)
    page = f"{server}/someone/cityseg/runs/{run.id}"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{run.path} is tracked by Weights & Biases: {page}\n"
    assert FakeServer.losses() == [(10, 0.5)]
    assert cityseg_track(run).returncode == 0
    assert FakeServer.losses() == [(10, 0.5)]


def test_track_offline_says_how_to_upload(tmp_path: Path) -> None:
    run = make_run(tmp_path, wandb="online")
    write_train_row(run, 10)
    done = cityseg_track(run, "--mode", "offline")
    assert (done.returncode, done.stderr) == (0, "")
    command = upload_command([recorded(run).folder])
    assert done.stdout == (
        f"{run.path} is tracked offline: upload it to Weights & Biases with `{command}`\n"
    )


def test_track_ends_with_1_where_nothing_can_be_tracked(tmp_path: Path, stand_in: Path) -> None:
    (stand_in / "fail").touch()
    run = make_run(tmp_path)
    done = cityseg_track(run)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Weights & Biases cannot start, so nothing is tracked: cannot write\n"
    done = cityseg_track(RunDir(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"cityseg: {tmp_path / 'none'} is no run")


def test_track_ends_with_2_where_only_a_part_was_taken(tmp_path: Path, stand_in: Path) -> None:
    run = make_run(tmp_path)
    write_train_row(run, 666)
    done = cityseg_track(run)
    assert done.returncode == 2
    assert done.stderr == "Weights & Biases did not take everything: no such step\n"


def test_an_interrupted_track_finishes_what_it_has(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    command = [sys.executable, "-m", "cityseg", "track", str(run.path), "--follow"]
    with (
        run.locked(),
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process,
    ):
        write_train_row(run, 10)
        until_recorded(run, 10)
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 1
        assert re.search("cityseg: [Ii]nterrupted", shown)
        until_finished(run)
    (part,) = read_parts(run)
    assert (losses([part]), part["exit_code"]) == ([(10, 0.5)], 0)


def test_without_a_key_nobody_is_asked_for_one(tmp_path: Path) -> None:
    run = make_run(tmp_path, wandb="online")
    write_train_row(run, 10)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cityseg", "track", run.path],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 1000):
                shown += piece
        except OSError:  # Linux's way of saying that the other end is closed
            pass
    os.close(ours)
    first, second = shown.decode().splitlines()
    assert process.returncode == 2
    assert "(No API key configured." in first
    assert "so this run is tracked offline: upload it later with `wandb sync " in first
    assert second.startswith(f"{run.path} is tracked offline: upload it to Weights & Biases with")
