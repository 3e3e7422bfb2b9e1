"""Time the list of runs, cold and warm: `python scripts/bench_runs.py [--runs 1000 --rows 1000]`.

The folders are made for it: half of the runs ended and say so, half were lost and have to be read
from their metric rows. Cold is the first list of a fresh process, warm are those after it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cityseg.config import make_config  # noqa: E402
from cityseg.jobs import list_runs  # noqa: E402
from cityseg.labels import CLASS_NAMES  # noqa: E402
from cityseg.runs import RunDir  # noqa: E402
from cityseg.system import write_json  # noqa: E402

_STEPS = 200


def make_runs(folder: Path, count: int, rows: int) -> int:
    """Make `count` run folders with `rows` metric rows each; returns their size in bytes."""
    content = _rows(rows)
    for number in range(count):
        run = RunDir.create(folder, make_config({"title": f"run {number}", "epochs": 1000}))
        run.metrics_file.write_bytes(content)
        if number % 2:
            scores = {"mean_iou": 0.5, "best_epoch": 3, "epochs": 4, "steps": 200, "seconds": 60}
            write_json(run.summary_file, {"status": "done", **scores}, durable=False)
    return count * len(content)


def _rows(count: int) -> bytes:
    """Rows as the training writes them: twenty of training, then one of an epoch."""
    lines = []
    for number in range(count):
        epoch, place = divmod(number, 21)
        row = {"epoch": epoch + 1, "learning_rate": 1e-4, "seconds": number * 1.234}
        if place < 20:
            step = {"kind": "train", "step": 10 * (place + 1), "steps": _STEPS, "loss": 0.123456}
        else:
            scores = dict.fromkeys(("train_loss", "val_loss", "mean_iou", "pixel_accuracy"), 0.5)
            step = {"kind": "epoch", "step": (epoch + 1) * _STEPS, **scores}
            step["class_iou"] = dict.fromkeys(CLASS_NAMES, 0.123456789)
        lines.append(json.dumps(row | step))
    return "".join(f"{line}\n" for line in lines).encode()


def seconds_of_list(folder: Path) -> float:
    """Seconds of one list, in which every run must have its state."""
    start = time.perf_counter()
    entries = list_runs(folder)
    seconds = time.perf_counter() - start
    if not entries or any(entry.problem for entry in entries):
        raise SystemExit(f"the runs in {folder} are not as they were made")
    return seconds


def measure(folder: Path, repeats: int) -> None:
    """Print the seconds of cold lists, each in a process of its own, and of warm ones."""
    command = [sys.executable, __file__, "--folder", str(folder)]
    cold = [float(subprocess.check_output(command)) for _ in range(min(repeats, 5))]
    seconds_of_list(folder)
    warm = [seconds_of_list(folder) for _ in range(repeats)]
    print("| list | median s | slowest s |")
    print("| --- | ---: | ---: |")
    for name, seconds in (("cold", cold), ("warm", warm)):
        print(f"| {name} | {statistics.median(seconds):.3f} | {max(seconds):.3f} |")


def run(_: Path, repeats: int, count: int = 1000, rows: int = 1000) -> None:
    """Make runs, list them, and remove them; no dataset is needed."""
    with tempfile.TemporaryDirectory() as name:
        size = make_runs(Path(name), count, rows)
        print(f"{count} runs with {rows} rows each, {size / 1e6:.0f} MB of rows\n")
        measure(Path(name), repeats)


def main() -> None:
    """Measure, or with `--folder` list that once and print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1000, help="of each run")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        print(seconds_of_list(options.folder))
    else:
        run(Path(), options.repeats, options.runs, options.rows)


if __name__ == "__main__":
    main()
