"""Networks and folders of predictions against ground truth, and runs side by side."""

from cityseg.evaluation.comparison import (
    INSTANCE_CLASSES,
    Result,
    SavedEvaluation,
    best_epoch,
    caveats,
    epoch_rows,
    load_evaluation,
    result_of,
    table,
    to_csv,
)
from cityseg.evaluation.folders import score_folders, write_scores

__all__ = [
    "INSTANCE_CLASSES",
    "Result",
    "SavedEvaluation",
    "best_epoch",
    "caveats",
    "epoch_rows",
    "load_evaluation",
    "result_of",
    "score_folders",
    "table",
    "to_csv",
    "write_scores",
]
