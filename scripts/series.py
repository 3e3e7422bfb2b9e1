"""Ordinary runs below one folder, found by their titles: trained if missing, continued if ended."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cityseg.data import ANNOTATIONS, IMAGES, find_frames, read_exclusion
from cityseg.runs import RunDir
from cityseg.system import available_cores


def title(variant: str, seed: int) -> str:
    """What tells the runs of a series apart."""
    return f"{variant}, seed {seed}"


def runs_by_title(folder: Path) -> dict[str, RunDir]:
    """The runs of a series."""
    runs = [RunDir(path) for path in folder.glob("*-*")]
    return {run.config().title: run for run in runs if run.config_file.is_file()}


def train(folder: Path, settings: Mapping[str, Any], workers: int = 1) -> str:
    """Train with `settings` to the end, unless that has been done; returns what to say of it.

    `workers` trainings share the cores.
    """
    name = settings["title"]
    run = runs_by_title(folder).get(name)
    if run and run.done_summary():
        return f"{name}: done before"
    flags = ["--resume", str(run.path)] if run else ["--runs", str(folder), *as_flags(settings)]
    threads = {"OMP_NUM_THREADS": str(max(1, available_cores() // workers))}
    return f"{name}: {cityseg('train', *flags, environment=threads)}"


def as_flags(settings: Mapping[str, Any]) -> Iterator[str]:
    """Settings as a person would type them."""
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        else:
            yield f"--{flag}={value}"


def cityseg(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command of cityseg; returns the last line of what it prints, or of its error."""
    done = subprocess.run(
        [sys.executable, "-m", "cityseg", *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stderr if done.returncode else done.stdout
    return printed.strip().splitlines()[-1]


def write_exclusion(
    folder: Path, data: Path, frames: Mapping[str, int], more: Path | None = None
) -> Path:
    """A file in `folder` that leaves so many frames of each split in `frames`, evenly spread.

    Frames that the file `more` names are left out before that.
    """
    excluded: list[str] = []
    for split in ("train", "val"):
        found = find_frames(data, [split])
        offered = read_exclusion(more).without(found) if more else found
        count = min(len(offered), frames.get(split, len(offered)))
        kept = {offered[number * len(offered) // count].name for number in range(count)}
        excluded += [frame.name for frame in found if frame.name not in kept]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "exclude.txt"
    path.write_text("".join(f"{name}\n" for name in excluded))
    return path.resolve()


def link_frames(data: Path, out: Path, count: int) -> Path:
    """A dataset of links: `count` training frames of `data`, evenly spread, and all of val."""
    train, val = (
        [each for each in find_frames(data, [split]) if each.label_ids]
        for split in ("train", "val")
    )
    count = min(count, len(train))
    for frame in [*(train[number * len(train) // count] for number in range(count)), *val]:
        for folder, path in ((IMAGES, frame.image), (ANNOTATIONS, frame.label_ids)):
            if path:
                link(path, out / folder / frame.split / frame.city / path.name)
    return out


def link(target: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(target.resolve())
