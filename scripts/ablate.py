"""Change one ingredient of a recipe at a time and train each over several seeds: `ablate.py STUDY`.

Every training is an ordinary run below RUNS/STUDY, so the app shows it too. Started again, the
script keeps finished runs and goes on with those that were ended; with everything finished it only
prints the table.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bootstrap


def main() -> None:
    """Train what is missing of a study, and print what came out of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=studies.STUDIES)
    parser.add_argument("--data", type=Path, default=default_root(), help="Cityscapes folder")
    parser.add_argument("--masks", type=Path, help="folder of converted masks [DATA/masks]")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="leave out all others")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each variant [3]")
    parser.add_argument("--workers", type=int, default=1, help="runs side by side [1]")
    parser.add_argument("--table", action="store_true", help="train nothing, print what there is")
    options = parser.parse_args()
    study, folder = studies.STUDIES[options.study], options.runs / options.study
    if unknown := set(options.only or ()) - set(study):
        parser.error(f"{options.study} has no {', '.join(unknown)}: choose from {', '.join(study)}")
    paths = {"data": options.data, "masks": options.masks or options.data / "masks"}
    if not options.table:
        with ThreadPoolExecutor(options.workers) as pool:
            # Seed by seed, so that all variants can be compared before the last run has ended.
            trainings = [
                pool.submit(train, folder, variant, seed, {**settings, **paths}, options.workers)
                for seed in range(options.seeds)
                for variant, settings in study.items()
                if variant in (options.only or study)
            ]
            for training in trainings:
                training.result()
    print_table(folder, list(study))


def train(folder: Path, variant: str, seed: int, settings: Mapping[str, Any], workers: int) -> None:
    """Train one variant with one seed to its end, unless that has been done."""
    run = find_run(folder, variant, seed)
    if run and is_done(run):
        return
    chosen = {**settings, "seed": seed, "title": title(variant, seed)}
    flags = ["--resume", str(run.path)] if run else ["--runs", str(folder), *as_flags(chosen)]
    threads = {"OMP_NUM_THREADS": str(max(1, available_cores() // workers))}
    done = subprocess.run(
        [sys.executable, "-m", "cityseg", "train", *flags],
        env=os.environ | threads,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    last = [*done.stderr.strip().splitlines(), ""][-1 if done.returncode else -2]
    print(f"{title(variant, seed)}: {last}", file=sys.stderr, flush=True)


def title(variant: str, seed: int) -> str:
    """What tells the runs of a study apart."""
    return f"{variant}, seed {seed}"


def as_flags(settings: Mapping[str, Any]) -> Iterator[str]:
    """Settings as a person would type them."""
    for name, value in settings.items():
        flag = name.replace("_", "-")
        yield f"--{'no-' if value is False else ''}{flag}" + (
            "" if isinstance(value, bool) else f"={value}"
        )


def find_run(folder: Path, variant: str, seed: int) -> RunDir | None:
    """The run of a variant and a seed, if it was ever started."""
    for path in folder.glob("*-*"):
        run = RunDir(path)
        if run.config_file.is_file() and run.config().title == title(variant, seed):
            return run
    return None


def is_done(run: RunDir) -> bool:
    """Whether a run was trained to its end."""
    return bool(read_json(run.summary_file).get("status") == "done")


def print_table(folder: Path, variants: list[str]) -> None:
    """Mean and standard deviation over the seeds that are finished, beside the first variant's."""
    print("| variant | runs | last mean IoU | ± | − first | best mean IoU | seconds |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    first = None
    for variant in variants:
        runs = [run for seed in range(100) if (run := find_run(folder, variant, seed))]
        ended = [[r for r in run.metrics() if r["kind"] == "epoch"] for run in runs if is_done(run)]
        if not ended:
            continue
        last = [rows[-1]["mean_iou"] for rows in ended]
        best = statistics.mean(max(row["mean_iou"] for row in rows) for rows in ended)
        mean, seconds = statistics.mean(last), statistics.median(r[-1]["seconds"] for r in ended)
        spread = statistics.stdev(last) if len(last) > 1 else float("nan")
        first = mean if first is None else first
        print(
            f"| {variant} | {len(ended)} | {mean:.4f} | {spread:.4f} | {mean - first:+.4f} "
            f"| {best:.4f} | {seconds:.0f} |"
        )


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    import studies

    from cityseg.files import read_json
    from cityseg.parallel import available_cores
    from cityseg.places import default_root
    from cityseg.runs import RunDir

    main()
