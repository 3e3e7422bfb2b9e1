"""What submitit runs on the node: a command that Slurm may interrupt and run again.

submitit pickles a SlurmTask by its module's name, so the node imports this module and no more of
the package than that needs.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from cityseg.places.engine import EXIT_AGAIN
from cityseg.system import spawn

#: Asks the command to save its work and to exit with EXIT_AGAIN.
SAVE: Final = signal.SIGUSR1
#: Slurm sends it to all processes of the job some time before the limit; submitit awaits it.
_LIMIT: Final = signal.SIGUSR2
_POLL_SECONDS: Final = 0.5
#: Exit statuses of commands that have done what they were to do: all of it, or up to a stop.
_SUCCESS: Final = (0, 2)


class SlurmTask:
    """Runs a command; submitit calls it on the node, and `checkpoint` before the time limit."""

    def __init__(self, command: Sequence[str]) -> None:
        """Run `command`, an argument list, when called."""
        self.command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> None:
        """Run the command to its end; exits with its status if that is none of success."""
        # The command inherits the blocked signal, and ignores it before it lets it through.
        signal.pthread_sigmask(signal.SIG_BLOCK, (_LIMIT,))
        self._process = spawn(self.command, own_session=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (_LIMIT,))
        # Not Popen.wait: it holds a lock for which `checkpoint`, called by a signal, would wait.
        while not _has_ended(self._process.pid):
            time.sleep(_POLL_SECONDS)
        status = self._process.wait()
        if status == EXIT_AGAIN and _is_running():
            _requeue()
        if status not in _SUCCESS:
            sys.exit(status if status > 0 else 1)

    def checkpoint(self) -> Any:
        """Let the command save its work; what submitit runs when the job is queued again."""
        from submitit.helpers import DelayedSubmission

        process = self._process
        assert process  # noqa: S101 - the time limit is minutes away when a job starts
        process.send_signal(SAVE)
        status = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        if status and status.si_status != EXIT_AGAIN:
            # It has come to its end, or failed: there is nothing to queue.
            sys.exit(0 if status.si_status in _SUCCESS else 1)
        return DelayedSubmission(SlurmTask(self.command))


def _has_ended(pid: int) -> bool:
    """Whether a child has ended; its status is kept."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _is_running() -> bool:
    """Whether the job was interrupted to make way for another one, with time to save its work.

    A job that is being cancelled, or that Slurm itself queues again, is completing by then.
    """
    command = ["squeue", "--noheader", "--format=%T", f"--jobs={_own_id()}"]
    with suppress(OSError, subprocess.SubprocessError):
        found = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        return found.stdout.strip() == "RUNNING"
    return False


def _requeue() -> None:
    subprocess.run(  # noqa: S603
        ["scontrol", "requeue", _own_id()],  # noqa: S607
        check=True,
    )


def _own_id() -> str:
    """The id of this job; that of an array's last job alone would mean all of the array."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array else os.environ["SLURM_JOB_ID"]
