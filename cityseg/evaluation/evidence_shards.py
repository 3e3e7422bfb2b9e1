"""Evidence in shards: several processes write the parts, and one sees that they are complete.

The items of a shard are whole parts of PART_FRAMES frames, written where a pass in one run writes
them, so nothing is put together but the word that the pass is done.
"""

from collections.abc import Iterator
from typing import NamedTuple

from cityseg.data import Shard, work_of_shards, work_on_shard
from cityseg.errors import ScoreError
from cityseg.evaluation.evidence import EvidencePass, progress_after, write_parts
from cityseg.evaluation.evidence_files import (
    Evidence,
    is_whole_part,
    whole_evidence,
)
from cityseg.system import ProgressCallback


class ShardCounts(NamedTuple):
    """How many frames of a shard were examined, and how many skipped."""

    examined: int
    skipped: int


def collect_shard(
    planned: EvidencePass, shard: Shard, progress: ProgressCallback | None = None
) -> ShardCounts:
    """Write the parts of a pass that are the shard's; nothing if the whole pass is done.

    After an interruption the same shard keeps its whole parts. Raises DatasetError while another
    process works on it, and ScoreError while one does the pass without shards.
    """
    if planned.found():
        return ShardCounts(0, 0)

    numbers = range(planned.about.parts)
    own = sum(len(planned.part(number)) for number in shard.share(numbers, _name))

    def write(missing: list[int]) -> Iterator[list[int]]:
        with planned.held():  # a pass without shards holds it to its end
            planned.about.write(planned.folder)
        before = own - sum(len(planned.part(number)) for number in missing)
        yield from map(list, write_parts(planned, missing, progress_after(before, progress)))

    results = work_on_shard(
        planned.shards(),
        shard,
        numbers,
        write,
        name=_name,
        is_whole=lambda number: is_whole_part(planned.folder, number),
    )
    return ShardCounts(sum(each[0] for each in results), sum(each[1] for each in results))


def merge_evidence(planned: EvidencePass) -> Evidence:
    """The evidence whose parts the shards of a pass have written, as if it was done in one run.

    Raises DatasetError if a shard is missing or at work, and ScoreError if a part is damaged.
    """
    with planned.held():
        if found := planned.found():
            return found
        shards = planned.shards()
        work_of_shards(shards, map(_name, range(planned.about.parts)))
        for leftover in planned.folder.rglob(".*.part"):  # of a shard that was killed
            leftover.unlink(missing_ok=True)
        about = planned.about.model_copy(update={"is_done": True})
        evidence = whole_evidence(planned.folder, about)
        if evidence is None:
            raise ScoreError(
                f"A part of the evidence in {planned.folder} is missing or damaged: run the shards "
                "again, which write it"
            )
        about.write(planned.folder)
        shards.remove()
    return evidence


def _name(number: int) -> str:
    return f"{number:05}"
