"""A trainer killed again and again: a checkpoint can be loaded, and the run continues from it.

Mirrors no module: it kills whole trainings at any instant.
"""

from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import pytest
from job_runs import kill, reaches, trainer_of
from new_files import new_files
from tiny_runs import make_city, make_run
from trainers import Trainers
from waiting import until

from cityseg.jobs import state
from cityseg.runs.checkpoints import load_state
from cityseg.runs.folder import RunDir
from cityseg.system.processes import Process

#: A checkpoint after each step, large enough to be met while it is written.
SETTINGS = {"epochs": 10_000, "checkpoint_minutes": 1e-9, "width": 16}


def steps_of(run: RunDir) -> int:
    """Steps in the newest training state; raises CheckpointError if none can be loaded."""
    state = load_state(run)
    return state["position"]["total_steps"] if state else 0


# Moments to kill at: each function waits for one, and returns the steps committed by then.


def at_once(run: RunDir, trainer: Process) -> int:
    """While the process starts."""
    return steps_of(run)


def named(run: RunDir, trainer: Process) -> int:
    """When the run's folder names the process, which loads the state then."""
    until(lambda: trainer_of(run) == trainer)
    return steps_of(run)


def running(run: RunDir, trainer: Process) -> int:
    """After the first step of this process."""
    named(run, trainer)
    reaches(run, "running")
    return steps_of(run)


def validating(run: RunDir, trainer: Process) -> int:
    """At the end of an epoch."""
    running(run, trainer)
    epochs = state(run).progress.epochs_done
    until(lambda: state(run).progress.epochs_done > epochs or state(run).progress.is_validating)
    return steps_of(run)


def saving(run: RunDir, trainer: Process) -> int:
    """After a step of this process, just when another state is being written."""
    before = steps_of(run)
    until(lambda: steps_of(run) > before)
    committed = steps_of(run)
    with new_files(run.checkpoints) as names:
        assert next(name for name in names if name.startswith(".next.pt."))
    return committed


MOMENTS: tuple[Callable[[RunDir, Process], int], ...] = (
    saving,
    at_once,
    saving,
    named,
    saving,
    running,
    saving,
    validating,
)


@pytest.mark.parametrize("kills", [8, pytest.param(80, marks=pytest.mark.soak)])
def test_no_kill_costs_a_checkpoint_or_a_committed_step(
    tmp_path: Path, by_hand: Trainers, kills: int
) -> None:
    run = make_run(make_city(tmp_path / "data"), **SETTINGS)
    half_written = 0
    for wait in islice(cycle(MOMENTS), kills):
        trainer = by_hand.start(run)
        committed = wait(run, trainer)
        kill(trainer)
        reaches(run, "lost")
        assert steps_of(run) >= committed
        half_written += wait is saving and any(run.checkpoints.glob(".*.part"))
    assert steps_of(run) >= kills / 2  # each that was killed while it saved had taken a step
    assert half_written >= kills / 8
