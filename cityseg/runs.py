"""RunDir: the file names of a run, in one class. The folder is all there is to a run.

config.json                     the TrainConfig
metrics.jsonl                   a row each epoch, and finer training rows
run.log                         what the process printed
summary.json                    how it ended: status, reason, hint, best scores
checkpoints/best.safetensors    weights with the best mean IoU
checkpoints/epoch-NNN.safetensors
checkpoints/last.pt             whole training state; previous.pt is the one before
run.lock                        locked by the process that trains
"""

import errno
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cityseg.config import TrainConfig, load_config
from cityseg.errors import RunError
from cityseg.files import write_json

_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]*")

#: One line of metrics.jsonl.
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run's folder; `path.name` is the run's id."""

    path: Path

    @classmethod
    def create(cls, runs: Path, config: TrainConfig) -> "RunDir":
        """Make a new run folder below `runs`, with its config.json.

        Paths become absolute there, so that the run can be resumed from any folder.
        """
        stamp = time.strftime("%Y%m%d-%H%M%S")
        model = re.sub(r"[^a-z0-9]+", "-", config.model.lower()).strip("-")
        run = cls(runs / f"{stamp}-{model}-{secrets.token_hex(4)}")
        run.checkpoints.mkdir(parents=True)
        paths = {"data": config.data, "masks": config.masks, "store": config.store}
        absolute = {name: path.absolute() for name, path in paths.items() if path}
        write_json(run.config_file, config.model_copy(update=absolute).model_dump(mode="json"))
        return run

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

    def config(self) -> TrainConfig:
        """The run's settings; raises ConfigError."""
        return load_config(self.config_file)

    def metrics(self) -> list[Row]:
        """All whole rows of metrics.jsonl; lines that a crash or a disk left torn are left out."""
        try:
            lines = self.metrics_file.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        return [row for row in map(_row, lines) if row]

    def append_metrics(self, row: Row) -> None:
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

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; it ends with the process, however that ends.

        Raises RunError if another process holds it.
        """
        try:
            file = (self.path / "run.lock").open("ab")
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be written ({error.strerror}): check its permissions"
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(
                    f"{self.path} is being trained by another process: stop that one first"
                ) from None
            yield

    def remove_leftovers(self) -> None:
        """Remove what a writer that was killed left unfinished; for the holder of the lock."""
        self.checkpoints.mkdir(exist_ok=True)
        for unfinished in self.checkpoints.glob(".*.part"):
            unfinished.unlink()


def _row(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
