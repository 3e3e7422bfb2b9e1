"""Train the runs of a board one after the other, and print how long each took to which score.

Every training is an ordinary run below RUNS/BOARD. Started again, the script keeps finished runs
and resumes those that were stopped; with everything finished it only prints the table. Minutes are
those of training and validation, without the start of the process and the decoding of frames: they
compare only on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import join
from typing import Any

import bootstrap


def main() -> None:
    """Train and score what is missing of a board, and print its table and its commands."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("board", choices=BOARDS)
    add("--data", type=Path, default=default_root(), help="Cityscapes folder.")
    add("--masks", type=Path, help="Folder of converted masks [DATA/masks].")
    add("--runs", type=Path, required=True, help="Folder for the runs.")
    add("--only", nargs="+", metavar="ROW", help="Train no others.")
    add("--seeds", type=int, default=1, help="Runs of each row [1].")
    add("--epochs", type=int, help="Epochs of rows with a time, instead of those that fit into it.")
    add("--table", action="store_true", help="Train nothing, print what there is.")
    add("--plot", type=Path, metavar="PNG", help="Picture of the scores over the minutes.")
    options = parser.parse_args()
    board, folder = BOARDS[options.board], options.runs / options.board
    if unknown := set(options.only or ()) - set(board.rows):
        parser.error(
            f"{options.board} has no {', '.join(unknown)}: choose from {', '.join(board.rows)}"
        )
    paths = {"data": options.data, "masks": options.masks or options.data / "masks"}
    if board.frames and not options.table:
        paths["exclude"] = write_exclusion(folder, options.data, board.frames)
    for seed in range(0 if options.table else options.seeds):
        for name in options.only or board.rows:
            settings = {**board.rows[name], **paths, "seed": seed, "title": title(name, seed)}
            outcome = finish(folder, settings, board.minutes, options.epochs)
            print(outcome, file=sys.stderr, flush=True)
    print_board(folder, board, options.seeds)
    if options.plot:
        draw(folder, board, options.seeds, options.plot)


def finish(
    folder: Path, settings: Mapping[str, Any], minutes: float | None, epochs: int | None
) -> str:
    """Train and score a run, unless that has been done; returns what to say of it."""
    name = settings["title"]
    if minutes and name not in runs_by_title(folder):
        settings = {**settings, "epochs": epochs or epochs_of(folder, settings, 60 * minutes)}
    outcome = train(folder, settings)
    run = runs_by_title(folder).get(name)
    if run and run.done_summary() and not scores_file(folder, name).exists():
        file = scores_file(folder, name)
        file.parent.mkdir(exist_ok=True)
        outcome += f"\n{cityseg('evaluate', str(run.path), '--out', str(file))}"
    return outcome


def epochs_of(folder: Path, settings: Mapping[str, Any], seconds: float) -> int:
    """The epochs that fit into `seconds`, by a run of two in the folder "speed"."""
    speed = folder / "speed"
    train(speed, {**settings, "epochs": 2, "freeze_steps": 0})  # frozen steps are faster
    run = runs_by_title(speed).get(settings["title"])
    return max(1, epochs_within(run, seconds)) if run else 1


def scores_file(folder: Path, name: str) -> Path:
    """The scores of `evaluate` on all of val, at the resolution of its labels."""
    return folder / "scores" / f"{name}.json"


def print_board(folder: Path, board: Board, seeds: int) -> None:
    """A row for each finished run, then its command."""
    times = "".join(f" | min to {each:.2f}" for each in board.thresholds)
    print(
        f"| row | seed | epochs | minutes | mean IoU | pixel accuracy | best in validation{times} |"
    )
    print(f"| --- | {' | '.join(['---:'] * (6 + len(board.thresholds)))} |")
    found, commands = runs_by_title(folder), []
    for name in board.rows:
        for seed in range(seeds):
            run = found.get(title(name, seed))
            if run and run.done_summary():
                print(f"| {name} | {seed} | {' | '.join(cells(folder, run, board.thresholds))} |")
                commands.append(command_of(board.rows[name], run, folder.name))
    print("\n```\n" + "\n".join(commands) + "\n```")


def cells(folder: Path, run: RunDir, thresholds: Sequence[float]) -> list[str]:
    """Epochs, minutes, scores, and the minutes to each threshold, empty where it is not reached."""
    rows = epoch_rows(run.metrics())
    scores = read_json(scores_file(folder, run.config().title))
    ious = [row["mean_iou"] or 0.0 for row in rows]
    times = [
        next((f"{row['seconds'] / 60:.1f}" for row in rows if (row["mean_iou"] or 0) >= each), "")
        for each in thresholds
    ]
    return [
        str(len(rows)),
        f"{rows[-1]['seconds'] / 60:.1f}",
        *(f"{scores.get(each, math.nan):.4f}" for each in ("mean_iou", "pixel_accuracy")),
        f"{max(ious):.4f}",
        *times,
    ]


def draw(folder: Path, board: Board, seeds: int, target: Path) -> None:
    """Mean IoU in validation over the minutes of training and validation, a line for each run."""
    from plotly.graph_objects import Figure, Scatter
    from plots import AXIS, COLORS, write_png

    figure, found = Figure(), runs_by_title(folder)
    for name, color in zip(board.rows, COLORS, strict=False):
        for seed in range(seeds):
            if run := found.get(title(name, seed)):
                rows = epoch_rows(run.metrics())
                figure.add_trace(
                    Scatter(
                        x=[row["seconds"] / 60 for row in rows],
                        y=[row["mean_iou"] for row in rows],
                        name=name,
                        mode="lines+markers",
                        line_color=color,
                        showlegend=seed == 0,
                    )
                )
    for each in board.thresholds:
        figure.add_hline(each, line={"color": COLORS[-1], "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text="minutes", rangemode="tozero", **AXIS)
    figure.update_yaxes(title_text="mean IoU in validation", rangemode="tozero", **AXIS)
    figure.update_layout(
        legend={"orientation": "h", "y": -0.2}, margin={"l": 60, "r": 20, "t": 20, "b": 90}
    )
    write_png(figure, target)


def command_of(settings: Mapping[str, Any], run: RunDir, board: str) -> str:
    """The command that trains a row of a board, with DATA for its dataset."""
    config = run.config()
    flags = {**settings, "epochs": config.epochs, "seed": config.seed}
    more = [f"--exclude=RUNS/{board}/exclude.txt"] if config.exclude else []
    return join(["python", "-m", "cityseg", "train", "--data=DATA", *as_flags(flags), *more])


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    from boards import BOARDS, Board
    from series import as_flags, cityseg, runs_by_title, title, train, write_exclusion
    from timed_runs import epochs_within

    from cityseg.defaults import default_root
    from cityseg.runs import RunDir, epoch_rows
    from cityseg.system import read_json

    main()
