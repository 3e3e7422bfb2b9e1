"""Time the list of runs, cold and warm: `python scripts/bench_runs.py [--runs 1000 --rows 1000]`.

The folders are made for it: half of the runs ended and say so, half were lost and have to be read
from their metric rows. Cold is the first list of a fresh process, warm are those after it.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from many import make_runs  # noqa: E402

from cityseg.jobs import list_runs  # noqa: E402


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
