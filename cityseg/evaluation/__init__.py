"""Scores of networks and of folders of predictions against ground truth, and runs side by side.

`evaluation.checkpoint` and `evaluation.evidence` evaluate a network; they load torch and are
imported by their names.
"""

from cityseg.evaluation.cell_regions import BOTH, CellRegions, enlarged, find_cell_regions
from cityseg.evaluation.comparison import (
    RunScores,
    ScoreRow,
    comparison_caveats,
    run_scores,
    score_table,
    scores_csv,
)
from cityseg.evaluation.evidence_files import (
    ABOUT,
    PICTURES,
    Evidence,
    EvidenceAbout,
    find_evidence,
    load_evidence,
    picture_paths,
)
from cityseg.evaluation.evidence_sums import frame_sums
from cityseg.evaluation.files import (
    SavedEvaluation,
    check_scores_file,
    load_confusions,
    load_evaluation,
    replaced_dataset,
    replaced_scores,
    save_confusions,
    write_scores,
)
from cityseg.evaluation.folders import ScoredFolders, score_folders
from cityseg.evaluation.region_table import FoundRegions, Region, RegionQuery, find_regions
from cityseg.evaluation.reviewed import ReviewScores
from cityseg.evaluation.robustness import (
    FrameConfusions,
    corrupted_evidence,
    frame_confusions,
    robustness_of,
)
from cityseg.evaluation.suspicion import Suspicion, evidence_folders, suspicious_regions

__all__ = [
    "ABOUT",
    "BOTH",
    "PICTURES",
    "CellRegions",
    "Evidence",
    "EvidenceAbout",
    "FoundRegions",
    "FrameConfusions",
    "Region",
    "RegionQuery",
    "ReviewScores",
    "RunScores",
    "SavedEvaluation",
    "ScoreRow",
    "ScoredFolders",
    "Suspicion",
    "check_scores_file",
    "comparison_caveats",
    "corrupted_evidence",
    "enlarged",
    "evidence_folders",
    "find_cell_regions",
    "find_evidence",
    "find_regions",
    "frame_confusions",
    "frame_sums",
    "load_confusions",
    "load_evaluation",
    "load_evidence",
    "picture_paths",
    "replaced_dataset",
    "replaced_scores",
    "robustness_of",
    "run_scores",
    "save_confusions",
    "score_folders",
    "score_table",
    "scores_csv",
    "suspicious_regions",
    "write_scores",
]
