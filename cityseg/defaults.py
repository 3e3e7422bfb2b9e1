"""Where the dataset and the runs lie unless somebody says otherwise."""

import os
from pathlib import Path
from typing import Final

#: The name that the official tools use.
DATASET_VARIABLE: Final = "CITYSCAPES_DATASET"
RUNS_VARIABLE: Final = "CITYSEG_RUNS"


def default_root() -> Path:
    """`$CITYSCAPES_DATASET` or `./data`."""
    return Path(os.environ.get(DATASET_VARIABLE) or "data")


def default_runs() -> Path:
    """`$CITYSEG_RUNS` or `./runs`."""
    return Path(os.environ.get(RUNS_VARIABLE) or "runs")
