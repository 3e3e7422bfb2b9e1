"""The folder of a run: the only link between training and everything that shows it.

`runs.checkpoints` and `runs.state_dicts` load torch, and `runs.panels`, `runs.checks` and
`runs.resuming` load image libraries: import them by their names.
"""

from cityseg.runs.archive import (
    archive_run,
    archived_runs,
    delete_run,
    is_archived,
    restore_run,
)
from cityseg.runs.box import BOX_LICENCE, BOX_TITLE, BoxRun, box_card
from cityseg.runs.card import (
    CardNotes,
    CardScores,
    network_card,
    read_card_notes,
    score_rows,
    train_command,
)
from cityseg.runs.folder import JOB_VARIABLE, LOCK_VARIABLE, RunDir, settled
from cityseg.runs.following import FollowedRun, following, survive_rename
from cityseg.runs.interchange import (
    CLASS_ORDERS,
    FOREIGN_SIZE,
    RGB,
    AnyNetwork,
    ClassOrder,
    ForeignNetwork,
)
from cityseg.runs.networks import (
    BOX,
    box_weights,
    find_weights,
    inherited_settings,
    is_box,
    network_path,
    started_config,
)
from cityseg.runs.notes import LONGEST_NAME, Notes, read_notes, write_notes
from cityseg.runs.records import (
    MOST_SECONDS,
    MetricRow,
    altered,
    newest_rows,
    read_start_progress,
    read_summary,
    rows_of_lines,
)
from cityseg.runs.rows import best_epoch, epoch_rows, step_rows, total_steps
from cityseg.runs.seen import Seen, read_seen
from cityseg.runs.states import RESUME_HINT, check_state
from cityseg.runs.weights import (
    kept_weights,
    own_dataset,
    read_about,
    read_config,
    read_metadata,
    read_scores,
)

__all__ = [
    "BOX",
    "BOX_LICENCE",
    "BOX_TITLE",
    "CLASS_ORDERS",
    "FOREIGN_SIZE",
    "JOB_VARIABLE",
    "LOCK_VARIABLE",
    "LONGEST_NAME",
    "MOST_SECONDS",
    "RESUME_HINT",
    "RGB",
    "AnyNetwork",
    "BoxRun",
    "CardNotes",
    "CardScores",
    "ClassOrder",
    "FollowedRun",
    "ForeignNetwork",
    "MetricRow",
    "Notes",
    "RunDir",
    "Seen",
    "altered",
    "archive_run",
    "archived_runs",
    "best_epoch",
    "box_card",
    "box_weights",
    "check_state",
    "delete_run",
    "epoch_rows",
    "find_weights",
    "following",
    "inherited_settings",
    "is_archived",
    "is_box",
    "kept_weights",
    "network_card",
    "network_path",
    "newest_rows",
    "own_dataset",
    "read_about",
    "read_card_notes",
    "read_config",
    "read_metadata",
    "read_notes",
    "read_scores",
    "read_seen",
    "read_start_progress",
    "read_summary",
    "restore_run",
    "rows_of_lines",
    "score_rows",
    "settled",
    "started_config",
    "step_rows",
    "survive_rename",
    "total_steps",
    "train_command",
    "write_notes",
]
