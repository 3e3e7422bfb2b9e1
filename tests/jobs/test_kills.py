"""A trainer killed again and again: there is a checkpoint to load, and the run goes on from it."""

import random
import time
from pathlib import Path

from job_runs import kill, reaches, until
from tiny_runs import make_city, make_run
from trainers import Trainers

from cityseg.jobs import state
from cityseg.runs.checkpoints import load_state
from cityseg.runs.folder import RunDir

KILLS = 50
#: A checkpoint after each step, large enough to be met while it is written.
SETTINGS = {"epochs": 10_000, "checkpoint_minutes": 1e-9, "width": 6}


def steps_of(run: RunDir) -> int:
    """Steps in the newest training state; raises CheckpointError if none can be loaded."""
    state = load_state(run)
    return state["position"]["total_steps"] if state else 0


def test_no_kill_costs_a_checkpoint_or_a_committed_step(tmp_path: Path, by_hand: Trainers) -> None:
    run = make_run(make_city(tmp_path / "data"), **SETTINGS)
    chance = random.Random(0)  # noqa: S311 - no secret
    committed, half_written = 0, 0
    for number in range(KILLS):
        committed = kill_once(run, by_hand, committed, chance, while_saving=number % 2 == 0)
        half_written += bool(list(run.checkpoints.glob(".*.part")))
    assert committed > KILLS  # it did go on
    assert half_written >= KILLS // 4


def kill_once(
    run: RunDir, by_hand: Trainers, committed: int, chance: random.Random, *, while_saving: bool
) -> int:
    """Train on and kill; returns the steps in the newest state, which are no fewer than before."""
    trainer = by_hand.start(run)
    if while_saving:
        until(lambda: run.last.exists() and steps_of(run) > committed)
        committed = steps_of(run)
    else:
        time.sleep(chance.uniform(0, 0.6))  # any instant will do, also one while the process starts
    assert state(run).phase in ("lost", "starting", "running")
    while while_saving and not any(run.checkpoints.glob(".next.pt.*.part")):
        pass  # it is there for milliseconds
    kill(trainer)
    reaches(run, "lost", seconds=10)
    found = steps_of(run)
    assert found >= committed
    return found
