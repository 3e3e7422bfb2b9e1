"""Judge every training frame by a network that has not seen its street.

Trains K networks in the background, each without one of K parts of the training
frames (whole cities or drives), and collects their evidence of the part that
they have not seen. The same command continues where it was interrupted: a
training that runs or is done is not started again.

Example: %(prog)s DATA --k 3 --preset fast
"""

import argparse
import time
from typing import TYPE_CHECKING, Any, Final

from cityseg.cli import EXIT_ALL, EXIT_NOTHING, EXIT_SOME
from cityseg.cli.options import add_runs, whole_number
from cityseg.cli.output import progress_bar, shown
from cityseg.cli.parser import Parser, program_name

if TYPE_CHECKING:
    from cityseg.evaluation import Evidence
    from cityseg.runs import RunDir

_POLL_SECONDS: Final = 1.0
#: Starts with this and the same settings count as one, see `jobs.start`.
_CLICK: Final = "folds"


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    from cityseg.cli.flags import add_settings

    parser.add_argument(
        "data", nargs="?", default=argparse.SUPPRESS, metavar="DATA", help="The same as --data."
    )
    parser.add_argument(
        "--k", type=whole_number(2, 100), default=3, metavar="K", help="Number of parts [3]."
    )
    add_runs(parser)
    add_settings(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg import jobs
    from cityseg.cli.flags import chosen_settings
    from cityseg.errors import ConfigError

    given = chosen_settings(options)
    if "fold" in given:
        raise ConfigError("The parts are numbered by this command: leave --fold out")
    runs = [_started(given, options, f"{part}/{options.k}") for part in range(1, options.k + 1)]
    if not _await(runs):
        print(
            f"The trainings continue in the background: repeat the command for the evidence, or "
            f"look with {program_name()} jobs list --runs {options.runs}"
        )
        return EXIT_SOME
    failed = [run for run in runs if jobs.state(run).phase != "done"]
    for each in failed:
        state = jobs.state(each)
        print(f"{each.path}: {state.text}. {state.hint}".rstrip())
    done = [run for run in runs if run not in failed]
    evidence = [_evidence(run) for run in done]
    for found in evidence:
        mean = shown(found.scores().mean_iou)
        print(f"{found.folder}: mean IoU {mean} on {len(found.store.names):,} frames")
    if failed:
        return EXIT_SOME if done else EXIT_NOTHING
    print(f"All parts: mean IoU {shown(_pooled(evidence))}")
    return EXIT_ALL


def _started(given: dict[str, Any], options: argparse.Namespace, fold: str) -> "RunDir":
    """The run of a part: a new one, or that of an earlier call, continued if it stopped."""
    from cityseg import jobs
    from cityseg.runs import started_config

    title = given.get("title") or "Fold"
    values = {**given, "fold": fold, "title": f"{title} {fold}"}
    config = started_config(values, options.preset or "reference")
    run = jobs.start(config, options.runs, click=_CLICK)
    state = jobs.state(run)
    if state.can_resume:
        jobs.resume(run)
    print(f"Part {fold}: run {run.path}, {jobs.state(run).phase}")
    return run


def _await(runs: "list[RunDir]") -> bool:
    """Wait until none of the runs is live; whether that was not interrupted."""
    from cityseg import jobs

    try:
        with progress_bar("Training", unit="epoch") as progress:
            while True:
                states = [jobs.state(run) for run in runs]
                done = sum(state.progress.epochs_done for state in states)
                progress(done, sum(state.epochs for state in states))
                if not any(state.is_live for state in states):
                    return True
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        return False


def _evidence(run: "RunDir") -> "Evidence":
    from cityseg.evaluation.evidence import collect_evidence

    config = run.config()
    with progress_bar(f"Examining part {config.fold}", unit="frame") as progress:
        return collect_evidence(
            run.path,
            config.data,
            run.evidence,
            split="train",
            masks=config.masks,
            device=config.device,
            progress=progress,
        )


def _pooled(evidence: "list[Evidence]") -> float:
    """The mean IoU over the frames of all parts, each judged by its own network."""
    import numpy as np

    from cityseg.metrics import scores_from_train_confusion

    confusions = np.concatenate([each.class_confusions for each in evidence])
    return scores_from_train_confusion(confusions.sum(axis=0)).mean_iou
