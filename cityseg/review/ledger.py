"""The ledger of a dataset's review: a file to which several people append lines at once.

A line is appended with one write under a lock and synced before `append` returns, so no two lines
mix and none that was acknowledged is lost. A process that is killed amid its write leaves an
incomplete last line: it is not read, and the next writer ends it, so that it is a damaged line by
itself. Damaged lines are listed, and all others count.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock as ThreadLock
from typing import Final, NamedTuple

from cityseg.data import Frame
from cityseg.errors import ReviewError
from cityseg.review.lines import LINE, Line, TagChange, Verdict
from cityseg.review.ownership import owned_ledger
from cityseg.review.regions import Region
from cityseg.system import JsonError, Lock, check_regular, file_digest, parse_as

#: Beside the folder of runs.
REVIEWS: Final = "reviews"
_PATIENCE_SECONDS: Final = 10.0
#: A longer line is damage: the region of a whole frame of noise has as many characters.
_LONGEST: Final = 16 << 20

#: By the last bytes that were read it is seen whether a file is still the same.
_TAIL_BYTES: Final = 512

#: A region of a frame.
Place = tuple[str, Region]
#: When a file was read from its beginning, in µs, and how many of its bytes were read since.
LedgerVersion = tuple[int, int]


class _Written(NamedTuple):
    """A verdict, and the number of its line."""

    number: int
    verdict: Verdict


class DamagedLine(NamedTuple):
    """A line that cannot be read: its number, from 1, and a clause that says why."""

    number: int
    problem: str


def ledger_file(data: Path, runs: Path) -> Path:
    """The ledger of the dataset `data`: `<dataset>.jsonl` in the folder reviews beside `runs`.

    Another dataset of the same name has another one: see `review.ownership`.
    """
    return owned_ledger(data, runs.absolute().parent / REVIEWS, annotation_digest)


def annotation_digest(frame: Frame) -> str:
    """16 hexadecimal digits for the content of a frame's annotation; empty if there is none."""
    path = frame.label_ids or frame.polygons
    return file_digest(path) if path else ""


class Ledger:
    """What a ledger says, read as far as it was written at the last `refresh`.

    Threads may share one: what its methods return is never changed afterwards.
    """

    def __init__(self, path: Path) -> None:
        """Begin without a line; `refresh` reads them."""
        self.path = path
        self._guard = ThreadLock()
        self._opened = 0
        self._empty()

    def _empty(self) -> None:
        self._opened = max(self._opened + 1, time.time_ns() // 1000)
        self._offset = self._lines = 0
        self._tail = b""  # the last bytes before the offset
        self._file: tuple[int, int] | None = None  # device and inode
        self._is_torn = False
        self._ids: set[int] = set()
        self._damaged: list[DamagedLine] = []
        self._verdicts: dict[Place, list[_Written]] = {}
        self._place_of: dict[str, Place] = {}
        self._tags: dict[str, dict[str, TagChange]] = {}

    def refresh(self) -> None:
        """Read the lines that were appended since, or all of a file that took the place of it.

        A missing file has no lines. Raises ReviewError if it cannot be read.
        """
        with self._guard:
            try:
                self._read()
            except FileNotFoundError:
                self._empty()
            except OSError as error:
                raise ReviewError(
                    f"The ledger {self.path} cannot be read ({error.strerror}): check the file"
                ) from error

    def _read(self) -> None:
        check_regular(self.path)
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            identity = (status.st_dev, status.st_ino)
            file.seek(max(0, self._offset - len(self._tail)))
            # A copy over the file keeps its identity, and may be longer than what was there.
            if identity != self._file or file.read(len(self._tail)) != self._tail:
                self._empty()
                self._file = identity
                file.seek(0)
            self._is_torn = False
            while line := file.readline(_LONGEST):
                if not line.endswith(b"\n") and len(line) < _LONGEST:
                    self._is_torn = True
                    break
                self._offset += len(line)
                self._tail = line[-_TAIL_BYTES:]
                self._take(line)

    def _take(self, content: bytes) -> None:
        self._lines += 1
        try:
            if not content.endswith(b"\n"):
                raise JsonError("it is longer than any line of a ledger")
            self._apply(parse_as(content, LINE))
        except JsonError as error:
            self._damaged.append(DamagedLine(self._lines, str(error)))

    def _apply(self, line: Line) -> None:
        number = int(line.id, 16)
        if number in self._ids:  # written again by whoever did not know that it had been
            return
        self._ids.add(number)
        if isinstance(line, Verdict):
            place = (line.frame, line.region)
            self._verdicts.setdefault(place, []).append(_Written(self._lines, line))
            self._place_of[line.id] = place
        elif isinstance(line, TagChange):
            self._tags.setdefault(line.frame, {})[line.tag] = line
        elif place_of := self._place_of.pop(line.undone, None):
            kept = [each for each in self._verdicts[place_of] if each.verdict.id != line.undone]
            self._verdicts[place_of] = kept

    @property
    def version(self) -> LedgerVersion:
        """What was read; greater the later it was. Ask for it before what it is to stand for."""
        with self._guard:
            return self._opened, self._offset

    def has(self, line_id: str) -> bool:
        """Whether there is a line of this id, 16 hexadecimal digits."""
        with self._guard:
            return int(line_id, 16) in self._ids

    @property
    def damaged(self) -> tuple[DamagedLine, ...]:
        """The lines that could not be read."""
        with self._guard:
            return tuple(self._damaged)

    @property
    def is_torn(self) -> bool:
        """Whether the last line is incomplete, as a write leaves it that is on its way or ended."""
        return self._is_torn

    def problems(self) -> list[str]:
        """What is wrong with the file: a sentence each, without a stop."""
        texts = []
        if damaged := self.damaged:
            first = damaged[0]
            texts.append(
                f"{len(damaged):,} of {self._lines:,} lines of {self.path} are damaged and do not "
                f"count, the first of them line {first.number} ({first.problem})"
            )
        if self.is_torn:
            texts.append(
                f"The last line of {self.path} is incomplete and does not count: "
                "whoever wrote it was interrupted"
            )
        return texts

    def verdicts(self) -> dict[Place, Verdict]:
        """The verdict that counts for each region that has one, in the order of their lines."""
        with self._guard:
            last = [(place, each[-1]) for place, each in self._verdicts.items() if each]
        last.sort(key=lambda each: each[1].number)
        return {place: each.verdict for place, each in last}

    def tags(self) -> dict[str, tuple[str, ...]]:
        """The tags of each frame that has some, sorted."""
        with self._guard:
            found = {
                frame: tuple(sorted(tag for tag, change in changes.items() if change.is_set))
                for frame, changes in self._tags.items()
            }
        return {frame: tags for frame, tags in found.items() if tags}


def read_ledger(path: Path) -> Ledger:
    """The ledger in a file, which may be missing. Raises ReviewError."""
    ledger = Ledger(path)
    ledger.refresh()
    return ledger


def tags_of_frames(ledger: Ledger) -> dict[str, tuple[str, ...]]:
    """The tags of each frame that has some, sorted: `<split>/<city>/<stem>` -> tags."""
    return ledger.tags()


def append(path: Path, lines: Sequence[Line]) -> None:
    """Append lines to a ledger, which is created for its owner alone if it is missing.

    They are on the disk when this returns. Raises ReviewError, and then none of them counts.
    """
    if not lines:
        return
    content = b"".join(line.model_dump_json().encode() + b"\n" for line in lines)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(path) as (descriptor, is_alone):
            _write(descriptor, content, is_alone)
    except BlockingIOError as error:
        raise ReviewError(f"The ledger {path} is in use by another process: try again") from error
    except OSError as error:
        raise ReviewError(
            f"The ledger {path} cannot be written ({error.strerror}): nothing was kept of it"
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, bool]]:
    """The file's descriptor for appending, and whether no other process writes meanwhile."""
    if path.exists():
        check_regular(path)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with Lock.take(path, _PATIENCE_SECONDS) as lock:
            yield descriptor, lock.is_effective
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes, is_alone: bool) -> None:
    end = os.fstat(descriptor).st_size
    if end and os.pread(descriptor, 1, end - 1) != b"\n":
        content = b"\n" + content  # ends the line of a writer that was killed
    try:
        rest = memoryview(content)
        while rest:  # a full disk may take a part
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        if is_alone:  # else another process may have written behind it
            os.ftruncate(descriptor, end)
        raise
