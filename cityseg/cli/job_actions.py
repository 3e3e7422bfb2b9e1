"""What the commands `jobs …` do."""

import argparse
import math
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from shlex import join
from typing import Final

from cityseg import jobs
from cityseg.cli import EXIT_ALL, EXIT_SOME
from cityseg.cli.flags import chosen_config, chosen_settings, resume_changes
from cityseg.cli.options import chosen_run, named_run
from cityseg.cli.output import shown
from cityseg.cli.track import send
from cityseg.config import TrainConfig
from cityseg.errors import CitysegError, ConfigError
from cityseg.jobs import MOST_RUNS, Entry, JobState, combinations, variant_title
from cityseg.places import LOCAL, check_shared
from cityseg.runs import LONGEST_NAME, RunDir, epoch_rows, started_config
from cityseg.wording import counted

#: The forms of `jobs export` but wandb, and what is written by default.
EXPORTS: Final = {"csv": "runs.csv", "parquet": "runs.parquet", "tensorboard": "tensorboard"}
_COLUMNS: Final = "{:34} {:9} {:>9} {:>11} {:>8}  {}"


def list_runs(options: argparse.Namespace) -> int:
    """List runs, the newest first, with what they are doing and what is wrong; then arrays."""
    entries = jobs.list_runs(options.runs)
    print(_COLUMNS.format("Run", "State", "Epoch", "Step", "Mean IoU", "Title; notes"))
    for entry in entries:
        print(_line(entry))
    for name in jobs.unmerged_arrays(options.runs):
        print(_array_line(options.runs, name))
    for text in dict.fromkeys(text for entry in entries for text in _alarms(entry)):
        print(_printable(text))
    return EXIT_SOME if any(entry.problem for entry in entries) else EXIT_ALL


def start(options: argparse.Namespace) -> int:
    """Train a network in the background, after the runs that wait for the same device."""
    if options.vary:
        return _start_group(options)
    if options.group:
        raise ConfigError("A group has several runs: give --vary, such as --vary seed=1,2,3")
    machine = jobs.machine_at(options.on or LOCAL)
    run = jobs.start(chosen_config(options), options.runs, now=options.now, machine=machine)
    _report_start(run, options)
    return EXIT_ALL


def resume(options: argparse.Namespace) -> int:
    """Continue a run that stopped or died, or with more epochs, in the background."""
    run, changes = chosen_run(options), resume_changes(options)
    machine = jobs.machine_at(options.on) if options.on else None
    if jobs.resume(run, changes, now=options.now, machine=machine):
        _report_start(run, options)
    else:
        from cityseg.runs.resuming import why_done  # loads image libraries

        print(f"{why_done(run, changes)}.")
    return EXIT_ALL


def stop(options: argparse.Namespace) -> int:
    """Stop a run after saving its state, or an array, and wait until its processes have ended."""
    if array := jobs.ShardArray.open(options.runs, str(options.run)):
        array.stop()
        print(f"{array.name} is stopped. Finished work is kept.")
        return EXIT_ALL
    run = chosen_run(options)
    jobs.stop(run)
    _report(run)
    return EXIT_ALL


def logs(options: argparse.Namespace) -> int:
    """Show the end of a run's log."""
    run = chosen_run(options)
    if not options.follow:
        print("\n".join(jobs.tail(run, options.lines)))
        return EXIT_ALL
    with suppress(KeyboardInterrupt):  # the usual way to end this
        for piece in jobs.follow(run, options.lines):
            sys.stdout.write(piece)
            sys.stdout.flush()
    return EXIT_ALL


def export(options: argparse.Namespace) -> int:
    """Write what runs recorded as a table, or for TensorBoard or Weights & Biases."""
    runs = list(dict.fromkeys(named_run(named, options.runs) for named in options.named))
    if options.to == "wandb":
        if options.out:
            raise ConfigError("--out goes with --to csv, parquet or tensorboard: leave it out")
        return _joint_status([send(run) for run in runs])
    from cityseg.export import run_tables

    writers = {
        "csv": run_tables.write_csv,
        "parquet": run_tables.write_parquet,
        "tensorboard": run_tables.write_tensorboard,
    }
    out = options.out or Path(EXPORTS[options.to])
    count = writers[options.to](runs, out)
    without = [run for run in runs if not epoch_rows(run.metrics())]
    for run in without:
        print(f"{run.path} has finished no epoch: it is left out.", file=sys.stderr)
    print(f"{out}: {counted(count, 'epoch')} of {counted(len(runs) - len(without), 'run')}.")
    return EXIT_SOME if without else EXIT_ALL


def _joint_status(statuses: Sequence[int]) -> int:
    """The exit status of several items with these: that of all, or EXIT_SOME."""
    return statuses[0] if len(set(statuses)) == 1 else EXIT_SOME


def _start_group(options: argparse.Namespace) -> int:
    """Start a run for each combination of the values of --vary."""
    varied = dict(map(_varied, options.vary))
    if len(varied) < len(options.vary):
        raise ConfigError("--vary names a setting twice: give all of its values at once")
    if (count := math.prod(map(len, varied.values()))) > MOST_RUNS:
        raise ConfigError(f"These are {count:,} runs, and a group has at most {MOST_RUNS}")
    given, preset = chosen_settings(options), options.preset or "reference"
    title = given.get("title", "")
    by_settings: dict[TrainConfig, TrainConfig] = {}
    for each in combinations(varied):
        config = started_config({**given, **each, "title": variant_title(title, each)}, preset)
        # Settings may be written in two ways, as 0.001 and 1e-3.
        by_settings.setdefault(config.model_copy(update={"title": ""}), config)
    configs = list(by_settings.values())
    name = options.group or f"{title or preset}: {', '.join(varied)}"
    if len(name) > LONGEST_NAME:
        raise ConfigError(f"A group's name has at most {LONGEST_NAME} characters: shorten it")
    machine = jobs.machine_at(options.on or LOCAL)
    runs = jobs.start_group(name, configs, options.runs, now=options.now, machine=machine)
    for run in runs:
        _report_start(run, options)
    print(f"Group {name}: {len(runs)} runs started, {len(configs) - len(runs)} existed already.")
    return EXIT_ALL


def _varied(text: str) -> tuple[str, list[str]]:
    """A setting and its values, as --vary names them."""
    name, _, values = text.partition("=")
    found = [value.strip() for value in values.split(",") if value.strip()]
    name = name.strip().replace("-", "_")
    if not (name and found):
        missing = "values" if name else "setting"
        raise ConfigError(f"--vary {text} has no {missing}: write SETTING=VALUE,VALUE")
    if name == "title":
        raise ConfigError("--vary title is no setting to compare: --title begins all their titles")
    return name, list(dict.fromkeys(found))


def _report(run: RunDir) -> None:
    state = jobs.state(run)
    print(f"Run {run.path}")
    print(f"{state.phase.capitalize()}: {state.text}")


def _report_start(run: RunDir, options: argparse.Namespace) -> None:
    _report(run)
    if options.on not in (None, LOCAL):
        print(check_shared(run.path.parent))


def _line(entry: Entry) -> str:
    """A run's row in the list."""
    state, config = entry.state, entry.config
    if not state or not config:
        return _COLUMNS.format(entry.id, "broken", "", "", "", _printable(entry.problem))
    at = state.progress
    epoch = f"{at.epoch if state.is_live else at.epochs_done}/{state.epochs}"
    step = f"{at.step}/{at.steps}" if state.is_live and at.steps else str(at.total_steps)
    about = "; ".join(filter(None, (entry.title, _note(state))))
    return _COLUMNS.format(
        entry.id, state.phase, epoch, step, shown(state.mean_iou), _printable(about)
    )


def _array_line(runs: Path, name: str) -> str:
    """The row of an array that has not come to its end."""
    phase: str = "broken"
    about = "its array.json cannot be read: remove its folder in .tasks"
    try:
        if array := jobs.ShardArray.open(runs, name):
            state = array.state()
            phase = state.phase
            about = (
                f"{join([array.command, *array.arguments])}; "
                f"{state.done} of {counted(state.total, 'shard')} done"
                f"{'' if array.place.name == LOCAL else f' on {array.place.name}'}"
            )
    except CitysegError as error:
        phase, about = "unknown", str(error)
    return _COLUMNS.format(_printable(name), phase, "", "", "", _printable(about))


def _note(state: JobState) -> str:
    """What the numbers of a run do not say: what it waits for, or why it ended."""
    if state.phase in ("queued", "starting"):
        return state.text
    if state.phase == "running" and state.progress.seconds_left:
        return f"{timedelta(seconds=round(state.progress.seconds_left))} left"
    if state.phase == "failed":
        return f"{state.reason} {state.detail}"
    return state.detail if state.phase == "lost" else ""


def _alarms(entry: Entry) -> list[str]:
    """What is wrong with a live run that its state does not say; runs may share a disk."""
    with suppress(CitysegError, OSError):
        if entry.state and entry.state.is_live:
            return [event.text for event in jobs.live_events(entry.run, entry.state)]
    return []


def _printable(text: str) -> str:
    """`text` on one line, without the characters that a terminal would obey."""
    return "".join(each if each.isprintable() else " " for each in text)
