"""The default folders of the dataset and the runs, and what else the environment names."""

import getpass
import os
from pathlib import Path
from typing import Final

#: The variable that the official tools use, too.
DATASET_VARIABLE: Final = "CITYSCAPES_DATASET"
RUNS_VARIABLE: Final = "CITYSEG_RUNS"
REVIEWER_VARIABLE: Final = "CITYSEG_REVIEWER"
#: Names the file for the progress of a command that another process watches.
PROGRESS_VARIABLE: Final = "CITYSEG_PROGRESS"


def default_root() -> Path:
    """`$CITYSCAPES_DATASET` or `./data`."""
    return Path(os.environ.get(DATASET_VARIABLE) or "data")


def default_runs() -> Path:
    """`$CITYSEG_RUNS` or `./runs`."""
    return Path(os.environ.get(RUNS_VARIABLE) or "runs")


def default_reviewer() -> str:
    """`$CITYSEG_REVIEWER`, or the name with which this person has logged in."""
    try:
        return os.environ.get(REVIEWER_VARIABLE) or getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user that has no name
        return "reviewer"
