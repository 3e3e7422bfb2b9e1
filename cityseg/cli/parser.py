"""The parser of a command: arguments added when the command is chosen, errors in one sentence."""

import argparse
import sys
from collections.abc import Callable, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any, NoReturn

from cityseg.cli import EXIT_NOTHING

#: What `Parser.add_subparsers` returns; argparse gives it no public name.
Commands = Any


class Parser(argparse.ArgumentParser):
    """Calls `add_arguments(self)` when it is used.

    So only the chosen command imports what its flags need, and the others cost no time.
    """

    def __init__(
        self, *, add_arguments: "Callable[[Parser], None] | None" = None, **settings: Any
    ) -> None:
        """Take `add_arguments`, and what argparse takes."""
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(add_help=False, formatter_class=formatter, **settings)
        self.add_argument("-h", "--help", action="help", help="Show this help.")
        self.register("type", Path, lambda text: Path(filled(text)))
        self._add_arguments = add_arguments
        #: Applied to the arguments before they are parsed, for forms that argparse cannot express.
        self.rewrite: Callable[[Sequence[str]], Sequence[str]] | None = None

    def complete(self) -> None:
        """Add the arguments, unless that was done before."""
        if self._add_arguments:
            add_arguments, self._add_arguments = self._add_arguments, None
            add_arguments(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse `args`; argparse calls this for the chosen command as well.

        Unknown arguments are an error here, where the sentence can name the command's own help.
        """
        self.complete()
        if self.rewrite:
            args = self.rewrite(args)
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unknown arguments: {' '.join(unknown)}")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        """End with one sentence, and the status for nothing done: argparse's own is 2."""
        sentence = message[:1].upper() + message[1:]
        if message.endswith("expected one argument"):  # also what follows was taken for a flag
            sentence += " (what begins with a dash is written ./-name)"
        self.exit(EXIT_NOTHING, f"cityseg: {sentence}; see {self.prog} --help\n")


def filled(text: str) -> str:
    """A type for `add_argument`: a path that is not empty, which Path takes for the folder here."""
    if not text:
        raise argparse.ArgumentTypeError(
            "the path is empty, as of a variable of the shell that is not set: name one, or ."
        )
    return text


def add_command(
    commands: Commands, name: str, about: str | None, add_arguments: Callable[[Parser], None]
) -> Parser:
    """Add a parser for the command `name`, whose help is `about`, its first line the short form."""
    description = cleandoc(about or "")  # python -OO leaves no docstrings
    parser: Parser = commands.add_parser(
        name,
        help=description.partition("\n")[0],
        description=description,
        add_arguments=add_arguments,
    )
    return parser


def program_name() -> str:
    """`cityseg` as it was typed: the installed command, or the module."""
    return "cityseg" if Path(sys.argv[0]).name == "cityseg" else "python -m cityseg"
