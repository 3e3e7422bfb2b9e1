"""The process of a shard on a cluster: `python -m cityseg.cli.cluster_task FOLDER TOKEN`.

The cluster starts it where and when there is room. It takes the lock of the task in FOLDER, runs
the command that was submitted, and writes the exit status into the folder, the only link between
the machines: a stop is requested by a file there. If the cluster interrupts the command, it writes
none and ends with the status EXIT_AGAIN: run again, the command does only what is missing.
"""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Final

from cityseg.cli import EXIT_NOTHING, EXIT_SOME
from cityseg.cli.main import main as run_command
from cityseg.defaults import PROGRESS_VARIABLE, RUNS_VARIABLE
from cityseg.errors import CitysegError, RunError
from cityseg.jobs import Submission, Task, submission_of
from cityseg.places import EXIT_AGAIN, check_shared
from cityseg.system import Lock, Process, is_listed, write_json

_POLL_SECONDS: Final = 1.0
#: By which clusters end processes; SIGUSR1 asks for what continues when it is run again.
_END: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
#: Slurm sends it to all processes before the time limit; another process sends SIGUSR1 then.
_LIMIT: Final = signal.SIGUSR2


def main(folder: str, token: str) -> int:
    """Run what was submitted with `token` as the task of `folder`; returns the exit status."""
    signal.signal(_LIMIT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (_LIMIT,))
    # A shell makes what it starts in the background ignore interrupts, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    task = Task(Path(folder))
    try:
        with _locked(task), task.log_file.open("ab") as log:
            submission = _submitted(task, token)
            for descriptor in (1, 2):  # a task has one output, wherever it runs
                os.dup2(log.fileno(), descriptor)
            write_json(task.process_file, Process.this().to_json(), durable=False)
            return _run(task, submission)
    except (CitysegError, OSError) as error:
        print(f"cityseg: {error}", file=sys.stderr)
        return EXIT_NOTHING


def _locked(task: Task) -> Lock:
    try:
        return Lock.take(task.lock_file)
    except BlockingIOError as error:
        raise RunError(f"The shard of {task.folder} is being done by another process") from error


def _submitted(task: Task, token: str) -> Submission:
    os.listdir(task.folder)  # NFS may have kept what was there before
    submission = submission_of(task)
    if submission is None or submission.token != token:
        raise RunError(f"The shard of {task.folder} was submitted again or done elsewhere since")
    return submission


def _run(task: Task, submission: Submission) -> int:
    """Run the command and write its result; returns the exit status for the cluster."""
    interruptions, status = _interruptions(), EXIT_NOTHING
    try:
        status = _status(task, submission)
    except CitysegError as error:
        print(f"cityseg: {error}", file=sys.stderr)
    except KeyboardInterrupt:  # before the command had begun
        pass
    is_requested = is_listed(task.stop_file)
    if interruptions and not is_requested and status == EXIT_NOTHING:
        return EXIT_AGAIN
    write_json(task.result_file, {"status": status})
    return EXIT_SOME if is_requested else status


def _status(task: Task, submission: Submission) -> int:
    """The exit status of the command; nothing is done after a stop was requested."""
    print(f"On {socket.gethostname()}: {check_shared(task.folder)}")
    if is_listed(task.stop_file):
        return EXIT_NOTHING
    threading.Thread(target=_interrupt_on_request, args=(task,), daemon=True).start()
    os.environ.update(submission.variables)
    os.environ[PROGRESS_VARIABLE] = str(task.progress_file)
    os.environ[RUNS_VARIABLE] = str(task.folder.parents[1])
    try:
        os.chdir(submission.working_folder)
    except OSError as error:
        raise RunError(
            f"{submission.working_folder} is not found on {socket.gethostname()} "
            f"({error.strerror}): start from a folder that all machines of the cluster share"
        ) from error
    try:
        return run_command([task.command, *submission.arguments])
    except SystemExit:  # wrong arguments
        return EXIT_NOTHING


def _interruptions() -> list[int]:
    """The signals by which the cluster ends this process, filled as they come: one at most."""
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        for each in _END:  # a second one would cut off what the command finishes
            signal.signal(each, signal.SIG_IGN)
        received.append(number)
        raise KeyboardInterrupt

    for each in _END:
        signal.signal(each, interrupt)
    return received


def _interrupt_on_request(task: Task) -> None:
    """Interrupt this process, in a thread of it, when a stop is requested."""
    while not is_listed(task.stop_file):
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
