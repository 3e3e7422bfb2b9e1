"""The default folders of the dataset and the runs."""

import os
from pathlib import Path
from typing import Final

#: The variable that the official tools use, too.
DATASET_VARIABLE: Final = "CITYSCAPES_DATASET"
RUNS_VARIABLE: Final = "CITYSEG_RUNS"


def default_root() -> Path:
    """`$CITYSCAPES_DATASET` or `./data`."""
    return Path(os.environ.get(DATASET_VARIABLE) or "data")


def default_runs() -> Path:
    """`$CITYSEG_RUNS` or `./runs`."""
    return Path(os.environ.get(RUNS_VARIABLE) or "runs")
