"""The help of every command, and what argparse may not do."""

import argparse
import re
from collections.abc import Iterator

import pytest

from cityseg.cli.main import build_parser
from cityseg.cli.parser import Parser

DIALECT = re.compile(r"\b(told|tells?|whoever|anew|amounts? to|go(es)? on|made of|kinds of)\b")


def all_parsers(parser: Parser, *words: str) -> Iterator[tuple[str, Parser]]:
    """Each command and each of its actions, with the words that choose it."""
    parser.complete()
    yield " ".join(words) or "cityseg", parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from all_parsers(below, *words, name)


PARSERS = dict(all_parsers(build_parser()))


def arguments_of(name: str) -> list[argparse.Action]:
    """What a command takes, apart from its actions."""
    arguments = PARSERS[name]._actions
    return [each for each in arguments if not isinstance(each, argparse._SubParsersAction)]


@pytest.mark.parametrize("name", PARSERS)
def test_each_command_is_described_in_sentences(name: str) -> None:
    description = PARSERS[name].description or ""
    assert re.match(r"[A-Z].*\.$", description.partition("\n")[0])
    assert not DIALECT.search(description)


@pytest.mark.parametrize("name", PARSERS)
def test_each_argument_is_described_in_sentences(name: str) -> None:
    texts = [each.help or "" for each in arguments_of(name)]
    assert [text for text in texts if not re.fullmatch(r"[A-Z].*\.", text)] == []
    assert [text for text in texts if DIALECT.search(text)] == []


@pytest.mark.parametrize("name", PARSERS)
def test_what_a_value_stands_for_is_in_capitals_or_listed(name: str) -> None:
    values = [each for each in arguments_of(name) if each.nargs != 0 and not each.choices]
    assert [each for each in values if not re.match(r"[A-Z{]", str(each.metavar))] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", ""],
        ["train", "--runs", ""],
        ["predict", ""],
        ["predict", "street.jpg", "--network", ""],
        ["audit", "--evidence", ""],
    ],
    ids=" ".join,
)
def test_an_empty_path_is_not_the_folder_here(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(arguments)
    assert ended.value.code == 1
    assert "the path is empty, as of a variable of the shell" in capsys.readouterr().err


@pytest.mark.parametrize("name", PARSERS)
def test_no_option_can_swallow_the_arguments_behind_it(name: str) -> None:
    # The ledger of --review may be left out: the option is written last.
    options = [each for each in arguments_of(name) if each.option_strings != ["--review"]]
    several = [each for each in options if each.option_strings and each.nargs not in (None, 0)]
    assert several == []


def test_the_arguments_of_a_command_are_added_when_it_is_chosen() -> None:
    added: list[Parser] = []
    parser = Parser(prog="x", add_arguments=added.append)
    assert added == []
    parser.parse_args([])
    parser.parse_args([])
    assert added == [parser]


def test_a_value_that_begins_with_a_dash_leads_to_a_way_to_write_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["train", "--resume", "-lead"])
    assert "expected one argument (what begins with a dash is written ./-name)" in (
        capsys.readouterr().err
    )
