"""Show, tag, export and correct what was reviewed.

Verdicts and tags are in the ledger of the dataset, in the folder reviews beside
RUNS. The dataset itself is never changed.
"""

from pathlib import Path
from typing import Final

from cityseg.cli.options import add_data, add_masks, add_runs
from cityseg.cli.parser import Parser, add_command

#: What `export --to` writes.
TARGETS: Final = ("csv", "json", "crops", "labels")


def add_arguments(parser: Parser) -> None:
    """The actions, each a command of its own."""
    from cityseg.cli import review_actions

    parsers = parser.add_subparsers(required=True, metavar="ACTION", parser_class=Parser)
    actions = {
        "show": (review_actions.show, _add_ledger),
        "tag": (review_actions.tag, _add_tag),
        "export": (review_actions.export, _add_export),
        "import": (review_actions.import_corrected, _add_import),
    }
    for name, (run, add) in actions.items():
        add_command(parsers, name, run.__doc__, add).set_defaults(command=run)


def _add_ledger(parser: Parser) -> None:
    """A dataset, and its ledger."""
    add_data(parser, "data")
    add_masks(parser)
    add_runs(parser)
    parser.add_argument(
        "--ledger", type=Path, metavar="LEDGER", help="Ledger [that of the dataset, beside RUNS]."
    )


def _add_tag(parser: Parser) -> None:
    _add_ledger(parser)
    add = parser.add_argument
    add("frames", nargs="+", metavar="FRAME", help="Frame: <split>/<city>/<stem>, or the stem.")
    add("--add", action="append", default=[], metavar="TAG", help="Tag to add; may be repeated.")
    add(
        "--remove",
        action="append",
        default=[],
        metavar="TAG",
        help="Tag to remove; may be repeated.",
    )


def _add_export(parser: Parser) -> None:
    _add_ledger(parser)
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="File for a table, else a new folder.")
    add("--to", choices=TARGETS, required=True, help=_TARGETS_HELP)


def _add_import(parser: Parser) -> None:
    add_data(parser, "data")
    add_masks(parser)
    add = parser.add_argument
    add("corrected", type=Path, metavar="CORRECTED", help="Folder of the corrected export.")
    add("out", type=Path, metavar="OUT", help="New folder for the corrected copy of DATA.")


_TARGETS_HELP: Final = (
    "What to write. csv, json: a table of all verdicts. crops: pictures and annotations of the "
    "judged regions, in the layout of Cityscapes. labels: a copy of the dataset with the labels "
    "that were accepted."
)
