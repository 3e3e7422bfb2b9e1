"""What the commands `review …` do."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from cityseg.cli.output import progress_bar, status_of
from cityseg.cli.parser import program_name
from cityseg.data import Frame, Reading, find_frames, reading_of
from cityseg.defaults import default_reviewer
from cityseg.errors import EXIT_ALL, EXIT_SOME, ReviewError
from cityseg.review import (
    MOST_TAG,
    VERDICTS,
    Correction,
    Ledger,
    TagChange,
    VerdictRow,
    accepted_corrections,
    append,
    check_apart,
    cleaned_reviewer,
    cleaned_tag,
    count_verdicts,
    existing_ledger,
    export_crops,
    ledger_file,
    read_corrections,
    read_ledger,
    verdict_rows,
    verdicts_csv,
    verdicts_json,
    write_corrected_copy,
)
from cityseg.system import check_new_folder, check_output_file, replacing
from cityseg.wording import counted, utf8

logger = logging.getLogger(__name__)


def show(options: argparse.Namespace) -> int:
    """Show how many verdicts and tags there are, and what of the ledger does not count."""
    _, ledger, rows = _read(options)
    frames = counted(len({each.verdict.frame for each in rows}), "frame")
    print(f"{counted(len(rows), 'region')} of {frames} judged in {ledger.path}.")
    for code, count in count_verdicts(rows).items():
        print(f"{count:>7,}  {code}: {VERDICTS[code]}.")
    accepted = sum(each.verdict.accepted for each in rows)
    print(f"{accepted:>7,}  of them with the label of the network accepted.")
    stale = [each for each in rows if each.is_stale]
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
    frames = _named(find_frames(options.data, masks=options.masks), options.frames, options.data)
    if odd := [frame.name for frame in frames if utf8(frame.name) != frame.name]:
        raise ReviewError(
            f"The name of the frame {odd[0]!a} is not UTF-8, which a ledger needs: rename its files"
        )
    path = options.ledger or ledger_file(options.data, options.runs)
    reviewer = cleaned_reviewer(default_reviewer())
    now = read_ledger(path).tags()
    lines = [
        TagChange(reviewer=reviewer, frame=frame.name, tag=each, is_set=each in add)
        for frame in frames
        for each in (*add, *remove)
        if (each in now.get(frame.name, ())) != (each in add)
    ]
    append(path, lines)
    if not options.ledger:  # now that its folder exists, it is noted whose it is
        ledger_file(options.data, options.runs)
    changed = len({line.frame for line in lines})
    print(f"{counted(changed, 'frame')} tagged in {path}.")
    if same := len(frames) - changed:
        print(f"{counted(same, 'frame')} unchanged: nothing to add or to remove.")
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
    """Export verdicts as a table, as crops for annotation tools, or as corrected labels.

    Stale verdicts are in tables only. Pictures of a corrected copy are links.

    Examples:
      %(prog)s DATA --to csv verdicts.csv
      %(prog)s DATA --to crops to-correct
    """
    if options.to in ("csv", "json"):
        return _export_table(options)
    return _export_crops(options) if options.to == "crops" else _export_labels(options)


def import_corrected(options: argparse.Namespace) -> int:
    """Write a copy of a dataset with what was corrected in an export.

    CORRECTED has crops of an export, with its cityseg-review.json, or the label
    maps of a dataset with frames of the same names. DATA stays as it is; pictures
    of the copy are links to it.

    Example: %(prog)s DATA corrected DATA-corrected
    """
    check_new_folder(options.out)
    check_apart(options.out, options.data, options.corrected)
    frames = find_frames(options.data, masks=options.masks)
    corrections = read_corrections(options.corrected, frames, options.data)
    if corrections.crops is not None:
        print(f"{counted(corrections.crops, 'crop')} came back.")
    return _write_copy(options, frames, corrections.by_frame, corrections.skipped)


def _export_crops(options: argparse.Namespace) -> int:
    check_new_folder(options.out)
    check_apart(options.out, options.data)
    frames, _, rows = _read(options)
    reading = _reading(options, frames)
    with progress_bar("Cropping", unit="frame") as progress:
        done = export_crops(rows, options.data, reading, options.out, progress)
    _report_stale(rows)
    for each in done.skipped:
        logger.warning("Skipped %s", each)
    print(f"{counted(done.count, 'crop')} written to {options.out}.")
    print(f"Import them with: {program_name()} review import DATA CORRECTED OUT")
    return status_of(done.count, len(done.skipped))


def _export_labels(options: argparse.Namespace) -> int:
    check_new_folder(options.out)
    check_apart(options.out, options.data)
    frames, _, rows = _read(options)
    corrections = accepted_corrections(rows)
    _report_stale(rows)
    return _write_copy(options, frames, corrections, [])


def _write_copy(
    options: argparse.Namespace,
    frames: Sequence[Frame],
    corrections: Mapping[str, Correction],
    skipped: Sequence[str],
) -> int:
    """Write the corrected copy, and print what was changed."""
    reading = _reading(options, frames)
    with progress_bar("Copying", unit="frame") as progress:
        done = write_corrected_copy(
            options.data, frames, reading, corrections, options.out, progress
        )
    skipped = [*skipped, *done.skipped]
    for each in skipped:
        logger.warning("Not corrected: %s", each)
    for pair, pixels in done.pairs.items():
        print(f"{pixels:>11,}  {pair}")
    changed = counted(len(done.changes), "frame")
    print(f"{changed} of {done.frames:,} changed, {sum(done.pairs.values()):,} pixels.")
    print(f"Written to {options.out}.")
    return EXIT_SOME if skipped else EXIT_ALL


def _report_stale(rows: Sequence[VerdictRow]) -> None:
    if stale := [each.verdict.frame for each in rows if each.is_stale]:
        logger.warning(
            "%s left out: their annotations have changed since, such as that of %s",
            *(counted(len(stale), "region"), stale[0]),
        )


def _export_table(options: argparse.Namespace) -> int:
    out: Path = options.out
    check_output_file(out)
    _, ledger, rows = _read(options)
    if out.resolve() == ledger.path.resolve():
        raise ReviewError(f"{out} is the ledger itself: choose another file for the table")
    write = verdicts_csv if options.to == "csv" else verdicts_json
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as file:
        file.write(write(rows, ledger.tags()).encode(errors="replace"))
    print(f"{counted(len(rows), 'region')} written to {out}.")
    return EXIT_ALL


def _reading(options: argparse.Namespace, frames: Sequence[Frame]) -> Reading:
    """How the annotations are read; raises DatasetError if that is unclear."""
    reading = reading_of(frames, options.masks or options.data / "masks")
    reading.verdict.checked()
    return reading


def _read(options: argparse.Namespace) -> tuple[list[Frame], Ledger, list[VerdictRow]]:
    """The frames, the ledger, whose damage is reported, and its verdicts."""
    frames = find_frames(options.data, masks=options.masks)
    ledger = existing_ledger(options.ledger or ledger_file(options.data, options.runs))
    for problem in ledger.problems():
        logger.warning("%s", problem)
    by_name = {frame.name: frame for frame in frames}
    return frames, ledger, verdict_rows(ledger.verdicts().values(), by_name)
