"""Change one ingredient of a recipe at a time and train each over several seeds: `ablate.py STUDY`.

Every training is an ordinary run below RUNS/STUDY, so the app shows it too. Started again, the
script keeps finished runs and resumes those that were stopped; with everything finished it only
prints the table.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bootstrap


def main() -> None:
    """Train what is missing of a study, and print what came out of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--data", type=Path, default=default_root(), help="Cityscapes folder")
    parser.add_argument("--masks", type=Path, help="folder of converted masks [DATA/masks]")
    parser.add_argument("--exclude", type=Path, help="file with names of frames to leave out")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="train no others")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each variant [3]")
    parser.add_argument("--workers", type=int, default=1, help="runs side by side [1]")
    parser.add_argument("--table", action="store_true", help="train nothing, print what there is")
    options = parser.parse_args()
    study, folder = STUDIES[options.study], options.runs / options.study
    if unknown := set(options.only or ()) - set(study):
        parser.error(f"{options.study} has no {', '.join(unknown)}: choose from {', '.join(study)}")
    paths = {"data": options.data, "masks": options.masks or options.data / "masks"}
    frames = FRAMES.get(options.study, {})
    if (frames or options.exclude) and not options.table:
        paths["exclude"] = write_exclusion(folder, options.data, frames, options.exclude)
    # Seed by seed, so that all variants can be compared before the last run has ended.
    wanted = [
        {**settings, **paths, "seed": seed, "title": title(variant, seed)}
        for seed in range(0 if options.table else options.seeds)
        for variant, settings in study.items()
        if variant in (options.only or study)
    ]
    with ThreadPoolExecutor(options.workers) as pool:
        for outcome in pool.map(lambda each: train(folder, each, options.workers), wanted):
            print(outcome, file=sys.stderr, flush=True)
    print_table(folder, study, options.seeds)


def print_table(folder: Path, variants: Mapping[str, Any], seeds: int) -> None:
    """Mean and standard deviation over the seeds that are finished.

    Runs of a seed see the same views in the same order, and networks of one shape begin alike, so
    a variant is compared with the first one seed by seed: much of the noise is in both.
    """
    print("| variant | runs | mean IoU, last epoch | ± | − first, by seed | ± | best epoch |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    found = runs_by_title(folder)
    scores = {
        variant: {
            seed: [row["mean_iou"] for row in run.metrics() if row["kind"] == "epoch"]
            for seed in range(seeds)
            if (run := found.get(title(variant, seed))) and run.done_summary()
        }
        for variant in variants
    }
    first = scores[next(iter(variants))]
    for variant, by_seed in scores.items():
        if by_seed:
            last = [epochs[-1] for epochs in by_seed.values()]
            apart = [by_seed[seed][-1] - first[seed][-1] for seed in by_seed if seed in first]
            best = statistics.mean(map(max, by_seed.values()))
            print(
                f"| {variant} | {len(last)} | {mean_and_spread(last, '.4f')} "
                f"| {mean_and_spread(apart, '+.4f')} | {best:.4f} |"
            )


def mean_and_spread(values: Sequence[float], form: str) -> str:
    """Two cells of a table; empty where there are too few values."""
    mean = format(statistics.mean(values), form) if values else ""
    return f"{mean} | {format(statistics.stdev(values), '.4f') if len(values) > 1 else ''}"


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    from series import runs_by_title, title, train, write_exclusion
    from studies import FRAMES, STUDIES

    from cityseg.defaults import default_root

    main()
