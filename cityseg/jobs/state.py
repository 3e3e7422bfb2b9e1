"""What a run is doing now, read from its folder and the lock on it at every call.

"running" is stored nowhere, so it is never wrong. The run's lock tells whether a process is at
work, the metric rows how far the run is, and the summary how it ended. No clock is involved.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from cityseg.config import TrainConfig, load_config
from cityseg.errors import CheckpointError, RunError
from cityseg.jobs.file_cache import cached
from cityseg.jobs.progress import TrainingProgress, progress_of
from cityseg.jobs.queue import DeviceQueue, position_in, queues_folder
from cityseg.runs import (
    RESUME_HINT,
    MetricRow,
    RunDir,
    read_about,
    read_start_progress,
    read_summary,
)
from cityseg.system import LARGE, FileModel, read_or_none

Phase = Literal["queued", "starting", "running", "stopping", "done", "stopped", "failed", "lost"]


#: Phases in which a process is at work on the run, or waits to be.
LIVE_PHASES: Final[tuple[Phase, ...]] = ("queued", "starting", "running", "stopping")

#: The code of a run that is lost and has never begun, and what says so.
UNSTARTED: Final = "unstarted"
_UNSTARTED: Final = {
    "reason": UNSTARTED,
    "detail": "Its process has ended before the training began",
    "hint": "resume it, which begins at the first epoch",
}
_LOST: Final = {
    "reason": "lost",
    "detail": "Its process has ended and left no result",
    "hint": RESUME_HINT,
}


@dataclass(frozen=True, slots=True)
class JobState:
    """What a run is doing, or how it ended."""

    phase: Phase
    epochs: int  # of the whole run
    progress: TrainingProgress = field(default_factory=TrainingProgress)
    stage: str = ""  # while starting, to be shown: "starting", "decoding frames"
    stage_done: int = 0
    stage_total: int = 0
    position: int | None = None  # while queued: 1 is the next to run
    #: "cpu" or "gpu-…" of a job, or the name of a cluster; unknown for a run started by hand.
    devices: tuple[str, ...] = ()
    mean_iou: float | None = None  # the best so far
    best_epoch: int | None = None
    reason: str = ""  # of a failure, a code
    detail: str = ""  # what happened, or why a queued run waits, to be shown
    hint: str = ""  # what to do, to be shown
    changes: tuple[str, ...] = ()  # sentences on what differed between attempts, to be shown

    @property
    def is_live(self) -> bool:
        """Whether a process is at work on the run, or waits to be."""
        return self.phase in LIVE_PHASES

    @property
    def can_resume(self) -> bool:
        """Whether `resume` would continue the run."""
        return self.phase in ("stopped", "failed", "lost")

    @property
    def device(self) -> str:
        """The devices in a few words to be shown; empty if they are unknown."""
        first, *others = self.devices or ("",)
        return f"{first} and {len(others)} more" if others else first

    @property
    def text(self) -> str:
        """What it is doing, or how it ended, in a few words to be shown."""
        at = self.progress
        if self.phase == "queued":
            place = f"number {self.position} in" if self.position else "in"
            why = f" ({self.detail})" if self.detail else ""
            return f"{place} the queue for {self.device}{why}"
        if self.phase == "starting":
            count = f" {self.stage_done} of {self.stage_total}" if self.stage_total else ""
            return f"{self.stage}{count}"
        if self.is_live and at.epoch:
            part = "validating" if at.is_validating else f"step {at.step} of {at.steps}"
            part = "finishing" if at.epochs_done >= self.epochs else part
            return f"epoch {at.epoch:,} of {self.epochs:,}, {part}"
        return self.detail or f"{at.epochs_done:,} of {self.epochs:,} epochs"


def state_of(run: RunDir) -> JobState:
    """What `run` is doing now; raises ConfigError or RunError if its folder is not readable."""
    try:
        config = config_of(run)
        if run.is_locked():
            return _live_state(run, config)
        summary = cached(run.summary_file, read_summary) or {}
        if summary or run.stop_file.exists() or not run.is_locked():
            return _ended_state(run, config, summary)
        return _live_state(run, config)  # it has begun since the lock was looked at first
    except OSError as error:
        raise RunError(
            f"{run.path} cannot be read ({error.strerror}): check its permissions and the disk"
        ) from error


def config_of(run: RunDir) -> TrainConfig:
    """The settings of `run`; raises ConfigError, RunError or OSError."""
    config = cached(run.config_file, load_config)
    if config is None:
        raise RunError(f"{run.path} is no run, as it has no config.json: name another folder")
    return config


def _live_state(run: RunDir, config: TrainConfig) -> JobState:
    reported = cached(run.progress_file, read_start_progress)
    devices = _devices(run)
    position = None if run.trainer_file.exists() else _position(run, devices)
    stage = reported.stage if reported else "starting"
    phase: Phase = "running" if stage == "training" else "starting"
    if run.stop_file.exists():
        phase = "stopping"
    elif position:
        phase = "queued"
    return JobState(
        phase,
        config.epochs,
        progress_of(run, config),
        stage=stage if phase == "starting" else "",
        stage_done=min(reported.done, reported.total) if reported else 0,
        stage_total=reported.total if reported else 0,
        position=position,
        devices=devices,
        changes=_changes(run),
        **_best(run, {}),
    )


def _ended_state(run: RunDir, config: TrainConfig, summary: MetricRow) -> JobState:
    phase: Phase = "stopped" if run.stop_file.exists() else "lost"
    if summary.get("status") in ("done", "stopped", "failed"):
        phase = summary["status"]
    if phase == "lost":
        summary = _LOST if _has_begun(run) else _UNSTARTED
    if "epochs" in summary:
        done = summary["epochs"]
        steps, seconds = summary.get("steps", 0), summary.get("seconds", 0.0)
        progress = TrainingProgress(done, done, total_steps=steps, seconds=seconds)
    else:
        progress = progress_of(run, config).at_rest()
    return JobState(
        phase,
        config.epochs,
        progress,
        reason=summary.get("reason", ""),
        detail=summary.get("detail", ""),
        hint=summary.get("hint", ""),
        changes=_changes(run),
        **_best(run, summary),
    )


def _has_begun(run: RunDir) -> bool:
    """Whether a trainer has worked on `run`; it may have waited for its device in vain."""
    return run.trainer_file.exists() or run.metrics_file.exists()


def _changes(run: RunDir) -> tuple[str, ...]:
    return cached(run.seen_file, _read_changes) or ()


class _Changes(FileModel):
    """Of seen.json, what a list of runs shows."""

    changes: list[str] = Field(default_factory=list)


def _read_changes(path: Path) -> tuple[str, ...]:
    found = read_or_none(path, _Changes, LARGE)
    return tuple(found.changes) if found else ()


class _Waiting(FileModel):
    """Of job/supervisor.json, the keys of the devices that the job waits for, and as which run."""

    device: str = ""  # the first one, all that older versions have written
    devices: list[str] = Field(default_factory=list)
    run: str = ""  # its id when it was queued: a folder may be renamed


def _waiting(run: RunDir) -> _Waiting:
    """What a job waits for; nothing if that is unknown."""
    return cached(run.supervisor_file, lambda path: read_or_none(path, _Waiting)) or _Waiting()


def _devices(run: RunDir) -> tuple[str, ...]:
    """The keys of the devices of a job; none if they are unknown."""
    found = _waiting(run)
    return tuple(filter(None, found.devices or [found.device]))


def _position(run: RunDir, devices: tuple[str, ...]) -> int | None:
    """The position of `run` in the queues for `devices`, from 1; None if it does not wait."""
    if not all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", each) for each in devices):  # parts of paths
        return None
    queues = (DeviceQueue(queues_folder() / each) for each in devices)
    return position_in(queues, _waiting(run).run or run.path.name)


def _best(run: RunDir, summary: MetricRow) -> dict[str, Any]:
    """Mean IoU and epoch of the best weights so far."""
    if "best_epoch" not in summary:
        summary = cached(run.best, _weights_scores) or {}
    return {name: summary.get(name) for name in ("mean_iou", "best_epoch")}


def _weights_scores(path: Path) -> MetricRow:
    """The scores in a weights file; none if it is damaged."""
    try:
        about = read_about(path)
    except CheckpointError:
        return {}
    return {"mean_iou": about.mean_iou, "best_epoch": about.epoch}
