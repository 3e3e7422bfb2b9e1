"""What a review gains: train on labels with planted errors, with and without the regions flagged.

For each seed, errors are planted into the labels of a part of the training frames (planting.py).
Two networks, each without half of the cities, are trained on these labels from ImageNet weights,
and each judges the frames that it has not seen. Of the queue the first regions get a verdict, wrong
label where half of the region lies on a planted error: what a person would say who is always right.
Then one network is trained on the labels as they are, one without the flagged regions (255), and
with --clean one on the labels before the errors. Each is scored on val, whose labels stay good.

Every training is an ordinary run in WORK/runs. Started again with the same options, the script
keeps what is finished and continues what was stopped.

Example: python scripts/review_gain.py --data /data/cityscapes --work /tmp/gain
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import bootstrap

#: An encoder whose ImageNet weights are a package.
RECIPE: Final[Mapping[str, Any]] = {
    "model": "fpn:tu-tf_efficientnet_lite0",
    "decoder_width": 64,
    "weights": "imagenet",
    "fit": "squash",
    "batch_size": 8,
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "encoder_rate": 0.5,
    "weight_decay": 0.02,
    "schedule": "cosine",
    "warmup_steps": 40,
    "class_weights": "inverse_log",
    "scale_min": 0.75,
    "scale_max": 1.5,
    "flip": True,
    "jitter": 0.3,
    "device": "cpu",
}
FOLDS: Final = ("1/2", "2/2")
ARMS: Final = ("as planted", "reviewed", "clean")


class Judged(NamedTuple):
    """Regions with a verdict, those flagged, and the errors: all, and those that were found."""

    verdicts: int
    flagged: int
    errors: int
    found: int


def main() -> None:
    options = _options()
    good = link_frames(options.data, options.work / "good", options.frames)
    convert(good)
    judged: dict[int, Judged] = {}
    for seed in range(options.seeds):
        data, ledger = options.work / f"planted-{seed}", options.work / f"planted-{seed}.jsonl"
        planted, _ = plant(good, data, "train", options.share, seed)
        link(good / ANNOTATIONS / "val", data / ANNOTATIONS / "val")
        # Named, as the errors may lie where no encoding has its labels.
        convert(data, "--encoding", "labelids")
        train_all(options, seed, {f"fold {fold}": {"data": data, "fold": fold} for fold in FOLDS})
        judged[seed] = judge(options, data, ledger, planted, seed)
        changes: dict[str, dict[str, Any]] = {
            "as planted": {"data": data},
            "reviewed": {"data": data, "review": ledger},
            "clean": {"data": good},
        }
        arms = ARMS if options.clean else ARMS[:2]
        train_all(options, seed, {arm: changes[arm] for arm in arms})
        print_table(options.work / "runs", judged)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="Dataset with good labels")
    add("--work", type=Path, required=True, help="Folder for everything that is made")
    add("--frames", type=int, default=400, help="Training frames [400]")
    add("--size", default="128x128", help="Height x width of the networks [128x128]")
    add("--epochs", type=int, default=15, help="Epochs of each training [15]")
    add("--share", type=float, default=0.2, help="Share of the objects with an error [0.2]")
    add("--judged", type=int, default=1000, help="Regions of the queue that get a verdict [1000]")
    add("--seeds", type=int, default=3, help="Seeds of errors and trainings [3]")
    add("--workers", type=int, default=1, help="Trainings side by side [1]")
    add("--clean", action="store_true", help="Train on the labels without errors as well")
    options = parser.parse_args()
    options.data, options.work = options.data.absolute(), options.work.absolute()
    return options


# --- trainings and verdicts ------------------------------------------------------------------


def convert(data: Path, *options: str) -> None:
    if not (data / "masks" / "report.json").exists():
        print(f"{data}: {cityseg('convert', str(data), *options)}", file=sys.stderr, flush=True)


def train_all(
    options: argparse.Namespace, seed: int, variants: Mapping[str, Mapping[str, Any]]
) -> None:
    """Train the variants of a seed, each with its changes of the recipe."""
    with ThreadPoolExecutor(options.workers) as pool:
        for _ in pool.map(lambda each: train_one(options, seed, *each), variants.items()):
            pass


def train_one(
    options: argparse.Namespace, seed: int, variant: str, changes: Mapping[str, Any]
) -> None:
    settings = {
        **RECIPE,
        **{"size": options.size, "epochs": options.epochs, "seed": seed},
        **{"title": title(variant, seed), **changes},
    }
    print(train(options.work / "runs", settings, options.workers), file=sys.stderr, flush=True)
    run = runs_by_title(options.work / "runs").get(title(variant, seed))
    if not run or not run.done_summary():
        sys.exit(f"The training of {title(variant, seed)} did not end: start the script again.")


def judge(
    options: argparse.Namespace, data: Path, ledger: Path, planted: Sequence[Planted], seed: int
) -> Judged:
    """Write verdicts on the first regions of the queue, by the planted errors, into `ledger`."""
    runs = runs_by_title(options.work / "runs")
    folders = [
        collect_evidence(run.path, data, run.evidence, split="train").folder
        for run in (runs[title(f"fold {fold}", seed)] for fold in FOLDS)
    ]
    findings = suspicious_regions(folders).findings[: options.judged]
    maps = LabelMaps(data, folders, "train")
    regions = [maps.region(each) for each in findings]
    placed = zip(findings, regions, strict=True)
    errors = errors_found(
        [(each.frame, region.top, region.left, region.mask()) for each, region in placed],
        planted,
        maps.truth,
    )
    frames = {frame.name: frame for frame in find_frames(data, ["train"])}
    digests = {name: annotation_digest(frames[name]) for name in {each.frame for each in findings}}
    if not ledger.exists():
        unfinished = ledger.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        verdicts = [
            Verdict(
                reviewer="planted errors",
                frame=finding.frame,
                annotation=digests[finding.frame],
                region=region,
                truth=finding.label,
                predicted=finding.predicted,
                verdict="network_wrong" if error < 0 else "wrong_label",
            )
            for finding, region, error in zip(findings, regions, errors, strict=True)
        ]
        append(unfinished, verdicts)
        unfinished.replace(ledger)
    flagged = [error for error in errors if error >= 0]
    return Judged(len(errors), len(flagged), len(planted), len({*flagged}))


# --- figures ---------------------------------------------------------------------------------


def print_table(folder: Path, judged: Mapping[int, Judged]) -> None:
    """Mean IoU on val after the last epoch, by seed, and its mean and deviation over the seeds."""
    runs = runs_by_title(folder)
    scores = {
        arm: {
            seed: 100 * float(epoch_rows(run.metrics())[-1]["mean_iou"])
            for seed in judged
            if (run := runs.get(title(arm, seed))) and run.done_summary()
        }
        for arm in ARMS
    }
    pairs = [seed for seed in judged if seed in scores["as planted"] and seed in scores["reviewed"]]
    for seed, each in judged.items():
        found = f"{each.found} of {each.errors} errors found"
        print(f"seed {seed}: {each.flagged} of {each.verdicts} regions flagged, {found}")
    for arm, by_seed in scores.items():
        if by_seed:
            print(f"{arm:12} {mean_and_each([*by_seed.values()], '.2f')}")
    gains = [scores["reviewed"][seed] - scores["as planted"][seed] for seed in pairs]
    if gains:
        print(f"{'gain':12} {mean_and_each(gains, '+.2f')}", flush=True)


def mean_and_each(values: Sequence[float], form: str) -> str:
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{form}}{spread} ({', '.join(f'{v:{form}}' for v in values)})"


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    from planting import LabelMaps, Planted, errors_found, plant
    from series import cityseg, link, link_frames, runs_by_title, title, train

    from cityseg.data import ANNOTATIONS, find_frames
    from cityseg.evaluation import suspicious_regions
    from cityseg.evaluation.evidence import collect_evidence
    from cityseg.review import Verdict, annotation_digest, append
    from cityseg.runs import epoch_rows

    main()
