"""Processes forked from one that has imported what takes seconds, so that they begin at once.

Their environment is that of the test; /proc shows that of the process they were forked from.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from child import REPOSITORY
from waiting import PATIENCE_SECONDS

#: As it is before any test: what a test leaves behind is found by its variables.
_ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "WANDB_ERROR_REPORTING": "false"}

#: What commands import that train or predict. The step imports half of torch, without a thread.
TRAINING = """
import torch
import cityseg.cli.main, cityseg.evaluation.checkpoint, cityseg.prediction, cityseg.train
import cityseg.training.loop
parameter = torch.nn.Parameter(torch.zeros(1))
parameter.grad = torch.zeros(1)
torch.optim.Adam([parameter]).step()
"""
#: What the app imports from others: its own modules know the process that they were imported in.
SERVING = """
import cv2, numpy, pandas, plotly.graph_objects, pyarrow, pydantic, uvicorn
import segmentation_models_pytorch, torch
import streamlit.web.bootstrap, streamlit.web.cli
"""
#: What a follower imports before wandb, which may be a stand-in.
FOLLOWING = "import cityseg.jobs.wandb_follower"
#: What it imports with the genuine wandb.
WANDB = f"""
import warnings
warnings.simplefilter("ignore")
import wandb, wandb.proto.wandb_internal_pb2
{FOLLOWING}
"""

_SERVE = """
import json, os, pathlib, signal, sys, traceback

def run(code, arguments):
    sys.argv = ["-c", *arguments]
    try:
        exec(code, {"__name__": "__main__"})
    except SystemExit as ended:
        return ended.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

print("ready", flush=True)
for line in sys.stdin:
    reap()
    if os.fork():
        continue
    request = json.loads(line)
    if pid := os.fork():  # a process that waits for the other one, and keeps its exit status
        print(pid, flush=True)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        unfinished = pathlib.Path(request["status"] + ".part")
        unfinished.write_text(str(status))
        unfinished.rename(request["status"])
        os._exit(0)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    for descriptor, path in enumerate((os.devnull, request["output"], request["errors"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    status = run(request["code"], request["arguments"])
    sys.stdout.flush()
    os._exit(status)
reap()
"""


class Fork:
    """A process as `subprocess.Popen` has it, with its output in files."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.pid = pid
        self.output, self.errors = folder / "output", folder / "errors"
        self._status = folder / "status"

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        return int(self._status.read_text()) if self._status.exists() else None

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit status; raises TimeoutExpired if it runs for so long."""
        end = time.monotonic() + seconds
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"fork {self.pid}", seconds)
            time.sleep(0.01)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send it, unless the process has ended."""
        if self.poll() is None:
            # Its status is written a moment after it has gone.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Origin:
    """The process that others are forked from, once it has done its `imports`."""

    def __init__(self, imports: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="forks-"))
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"{imports}\n{_SERVE}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            env=_ENVIRONMENT,
            text=True,
        )
        assert self._answer() == "ready"

    def start(
        self,
        code: str,
        *arguments: object,
        output: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Fork:
        """Run `code` with this process's environment and `variables`.

        `output` gets standard error, too.
        """
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        request = {
            "code": code,
            "arguments": list(map(str, arguments)),
            "environment": os.environ | (variables or {}),
            "status": str(folder / "status"),
            "output": str(output or folder / "output"),
            "errors": str(output or folder / "errors"),
        }
        assert self._process.stdin
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return Fork(int(self._answer()), folder)

    def _answer(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().rstrip("\n")

    def end(self) -> None:
        """End it, but not what was forked from it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        shutil.rmtree(self._folder)


_origins: dict[str, Origin] = {}
_lock = threading.Lock()


def fork(imports: str, code: str, *arguments: object, **options: Any) -> Fork:
    """Run `code` in a process that has done its `imports`; see `Origin.start`."""
    with _lock:
        if imports not in _origins:
            _origins[imports] = Origin(imports)
        return _origins[imports].start(code, *arguments, **options)


def as_module(name: str) -> str:
    """Code that does what `python -m` does."""
    return f"import runpy; runpy.run_module({name!r}, run_name='__main__', alter_sys=True)"


def run_module(imports: str, module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a module to its end in a process that has done its `imports`."""
    process = fork(imports, as_module(module), *arguments)
    status = process.wait()
    printed = [
        path.read_text(errors="surrogateescape") for path in (process.output, process.errors)
    ]
    return subprocess.CompletedProcess([module, *map(str, arguments)], status, *printed)


def end_origins() -> None:
    """End the processes that were forked from."""
    while _origins:
        _origins.popitem()[1].end()
