"""What a resumed run is trained with, and whether it can be resumed at all.

What a run is stays as it was. The paths and the device of the machine are named again where they
have changed, and a run may be given more epochs.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cityseg.config import RESUME_SETTINGS, TrainConfig, make_config
from cityseg.defaults import DATASET_VARIABLE
from cityseg.errors import ConfigError
from cityseg.runs.archive import is_archived
from cityseg.runs.checks import check_data, check_start, stores_of
from cityseg.runs.folder import RunDir, settled
from cityseg.runs.rows import best_epoch, epoch_rows
from cityseg.runs.states import check_state


def resumed_config(run: RunDir, changes: Mapping[str, Any]) -> TrainConfig:
    """The settings of `run` with `changes`, valid values or texts of some of RESUME_SETTINGS.

    Where the dataset of the run is gone and `changes` names no other, it is $CITYSCAPES_DATASET.
    Raises ConfigError.
    """
    if fixed := [name for name in changes if name not in RESUME_SETTINGS]:
        raise ConfigError(
            f"A resumed run keeps its {fixed[0]}: leave it out, or start a new run. What can be "
            f"changed is {', '.join(RESUME_SETTINGS)}"
        )
    if is_archived(run):
        raise ConfigError(f"{run.path} is archived: bring it back beside the other runs first")
    config = run.config()
    named = os.environ.get(DATASET_VARIABLE)
    if "data" not in changes and named and not config.data.is_dir() and Path(named).is_dir():
        changes = {**changes, "data": named}
    return settled(make_config({**config.model_dump(), **changes})) if changes else config


def why_done(run: RunDir, changes: Mapping[str, Any]) -> str:
    """Why there is nothing to train in `run` with `changes`; empty if there is something.

    A run that is done is continued only if it is given more epochs than it has, or more patience.
    """
    summary = run.done_summary()
    if summary is None:
        return ""
    rows = run.metrics()
    done = int(summary.get("epochs", len(epoch_rows(rows))))
    if not {"epochs", "patience"} & changes.keys():
        return (
            f"{run.path} is done after {done} epochs, and stays as it is: "
            "to train it longer, resume it with a larger number of epochs"
        )
    config = resumed_config(run, changes)
    if config.epochs <= done:
        return f"{run.path} is done, and stays as it is: it has {done} epochs already"
    best = (best_epoch(rows) or {}).get("epoch", 0)
    if config.patience and done - best >= config.patience:
        return (
            f"{run.path} is done, and stays as it is: it ended after {done} epochs, as none of the "
            f"last {config.patience} was better. Give it a larger patience, or 0, as well"
        )
    return ""


def check_resume(run: RunDir, config: TrainConfig) -> None:
    """Raise CitysegError for what would end the resumed training of `run` before its first step.

    `config` is what it would be trained with. Changes no file.
    """
    has_state = check_state(run)
    done = len(epoch_rows(run.metrics()))
    if config.epochs <= done and config.epochs < run.config().epochs:
        raise ConfigError(
            f"{run.path} has finished {done} epochs already: give epochs a larger number"
        )
    # Only a run that begins needs the weights that it starts from.
    check = check_data if has_state else check_start
    check(config, stores_of(config, run.path.resolve().parent))
