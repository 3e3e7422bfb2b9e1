"""Cost as a dataset grows, from a thousand frames to a hundred thousand: seconds and memory.

Frames are links to few pictures, small ones: what is measured is what a frame costs beside its
pixels. Each stage runs in a fresh process.
"""

import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from cityseg.evaluation.evidence_files import FrameEvidence

SIZE_HW: Final = (32, 64)
_DRAWN: Final = 6
_CITIES: Final = 20
#: Of a hundred findings, those that are judged.
_JUDGED: Final = 10


class Cost(NamedTuple):
    """Of a stage with so many frames; `peak_bytes` is memory beyond that of the imports.

    `cpu_seconds` are those of all threads, which other programs change less than the `seconds`.
    """

    frames: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int


Stage = Callable[[Path], Callable[[], object]]


def run(sizes: Sequence[int], plot: Path) -> None:
    """Print a row for each stage and number of frames, and the slope between them; draw them."""
    print(f"Frames of {SIZE_HW[0]}×{SIZE_HW[1]}, links to {_DRAWN} pictures\n")
    print("| stage | frames | seconds | CPU ms a frame | MB | bytes a frame | slope of CPU |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    costs: dict[str, list[Cost]] = {name: [] for name in STAGES}
    for count in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            link_frames(Path(scratch), count)
            for name in STAGES:
                cost = in_fresh_process(name, Path(scratch), count)
                before = costs[name][-1:]
                costs[name].append(cost)
                print(_row(name, cost, before), flush=True)
    plot.parent.mkdir(parents=True, exist_ok=True)
    _draw(costs, plot)
    print(f"\n{plot}")


def slope(one: Cost, other: Cost) -> float:
    """The exponent of the CPU seconds between two numbers of frames: 1 is in proportion."""
    return math.log(other.cpu_seconds / one.cpu_seconds) / math.log(other.frames / one.frames)


def _row(name: str, cost: Cost, before: Sequence[Cost]) -> str:
    rise = f"{slope(before[0], cost):.2f}" if before else ""
    each = 1e3 * cost.cpu_seconds / cost.frames
    return (
        f"| {name} | {cost.frames:,} | {cost.seconds:.2f} | {each:.3f} "
        f"| {cost.peak_bytes / 1e6:.0f} | {cost.peak_bytes / cost.frames:,.0f} | {rise} |"
    )


def link_frames(root: Path, count: int) -> None:
    """Make `root` a dataset of `count` training frames: hard links to a few that are drawn."""
    from cityseg.data import find_frames
    from cityseg.sample import make_sample

    drawn = root / ".drawn"
    make_sample(drawn, frames={"train": _DRAWN}, size_hw=SIZE_HW)
    originals = find_frames(drawn)
    for number in range(count):
        frame, city = originals[number % _DRAWN], f"city{number % _CITIES:02}"
        for path in (frame.image, frame.label_ids):
            assert path  # noqa: S101 - make_sample() writes both
            name = path.name.replace(frame.stem, f"{city}_{number:07}_000019")
            folder = root / path.relative_to(drawn).parts[0] / "train" / city
            if number < _CITIES:
                folder.mkdir(parents=True)
            os.link(path, folder / name)


def in_fresh_process(stage: str, root: Path, count: int) -> Cost:
    """What a stage costs in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(measured, stage, root, count).result()


def measured(stage: str, root: Path, count: int) -> Cost:
    """What a stage costs in this process, once it has imported what it needs."""
    work = STAGES[stage](root)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins at what is used now
    before = _peak_bytes()
    started, cpu_started = time.perf_counter(), time.process_time()
    kept = work()  # kept, so that it counts
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    peak = _peak_bytes()
    del kept
    return Cost(count, seconds, cpu_seconds, peak - before)


def _peak_bytes() -> int:
    # Not that of getrusage, which a process inherits from the one that has started it.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("/proc/self/status has no VmHWM")


# --- stages: each imports what it needs, and returns the work ------------------------------------


def _index(root: Path) -> Callable[[], object]:
    from cityseg.data import find_frames

    return lambda: find_frames(root)


def _convert(root: Path) -> Callable[[], object]:
    from cityseg.data import convert

    return lambda: convert(root)


def _catalogue(root: Path) -> Callable[[], object]:
    from cityseg.data import find_frames, load_catalogue

    frames = find_frames(root)

    def work() -> object:
        found = load_catalogue(frames, root / "masks")
        return found, found.frequencies(), found.class_shares

    return work


def _evidence_written(root: Path) -> Callable[[], object]:
    import pyarrow.parquet  # noqa: F401 - memory of the import is not that of the work

    from cityseg.evaluation.evidence_files import PART_FRAMES, EvidenceAbout, write_part

    names, example = _names(root), _example(root)
    folder = root / "evidence"

    def work() -> None:
        parts = -(-len(names) // PART_FRAMES)
        for number in range(parts):
            write_part(folder, number, list(example(names[number * PART_FRAMES :][:PART_FRAMES])))
        EvidenceAbout(
            key="key",
            weights="",
            checkpoint="",
            epoch=1,
            data=str(root),
            split="train",
            sliding=False,
            flip=False,
            size_hw=None,
            frames=len(names),
            parts=parts,
            is_done=True,
        ).write(folder)

    return work


def _evidence_opened(root: Path) -> Callable[[], object]:
    import pyarrow.compute
    import pyarrow.dataset  # noqa: F401

    from cityseg.evaluation import RegionQuery, find_regions, load_evidence

    def work() -> object:
        found = load_evidence(root / "evidence")
        sums = found.scores(), found.boundary(), found.errors(), found.confidence()
        return found, sums, found.frame_scores, find_regions(found.folder, RegionQuery("truth"))

    return work


def _review_queue(root: Path) -> Callable[[], object]:
    import pyarrow.parquet  # noqa: F401

    from cityseg.review import (
        Finding,
        Verdict,
        VerdictRow,
        judged_regions,
        progress_of,
        queue_of,
        ranked,
        read_findings,
        write_findings,
    )
    from cityseg.review import Region as Pixels

    names = _names(root)
    pixels = Pixels.of(np.ones((4, 4), np.bool_), 2, 3)
    table = root / "findings.parquet"

    def work() -> object:
        write_findings(
            table,
            ranked(
                Finding(name, "island", 0.5, pixels.box, pixels.pixels, label="car")
                for name in names
            ),
        )
        rows = [
            VerdictRow(
                Verdict.model_construct(
                    frame=name, region=pixels, truth="car", predicted="", verdict="wrong_label"
                ),
                None,
                False,
            )
            for name in names[::_JUDGED]
        ]
        judged = judged_regions(rows)
        queue = queue_of(read_findings(table), judged)
        return queue, progress_of(queue.values(), judged)

    return work


def _names(root: Path) -> list[str]:
    from cityseg.data import find_frames

    return [frame.name for frame in find_frames(root)]


def _example(root: Path) -> "Callable[[Sequence[str]], Iterator[FrameEvidence]]":
    """What makes the evidence of frames of these names: that of one frame, shifted."""
    from cityseg.data import find_frames, read_label_ids
    from cityseg.evaluation.evidence_files import FrameEvidence
    from cityseg.evaluation.truth import Counted
    from cityseg.labels import LABEL_ID_OF_TRAIN_ID, TRAIN_ID_OF_LABEL_ID
    from cityseg.metrics import (
        Uncertainty,
        boundary_counts,
        confidence_counts,
        count_frame,
        error_counts,
        find_overlaps,
        region_columns,
        region_errors,
    )

    path = find_frames(root)[0].label_ids
    assert path  # noqa: S101 - link_frames() links one
    label_ids = read_label_ids(path)
    truth = TRAIN_ID_OF_LABEL_ID[label_ids].astype(np.uint8)
    predicted = np.minimum(np.roll(truth, 3, axis=1), 18).astype(np.uint8)
    sure = np.full(truth.shape, 128, np.uint8)
    overlaps = find_overlaps(truth, predicted)
    errors = region_errors(overlaps, 1)
    found = FrameEvidence(
        Counted(count_frame("", label_ids, LABEL_ID_OF_TRAIN_ID[predicted])),
        boundary_counts(truth, predicted, 1, overlaps),
        error_counts(overlaps, errors),
        confidence_counts(overlaps, sure),
        region_columns(overlaps, Uncertainty(sure, sure, sure), errors),
        predicted,
        sure,
    )

    def named(names: Sequence[str]) -> "Iterator[FrameEvidence]":
        for name in names:
            yield replace(found, counted=Counted(replace(found.counts, name=name)))

    return named


#: In their order: a stage may need the files of those before.
STAGES: Final[dict[str, Stage]] = {
    "index": _index,
    "convert": _convert,
    "catalogue": _catalogue,
    "evidence written": _evidence_written,
    "evidence opened": _evidence_opened,
    "review queue": _review_queue,
}


# --- picture -------------------------------------------------------------------------------------


def _draw(costs: dict[str, list[Cost]], plot: Path) -> None:
    from plotly.graph_objects import Figure, Scatter
    from plotly.subplots import make_subplots
    from plots import AXIS, COLORS, write_png

    figure: Figure = make_subplots(1, 2, subplot_titles=("CPU milliseconds a frame", "megabytes"))
    for (name, points), color in zip(costs.items(), COLORS, strict=True):
        frames = [point.frames for point in points]
        rise = f", slope {slope(points[0], points[-1]):.2f}" if len(points) > 1 else ""
        each = [1e3 * point.cpu_seconds / point.frames for point in points]
        memory = [max(point.peak_bytes, 1e5) / 1e6 for point in points]
        for column, values in enumerate((each, memory), 1):
            figure.add_trace(
                Scatter(
                    x=frames,
                    y=values,
                    name=f"{name}{rise}",
                    mode="lines+markers",
                    line_color=color,
                    showlegend=column == 1,
                ),
                1,
                column,
            )
    figure.update_xaxes(type="log", title_text="frames", **AXIS)
    figure.update_yaxes(type="log", **AXIS)
    figure.update_layout(
        legend={"orientation": "h", "y": -0.2},
        margin={"l": 50, "r": 20, "t": 40, "b": 110},
    )
    write_png(figure, plot)
