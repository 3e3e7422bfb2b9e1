"""All runs below a folder, the newest first, each with its state or the reason why it has none."""

import os
from dataclasses import dataclass
from pathlib import Path

from cityseg.config import TrainConfig
from cityseg.errors import CitysegError, RunError
from cityseg.jobs.machine import Machine
from cityseg.jobs.state import JobState, config_of
from cityseg.runs import RunDir


@dataclass(frozen=True, slots=True)
class Entry:
    """One folder of the list: a run with its settings and state, or the problem with it."""

    run: RunDir
    id: str
    config: TrainConfig | None
    state: JobState | None
    problem: str = ""


def list_runs(runs: Path, machine: Machine) -> list[Entry]:
    """The runs in the folder `runs`, the newest first by their ids; raises RunError."""
    try:
        with os.scandir(runs) as entries:
            names = [each.name for each in entries if each.name[0] != "." and each.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(
            f"{runs} cannot be listed ({error.strerror}): name a folder of runs, or check its "
            "permissions"
        ) from error
    return [_entry(RunDir(runs / name), machine) for name in sorted(names, reverse=True)]


def _entry(run: RunDir, machine: Machine) -> Entry:
    # Names are bytes: what no terminal and no page can show is escaped.
    name = run.path.name if run.path.name.isprintable() else ascii(run.path.name)[1:-1]
    try:
        run.check_name()
        return Entry(run, name, config_of(run), machine.state(run))
    except (CitysegError, OSError) as error:
        return Entry(run, name, None, None, str(error))
