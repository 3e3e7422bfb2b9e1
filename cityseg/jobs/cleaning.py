"""What nobody needs any more in a dataset and a folder of runs.

`find_leftovers` lists it, with what looks alike and is still in use:

- frame stores in RUNS/.store that fit no dataset as it is now, and builds that were killed
- temporary files and folders of writers that were killed: hidden, and named `.….part`, or
  `.cityseg-video-…` for videos
- evidence of weights that a run no longer has, and what nobody has continued for a week: evidence,
  shards of a conversion, a prediction, evidence or an audit, and plans of groups of runs
- folders of background tasks that ended a week ago

Runs, masks and images are never among them, nor is a store that a run needs which trains or can be
resumed. Stores elsewhere (the setting `store`) are left alone: other people may share them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from cityseg.config import TrainConfig
from cityseg.data import find_frames, pixel_aspect_of
from cityseg.data.store import StoreFolder, build_lock, find_store, list_stores
from cityseg.errors import ConfigError, DatasetError, ReviewError, RunError
from cityseg.geometry import Fit, Geometry, training_geometry
from cityseg.jobs import list_runs
from cityseg.jobs.leftovers import Leftover, leftover_at, lock_holder, remove
from cityseg.jobs.unfinished import abandoned_work, unfinished_files, unfinished_of_runs
from cityseg.review import REVIEWS
from cityseg.runs.checks import flagged_in_training, used_frames

__all__ = ["Leftover", "find_leftovers", "remove"]

#: Levels of folders below a dataset: leftImg8bit_trainvaltest/leftImg8bit/train/aachen.
_DATASET_DEPTH: Final = 4
_MASKS_DEPTH: Final = 2
_REVIEWS_DEPTH: Final = 1
#: The ways in which the frames of a store may have been placed.
_FITS: Final[tuple[Fit, ...]] = ("contain", "squash", "squash_0_1_0")


def find_leftovers(
    data: Path, runs: Path, masks: Path | None = None, outputs: Sequence[Path] = ()
) -> list[Leftover]:
    """What is left over in the dataset `data`, its `masks` and `runs`, the largest first.

    `masks` defaults to DATA/masks; `outputs` are other folders that predictions, evidence or audits
    were written to. Folders that do not exist have no leftovers. Raises RunError if a folder is a
    file or cannot be read.
    """
    masks = masks or data / "masks"
    for folder in (data, masks, runs, *outputs):
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder} is a file: name a folder")
    reviews = runs.absolute().parent / REVIEWS
    try:
        # Of what is found twice, because a folder lies in another one, the later one has the locks.
        found = [
            *unfinished_files(data, _DATASET_DEPTH),
            *unfinished_files(masks, _MASKS_DEPTH),
            *unfinished_files(reviews, _REVIEWS_DEPTH),
            *(each for folder in outputs for each in unfinished_files(folder, _DATASET_DEPTH)),
            *(each for folder in (masks, reviews, *outputs) for each in abandoned_work(folder)),
            *unfinished_of_runs(runs),
            *_stores(data, masks, runs),
        ]
    except OSError as error:
        raise RunError(
            f"{error.filename} cannot be read ({error.strerror}): check its permissions"
        ) from error
    alone = {each.path.absolute(): each for each in found}
    going = {path for path, each in alone.items() if not each.in_use}
    whole = [each for path, each in alone.items() if going.isdisjoint(path.parents)]
    return sorted(whole, key=lambda each: each.size_bytes, reverse=True)


def _stores(data: Path, masks: Path, runs: Path) -> Iterator[Leftover]:
    stores = runs / ".store"
    found = list_stores(stores)
    needs = _Needs({(data, masks)}, runs)
    building = lock_holder([build_lock(stores)], "a store is being built") if found else ""
    for store in found:
        if store.is_partial:
            reason = "The build of this frame store was stopped or killed."
            in_use = building or needs.run_that_needs(store)
        else:
            reason = "No dataset as it is now and no run that can be resumed has just these frames."
            in_use = needs.run_that_needs(store) or needs.dataset_that_fits(store)
        yield leftover_at(store.path, reason, in_use, build_lock(stores))
        yield from unfinished_files(store.path, 0, building, build_lock(stores))


class _Needs:
    """Which runs and datasets need which stores in RUNS/.store."""

    def __init__(self, datasets: set[tuple[Path, Path]], runs: Path) -> None:
        """Take datasets, each with its masks; those of the runs are added."""
        self._stores = runs / ".store"
        self._datasets = set(datasets)
        self._needing: list[tuple[str, TrainConfig]] = []  # runs that train or can be resumed
        self._fitting: dict[
            tuple[Path, Path, str, tuple[int, int], Fit, Path | None], Path | None
        ] = {}
        for each in list_runs(runs):
            config, state = each.config, each.state
            if config and state and not _is_elsewhere(config.store, self._stores):
                self._datasets.add((config.data, config.masks_folder))
                if state.is_live or state.can_resume:
                    self._needing.append((each.id, config))

    def run_that_needs(self, store: StoreFolder) -> str:
        """Why a run needs `store`, or "" if none does.

        Where no store fits a run's dataset as it is now, the run would build one, and copy from
        all stores of that split and size what has not changed.
        """
        for run_id, config in self._needing:
            if config.size == store.size_hw:
                fit = training_geometry(config).fit
                fitting = self._find(config.data, config.masks_folder, store, fit, config)
                if fitting in (None, store.path):
                    return f"the run {run_id} trains with it or can be resumed"
        return ""

    def dataset_that_fits(self, store: StoreFolder) -> str:
        """Which dataset, as it is now, `store` has the frames of; "" if none."""
        for data, masks in sorted(self._datasets):
            if any(self._find(data, masks, store, fit) == store.path for fit in _FITS):
                return f"it has the frames of {data} as they are now"
        return ""

    def _find(
        self, data: Path, masks: Path, store: StoreFolder, fit: Fit, run: TrainConfig | None = None
    ) -> Path | None:
        """The store that fits the dataset, or what the settings `run` use of it; None if none."""
        of_run = (run.exclude, run.review, run.fold) if run else ()
        key = (data, masks, store.split, store.size_hw, fit, *of_run)
        if key not in self._fitting:
            try:
                frames = find_frames(data, [store.split], masks=masks)
                pixels = pixel_aspect_of(data, masks, frames).value
                frames = used_frames(run, frames) if run else frames
                flagged = flagged_in_training(run, frames) if run else None
            except (DatasetError, ConfigError, ReviewError):  # removed, or not mounted
                frames, pixels, flagged = [], 1.0, None
            ignored = flagged.ignored if flagged else {}
            geometry = Geometry(store.size_hw, fit, pixels)
            self._fitting[key] = find_store(frames, masks, self._stores, geometry, ignored)
        return self._fitting[key]


def _is_elsewhere(chosen: Path | None, stores: Path) -> bool:
    return chosen is not None and chosen.resolve() != stores.resolve()
