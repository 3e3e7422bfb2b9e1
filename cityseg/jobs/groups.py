"""Groups of runs that vary a few settings of one training.

Before the first run of a group is queued, the whole group is written to a file in RUNS/.groups,
which is removed after the last one. A process that dies in between leaves the file, so the rest can
be queued later. No run is queued twice: the id of each ends with a digest of the group's name and
the run's settings.
"""

import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from cityseg.config import TrainConfig, saved_config
from cityseg.errors import CitysegError, RunError
from cityseg.runs import RunDir, archived_runs, settled
from cityseg.system import SMALL, FileModel, Lock, is_held, read_or_none, write_json

#: More would rather be a mistake in the values than a plan.
MOST_RUNS: Final = 200
#: The folder of the plans of groups, in the folder of runs.
GROUPS: Final = ".groups"


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs of one name, each with its settings."""

    name: str
    configs: tuple[TrainConfig, ...]


class _GroupFile(FileModel):
    """The content of a file in RUNS/.groups."""

    name: str
    configs: list[dict[str, Any]] = Field(max_length=MOST_RUNS)


def combinations(varied: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Each combination of the values of the settings; those of the last change fastest."""
    return [
        dict(zip(varied, values, strict=True)) for values in itertools.product(*varied.values())
    ]


def variant_title(title: str, varied: Mapping[str, Any]) -> str:
    """The title of a run that differs from others in `varied`: "Test: learning rate 0.001"."""
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in varied.items())
    return f"{title}: {settings}" if title else settings[:1].upper() + settings[1:]


def group_click(name: str) -> str:
    """The `click` with which the runs of a group are started, see `jobs.start`."""
    return f"group {name}"


def click_digits(click: str, config: TrainConfig) -> str:
    """The end of the id of the run that `click` starts."""
    content = f"{click}\n{settled(config).model_dump_json()}".encode(errors="backslashreplace")
    return hashlib.blake2b(content, digest_size=4).hexdigest()


def was_submitted(run: RunDir) -> bool:
    """Whether `run` was handed on to its machine, and not only created."""
    return run.supervisor_file.exists() or run.place_file.exists() or run.is_locked()


def not_queued(group: RunGroup, runs: Path) -> list[TrainConfig]:
    """The settings in `group` of which there is no run yet in `runs` or its archive."""
    click = group_click(group.name)
    by_digits = {path.name[-8:]: path for path in _folders(runs)}
    archived = {path.name[-8:] for path in _folders(archived_runs(runs))}

    def is_missing(digits: str) -> bool:
        path = by_digits.get(digits)
        return digits not in archived and (path is None or not was_submitted(RunDir(path)))

    return [config for config in group.configs if is_missing(click_digits(click, config))]


@contextmanager
def written_down(group: RunGroup, runs: Path) -> Iterator[None]:
    """Keep `group` in a file while its runs are queued, and after that if only some could be.

    Raises RunError if the file cannot be written.
    """
    try:
        (runs / GROUPS).mkdir(parents=True, exist_ok=True)
        path = _file(group, runs)
        dumps = [settled(config).model_dump(mode="json") for config in group.configs]
        write_json(path, {"name": group.name, "configs": dumps})
        lock = Lock.take(path)
    except OSError as error:
        raise RunError(
            f"{runs / GROUPS} cannot be written ({error.strerror}): check its permissions and "
            "the disk"
        ) from error
    with lock:
        try:
            yield
        finally:
            if len(not_queued(group, runs)) in (0, len(group.configs)):
                path.unlink(missing_ok=True)


def interrupted_groups(runs: Path) -> list[RunGroup]:
    """The groups in `runs` of which some runs could not be queued."""
    return [group for _, group in _interrupted(runs)]


def forget_group(group: RunGroup, runs: Path) -> None:
    """Leave it at the runs of `group` that were queued; raises RunError."""
    for path, found in _interrupted(runs):
        if found == group:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise RunError(
                    f"{path} cannot be removed ({error.strerror}): check its permissions"
                ) from error


def _interrupted(runs: Path) -> list[tuple[Path, RunGroup]]:
    found = []
    for path in sorted((runs / GROUPS).glob("[!.]*.json")):
        group = _read(path)
        if group is None or _is_in_use(path):
            continue
        if not_queued(group, runs):
            found.append((path, group))
        else:  # its process died just before it would have removed the file
            with suppress(OSError):
                path.unlink()
    return found


def _read(path: Path) -> RunGroup | None:
    content = read_or_none(path, _GroupFile, SMALL)
    if content is None:
        return None
    with suppress(CitysegError):  # of a later version
        return RunGroup(content.name, tuple(map(saved_config, content.configs)))
    return None


def _is_in_use(path: Path) -> bool:
    with suppress(OSError):
        return is_held(path)
    return False


def _file(group: RunGroup, runs: Path) -> Path:
    content = "\n".join([group.name, *(each.model_dump_json() for each in group.configs)])
    digest = hashlib.blake2b(content.encode(errors="backslashreplace"), digest_size=8).hexdigest()
    return runs / GROUPS / f"{digest}.json"


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(each.path) for each in entries if each.name[0] != "." and each.is_dir()]
    except OSError:
        return []
