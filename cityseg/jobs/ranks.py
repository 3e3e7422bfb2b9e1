"""Several processes of this machine that train one run, by torchrun, as if they were one.

The process that starts torchrun holds the run's lock and the place in the queue, and waits. The
first of the processes writes the run's folder, also its summary. A stop goes through the folder:
torchrun itself would allow half a minute, and lose a signal that comes while it is starting.
"""

import subprocess
from collections.abc import Callable
from typing import Final

from cityseg.config import TrainConfig
from cityseg.errors import TrainingError
from cityseg.jobs.stop_requests import STOP_OF_TRAINER
from cityseg.runs import MetricRow, RunDir, read_summary
from cityseg.system import (
    available_cores,
    oom_kills,
    spawn,
    torchrun_command,
    torchrun_environment,
    write_json,
)

_POLL_SECONDS: Final = 0.2


def train_in_processes(
    run: RunDir,
    config: TrainConfig,
    should_stop: Callable[[], bool],
    keep_fresh: Callable[[], None] = lambda: None,
) -> MetricRow:
    """Train `run` in `config.devices` processes, and return the summary that they have written.

    For the holder of the run's lock. `should_stop` and `keep_fresh` are called again and again.
    Raises TrainingError for what ended one of them, which ends all.
    """
    kills = oom_kills()
    command = torchrun_command(config.devices, "cityseg.train", "--run", str(run.path.absolute()))
    environment = torchrun_environment(available_cores() // config.devices)
    torchrun = spawn(command, environment=environment)
    try:
        _wait(run, torchrun, should_stop, keep_fresh)
    finally:  # after an error: they end with torchrun
        torchrun.kill()
        torchrun.wait()
    if run.summary_file.exists():
        summary = read_summary(run.summary_file)
        if summary.get("status") in ("done", "stopped"):
            return summary
        raise TrainingError(*(str(summary.get(name, "")) for name in ("reason", "detail", "hint")))
    if oom_kills() > kills:
        raise TrainingError(
            "out_of_memory",
            "The system ran out of memory and killed a process of the training",
            "choose a smaller batch_size, crop, size or width, or end other programs",
        )
    raise TrainingError(
        "killed",
        f"The {config.devices} processes of the training have ended and left no result",
        "see run.log, and resume the run from its last state",
    )


def _wait(
    run: RunDir,
    torchrun: "subprocess.Popen[bytes]",
    should_stop: Callable[[], bool],
    keep_fresh: Callable[[], None],
) -> None:
    while True:
        try:
            torchrun.wait(_POLL_SECONDS)
            return
        except subprocess.TimeoutExpired:
            keep_fresh()
            if should_stop() and not run.stop_file.exists():
                write_json(run.stop_file, STOP_OF_TRAINER, durable=False)
