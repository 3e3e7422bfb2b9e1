"""Scores of networks and of folders of predictions against ground truth, and runs side by side.

`evaluation.checkpoint` evaluates a network; it loads torch and is imported by its module's name.
"""

from cityseg.evaluation.comparison import (
    RunScores,
    ScoreRow,
    comparison_caveats,
    run_scores,
    score_table,
    scores_csv,
)
from cityseg.evaluation.files import (
    SavedEvaluation,
    check_scores_file,
    load_confusions,
    load_evaluation,
    replaced_scores,
    save_confusions,
    write_scores,
)
from cityseg.evaluation.folders import ScoredFolders, score_folders

__all__ = [
    "RunScores",
    "SavedEvaluation",
    "ScoreRow",
    "ScoredFolders",
    "check_scores_file",
    "comparison_caveats",
    "load_confusions",
    "load_evaluation",
    "replaced_scores",
    "run_scores",
    "save_confusions",
    "score_folders",
    "score_table",
    "scores_csv",
    "write_scores",
]
