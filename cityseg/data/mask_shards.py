"""A conversion in shards: several processes make the masks, and one merges what they report.

A shard writes its masks where a whole conversion does, and in its folder (`shards`) the report.json
and the pixels.npz of its frames. What belongs to the whole dataset is the same in every shard, as
the encoding, or is left to the merge, as the frames with an odd share of void.
"""

from dataclasses import replace
from pathlib import Path

from cityseg.data.findings import add_void_shares, complete_own_warnings
from cityseg.data.frame import Frame
from cityseg.data.label_map import names_of_labels
from cityseg.data.masks import Conversion, convert_frames, unwritable_named
from cityseg.data.pixel_table import PixelRow, read_pixel_table, update_pixel_table
from cityseg.data.report import REPORT, FrameOutcome, Report
from cityseg.data.shards import LOCK, Shard, ShardFolder
from cityseg.errors import DatasetError
from cityseg.system import ProgressCallback, check_output_folder, remove_unfinished


def convert_shard(
    conversion: Conversion,
    shard: Shard,
    *,
    workers: int | None = None,
    progress: ProgressCallback | None = None,
) -> Report:
    """Convert the frames of a shard, and report on them; `merge_masks` does the rest.

    After an interruption the same shard keeps its finished masks. Raises DatasetError if another
    process works on it, or masks cannot be written.
    """
    frames = shard.share(conversion.frames, _name)
    counted: dict[str, PixelRow | None] = {}
    check_output_folder(conversion.masks)
    with unwritable_named(conversion.masks), _shards_of(conversion).held(shard) as folder:
        report = conversion.empty_report()
        convert_frames(conversion, frames, report, counted, workers, progress)
        complete_own_warnings(report, counted, conversion.before)
        _forget_own_masks(report, frames, conversion.masks, folder / LOCK)
        update_pixel_table(folder, counted, lambda name: False)
        report.write(folder)
    return report


def merge_masks(conversion: Conversion) -> Report:
    """Put together what the shards of a conversion have left, as if it had been done in one.

    Raises DatasetError if a shard is missing or damaged, or if writing fails.
    """
    shards = _shards_of(conversion)
    outcomes: dict[str, FrameOutcome] = {}
    rows: dict[str, PixelRow] = {}
    report = conversion.empty_report()
    for folder in shards.complete(REPORT):
        own = Report.load(folder)
        if own is None:
            raise DatasetError(f"{folder / REPORT} is gone: run the shard again")
        outcomes |= {outcome.frame: outcome for outcome in own.outcomes}
        report.unknown_names.update(own.unknown_names)
        rows |= read_pixel_table(folder)
    report.outcomes.extend(outcomes[frame.name] for frame in conversion.frames)
    counted = {frame.name: rows.get(frame.name) for frame in conversion.frames}
    add_void_shares(report, counted)
    with unwritable_named(conversion.masks):
        update_pixel_table(conversion.masks, counted, conversion.keeps_row())
        remove_unfinished(frame.mask(conversion.masks) for frame in conversion.frames)
        report.write(conversion.masks)
        shards.remove()
    return report


def _shards_of(conversion: Conversion) -> ShardFolder:
    identity = {
        "frames": [frame.name for frame in conversion.frames],
        "splits": list(conversion.splits),
        "encoding": conversion.verdict.encoding,
        "evidence": conversion.verdict.evidence,
        "sample": conversion.verdict.sample,
        "label_map": names_of_labels(conversion.label_map),
        "layout": conversion.layout,
        "verify": conversion.verify,
        "pixel_aspect": conversion.named_aspect,
    }
    return ShardFolder.of(conversion.masks, "convert", identity)


def _name(frame: Frame) -> str:
    return frame.name


def _forget_own_masks(report: Report, frames: list[Frame], masks: Path, begun: Path) -> None:
    """Count no mask as kept that an earlier attempt of the same shard has written.

    Both times are those of one file system, so clocks that differ between machines do not matter.
    """
    begun_ns = begun.stat().st_mtime_ns
    for index, (frame, outcome) in enumerate(zip(frames, report.outcomes, strict=True)):
        if outcome.reused and frame.mask(masks).stat().st_mtime_ns >= begun_ns:
            report.outcomes[index] = replace(outcome, reused=False)
