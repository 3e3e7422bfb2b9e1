"""What this machine offers, asked of the system itself."""

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from nvml import two_gpus

from cityseg.system.hardware import Gpu, free_bytes, this_hardware

__all__ = ["two_gpus"]


def test_cores_and_memory_are_those_that_the_system_reports() -> None:
    hardware = this_hardware()
    assert hardware.cores == len(os.sched_getaffinity(0))
    assert hardware.memory_bytes == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_gpus_are_named_with_their_memory(two_gpus: SimpleNamespace) -> None:
    two_gpus.nvmlDeviceGetName = lambda handle: f"GPU number {handle}"
    assert this_hardware().gpus == [Gpu("GPU number 0", 80), Gpu("GPU number 1", 80)]


def test_without_nvml_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert this_hardware().gpus == []


def test_free_space_is_that_of_the_nearest_folder_that_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    disk_usage = shutil.disk_usage

    def usage(path: Path) -> object:
        found = disk_usage(path)
        asked.append(path)
        return found

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert free_bytes(tmp_path / "not" / "there") > 0
    assert asked == [tmp_path]
