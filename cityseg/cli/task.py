"""The process of a task: `python -m cityseg.cli.task FOLDER COMMAND …`, started by `jobs.tasks`.

It runs one command of the command line and writes its exit status into the task's folder.
"""

import os
import signal
import sys
from pathlib import Path

from cityseg.cli import EXIT_NOTHING
from cityseg.cli.main import main as run_command
from cityseg.jobs import Task
from cityseg.jobs.tasks import LOCK_VARIABLE
from cityseg.system import Lock, Process, write_json, yield_to_others


def main(folder: str, *arguments: str) -> int:
    """Run `arguments`, a command and its arguments, as the task of `folder`; its exit status."""
    task = Task(Path(folder))
    yield_to_others()
    # Not inherited further: processes that the command starts must not keep the task alive.
    Lock.inherited(task.lock_file, int(os.environ[LOCK_VARIABLE]))
    # A shell makes what it starts in the background ignore interrupts, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    write_json(task.process_file, Process.this().to_json(), durable=False)
    status: object = EXIT_NOTHING
    try:
        status = run_command(arguments)
    except SystemExit as ended:  # wrong arguments
        status = ended.code
    finally:
        write_json(task.result_file, {"status": status})
    return EXIT_NOTHING if not isinstance(status, int) else status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
