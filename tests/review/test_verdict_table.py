"""Verdicts as a table: their order, and which are stale."""

from pathlib import Path

import city
import numpy as np
from reviews import frame_named, verdict_on

from cityseg.review.ledger import append
from cityseg.review.verdict_table import count_verdicts, existing_ledger, verdict_rows, verdicts_csv

STEM = "aachen_000000_000019"


def test_verdicts_on_changed_or_missing_frames_are_stale(tmp_path: Path) -> None:
    data = tmp_path / "data"
    city.write_frame(data, STEM)
    frame = frame_named(data, f"train/aachen/{STEM}")
    mask = np.ones((2, 3), np.bool_)
    here, gone = verdict_on(frame, mask), verdict_on(frame, mask)
    gone = gone.model_copy(update={"frame": "train/aachen/aachen_000001_000019"})
    append(tmp_path / "ledger", [gone, here])
    rows = verdict_rows(existing_ledger(tmp_path / "ledger"), [frame])
    assert [(each.verdict.frame, each.is_stale) for each in rows] == [
        (here.frame, False),
        (gone.frame, True),
    ]
    assert count_verdicts(rows)["wrong_label"] == 2
    assert verdicts_csv([], {}) == "\n"
