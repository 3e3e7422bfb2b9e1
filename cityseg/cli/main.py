"""The command line: `python -m cityseg COMMAND`.

Exit status 0 means all was done, 2 that some items were skipped (or a run was stopped), 1 that
nothing was done. Errors are one sentence on stderr. Heavy modules are imported by the command
that needs them, so `--help` and `convert` start without torch.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from cityseg.cli.exits import EXIT_ALL, EXIT_NOTHING, EXIT_SOME
from cityseg.cli.flags import add_settings, chosen_config, chosen_settings
from cityseg.data import SPLITS
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE, default_root, default_runs
from cityseg.errors import CitysegError
from cityseg.jobs import ProgressFile


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):  # names that are not UTF-8 must not end the program
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    parser = _build_parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        with logging_redirect_tqdm():
            status: int = options.command(options)
    except CitysegError as error:
        print(f"cityseg: {error}", file=sys.stderr)
        return EXIT_NOTHING
    except KeyboardInterrupt:
        print("cityseg: interrupted; what is finished is kept", file=sys.stderr)
        return EXIT_NOTHING
    except BrokenPipeError:  # the reader of our output has gone, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NOTHING
    return status


# --- commands --------------------------------------------------------------------------------


def sample(options: argparse.Namespace) -> int:
    """Make a sample city in the Cityscapes layout."""
    from cityseg.sample import make_sample

    frames = {split: getattr(options, split) for split in SPLITS}
    with _bar("painting", unit="frame") as progress:
        make_sample(
            options.data,
            frames=frames,
            size_hw=(options.height, options.width),
            seed=options.seed,
            progress=progress,
        )
    print(f"{options.data}: {sum(frames.values())} frames of {options.width}×{options.height}")
    return EXIT_ALL


def import_zips(options: argparse.Namespace) -> int:
    """Unpack the Cityscapes zips into the layout."""
    from cityseg.data import import_archives

    with _bar("unpacking", unit="B", unit_scale=True) as progress:
        report = import_archives(options.zips, options.data, progress=progress)
    for refusal in report.refused:
        print(f"refused {refusal.entry!r} of {refusal.archive}: {refusal.reason}", file=sys.stderr)
    print(
        f"{options.data}: {report.unpacked} files unpacked, {report.already_there} already there, "
        f"{report.passed_over} passed over, {len(report.refused)} refused"
    )
    return _status(report.unpacked + report.already_there, len(report.refused))


def convert(options: argparse.Namespace) -> int:
    """Convert annotations to 19-class masks."""
    from cityseg.data import REASONS, masks

    with _bar("converting", unit="frame") as progress:
        report = masks.convert(
            options.data,
            options.out,
            splits=options.splits,
            max_images=options.max_images,
            workers=options.workers,
            progress=progress,
        )
    print(
        f"{len(report.outcomes)} frames: {report.converted} converted "
        f"({report.reused} of them before), {report.skipped} skipped"
    )
    for reason, count in report.reasons.items():
        print(f"{count:6d} {reason}: {REASONS[reason]}")
    return _status(report.converted, report.skipped)


def train(options: argparse.Namespace) -> int:
    """Train a network, or resume a run."""
    from cityseg.runs import RunDir

    values = chosen_settings(options)
    if options.resume and (values or options.preset):
        changed = next(iter(values), "preset")
        _fail(f"--resume takes the run's own settings: leave --{changed.replace('_', '-')} out")
    if options.resume:
        run = RunDir.open(options.resume)
    else:
        run = RunDir.create(options.runs, chosen_config(options))

    from cityseg.train import train_run

    print(f"run {run.path}")
    summary = train_run(run)
    if summary["status"] == "stopped":
        print(f"stopped; go on with: python -m cityseg train --resume {run.path}")
        return EXIT_SOME
    print(f"done: best mean IoU {_shown(summary['mean_iou'])} in epoch {summary['best_epoch']}")
    return EXIT_ALL


def evaluate(options: argparse.Namespace) -> int:
    """Score a checkpoint on a split at label resolution."""
    from cityseg.evaluation import check_scores_file
    from cityseg.evaluation import checkpoint as evaluation

    out = options.out or _scores_file(options.checkpoint, options.split)
    if options.out or options.checkpoint.exists():  # else: the error is about the checkpoint
        check_scores_file(out)
    with _bar("evaluating", unit="frame") as progress:
        result = evaluation.evaluate(
            options.checkpoint,
            options.data,
            split=options.split,
            device=options.device,
            sliding=options.sliding,
            flip=options.flip,
            progress=progress,
        )
    result.write(out)
    _print_scores(result.store.scores(), len(result.store.names), out)
    return _status(len(result.store.names), len(result.skipped))


def score(options: argparse.Namespace) -> int:
    """Score a folder of predictions against ground truth."""
    from cityseg.evaluation import check_scores_file, score_folders, write_scores

    if options.out:
        check_scores_file(options.out)
    with _bar("scoring", unit="frame") as progress:
        result = score_folders(
            options.pred, options.gt, encoding=options.encoding, progress=progress
        )
    if options.out:
        about = {
            "predictions": str(options.pred),
            "ground_truth": str(options.gt),
            "encoding": result.encoding,
        }
        write_scores(options.out, result.store, about)
    _print_scores(result.store.scores(), len(result.store.names), options.out)
    return EXIT_ALL


def predict(options: argparse.Namespace) -> int:
    """Predict pictures and write train ids, label ids, colours and overlays."""
    from cityseg.prediction import predict_files

    with _bar("predicting", unit="picture") as progress:
        report = predict_files(
            options.checkpoint,
            options.images,
            options.out,
            sliding=options.sliding,
            flip=options.flip,
            device=options.device,
            progress=progress,
        )
    print(f"{options.out}: {len(report.written)} pictures predicted, {len(report.skipped)} skipped")
    return _status(len(report.written), len(report.skipped))


# --- what they share -------------------------------------------------------------------------


def _status(done: int, skipped: int) -> int:
    if not skipped:
        return EXIT_ALL
    return EXIT_SOME if done else EXIT_NOTHING


def _fail(message: str) -> NoReturn:
    raise CitysegError(message)


@contextmanager
def _bar(what: str, unit: str, **settings: Any) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, fed with (done, total); and a file, if somebody wants one."""
    file = ProgressFile.of_environment(what, unit)
    with tqdm(desc=what, unit=unit, disable=None, **settings) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            if file:
                file.tell(done, total)

        yield advance


def _scores_file(checkpoint: Path, split: str) -> Path:
    from cityseg.runs import RunDir

    if checkpoint.is_dir():
        return RunDir(checkpoint).scores_file(split)
    return checkpoint.with_name(f"{checkpoint.stem}-scores-{split}.json")


def _print_scores(scores: Any, frames: int, out: Path | None) -> None:
    print(f"{'class':14}{'IoU':>8}{'iIoU':>8}")
    for name, iou in scores.class_iou.items():
        print(f"{name:14}{_shown(iou):>8}{_shown(scores.instance_iou[name]):>8}")
    print(f"{'mean':14}{_shown(scores.mean_iou):>8}{_shown(scores.mean_instance_iou):>8}")
    print(f"pixel accuracy {_shown(scores.pixel_accuracy)} on {frames} frames")
    if out:
        print(f"written to {out}")


def _shown(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.4f}"


# --- the parser ------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, and the status for nothing done: argparse's own is 2."""
        self.exit(EXIT_NOTHING, f"cityseg: {message}; see {self.prog} --help\n")


def _build_parser() -> argparse.ArgumentParser:
    from cityseg.cli import jobs as jobs_cli

    parser = _Parser(prog="python -m cityseg", description="Look into Cityscapes and train on it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    count = _number(0)
    add = _command(commands, sample).add_argument
    add("data", type=Path, metavar="DATA", help="folder to make")
    for split, number in zip(SPLITS, (48, 12, 4), strict=True):
        add(f"--{split}", type=count, default=number, metavar="N", help=f"frames [{number}]")
    add("--height", type=count, default=256, help="of the frames, in pixels [256]")
    add("--width", type=count, default=512, help="of the frames, in pixels [512]")
    add("--seed", type=count, default=0, help="another seed is another city [0]")

    add = _command(commands, import_zips, "import").add_argument
    add("zips", type=Path, nargs="+", metavar="ZIP", help="leftImg8bit_….zip, gtFine_….zip")
    _add_data(add, "--data")

    add = _command(commands, convert).add_argument
    _add_data(add, "data", nargs="?")
    add("--out", type=Path, metavar="MASKS", help="folder for the masks [DATA/masks]")
    add("--splits", nargs="+", choices=SPLITS, default=SPLITS, help="[all]")
    add("--max-images", type=_number(1), metavar="N", help="stop after the first N frames")
    add("--workers", type=_number(1), metavar="N", help="threads [one for each core]")

    add = _command(commands, train).add_argument
    add("--resume", type=Path, metavar="RUN", help="go on with a run that was stopped or died")
    _add_runs(add)
    add_settings(add)

    add = _command(commands, evaluate).add_argument
    _add_checkpoint(add)
    _add_data(add, "--data")
    add("--split", choices=SPLITS, default="val", help="[val]")
    add("--out", type=Path, metavar="FILE.json", help="[scores-SPLIT.json in the run's folder]")

    add = _command(commands, score).add_argument
    add("--pred", type=Path, required=True, metavar="DIR", help="predictions, <stem>*.png")
    add("--gt", type=Path, required=True, metavar="DIR", help="such as DATA/gtFine/val")
    add("--encoding", choices=("labelids", "trainids"), help="of the predictions [found out]")
    add("--out", type=Path, metavar="FILE.json", help="write the scores, and an .npz beside them")

    add = _command(commands, predict).add_argument
    _add_checkpoint(add)
    add("images", type=Path, nargs="+", metavar="IMAGE", help="pictures of any kind and size")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the predictions")

    about = "Train in the background"
    jobs = commands.add_parser("jobs", help=about, description=f"{about}.")
    actions = jobs.add_subparsers(required=True, metavar="ACTION", parser_class=_Parser)
    _add_runs(_command(actions, jobs_cli.list_runs, "list").add_argument)
    add = _command(actions, jobs_cli.start).add_argument
    _add_runs(add)
    _add_now(add)
    add_settings(add)
    add = _command(actions, jobs_cli.resume).add_argument
    _add_run(add)
    _add_now(add)
    _add_run(_command(actions, jobs_cli.stop).add_argument)
    add = _command(actions, jobs_cli.logs).add_argument
    _add_run(add)
    add("--follow", action="store_true", help="go on until the run has ended")
    add("-n", "--lines", type=_number(0), default=40, help="lines to begin with [40]")
    return parser


def _command(commands: Any, run: Callable[[argparse.Namespace], int], name: str = "") -> _Parser:
    """A parser for the command that `run` carries out."""
    about = (run.__doc__ or "").rstrip(".")
    made: _Parser = commands.add_parser(name or run.__name__, help=about, description=f"{about}.")
    made.set_defaults(command=run)
    return made


def _add_runs(add: Callable[..., Any]) -> None:
    add("--runs", type=Path, default=default_runs(), help=f"[${RUNS_VARIABLE} or ./runs]")


def _add_run(add: Callable[..., Any]) -> None:
    add("run", type=Path, metavar="RUN", help="a run's folder, or its id below RUNS")
    _add_runs(add)


def _add_now(add: Callable[..., Any]) -> None:
    add("--now", action="store_true", help="do not wait for other runs on the same device")


def _add_data(add: Callable[..., Any], name: str, **settings: Any) -> None:
    add(
        name,
        type=Path,
        default=default_root(),
        metavar="DATA",
        help=f"Cityscapes folder [${DATASET_VARIABLE} or ./data]",
        **settings,
    )


def _add_checkpoint(add: Callable[..., Any]) -> None:
    add("checkpoint", type=Path, metavar="RUN_OR_CHECKPOINT", help="a run's folder or its weights")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N [auto]")
    add("--sliding", action="store_true", help="overlapping windows of the size seen in training")
    add("--flip", action="store_true", help="average with the mirrored picture")


def _number(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        return value

    parse.__name__ = "whole number"
    return parse
