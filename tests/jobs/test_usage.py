"""Rows on what a training uses of the machine."""

import json
import os
import threading
from pathlib import Path

import pytest
from nvml import two_gpus
from waiting import until

from cityseg.config import make_config
from cityseg.jobs.usage import last_resources, recording_usage
from cityseg.runs.folder import RunDir

__all__ = ["two_gpus"]


def is_sampling() -> bool:
    return any(thread.name == "cityseg-resources" for thread in threading.enumerate())


@pytest.mark.usefixtures("two_gpus")
def test_rows_are_written_during_the_block_and_not_after_it(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, make_config({}))
    run.begin_attempt()
    with recording_usage(run, "gpu-bbbb-2", interval_seconds=0.02):
        until(lambda: len(last_resources(run)) > 2)
    row = last_resources(run, 1)[0]
    assert list(row) == ["seconds", "cpu_percent", "memory_bytes", "disk_free_bytes", "gpu"]
    assert row["memory_bytes"] > 10_000_000
    assert row["gpu"] == {"utilisation": 50, "memory_used_bytes": 1, "memory_total_bytes": 80}
    assert not is_sampling()


def test_a_full_disk_ends_the_rows_but_not_the_block(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, make_config({}))
    run.begin_attempt()
    run.resources_file.symlink_to("/dev/full")
    with recording_usage(run, "cpu", interval_seconds=0.01):
        until(lambda: not is_sampling())
    run.resources_file.unlink()
    assert last_resources(run) == []


def test_the_newest_rows_are_read_and_incomplete_ones_ignored(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, make_config({}))
    run.begin_attempt()
    rows = "".join(json.dumps({"seconds": number}) + os.linesep for number in range(10))
    run.resources_file.write_text(rows + '{"seconds": 1')
    assert last_resources(run, 2) == [{"seconds": 8}, {"seconds": 9}]
