"""RunDir: the folder of a run, its lock, its metric rows and its summary."""

import errno
import json
import logging
import os
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cityseg.config import TrainConfig, load_config
from cityseg.errors import DatasetError, RunError
from cityseg.runs.files import RunFiles
from cityseg.runs.records import MetricRow, read_rows, read_summary
from cityseg.system import (
    Lock,
    Process,
    is_held,
    read_json,
    replacing,
    sync_folder,
    write_json,
)

logger = logging.getLogger(__name__)

#: The descriptor of the run's lock, in the environment of a process that inherits it.
LOCK_VARIABLE: Final = "CITYSEG_RUN_LOCK"
#: The token of a job, in the environment of all its processes and in the job's files.
JOB_VARIABLE: Final = "CITYSEG_JOB"

_RESERVE_BYTES: Final = 4096

#: A ticket in a queue is a file with the run's name and some more in its own.
_LONGEST_NAME_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class RunDir(RunFiles):
    """A run in its folder. All that is known of a run is read from there."""

    @classmethod
    def create(cls, runs: Path, config: TrainConfig) -> "RunDir":
        """Create a new run's folder in `runs`, with its config.json.

        Paths become absolute there, so that the run can be resumed from any folder, and the file of
        excluded frames is copied, and so are verdicts of a review. Raises RunError if the folder
        cannot be written, ConfigError if the file of frames names some that there are not,
        ReviewError if there is no such ledger.
        """
        run, lock = cls.create_locked(runs, config, secrets.token_hex(4))
        lock.close()
        return run

    @classmethod
    def create_locked(
        cls, runs: Path, config: TrainConfig, digits: str, tags: Sequence[str] = ()
    ) -> tuple["RunDir", Lock]:
        """Like `create`, with the run's lock held from the start, and `digits` ending its id.

        `tags` go to its about.json, see `notes`.
        """
        excluded, reviewed = _checked_exclusion(config), _wrong_labels(config)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        model = re.sub(r"[^a-z0-9]+", "-", config.model.lower()).strip("-")
        run = cls(runs / f"{stamp}-{model}-{digits}")
        hidden = cls(runs / f".{run.path.name}.{secrets.token_hex(4)}.part")
        try:
            hidden.checkpoints.mkdir(parents=True)
            if excluded is not None:
                hidden.exclude_file.write_text(excluded, encoding="utf-8")
            if reviewed is not None:
                hidden.review_file.write_text(reviewed, encoding="utf-8")
            write_json(hidden.config_file, settled(config).model_dump(mode="json"))
            if tags:
                write_json(hidden.about_file, {"tags": list(tags)})
            lock = hidden.locked()
            try:
                hidden.path.rename(run.path)
                sync_folder(runs)
            except BaseException:
                lock.close()
                raise
        except OSError as error:
            shutil.rmtree(hidden.path, ignore_errors=True)
            raise _unwritable(runs, error) from error
        return run, lock

    @classmethod
    def open(cls, path: Path) -> "RunDir":
        """Open an existing run; raises RunError if `path` is not the folder of one."""
        if not (path / "config.json").is_file():
            raise RunError(f"{path} is no run: name a folder with a config.json in it")
        run = cls(path)
        run.check_name()
        return run

    def check_name(self) -> None:
        """Raise RunError if the folder has a name that no run can have.

        Any name can be seen, typed and put into the name of another file: what a file system
        allows, apart from leading dots, characters that do not print, and very long names.
        """
        name = self.id
        is_short = len(os.fsencode(name)) <= _LONGEST_NAME_BYTES
        if name.startswith(".") or not name.isprintable() or not is_short:
            raise RunError(
                f"{self.path} cannot be used as a run because of its folder's name: rename it, "
                "without a leading dot or control characters, to at most "
                f"{_LONGEST_NAME_BYTES} bytes"
            )

    def config(self) -> TrainConfig:
        """The run's settings; raises ConfigError."""
        return load_config(self.config_file)

    def metrics(self) -> list[MetricRow]:
        """The rows of metrics.jsonl; lines that a crash or a full disk cut off are ignored.

        Raises RunError if the file cannot be read, or has a row that cityseg has not written.
        """
        try:
            return read_rows(self.metrics_file)
        except OSError as error:
            raise RunError(
                f"{self.metrics_file} cannot be read ({error.strerror}): check the file"
            ) from error

    def append_metrics(self, row: MetricRow) -> None:
        """Append one row to metrics.jsonl in a single write, which readers see whole."""
        line = json.dumps(row, allow_nan=False).encode() + b"\n"
        with self.metrics_file.open("ab", buffering=0) as file:
            if file.write(line) < len(line):  # a full disk takes what fits, and raises no error
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.metrics_file)

    def metrics_size(self) -> int:
        """The size of metrics.jsonl in bytes, all of them synced to the disk."""
        with self.metrics_file.open("ab") as file:
            os.fsync(file.fileno())
            return file.tell()

    def metrics_checksum(self, size: int = -1) -> int:
        """The CRC-32 of metrics.jsonl, or of its first `size` bytes."""
        with self.metrics_file.open("a+b") as file:
            file.seek(0)
            return zlib.crc32(file.read(size))

    def cut_metrics(self, size: int) -> None:
        """Remove the rows of metrics.jsonl that do not end within its first `size` bytes."""
        with self.metrics_file.open("a+b") as file:
            file.seek(0)
            file.truncate(file.read(size).rfind(b"\n") + 1)

    def locked(self) -> Lock:
        """Lock the run until this process, and those that inherit the lock, have ended.

        A lock that the parent process handed on is taken over. Raises RunError if another process
        holds it.
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
        """Whether a process works on the run."""
        try:
            return is_held(self.lock_file)
        except OSError:  # no locks on this file system, or no permission to open the file
            return self._process_lives()

    def _process_lives(self) -> bool:
        """Whether a process named in the job's files is alive."""
        processes = map(
            Process.from_json, map(read_json, (self.supervisor_file, self.trainer_file))
        )
        # One on another machine counts as alive: otherwise two could train the same run.
        return any(each and (each.is_elsewhere or each.is_alive()) for each in processes)

    def is_awaited(self) -> bool:
        """Whether the run was submitted to a cluster, and no end of it is known in the folder."""
        return self.place_file.exists() and not self.summary_file.exists()

    def begin_attempt(self, config: TrainConfig | None = None) -> None:
        """Remove the job's files of an earlier attempt; for the holder of the lock.

        `config` takes the place of the run's settings.
        """
        try:
            self.job.mkdir(exist_ok=True)
            if config and config != self.config():
                write_json(self.config_file, config.model_dump(mode="json"))
            for file in (
                self.summary_file,
                self.stop_file,
                self.progress_file,
                self.trainer_file,
                self.supervisor_file,
                self.place_file,
            ):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        with suppress(OSError):  # a full disk is reported by the first write that needs space
            self.reserve_file.write_bytes(b" " * _RESERVE_BYTES)

    @contextmanager
    def unchanged_after_error(self) -> Iterator[None]:
        """Put back what says how the run is if the block, which begins an attempt, fails."""
        files = self.config_file, self.summary_file, self.stop_file, self.place_file
        before = {path: _content(path) for path in files}
        try:
            yield
        except BaseException:
            for path, content in before.items():
                if content is not None and content != _content(path):
                    with replacing(path) as file:
                        file.write(content)
            raise

    def write_summary(self, summary: MetricRow) -> None:
        """Write summary.json completely, also on a disk that has become full, or raise RunError."""
        try:
            write_json(self.summary_file, summary)
        except OSError as error:
            if not self._write_into_reserve(summary):
                raise _unwritable(self.path, error) from error

    def has_begun(self) -> bool:
        """Whether the run was trained before, even if not for a step."""
        return self.summary_file.exists() or self.metrics_file.exists()

    def done_summary(self) -> MetricRow | None:
        """The summary of a run that was trained to its end; None for other runs."""
        with suppress(OSError, RunError):  # its training is at its end all the same
            summary = read_summary(self.summary_file)
            return summary if summary.get("status") == "done" else None
        return None

    def _write_into_reserve(self, summary: MetricRow) -> bool:
        content = json.dumps(summary, allow_nan=False).encode().ljust(_RESERVE_BYTES)
        with suppress(OSError), self.reserve_file.open("r+b", buffering=0) as file:
            if len(content) == _RESERVE_BYTES == file.write(content):
                os.fsync(file.fileno())
                self.reserve_file.replace(self.summary_file)
                return True
        return False

    def remove_leftovers(self) -> None:
        """Remove temporary files of a killed process; for the holder of the lock."""
        self.checkpoints.mkdir(exist_ok=True)
        for folder in (self.checkpoints, self.panels):
            for unfinished in folder.glob(".*.part"):
                unfinished.unlink()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _checked_exclusion(config: TrainConfig) -> str | None:
    """The content of a run's exclude.txt; None if it leaves out nothing. Raises ConfigError."""
    if config.exclude is None:
        return None
    from cityseg.data import find_frames, read_exclusion  # loads image libraries

    exclusion = read_exclusion(config.exclude)
    with suppress(DatasetError):  # reported by the training, which needs the frames
        frames = find_frames(config.data, masks=config.masks_folder)
        exclusion.check(config.data, frames)
    return "".join(f"{name}\n" for name in exclusion.names)


def _wrong_labels(config: TrainConfig) -> str | None:
    """The content of a run's review.jsonl; None without a ledger. Raises ReviewError."""
    if config.review is None:
        return None
    from cityseg.review import wrong_labels  # loads image libraries

    verdicts, problems = wrong_labels(config.review, "train")
    for problem in problems:  # the run's copy does not have them
        logger.warning("%s", problem)
    return "".join(f"{verdict.model_dump_json()}\n" for verdict in verdicts)


def settled(config: TrainConfig) -> TrainConfig:
    """`config` with absolute paths, so that its run can be resumed from any folder."""
    paths = {name: value.absolute() for name, value in config if isinstance(value, Path)}
    return config.model_copy(update=paths)


def _unwritable(path: Path, error: OSError) -> RunError:
    return RunError(
        f"{path} cannot be written ({error.strerror}): check permissions and free space"
    )
