"""Do a command in shards: several processes share the work, and the results are merged.

Each shard is a task in the background, on this machine or a cluster. Ctrl-C, or
jobs stop with the name that is printed, stops all of them; the same command,
given again, does only what is missing. COMMAND and its own arguments are as
without array; options of array may stand anywhere.

Example: %(prog)s convert DATA --shards 8
"""

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

from cityseg.cli.options import add_place, whole_number
from cityseg.cli.output import print_above_bars, progress_bar
from cityseg.cli.parser import Parser
from cityseg.defaults import default_runs
from cityseg.errors import ConfigError

if TYPE_CHECKING:
    from cityseg.jobs import ShardArray


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    from cityseg.jobs import ARRAY_COMMANDS

    _add_own(parser)
    parser.add_argument("of", choices=ARRAY_COMMANDS, metavar="COMMAND", help=_ABOUT_COMMAND)
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="Arguments of COMMAND."
    )
    parser.rewrite = _own_first
    parser.set_defaults(command=run)


_ABOUT_COMMAND: Final = "One of convert, predict, evidence and audit."


#: The value of a flag that takes none.
_GIVEN: Final = ""


def _add_own(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--shards", type=whole_number(1), metavar="N", help="Number of shards [2].", default=2)
    add_place(parser, "local", "Where the shards are done")
    add(
        "--at-once",
        type=whole_number(1),
        metavar="N",
        help="Shards that are at work at the same time [one with a network, else one for every "
        "four cores; on a cluster all that it has room for].",
    )
    add("--now", action="store_true", help="Do not wait for trainings on the same device.")


def _own_first(arguments: Sequence[str]) -> list[str]:
    """The options of array before COMMAND, whose arguments are left to its own parser."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, argument_default=None)
    for name in ("--shards", "--on", "--at-once"):
        finder.add_argument(name)
    finder.add_argument("--now", action="store_const", const=_GIVEN)
    try:
        found, others = finder.parse_known_args(arguments)
    except SystemExit:  # an option without a value: the parser itself says so
        return list(arguments)
    own: list[str] = []
    for name, value in vars(found).items():
        if value is not None:
            flag = f"--{name.replace('_', '-')}"
            own += [flag] if value == _GIVEN else [flag, value]
    return [*own, *others]


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.cli.main import main as run_command
    from cityseg.jobs import ShardArray, shard_place
    from cityseg.places import LOCAL

    arguments: list[str] = options.arguments
    parsed = _parsed(options.of, arguments)
    place = shard_place(options.on or LOCAL)
    if options.now and place.name != LOCAL:
        raise ConfigError(f"{place.name} decides when a shard begins: leave out --now")
    place.check()
    array = ShardArray.of(default_runs(), options.of, arguments, options.shards, place)
    with array.held():
        _do_shards(array, options, parsed)
        status = run_command([options.of, *arguments, "--merge"])
        array.finish(status)
    return status


def _do_shards(
    array: "ShardArray", options: argparse.Namespace, parsed: argparse.Namespace
) -> None:
    """Have all shards done; on this machine in their turn for its device."""
    from cityseg.places import LOCAL, check_shared

    is_here = array.place.name == LOCAL
    print_above_bars(
        f"{array.name}: {options.shards} shards of {options.of}"
        f"{'' if is_here else f' on {array.place.name}'}; jobs stop {array.name} stops them."
    )
    if not is_here:
        print_above_bars(check_shared(array.task.folder))
    at_once = options.at_once or (_usual_at_once(options.of) if is_here else options.shards)
    with (
        _device_of(array, parsed) if is_here and not options.now else nullcontext(),
        progress_bar(f"Array {options.of}", unit="item") as progress,
    ):
        array.run(at_once=at_once, progress=progress, on_problem=print_above_bars)


def _parsed(command: str, arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments of a shard; those that are wrong end the program before anything is started."""
    from cityseg.cli.main import build_parser

    return build_parser().parse_args([command, *arguments, "--shard", "1/1"])


def _device_of(array: "ShardArray", parsed: argparse.Namespace) -> AbstractContextManager[None]:
    """The device of this machine for as long as the shards use it, if they have a network."""
    from cityseg.jobs import WITH_NETWORK

    if array.command not in WITH_NETWORK:
        return nullcontext()
    return array.device(parsed.device, lambda: print_above_bars("Waiting for the device …"))


def _usual_at_once(command: str) -> int:
    from cityseg.jobs import WITH_NETWORK
    from cityseg.system import available_cores

    return 1 if command in WITH_NETWORK else max(1, available_cores() // 4)
