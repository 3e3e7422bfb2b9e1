"""Train in the background.

Runs wait in a queue for their device, and outlive the shell that started them.
--on slurm or ray trains them on a cluster, which shares the folder of runs
and the dataset with this machine; its settings are a section of the file
$CITYSEG_CONFIG, or ~/.config/cityseg/places.toml.
"""

from pathlib import Path

from cityseg.cli.options import add_place, add_run, add_runs, whole_number
from cityseg.cli.parser import Parser, add_command


def add_arguments(parser: Parser) -> None:
    """The actions, each a command of its own."""
    from cityseg.cli import job_actions

    parsers = parser.add_subparsers(required=True, metavar="ACTION", parser_class=Parser)
    actions = {
        "list": (job_actions.list_runs, add_runs),
        "start": (job_actions.start, _add_start),
        "resume": (job_actions.resume, _add_resume),
        "stop": (job_actions.stop, add_run),
        "logs": (job_actions.logs, _add_logs),
        "export": (job_actions.export, _add_export),
    }
    for name, (run, add) in actions.items():
        add_command(parsers, name, run.__doc__, add).set_defaults(command=run)


def _add_start(parser: Parser) -> None:
    from cityseg.cli.flags import add_settings

    add_runs(parser)
    add_place(parser, "local")
    _add_now(parser)
    add = parser.add_argument
    about = "Start a run for each of these values, such as learning_rate=1e-4,3e-4,1e-3; given "
    about += "several times, for each combination."
    add("--vary", action="append", default=[], metavar="SETTING=VALUES", help=about)
    about = "Tag of the runs of --vary; those that the group has already are not started again."
    add("--group", metavar="NAME", help=about)
    add_settings(parser)


def _add_resume(parser: Parser) -> None:
    from cityseg.cli.flags import add_resume_settings

    add_run(parser)
    add_place(parser, "where it was trained before")
    _add_now(parser)
    add_resume_settings(parser)


def _add_logs(parser: Parser) -> None:
    add_run(parser)
    add = parser.add_argument
    add("--follow", action="store_true", help="Continue until the run has ended.")
    lines = whole_number(0)
    add("-n", "--lines", type=lines, default=40, metavar="N", help="Lines to begin with [40].")


def _add_export(parser: Parser) -> None:
    from cityseg.cli.job_actions import EXPORTS

    add = parser.add_argument
    add(
        "named",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="Folders of runs, or their ids below RUNS.",
    )
    add_runs(parser)
    about = (
        "What to write. csv or parquet: a table with a row for each run and epoch; tensorboard: a "
    )
    about += "folder that TensorBoard opens; wandb: Weights & Biases, as the command track."
    add("--to", required=True, choices=(*EXPORTS, "wandb"), help=about)
    about = "File or new folder to write [runs.csv, runs.parquet or tensorboard]."
    add("--out", type=Path, metavar="FILE", help=about)


def _add_now(parser: Parser) -> None:
    parser.add_argument(
        "--now", action="store_true", help="Do not wait for other runs on the same device."
    )
