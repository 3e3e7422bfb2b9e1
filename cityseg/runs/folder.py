"""RunDir: the file names of a run, in one class. The folder is all there is to a run.

config.json                     the TrainConfig
metrics.jsonl                   a row each epoch, and finer training rows
run.log                         what the process printed
summary.json                    how it ended: status, reason, hint, best scores
checkpoints/best.safetensors    weights with the best mean IoU
checkpoints/epoch-NNN.safetensors
checkpoints/last.pt             whole training state; previous.pt is the one before
scores-SPLIT.json               what `evaluate` found, and scores-SPLIT.npz: counts of each frame
panels/epoch-NNN.png            predictions for a few fixed frames after each epoch; see `panels`
run.lock                        locked by whoever is at work on the run
job/supervisor.json             the process that waits for the device and then for the trainer
job/trainer.json                the process that trains
job/progress.json               what the trainer is at, until there are metric rows
job/stop.json                   a stop was asked for
job/reserve                     disk space for a summary.json that finds none
job/resources.jsonl             what the training takes of the machine, a row every few seconds
wandb/opened.json               how far Weights & Biases has the run; wandb's own folders beside it
wandb/follower.lock             locked by the process that sends it there
"""

import errno
import json
import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cityseg.config import TrainConfig, load_config
from cityseg.errors import RunError
from cityseg.system import Lock, Process, is_held, parse_object, read_json, sync_folder, write_json

#: Tells a process which of its open descriptors holds the lock of the run it works on.
LOCK_VARIABLE: Final = "CITYSEG_RUN_LOCK"
#: In the environment of all processes of a job; its value is in the job's files as "token".
JOB_VARIABLE: Final = "CITYSEG_JOB"

_RESERVE_BYTES: Final = 4096

_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]*")

#: One line of metrics.jsonl.
MetricRow = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run's folder; `path.name` is the run's id."""

    path: Path

    @classmethod
    def create(cls, runs: Path, config: TrainConfig) -> "RunDir":
        """Make a new run folder below `runs`, with its config.json.

        Paths become absolute there, so that the run can be resumed from any folder. Raises
        RunError if the folder cannot be written.
        """
        run, lock = cls.create_locked(runs, config, secrets.token_hex(4))
        lock.close()
        return run

    @classmethod
    def create_locked(cls, runs: Path, config: TrainConfig, digits: str) -> tuple["RunDir", Lock]:
        """As `create`, with the run's lock held from the start and `digits` ending its id."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        model = re.sub(r"[^a-z0-9]+", "-", config.model.lower()).strip("-")
        run = cls(runs / f"{stamp}-{model}-{digits}")
        hidden = cls(runs / f".{run.path.name}.{secrets.token_hex(4)}.part")
        try:
            hidden.checkpoints.mkdir(parents=True)
            write_json(hidden.config_file, settled(config).model_dump(mode="json"))
            lock = hidden.locked()
            try:
                hidden.path.rename(run.path)
                sync_folder(runs)
            except BaseException:
                lock.close()
                raise
        except OSError as error:
            raise _unwritable(runs, error) from error
        return run, lock

    @classmethod
    def open(cls, path: Path) -> "RunDir":
        """An existing run; raises RunError if `path` is none."""
        if not _ID.fullmatch(path.resolve().name) or not (path / "config.json").is_file():
            raise RunError(f"{path} is no run: name a folder with a config.json in it")
        return cls(path)

    @property
    def id(self) -> str:
        """The run's name on disk, `[a-z0-9-]+`."""
        return self.path.resolve().name

    @property
    def config_file(self) -> Path:
        """The settings of the run."""
        return self.path / "config.json"

    @property
    def metrics_file(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def log_file(self) -> Path:
        """What the training process printed."""
        return self.path / "run.log"

    @property
    def summary_file(self) -> Path:
        """How the run ended."""
        return self.path / "summary.json"

    @property
    def lock_file(self) -> Path:
        """Locked by whoever is at work on the run."""
        return self.path / "run.lock"

    @property
    def job(self) -> Path:
        """Folder of the files below."""
        return self.path / "job"

    @property
    def supervisor_file(self) -> Path:
        """The supervisor's process, the device it waits for, and the job's token."""
        return self.job / "supervisor.json"

    @property
    def trainer_file(self) -> Path:
        """The trainer's process, and the job's token."""
        return self.job / "trainer.json"

    @property
    def progress_file(self) -> Path:
        """What the trainer is at."""
        return self.job / "progress.json"

    @property
    def stop_file(self) -> Path:
        """A stop was asked for."""
        return self.job / "stop.json"

    @property
    def reserve_file(self) -> Path:
        """Disk space for a summary that finds none."""
        return self.job / "reserve"

    @property
    def resources_file(self) -> Path:
        """One JSON object a line."""
        return self.job / "resources.jsonl"

    @property
    def tracking(self) -> Path:
        """Folder of Weights & Biases; there is none for a run that is not tracked."""
        return self.path / "wandb"

    @property
    def tracking_file(self) -> Path:
        """How far Weights & Biases has the run."""
        return self.tracking / "opened.json"

    @property
    def tracking_lock(self) -> Path:
        """Locked by the process that sends the run to Weights & Biases."""
        return self.tracking / "follower.lock"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Weights of the epoch with the best mean IoU."""
        return self.checkpoints / "best.safetensors"

    @property
    def last(self) -> Path:
        """The whole training state."""
        return self.checkpoints / "last.pt"

    @property
    def previous(self) -> Path:
        """The training state before the last."""
        return self.checkpoints / "previous.pt"

    def of_epoch(self, epoch: int) -> Path:
        """Kept weights of one epoch, counted from 1."""
        return self.checkpoints / f"epoch-{epoch:03d}.safetensors"

    @property
    def panels(self) -> Path:
        """Folder of predictions to look at."""
        return self.path / "panels"

    @property
    def panels_index(self) -> Path:
        """Which frames they are of."""
        return self.panels / "frames.json"

    def panels_of_epoch(self, epoch: int) -> Path:
        """Predictions after one epoch, counted from 1."""
        return self.panels / f"epoch-{epoch:03d}.png"

    def scores_file(self, split: str) -> Path:
        """Scores of the best weights on `split`; the counts of each frame are beside it, .npz."""
        return self.path / f"scores-{split}.json"

    def config(self) -> TrainConfig:
        """The run's settings; raises ConfigError."""
        return load_config(self.config_file)

    def metrics(self) -> list[MetricRow]:
        """All whole rows of metrics.jsonl; lines that a crash or a disk left torn are left out."""
        try:
            lines = self.metrics_file.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        return [row for row in map(parse_object, lines) if row]

    def append_metrics(self, row: MetricRow) -> None:
        """Add one row to metrics.jsonl in a single write."""
        line = json.dumps(row, allow_nan=False).encode() + b"\n"
        with self.metrics_file.open("ab", buffering=0) as file:
            if file.write(line) < len(line):  # on a full disk, what fits is written, without error
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.metrics_file)

    def metrics_size(self) -> int:
        """Bytes in metrics.jsonl, after making them durable."""
        with self.metrics_file.open("ab") as file:
            os.fsync(file.fileno())
            return file.tell()

    def cut_metrics(self, size: int) -> None:
        """Drop what was written behind the first `size` bytes of metrics.jsonl."""
        with self.metrics_file.open("ab") as file:
            file.truncate(min(size, file.tell()))

    def locked(self) -> Lock:
        """Hold the run; the lock ends with this process and those it is handed on to.

        A lock that the parent handed on is taken over. Raises RunError if somebody else holds it.
        """
        descriptor = os.environ.pop(LOCK_VARIABLE, "")
        if descriptor.isdecimal() and (lock := Lock.inherited(self.lock_file, int(descriptor))):
            return lock
        in_use = RunError(f"{self.path} is being trained by another process: stop that one first")
        try:
            lock = Lock.take(self.lock_file)
        except BlockingIOError:
            raise in_use from None
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if not lock.is_effective and self._process_lives():
            lock.close()
            raise in_use
        return lock

    def is_locked(self) -> bool:
        """Whether somebody is at work on the run."""
        try:
            return is_held(self.lock_file)
        except OSError:  # without locks, or without the right to ask: what the files say
            return self._process_lives()

    def _process_lives(self) -> bool:
        """Whether a process that the job's files name is alive, as far as can be known."""
        processes = map(
            Process.from_json, map(read_json, (self.supervisor_file, self.trainer_file))
        )
        # One on another machine cannot be asked; to take it for dead would train the run twice.
        return any(each and (each.is_elsewhere or each.is_alive()) for each in processes)

    def begin_attempt(self) -> None:
        """Clear what an earlier attempt to train has left; for the holder of the lock."""
        try:
            self.job.mkdir(exist_ok=True)
            for file in (
                self.summary_file,
                self.stop_file,
                self.progress_file,
                self.trainer_file,
                self.supervisor_file,
            ):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        with suppress(OSError):  # what finds no space later says so itself
            self.reserve_file.write_bytes(b" " * _RESERVE_BYTES)

    def write_summary(self, summary: MetricRow) -> None:
        """Write summary.json, whole or not at all, also on a disk that has become full.

        Raises RunError if that is not possible.
        """
        try:
            write_json(self.summary_file, summary)
        except OSError as error:
            if not self._write_into_reserve(summary):
                raise _unwritable(self.path, error) from error

    def done_summary(self) -> MetricRow | None:
        """The summary of a run that was trained to its end, and stays as it is; else None."""
        summary = read_json(self.summary_file)
        return summary if summary.get("status") == "done" else None

    def _write_into_reserve(self, summary: MetricRow) -> bool:
        content = json.dumps(summary, allow_nan=False).encode().ljust(_RESERVE_BYTES)
        with suppress(OSError), self.reserve_file.open("r+b", buffering=0) as file:
            if len(content) == _RESERVE_BYTES == file.write(content):
                os.fsync(file.fileno())
                self.reserve_file.replace(self.summary_file)
                return True
        return False

    def remove_leftovers(self) -> None:
        """Remove what a writer that was killed left unfinished; for the holder of the lock."""
        self.checkpoints.mkdir(exist_ok=True)
        for folder in (self.checkpoints, self.panels):
            for unfinished in folder.glob(".*.part"):
                unfinished.unlink()


def settled(config: TrainConfig) -> TrainConfig:
    """`config` with absolute paths, so that its run can be resumed from any folder."""
    paths = {name: value.absolute() for name, value in config if isinstance(value, Path)}
    return config.model_copy(update=paths)


def _unwritable(path: Path, error: OSError) -> RunError:
    return RunError(
        f"{path} cannot be written ({error.strerror}): check permissions and free space"
    )
