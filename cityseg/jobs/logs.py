"""The log of a run: its end, following it in constant memory, and a process that writes to it."""

import codecs
import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from cityseg.errors import RunError
from cityseg.runs import RunDir
from cityseg.system import check_regular

#: A line of run.log, as `logging` formats it.
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"

#: The most that is read of a log at a time. A reader that is further behind skips the rest.
WINDOW_BYTES: Final = 1 << 18
_POLL_SECONDS: Final = 0.2


def log_to_errors(*, is_log: bool) -> None:
    """Log to standard error, and leave libraries and their processes nowhere to write to.

    With `is_log` in the format of run.log, which standard error is then, and with information.
    """
    log = logging.getLogger("cityseg")
    handler = logging.StreamHandler(os.fdopen(os.dup(2), "w", buffering=1))
    handler.setFormatter(logging.Formatter(LOG_FORMAT if is_log else "%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO if is_log else logging.WARNING)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def tail(run: RunDir, lines: int = 200) -> list[str]:
    """The last lines of run.log, at most `WINDOW_BYTES`; none if there is no log yet.

    Raises RunError if it cannot be read.
    """
    return _last_lines(_read(run, max(_size(run) - WINDOW_BYTES, 0)), lines)


def follow(
    run: RunDir, lines: int = 10, is_live: Callable[[], bool] | None = None
) -> Iterator[str]:
    """The last lines, then what is added to run.log, in pieces, until the run has ended.

    `is_live` says whether it has not: without it, whether a process holds its lock.
    """
    is_live = is_live or run.is_locked
    at = max(_size(run) - WINDOW_BYTES, 0)
    content = _read(run, at)
    at += len(content)
    yield "".join(f"{line}\n" for line in _last_lines(content, lines))
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        may_write = is_live()  # before reading: what an ended run has written is complete
        size = _size(run)
        if size < at:  # the log was emptied
            at = 0
        if size - at > WINDOW_BYTES:
            yield f"\n… {size - at - WINDOW_BYTES} bytes skipped …\n"
            at = size - WINDOW_BYTES
        if content := _read(run, at):
            at += len(content)
            yield decoder.decode(content)
        elif not may_write:
            return
        else:
            time.sleep(_POLL_SECONDS)


def _last_lines(content: bytes, lines: int) -> list[str]:
    return content.decode(errors="replace").splitlines()[-lines:] if lines else []


def _read(run: RunDir, start: int) -> bytes:
    """At most `WINDOW_BYTES` of the log from `start` on."""
    try:
        check_regular(run.log_file)
        with run.log_file.open("rb") as file:
            file.seek(start)
            return file.read(WINDOW_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise RunError(
            f"The log {run.log_file} cannot be read ({error.strerror}): check the file"
        ) from error


def _size(run: RunDir) -> int:
    try:
        return run.log_file.stat().st_size
    except FileNotFoundError:
        return 0
