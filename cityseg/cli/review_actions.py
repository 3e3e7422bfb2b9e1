"""What the commands `review …` do."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from cityseg.cli.output import count_frames
from cityseg.data import Frame, find_frames
from cityseg.defaults import default_reviewer
from cityseg.errors import EXIT_ALL, ReviewError
from cityseg.review import (
    MOST_TAG,
    VERDICTS,
    Judged,
    Ledger,
    TagChange,
    append,
    cleaned_reviewer,
    cleaned_tag,
    count_verdicts,
    existing_ledger,
    judged_regions,
    ledger_file,
    verdicts_csv,
    verdicts_json,
)
from cityseg.system import check_output_file, replacing

logger = logging.getLogger(__name__)


def show(options: argparse.Namespace) -> int:
    """Show how many verdicts and tags there are, and what of the ledger does not count."""
    ledger, judged = _judged(options)
    frames = {each.verdict.frame for each in judged}
    print(f"{_regions(len(judged))} of {count_frames(len(frames))} judged in {ledger.path}.")
    for code, count in count_verdicts(judged).items():
        print(f"{count:>7,}  {code}: {VERDICTS[code]}.")
    accepted = sum(each.verdict.accepted for each in judged)
    print(f"{accepted:>7,}  of them with the label of the network accepted.")
    stale = [each for each in judged if each.is_stale]
    print(f"{len(stale):>7,}  stale: the annotation has changed since, or is gone.")
    tags: dict[str, int] = {}
    for each in ledger.tags().values():
        tags |= {tag: tags.get(tag, 0) + 1 for tag in each}
    for tag, count in sorted(tags.items()):
        print(f"{count:>7,}  tagged {tag}.")
    return EXIT_ALL


def tag(options: argparse.Namespace) -> int:
    """Add tags to frames, or remove them.

    Example: %(prog)s DATA val/ulm/ulm_000000_000019 --add night --remove day
    """
    add, remove = (tuple(map(_tag, names)) for names in (options.add, options.remove))
    if not add and not remove:
        raise ReviewError("No tag is named: give --add TAG or --remove TAG")
    if both := set(add) & set(remove):
        raise ReviewError(f"The tag {min(both)} cannot be added and removed at once: choose one")
    frames = _named(find_frames(options.data), options.frames, options.data)
    path = options.ledger or ledger_file(options.data, options.runs)
    reviewer = cleaned_reviewer(default_reviewer())
    lines = [
        TagChange(reviewer=reviewer, frame=frame.name, tag=each, is_set=each in add)
        for frame in frames
        for each in (*add, *remove)
    ]
    append(path, lines)
    print(f"{count_frames(len(frames))} tagged in {path}.")
    return EXIT_ALL


def _tag(text: str) -> str:
    """A tag as it is kept; raises ReviewError for one that would be another one then."""
    if not text or cleaned_tag(text) != text:
        raise ReviewError(
            f"{text!r} is no tag: use at most {MOST_TAG} characters on one line, without commas"
        )
    return text


def _named(frames: Sequence[Frame], names: Sequence[str], data: Path) -> list[Frame]:
    """The frames that are meant; raises ReviewError for a name of none, or of several."""
    found = {}
    for name in names:
        meant = [frame for frame in frames if name in (frame.name, frame.stem)]
        if not meant:
            raise ReviewError(f"{data} has no frame {name}: write <split>/<city>/<stem>")
        if len(meant) > 1:
            raise ReviewError(
                f"{len(meant)} frames are called {name}: write {meant[0].name} or {meant[1].name}"
            )
        found[meant[0].name] = meant[0]
    return list(found.values())


def export(options: argparse.Namespace) -> int:
    """Export verdicts as a table.

    Example: %(prog)s DATA --to csv verdicts.csv
    """
    return _export_table(options)


def _export_table(options: argparse.Namespace) -> int:
    out: Path = options.out
    check_output_file(out)
    ledger, judged = _judged(options)
    write = verdicts_csv if options.to == "csv" else verdicts_json
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as file:
        file.write(write(judged, ledger.tags()).encode(errors="replace"))
    print(f"{_regions(len(judged))} written to {out}.")
    return EXIT_ALL


def _judged(options: argparse.Namespace) -> tuple[Ledger, list[Judged]]:
    """The ledger, whose damage is reported, and its verdicts."""
    frames = find_frames(options.data)
    ledger = existing_ledger(options.ledger or ledger_file(options.data, options.runs))
    for problem in ledger.problems():
        logger.warning("%s", problem)
    return ledger, judged_regions(ledger, frames)


def _regions(count: int) -> str:
    return f"{count:,} region{'' if count == 1 else 's'}"
