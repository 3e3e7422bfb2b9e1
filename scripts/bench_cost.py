"""Cost as work grows: frames in the store, frames in a step, pixels in a frame; table and plot."""

import math
import shutil
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench_steps import (
    Failed,
    configured,
    describe,
    in_fresh_process,
    kept,
    link_frames,
    measure,
    median_of,
    one_batch,
    rounded,
)
from plotly.graph_objects import Figure, Scatter
from plotly.subplots import make_subplots
from plots import AXIS, COLORS, write_png

from cityseg.config import TrainConfig
from cityseg.data import find_frames
from cityseg.data.store import open_store
from cityseg.errors import ModelError
from cityseg.estimates import device_memory, measure_step
from cityseg.geometry import training_geometry
from cityseg.system import device_key
from cityseg.wording import readable_size

FRAMES = (10, 100, 1000, 5000)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
#: Each way along both sides of a frame.
ENLARGEMENTS = (1, 2, 4)
WIDTH_ON_CPU = 8

DARK, LIGHT = COLORS[:2]


@dataclass(frozen=True, slots=True)
class Point:
    """What `work`, frames of a store or pixels of a step, costs."""

    work: float
    seconds: float  # to build the store, or of a step
    size_bytes: float  # on disk, or of memory
    again_seconds: float = math.nan  # to open a store that stands


def run(dataset: Path, repeats: int, options: Namespace) -> None:
    """Print a table each for stores, batches and sizes as they grow, and draw all three."""
    config = configured(options, WIDTH_ON_CPU)
    print(in_fresh_process(partial(describe, config)))
    print(f"Medians of up to {repeats} runs, as many as fit into {options.limit_seconds:g} s a row")
    stores = list(grow_store(dataset, config, repeats, options.limit_seconds))
    batches = [config.model_copy(update={"batch_size": size}) for size in BATCH_SIZES]
    sizes = [
        config.model_copy(update={"size": (config.size[0] * times, config.size[1] * times)})
        for times in ENLARGEMENTS
    ]
    height, width = config.size
    print(f"\nFrames in a step, {height}×{width}\n")
    by_batch = list(grow_step(batches, repeats, options))
    print(f"\nPixels in a frame, batch {config.batch_size}\n")
    by_size = list(grow_step(sizes, repeats, options))
    panels = {
        f"frames in the store, {height}×{width}": stores,
        f"frames in a step, {height}×{width}": per(height * width, by_batch),
        f"pixels of a frame, batch {config.batch_size}": per(config.batch_size, by_size),
    }
    write_png(drawn(panels), options.plot)
    print(f"\n{options.plot}")


# --- stores ------------------------------------------------------------------------------------


def grow_store(
    dataset: Path, config: TrainConfig, repeats: int, limit_seconds: float
) -> Iterator[Point]:
    """Print a row for each number of frames, and yield those that were measured.

    Frames are links to the same few, and each is decoded: every store has a folder of its own, and
    copies rows of other stores only.
    """
    print(f"\nStore of frames at {config.size[0]}×{config.size[1]}\n")
    print("| frames | built, s | frames/s | opened again, s | on disk | runs |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    before: Point | None = None
    for count in FRAMES:
        expected = before.seconds * count / before.work if before else 0.0
        times = affordable(expected, repeats, limit_seconds)
        if not times:
            print(f"| {count:,} | skipped: {over_limit(expected)} | | | | |")
            continue
        with tempfile.TemporaryDirectory() as scratch:
            data = Path(scratch, "many")
            link_frames(dataset, data, count)
            paths = {"data": data, "store": Path(scratch, "store")}
            point = store_point(config.model_copy(update=paths), count, times)
        if isinstance(point, Failed):
            print(f"| {count:,} | {point.reason} | | | | |")
            continue
        before = point
        print(
            f"| {count:,} | {rounded(point.seconds)} | {rounded(count / point.seconds)} "
            f"| {rounded(point.again_seconds)} | {readable_size(point.size_bytes)} | {times} |",
            flush=True,
        )
        yield point


def store_point(config: TrainConfig, count: int, times: int) -> Point | Failed:
    """Build a store and open it again, each in a fresh process."""
    assert config.store  # noqa: S101 - grow_store() names one
    built: list[float] = []
    opened: list[float] = []
    size = 0
    for _ in range(times):
        shutil.rmtree(config.store, ignore_errors=True)
        for found in (built, opened):
            seconds = in_fresh_process(partial(seconds_to_open, config))
            if isinstance(seconds, Failed):
                return seconds
            found.append(seconds)
        size = sum(file.stat().st_size for file in config.store.rglob("*"))
    return Point(count, statistics.median(built), size, statistics.median(opened))


def seconds_to_open(config: TrainConfig) -> float:
    """Seconds from the name of a folder to its store, built if there is none."""
    assert config.store  # noqa: S101 - grow_store() names one
    started = time.perf_counter()
    open_store(
        find_frames(config.data), config.masks_folder, config.store, training_geometry(config)
    )
    return time.perf_counter() - started


# --- steps -------------------------------------------------------------------------------------


def grow_step(configs: Sequence[TrainConfig], repeats: int, options: Namespace) -> Iterator[Point]:
    """Print a row for the bare step of each configuration, and yield those that were measured."""
    print("| height×width | batch | samples/s | ms a step | memory | runs |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    before, run_seconds = Point(0, 0, 0), 0.0
    for config in configs:
        height, width = config.size
        row = f"| {height}×{width} | {config.batch_size} |"
        work = config.batch_size * height * width
        # One run more as the last one, in which at least three steps take longer.
        slower = before.seconds * (work / before.work - 1) if before.work else 0.0
        expected = run_seconds + 3 * slower
        times = affordable(expected, repeats, options.limit_seconds)
        if problem := no_room(config) or (over_limit(expected) if not times else None):
            print(f"{row} skipped: {problem} | | | |", flush=True)
            continue
        started = time.perf_counter()
        way = partial(measure, partial(kept, one_batch), config, options.seconds)
        taken = median_of([in_fresh_process(way) for _ in range(times)])
        if isinstance(taken, Failed):
            print(f"{row} {taken.reason} | | | |", flush=True)
            continue
        run_seconds = (time.perf_counter() - started) / times
        seconds = config.batch_size / taken.samples_per_second
        before = Point(work, seconds, taken.memory_bytes)
        print(
            f"{row} {rounded(taken.samples_per_second)} | {rounded(1000 * seconds)} "
            f"| {readable_size(taken.memory_bytes)} | {times} |",
            flush=True,
        )
        yield before


def per(unit: float, points: Sequence[Point]) -> list[Point]:
    """The same points, their work counted in another unit."""
    return [replace(point, work=point.work / unit) for point in points]


def no_room(config: TrainConfig) -> str | None:
    """What a step needs of memory and what is free, if that is less."""
    memory = device_memory(device_key(config.device))
    try:
        needed = measure_step(config, trial=False).peak_bytes
    except ModelError as error:
        return str(error)
    if memory is None or needed <= memory.free_bytes:
        return None
    return f"needs {readable_size(needed)} of memory, {readable_size(memory.free_bytes)} are free"


def affordable(expected_seconds: float, repeats: int, limit_seconds: float) -> int:
    """How many runs fit into the limit, `repeats` at most; 0 if not even one does."""
    return min(repeats, int(limit_seconds / expected_seconds)) if expected_seconds else repeats


def over_limit(expected_seconds: float) -> str:
    """Why a row is skipped that would take too long."""
    return f"would take about {rounded(expected_seconds)} s (--limit-seconds)"


# --- plot --------------------------------------------------------------------------------------


def drawn(panels: Mapping[str, Sequence[Point]]) -> Figure:
    """Seconds above and gigabytes below for each kind of growth, log-log."""
    figure = make_subplots(
        2,
        len(panels),
        shared_xaxes=True,
        vertical_spacing=0.12,
        horizontal_spacing=0.07,
        subplot_titles=(
            f"<span style='color:{DARK}'>seconds to build</span>, "
            f"<span style='color:{LIGHT}'>to open again</span>",
            *("seconds a step", "seconds a step"),
            *("gigabytes on disk", "gigabytes of memory", "gigabytes of memory"),
        ),
    )
    for column, (work, points) in enumerate(panels.items(), 1):
        x = [point.work for point in points]
        add_curve(figure, 1, column, x, [point.seconds for point in points])
        add_curve(figure, 2, column, x, [point.size_bytes / 1e9 for point in points])
        again = [point.again_seconds for point in points]
        if not all(map(math.isnan, again)):
            add_curve(figure, 1, column, x, again, color=LIGHT)
        labels = [f"{value:,.0f}" for value in x]
        figure.update_xaxes(tickvals=x, ticktext=labels, col=column)
        figure.update_xaxes(title_text=work, row=2, col=column)
    figure.update_xaxes(type="log", **AXIS)
    figure.update_yaxes(type="log", dtick="D2", **AXIS)
    note = "dotted: in proportion to the work, from the last point measured"
    figure.update_layout(
        title={"text": note, "font_size": 12, "x": 0.5, "y": 0.03},
        showlegend=False,
        margin={"l": 50, "r": 20, "t": 40, "b": 90},
    )
    return figure


def add_curve(
    figure: Figure,
    row: int,
    column: int,
    x: Sequence[float],
    y: Sequence[float],
    color: str = DARK,
) -> None:
    """What was measured, and from its last point on down what mere proportion would be."""
    proportion = [y[-1] * work / x[-1] for work in x]
    dotted = {"color": color, "width": 1, "dash": "dot"}
    figure.add_trace(Scatter(x=x, y=proportion, mode="lines", line=dotted), row, column)
    figure.add_trace(Scatter(x=x, y=y, mode="lines+markers", line_color=color), row, column)
