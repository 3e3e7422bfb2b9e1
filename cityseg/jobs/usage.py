"""What a training uses of the machine: a row every few seconds in the run's folder.

A row has `seconds` since the beginning of the attempt, `cpu_percent` (100 is one core) and
`memory_bytes` of the trainer, `disk_free_bytes` where the run is, and `gpu`: `utilisation` in
percent, `memory_used_bytes` and `memory_total_bytes` of the whole device, or null.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psutil

from cityseg.runs import RunDir
from cityseg.system import Count, FileModel, JsonError, Meter, last_lines, parse_as

#: Seconds between two rows.
INTERVAL_SECONDS: Final = 5.0

_ROW_BYTES: Final = 256


class _Gpu(FileModel):
    utilisation: float | None = None
    memory_used_bytes: Count | None = None
    memory_total_bytes: Count | None = None


class _Row(FileModel):
    seconds: float
    cpu_percent: float | None = None
    memory_bytes: Count | None = None
    disk_free_bytes: Count | None = None
    gpu: _Gpu | None = None


@contextmanager
def recording_usage(
    run: RunDir, device: str, interval_seconds: float = INTERVAL_SECONDS
) -> Iterator[None]:
    """Write rows on this process for the duration of the block; `device` is a device key.

    If that is not possible, the block continues without.
    """
    is_over = threading.Event()
    arguments = (run, device, interval_seconds, is_over)
    thread = threading.Thread(target=_sample, args=arguments, name="cityseg-resources", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(timeout=interval_seconds)


def last_resources(run: RunDir, rows: int = 720) -> list[dict[str, Any]]:
    """The newest rows of the last attempt, at most `rows` (an hour); invalid ones are ignored."""
    try:
        lines, _ = last_lines(run.resources_file, rows * _ROW_BYTES)
    except OSError:
        return []
    found = []
    for line in lines:
        with suppress(JsonError):
            found.append(parse_as(line, _Row).model_dump(exclude_unset=True))
    return found[-rows:]


def _sample(run: RunDir, device: str, interval_seconds: float, is_over: threading.Event) -> None:
    try:
        process, meter, started = psutil.Process(), Meter(device), time.monotonic()
        process.cpu_percent()  # the first call only begins the measurement
        with run.resources_file.open("wb", buffering=0) as file:
            while not is_over.wait(interval_seconds):
                row = {
                    "seconds": round(time.monotonic() - started, 1),
                    "cpu_percent": process.cpu_percent(),
                    "memory_bytes": process.memory_info().rss,
                    "disk_free_bytes": psutil.disk_usage(str(run.path)).free,
                    "gpu": meter.read(),
                }
                file.write(json.dumps(row).encode() + b"\n")
    except (OSError, psutil.Error):
        return  # a full disk, or no /proc: no reason to end the training
