"""The end of a run's log, and following it, in constant memory however much is written."""

import codecs
import time
from collections.abc import Iterator
from typing import Final

from cityseg.errors import RunError
from cityseg.runs import RunDir
from cityseg.system import check_regular

#: A line of run.log, as `logging` formats it.
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"

#: The most that is read of a log at a time. A reader that is further behind skips the rest.
WINDOW_BYTES: Final = 1 << 18
_POLL_SECONDS: Final = 0.2


def tail(run: RunDir, lines: int = 200) -> list[str]:
    """The last lines of run.log, at most `WINDOW_BYTES`; none if there is no log yet.

    Raises RunError if it cannot be read.
    """
    return _last_lines(_read(run, max(_size(run) - WINDOW_BYTES, 0)), lines)


def follow(run: RunDir, lines: int = 10) -> Iterator[str]:
    """The last lines, then what is added to run.log, in pieces, until the run has ended."""
    at = max(_size(run) - WINDOW_BYTES, 0)
    content = _read(run, at)
    at += len(content)
    yield "".join(f"{line}\n" for line in _last_lines(content, lines))
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        is_live = run.is_locked()  # before reading: what an ended run has written is complete
        size = _size(run)
        if size < at:  # the log was emptied
            at = 0
        if size - at > WINDOW_BYTES:
            yield f"\n… {size - at - WINDOW_BYTES} bytes skipped …\n"
            at = size - WINDOW_BYTES
        if content := _read(run, at):
            at += len(content)
            yield decoder.decode(content)
        elif not is_live:
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
