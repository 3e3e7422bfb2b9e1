"""Places where tests run jobs: this machine, and clusters of one node with the stand-in."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray_cluster
import slurm_cluster
from job_runs import STAND_IN, machine
from waiting import until

from cityseg.config import make_config
from cityseg.jobs import Graces, Machine, PlacedMachine, start
from cityseg.jobs.placed import placement_of
from cityseg.places import CONFIG_VARIABLE, Engine, engine_at
from cityseg.places.ray_jobs import TOKEN_VARIABLE
from cityseg.runs.folder import RunDir


def job_of(run: RunDir) -> str:
    """The id that the cluster has given to its newest job."""
    placed = placement_of(run)
    assert placed
    return placed.job


@dataclass(frozen=True)
class Place:
    """A place that has room for one job at a time."""

    name: str
    device: str  # as a state names it
    engine: Engine | None = None

    def machine(self, behaviour: str = "obedient", **graces: float) -> Machine:
        """The machine, with a trainer that needs no torch; see stand_in.py for its behaviours."""
        if self.engine is None:
            return machine(behaviour, **graces)
        command = (sys.executable, "-S", "-E", str(STAND_IN), behaviour)
        return PlacedMachine(self.engine, command, Graces(**graces), checks_data=False)

    def start(self, runs: Path, behaviour: str = "obedient") -> RunDir:
        config = make_config({"device": "cpu", "data": runs.parent})
        return start(config, runs, machine=self.machine(behaviour))


def local_place() -> Place:
    return Place("local", "cpu")


def configured_place(name: str) -> Place:
    """The place called `name`, as the environment configures it."""
    return local_place() if name == "local" else Place(name, name, engine_at(name))


@contextmanager
def slurm_place(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    """The Slurm of this test session, with no job at the end; skips the test where none can run."""
    if problem := slurm_cluster.missing():
        pytest.skip(problem)
    settings = folder / "places.toml"
    settings.write_text("[slurm]\ngpus = 0\nhours = 1\n")
    variables = slurm_cluster.of_session(request)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**variables, CONFIG_VARIABLE: str(settings)}.items():
            patch.setenv(name, value)
        try:
            yield configured_place("slurm")
        finally:
            subprocess.run(["scancel", f"--user={os.getuid()}"], check=True)
            until(lambda: not subprocess.check_output(["squeue", "--noheader"]))


@contextmanager
def ray_place(request: pytest.FixtureRequest, folder: Path) -> Iterator[Place]:
    """The Ray of this test session, with no job at the end; skips the test where none can run."""
    if problem := ray_cluster.missing():
        pytest.skip(problem)
    head = ray_cluster.of_session(request)
    settings = folder / "places.toml"
    settings.write_text(f'[ray]\naddress = "{head.address}"\ngpus = 0\n')
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {TOKEN_VARIABLE: head.token, CONFIG_VARIABLE: str(settings)}.items():
            patch.setenv(name, value)
        place = configured_place("ray")
        assert place.engine
        try:
            yield place
        finally:
            for job in place.engine.reports():
                place.engine.cancel(job)
            until(lambda: all(job.stage == "ended" for job in place.engine.reports().values()))
