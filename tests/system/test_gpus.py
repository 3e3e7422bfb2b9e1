"""Which GPU a name means, with a library in the place of NVML that knows two."""

import json
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from job_runs import until

from cityseg.config import make_config
from cityseg.jobs.usage import last_resources, sampled
from cityseg.runs.folder import RunDir
from cityseg.system.gpus import Meter, device_key

UUIDS = ("GPU-aaaa-1", "GPU-bbbb-2")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    library = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: len(UUIDS),
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetUUID=lambda handle: UUIDS[handle],
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=handle, total=80),
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=50),
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("visible", "name", "key"),
    [
        (None, "cpu", "cpu"),
        (None, "auto", "gpu-aaaa-1"),
        (None, "cuda", "gpu-aaaa-1"),
        (None, "cuda:1", "gpu-bbbb-2"),
        (None, "cuda:7", "gpu-7"),
        ("1", "auto", "gpu-bbbb-2"),
        ("1,0", "cuda:1", "gpu-aaaa-1"),
        ("GPU-bbbb-2", "cuda:0", "gpu-bbbb-2"),
        ("gpu-bb", "auto", "gpu-bbbb-2"),
        ("MIG-aa/1", "auto", "gpu-mig-aa-1"),
        ("0,9,1", "cuda:1", "gpu-bbbb-2"),  # 9 hides what follows: there is no second one
        ("", "auto", "cpu"),
        ("-1", "auto", "cpu"),
    ],
)
def test_names_for_one_gpu_have_one_key(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, name: str, key: str
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert device_key(name) == key


def test_without_gpus_or_without_nvml_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as if it were not installed
    assert device_key("auto") == "cpu"
    assert device_key("cuda:1") == "gpu-1"
    assert Meter("gpu-1").read() is None


# What a training takes of the machine


def is_sampling() -> bool:
    return any(thread.name == "cityseg-resources" for thread in threading.enumerate())


@pytest.mark.usefixtures("two_gpus")
def test_rows_are_written_while_the_block_lasts_and_no_longer(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, make_config({}))
    run.begin_attempt()
    with sampled(run, "gpu-bbbb-2", interval_seconds=0.02):
        until(lambda: len(last_resources(run)) > 2)
    row = last_resources(run, 1)[0]
    assert list(row) == ["seconds", "cpu_percent", "memory_bytes", "disk_free_bytes", "gpu"]
    assert row["memory_bytes"] > 10_000_000
    assert row["gpu"] == {"utilisation": 50, "memory_used_bytes": 1, "memory_total_bytes": 80}
    assert not is_sampling()


def test_a_full_disk_ends_the_rows_and_nothing_else(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, make_config({}))
    run.begin_attempt()
    run.resources_file.symlink_to("/dev/full")
    with sampled(run, "cpu", interval_seconds=0.01):
        until(lambda: not is_sampling())
    run.resources_file.unlink()
    assert last_resources(run) == []


def test_the_newest_rows_are_read_and_torn_ones_left_out(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, make_config({}))
    run.begin_attempt()
    rows = "".join(json.dumps({"seconds": number}) + os.linesep for number in range(10))
    run.resources_file.write_text(rows + '{"seconds": 1')
    assert last_resources(run, 2) == [{"seconds": 8}, {"seconds": 9}]
