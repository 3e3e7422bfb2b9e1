"""The regions of a ledger whose labels are wrong: what trains or scores without them reads this."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cityseg.data import Frame, IgnoredAreas
from cityseg.review.lines import Verdict
from cityseg.review.regions import Region
from cityseg.review.verdict_table import by_place, existing_ledger, verdict_rows
from cityseg.wording import counted


@dataclass(frozen=True, slots=True)
class Flagged:
    """Regions with the verdict "wrong_label", by frame, as read from a ledger at `path`.

    `stale` are the verdicts whose annotation has changed since; their regions are not in `regions`.
    `elsewhere` is how many verdicts are on frames that were not asked for. `problems` has a
    sentence for each thing that is wrong with the ledger's file.
    """

    path: Path
    regions: dict[str, tuple[Region, ...]]
    stale: tuple[Verdict, ...] = ()
    elsewhere: int = 0
    problems: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many regions there are."""
        return sum(map(len, self.regions.values()))

    @property
    def ignored(self) -> dict[str, IgnoredAreas]:
        """The regions as a frame store takes them."""
        return {frame: IgnoredAreas(_key(each), each) for frame, each in self.regions.items()}

    @property
    def notes(self) -> list[str]:
        """What a person should know of what is not used: sentences without a stop."""
        notes = list(self.problems)
        if self.stale:
            notes.append(
                f"Not used of {self.path}: {counted(len(self.stale), 'verdict')} on annotations "
                f"that have changed since, such as that of {self.stale[0].frame}: judge these "
                "regions again"
            )
        if self.elsewhere and not self.regions and not self.stale:
            notes.append(
                f"Nothing is used of {self.path}: its verdicts ({self.elsewhere:,}) are on other "
                "frames: name the ledger of this dataset"
            )
        return notes


def wrong_labels(path: Path, split: str = "") -> tuple[list[Verdict], list[str]]:
    """The verdicts "wrong_label" that count, in the order of lines; of one `split`, or of all.

    With them a sentence for each thing that is wrong with the ledger's file. Raises ReviewError if
    there is no ledger at `path`, or it cannot be read.
    """
    problems, found = _read(path, split)
    return found, problems


def read_flagged(path: Path, frames: Sequence[Frame], split: str = "") -> Flagged:
    """The regions of `frames` that the ledger at `path` says are labelled wrongly.

    Verdicts on other frames only count, and those of another `split`, if one is named, do not
    matter. Raises ReviewError if there is no ledger, or it cannot be read.
    """
    problems, verdicts = _read(path, split)
    rows = verdict_rows(verdicts, {frame.name: frame for frame in frames})
    regions: dict[str, list[Region]] = {}
    stale = []
    for row in sorted(rows, key=by_place):  # so that their key does not depend on who came first
        if row.frame and row.is_stale:
            stale.append(row.verdict)
        elif row.frame:
            regions.setdefault(row.frame.name, []).append(row.verdict.region)
    found = {name: tuple(each) for name, each in regions.items()}
    elsewhere = sum(row.frame is None for row in rows)
    return Flagged(path, found, tuple(stale), elsewhere, tuple(problems))


def _read(path: Path, split: str) -> tuple[list[str], list[Verdict]]:
    ledger = existing_ledger(path)
    wrong = [
        verdict
        for verdict in ledger.verdicts().values()
        if verdict.verdict == "wrong_label" and verdict.frame.startswith(split and f"{split}/")
    ]
    return ledger.problems(), wrong


def _key(regions: Sequence[Region]) -> str:
    """16 hexadecimal digits that stand for regions, which are sorted."""
    text = "\n".join(f"{(*region.box, region.runs)}" for region in regions)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
