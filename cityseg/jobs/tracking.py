"""Weights & Biases, where it can neither delay nor fail a run.

wandb is imported in a child process, `wandb_process`. In the trainer's it would replace `sys.exit`
and the exception hook, wait for uploads when Python exits, ask the terminal for a key and let its
web page interrupt the main thread. Here a `Tracker` pickles each message into a bounded queue and
returns; a daemon thread passes them on to the child. Whatever happens there, the trainer goes on.
"""

import importlib.util
import json
import logging
import math
import os
import pickle
import shlex
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from cityseg.runs.panels import Panel
from cityseg.system import environment_of_ours, read_json, write_json

Mode = Literal["off", "offline", "online"]

#: Messages of each kind that wait while the child is busy; then its oldest is dropped.
_LIMITS: Final = {"fine row": 1000, "row": 1000, "predictions": 2, "finish": 1}

#: In wandb's folder: what `Tracked` holds.
_OPENED: Final = "opened.json"

_log = logging.getLogger(__name__)


class Tracker:
    """Tracks nothing: what `start_tracking` gives for `off`, and the interface of what it gives.

    No method waits (`finish` aside) or raises because of Weights & Biases.
    """

    @property
    def url(self) -> str | None:
        """The run's web page, once the server has answered."""
        return None

    def log(self, row: Mapping[str, float], step: int, *, fine: bool = False) -> None:
        """Log the finite values of `row`; if the queue is full, the oldest fine ones go first."""

    def log_class_iou(self, class_iou: Mapping[str, float], step: int) -> None:
        """Log IoU by class name as curves; the last ones become a table, where NaN is null."""

    def log_predictions(self, panels: Sequence[Panel], step: int) -> None:
        """Log pictures with class-labelled masks."""

    def finish(
        self, summary: Mapping[str, float], *, exit_code: int = 0, timeout_seconds: float = 30.0
    ) -> None:
        """Close the run; after `timeout_seconds` leave it as it is, with a warning."""


def start_tracking(
    mode: Mode,
    *,
    run_id: str,
    name: str,
    folder: Path,
    config: Mapping[str, object],
    project: str = "cityseg",
) -> Tracker:
    """Start tracking a run into `folder`/wandb, or go on with the one called `run_id`.

    `online` needs a key (`wandb login` or WANDB_API_KEY) and a network; without either it becomes
    `offline`, with a warning. WANDB_PROJECT beats `project`; WANDB_ENTITY and the like count too.
    """
    if mode == "off":
        return Tracker()
    found = importlib.util.find_spec("wandb")
    if not found or not found.origin:  # without origin: a folder of runs that is called wandb
        _log.warning("wandb is not installed, so nothing is tracked: pip install wandb")
        return Tracker()
    opening = {
        "mode": mode,
        "run_id": run_id,
        "run_name": name,
        "project": os.environ.get("WANDB_PROJECT") or project,
        "root_dir": str(folder.resolve()),
        "config": json.loads(json.dumps(dict(config), default=str)),
    }
    return _WandbTracker(opening, folder.resolve() / "wandb")


@dataclass(frozen=True, slots=True)
class Tracked:
    """Where a tracked run is: its web page, if it has one, and the folder that wandb writes."""

    url: str | None
    folder: str


def find_tracked(folder: Path) -> Tracked | None:
    """Where the run that `start_tracking` was given `folder` for is tracked; None if nowhere."""
    told = read_json(folder / "wandb" / _OPENED)
    url, place = told.get("url"), told.get("folder")
    if not isinstance(place, str):
        return None
    return Tracked(url if isinstance(url, str) else None, place)


def _finite(row: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if math.isfinite(value)}


class _WandbTracker(Tracker):
    def __init__(self, opening: dict[str, Any], folder: Path) -> None:
        self._opening = opening
        self._folder = folder
        self._url: str | None = None
        self._run_folder: str | None = None
        self._table: list[tuple[str, float | None]] = []
        self._queue: deque[tuple[str, bytes]] = deque()
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = self._is_abandoned = False
        self._thread = threading.Thread(target=self._run, name="cityseg-tracking", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str | None:
        return self._url

    def log(self, row: Mapping[str, float], step: int, *, fine: bool = False) -> None:
        self._put("fine row" if fine else "row", _finite(row), step)

    def log_class_iou(self, class_iou: Mapping[str, float], step: int) -> None:
        finite = _finite(class_iou)
        self._put("row", {f"class_iou/{name}": iou for name, iou in finite.items()}, step)
        # A table asks the server, and without network holds up all behind it for 19 s: it is last.
        self._table = [(name, finite.get(name)) for name in class_iou]

    def log_predictions(self, panels: Sequence[Panel], step: int) -> None:
        parts = [(panel.name, panel.image, panel.truth, panel.prediction) for panel in panels]
        self._put("predictions", parts, step)

    def finish(
        self, summary: Mapping[str, float], *, exit_code: int = 0, timeout_seconds: float = 30.0
    ) -> None:
        self._put("finish", _finite(summary), self._table, exit_code)
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            self._is_abandoned = True
            if self._process:
                self._process.kill()
            kept = "it had not started, so nothing is kept"
            if self._run_folder:
                path = shlex.quote(self._run_folder)
                kept = f"upload what it has with `wandb sync --include-online {path}`"
            _log.warning(
                "Weights & Biases was not done after %g s and was left: %s", timeout_seconds, kept
            )
            self._thread.join(1)

    def _put(self, kind: str, *payload: object) -> None:
        message = pickle.dumps((kind, *payload))
        with self._changed:
            if self._is_closed:
                return
            waiting = [place for place, (other, _) in enumerate(self._queue) if other == kind]
            if len(waiting) >= _LIMITS[kind]:
                del self._queue[waiting[0]]
            self._queue.append((kind, message))
            self._changed.notify()

    def _next(self) -> tuple[str, bytes]:
        with self._changed:
            self._changed.wait_for(lambda: self._queue)
            return self._queue.popleft()

    def _run(self) -> None:
        """The thread: all waiting is done here."""
        try:
            with _start_child(self._folder) as process:
                self._process = process
                if self._is_abandoned:  # before there was a process to kill
                    process.kill()
                self._talk(process)
        except Exception as error:
            if not self._is_abandoned:
                _log.warning("Weights & Biases stopped, so nothing more is tracked: %s", error)
        finally:
            with self._changed:
                self._is_closed = True
                self._queue.clear()

    def _talk(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin  # noqa: S101 - both are pipes
        process.stdin.write(pickle.dumps(self._opening))
        process.stdin.flush()
        opened = _reply(process)
        self._run_folder = opened["folder"]
        if self._run_folder is None:
            _log.warning("nothing is tracked: wandb cannot start (%s)", opened["problem"])
            return
        self._url = opened["url"]
        with suppress(OSError):  # a full disk
            told = {"url": self._url, "folder": self._run_folder}
            write_json(self._folder / _OPENED, told, durable=False)
        if opened["problem"]:
            _log.warning(
                "Weights & Biases is not available (%s), so this run is tracked offline: "
                "upload it later with `wandb sync %s`",
                opened["problem"],
                shlex.quote(self._run_folder),
            )
        kind = ""
        while kind != "finish":
            kind, message = self._next()
            process.stdin.write(message)
            process.stdin.flush()
        if problem := _reply(process)["problem"]:
            _log.warning("Weights & Biases did not take everything: %s", problem)


def _start_child(folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        # wandb's caches would go to the home folder, and its crash reports to its makers.
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_DATA_DIR": str(folder / "cache"),
        "WANDB_ERROR_REPORTING": "false",
        **environment_of_ours(),
        "WANDB_SILENT": "true",
    }
    environment.pop("WANDB_SERVICE", None)  # another process's, which may end before ours
    return subprocess.Popen(
        # -P: a folder called wandb where the trainer was started is not the package.
        [sys.executable, "-P", "-m", "cityseg.jobs.wandb_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # so that Ctrl-C reaches the trainer only
    )


def _reply(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout  # noqa: S101 - a pipe
    line = process.stdout.readline()
    if not line:
        raise EOFError("its process ended")
    reply: dict[str, Any] = json.loads(line)
    return reply
