"""One training in several processes that share the cores, against one with as many threads."""

import os
import statistics
import subprocess
import tempfile
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Final

from bench_steps import configured, describe, in_fresh_process, link_frames, rounded

from cityseg.config import TrainConfig
from cityseg.data import IMAGES
from cityseg.runs import RunDir, epoch_rows
from cityseg.system import available_cores, module_command

#: Steps of an epoch. The first epoch also checks the frame stores, and the second is measured.
_STEPS: Final = 20


def run(dataset: Path, repeats: int, options: Namespace) -> None:
    """Print samples a second of trainings on the CPU: one process, then more with fewer threads."""
    cores = available_cores()
    config = configured(options)
    # Two frames for each process: batch norm has nothing to do with one.
    batch_size = max(config.batch_size, 2 * cores)
    config = config.model_copy(update={"device": "cpu", "batch_size": batch_size})
    counts = [count for count in range(1, cores + 1) if cores % count == 0]
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch, "many")
        link_frames(dataset, data, _STEPS * config.batch_size)
        _link_validation(data, config.batch_size)
        config = config.model_copy(
            update={"data": data, "store": Path(scratch, "store"), "epochs": 2}
        )
        print(in_fresh_process(partial(describe, config)))
        rates: dict[int, list[float]] = {count: [] for count in counts}
        for _ in range(repeats):
            for count in counts:
                rates[count].append(_rate(config, count, cores // count, Path(scratch, "runs")))
    print(f"{_STEPS} steps of {config.batch_size} frames; median of {repeats} runs\n")
    print("| processes × threads | samples/s | × one process |\n| --- | ---: | ---: |")
    alone = statistics.median(rates[1])
    for count, found in rates.items():
        rate = statistics.median(found)
        print(f"| {count} × {cores // count} | {rounded(rate)} | {rate / alone:.2f} |")


def _link_validation(data: Path, count: int) -> None:
    """Let some frames of training be those of validation, too."""
    for kind in (IMAGES, "masks"):
        city = data / kind / "val" / "many"
        city.mkdir(parents=True)
        for path in sorted((data / kind / "train" / "many").iterdir())[:count]:
            (city / path.name).symlink_to(path.resolve())


def _rate(config: TrainConfig, processes: int, threads: int, runs: Path) -> float:
    """Samples a second of the last epoch of a training."""
    run = RunDir.create(runs, config.model_copy(update={"devices": processes}))
    command = module_command("cityseg.train", "--run", str(run.path))
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return float(epoch_rows(run.metrics())[-1]["frames_per_second"])
