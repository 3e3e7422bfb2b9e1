"""Choose a command and carry it out.

Exit status 0 means that everything was done, 2 that some items were skipped (or a run was
stopped), 1 that nothing was done. An error is one sentence on stderr. What is heavy is imported by
the function that needs it, so that `--help` and light commands load no torch and no OpenCV.
"""

import errno
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from cityseg.cli import (
    EXIT_NOTHING,
    app,
    array,
    audit,
    clean,
    convert,
    evaluate,
    evidence,
    export,
    folds,
    import_zips,
    jobs,
    pairs,
    predict,
    review,
    sample,
    score,
    track,
    train,
)
from cityseg.cli.parser import Parser, add_command, program_name
from cityseg.errors import CitysegError


class Command(Protocol):
    """A module whose docstring is the help of a command."""

    def add_arguments(self, parser: Parser) -> None:
        """Say what it takes, and set the default `command`: a function of the parsed options."""


#: The commands by their names, in the order of --help.
COMMANDS: Final[Mapping[str, Command]] = {
    "sample": sample,
    "import": import_zips,
    "pairs": pairs,
    "convert": convert,
    "audit": audit,
    "review": review,
    "train": train,
    "evaluate": evaluate,
    "evidence": evidence,
    "folds": folds,
    "score": score,
    "predict": predict,
    "export": export,
    "array": array,
    "track": track,
    "jobs": jobs,
    "clean": clean,
    "app": app,
}


#: What goes wrong while a file is written, which no check can know before.
_OF_A_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):  # names that are not UTF-8 must not end the program
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    options = build_parser().parse_args(arguments)
    from cityseg.system import wait_passively  # loads pydantic, which --help does without

    wait_passively()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        status: int = options.command(options)
    except CitysegError as error:
        print(f"cityseg: {error}", file=sys.stderr)
        return EXIT_NOTHING
    except KeyboardInterrupt:
        print("cityseg: Interrupted. Finished work is kept.", file=sys.stderr)
        return EXIT_NOTHING
    except BrokenPipeError:  # the reader of our output has gone, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NOTHING
    except OSError as error:
        if error.filename is None and error.errno not in _OF_A_DISK:
            raise  # no file: nothing that a person could mend
        print(
            f"cityseg: {error.filename or 'A file'} cannot be read or written ({error.strerror}): "
            "check permissions and free space",
            file=sys.stderr,
        )
        return EXIT_NOTHING
    return status


def build_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(
        prog=program_name(),
        description="Look into Cityscapes, train a segmentation network, and see what it does.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for name, module in COMMANDS.items():
        add_command(commands, name, module.__doc__, module.add_arguments)
    return parser
