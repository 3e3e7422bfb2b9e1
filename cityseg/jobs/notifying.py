"""Notifications of what happens to a run, by a process that follows its folder.

CITYSEG_NOTIFY in the environment names where they go. The process, `notifier`, is started by the
job's supervisor, or by the command that trains in the foreground. As with `tracking`, the trainer
knows nothing of it, and it can neither delay nor fail a training.
"""

import hashlib
import logging
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Final

from pydantic import Field

from cityseg.runs import JOB_VARIABLE, RunDir
from cityseg.system import FileModel, module_command, read_or_none, reap, spawn, write_json

#: The URLs that get the messages, separated by spaces.
NOTIFY_VARIABLE: Final = "CITYSEG_NOTIFY"

_NOTIFIER: Final = "cityseg.jobs.notifier"
#: Older ones are of attempts that ended long ago.
_MOST_MARKS: Final = 1000

_log = logging.getLogger(__name__)


def notified_urls() -> list[str]:
    """The URLs that CITYSEG_NOTIFY names, each once."""
    return list(dict.fromkeys(os.environ.get(NOTIFY_VARIABLE, "").split()))


def start_notifier(run: RunDir) -> None:
    """Report on `run` in the background if CITYSEG_NOTIFY is set; returns at once.

    Call it while the run's lock is held: the notifier ends when that is free and everything is
    sent. An error is a warning in the log, and never raised.
    """
    if not notified_urls():
        return
    _warn_of_missing_apprise()
    try:
        run.job.mkdir(exist_ok=True)
        command = module_command(_NOTIFIER, str(run.path.absolute()))
        # The URLs stay in the environment, which other users cannot see. Without the job's token,
        # stopping the job does not stop the notifier.
        environment = {JOB_VARIABLE: ""}
        with run.log_file.open("ab") as log:
            nowhere = subprocess.DEVNULL
            reap(spawn(command, stdout=nowhere, stderr=log, environment=environment))
    except OSError as error:
        _log.warning("There will be no notifications: %s", error)


def _warn_of_missing_apprise() -> None:
    """Say at the start what else would be said at the first event, days later."""
    from cityseg.jobs.delivery import NO_APPRISE, is_webhook

    others = sum(not is_webhook(url) for url in notified_urls())
    if others and not find_spec("apprise"):
        _log.warning("%d of the URLs in %s get nothing: %s", others, NOTIFY_VARIABLE, NO_APPRISE)


class _Notified(FileModel):
    """The content of job/notified.json."""

    #: A mark for each event and URL, see `mark`.
    sent: list[str] = Field(default_factory=list)


def read_marks(run: RunDir) -> list[str]:
    """The marks of what was sent of `run`, the oldest first."""
    found = read_or_none(run.notified_file, _Notified)
    return found.sent if found else []


def write_marks(run: RunDir, marks: Sequence[str]) -> None:
    """Record what was sent. Without space on the disk, a later notifier may send it once more."""
    with suppress(OSError):
        write_json(run.notified_file, _Notified(sent=list(marks[-_MOST_MARKS:])).model_dump())


def mark(key: str, url: str) -> str:
    """What stands for the event `key`, sent to `url`, in the run's folder.

    Of the URL it has 32 bits of a digest: enough to tell a few apart, too few to check a guess.
    """
    return f"{key} {hashlib.sha256(url.encode(errors='surrogateescape')).hexdigest()[:8]}"
