"""The line that describes a running task."""

import pytest

from cityseg.jobs import TaskState
from cityseg.ui.progress import describe


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (TaskState("running"), "Starting"),
        (
            TaskState("running", "converting", "frame", 120, 5000, 180.0),
            "Converting · 120 of 5,000 frames · 180 a second · 27 s left",
        ),
        (
            TaskState("running", "Unpacking", "B", 5 * 10**8, 10**9, 2.5e6),
            "Unpacking · 500 of 1,000 MB · 2.5 MB a second · 3.3 min left",
        ),
        (
            TaskState("stopping", "converting", "frame", 1, 2, 4.0),
            "Stopping · 1 of 2 frames · 4 a second",
        ),
    ],
)
def test_a_running_task_is_described_in_a_line(state: TaskState, text: str) -> None:
    assert describe(state) == text
