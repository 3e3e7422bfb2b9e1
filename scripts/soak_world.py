"""What a soak runs on: a city, runs, and the app in a process that can be killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import psutil
from app_server import answers
from many import make_frames, make_runs

from cityseg import jobs
from cityseg.config import TrainConfig, make_config
from cityseg.data import find_frames, read_label_ids
from cityseg.labels import LABELS
from cityseg.review import AUDIT, Finding, findings_folder, write_findings
from cityseg.runs import RunDir
from cityseg.system import Process, read_json

ROOT = Path(__file__).resolve().parents[1]
#: Small enough that two cores serve thirty people beside a training.
SIZE_HW = (256, 512)
_FRAMES = 60
_ENDED_RUNS = 40
_START_SECONDS = 300.0
_FLAGGED = [label for label in LABELS if label.name in ("car", "person", "vegetation")]


@dataclass(frozen=True)
class World:
    """The folders of a soak, all below one."""

    folder: Path

    @property
    def data(self) -> Path:
        """The dataset."""
        return self.folder / "city"

    @property
    def runs(self) -> Path:
        """The folder of runs."""
        return self.folder / "runs"

    @property
    def trained(self) -> RunDir:
        """The run whose weights predict; it is never removed."""
        return RunDir(self.runs / "trained")

    @property
    def removable(self) -> list[RunDir]:
        """Runs that may be removed while they are shown."""
        return [RunDir(path) for path in sorted(self.runs.glob("2*-*"))]


def make_world(folder: Path) -> World:
    """Paint a city, convert it, train and evaluate a tiny network, and add runs that ended."""
    world = World(folder)
    os.environ[jobs.QUEUE_VARIABLE] = str(folder / "queue")
    make_frames(world.data, _FRAMES, SIZE_HW)
    made = folder / "made"
    settings = ["--model=unet", "--width=4", "--epochs=1", "--batch-size=2", "--device=cpu"]
    size = ["--size=64x128"]
    cityseg("train", f"--data={world.data}", f"--runs={made}", *settings, *size)
    world.runs.mkdir()
    (found,) = made.glob("[!.]*")
    found.rename(world.trained.path)
    cityseg("evaluate", world.trained.path, f"--data={world.data}")
    make_runs(world.runs, _ENDED_RUNS, 200, world.trained.best, world.data)
    _flag_regions(world)
    return world


def _flag_regions(world: World) -> None:
    """Give Review more regions to judge than the visitors of a soak judge."""
    findings = []
    annotations = [(frame.name, frame.label_ids) for frame in find_frames(world.data)]
    for (name, file), label in product(annotations, _FLAGGED):
        if file is None:
            continue
        part = (read_label_ids(file) == label.id).astype(np.uint8)
        for left, top, width, height, pixels in cv2.connectedComponentsWithStats(part)[2][1:]:
            box = (int(top), int(left), int(top + height), int(left + width))
            found = Finding(name, "island", 0.5, box, int(pixels), label=label.name)
            findings.append(replace(found, train_id=label.train_id))
    write_findings(findings_folder(world.data, world.runs) / AUDIT, findings)


def cityseg(*arguments: object) -> None:
    """Run one command of the package; raises RuntimeError with its output if it fails."""
    command = [sys.executable, "-m", "cityseg", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")


def training_config(world: World) -> TrainConfig:
    """A training that lasts longer than any soak and saves often."""
    return make_config(
        {"data": world.data, "model": "unet", "width": 4, "size": (64, 128), "batch_size": 4}
        | {"epochs": 10_000, "device": "cpu", "title": "soak"}
    )


class Server:
    """The app at one port, which outlives its kills."""

    def __init__(self, world: World, base_path: str = "", port: int = 0) -> None:
        """Serve `world` below `base_path`, once started."""
        self._world, self._base = world, base_path.strip("/")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            self._port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the pages lie, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}" + (f"/{self._base}" if self._base else "")

    @property
    def pid(self) -> int:
        """The process; 0 while there is none."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it, and wait until it answers."""
        flags = [f"--port={self._port}", f"--data={self._world.data}", f"--runs={self._world.runs}"]
        base = [f"--base-path={self._base}"] if self._base else []
        with (self._world.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cityseg", "app", *flags, *base],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not answers(self._port, self._base):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the app does not answer: see {self._world.folder}/server.log")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it without warning."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def processes_of(run: RunDir) -> dict[str, Process]:
    """The living processes of a job: "trainer" and "supervisor"."""
    files = {"trainer": run.trainer_file, "supervisor": run.supervisor_file}
    found = {name: Process.from_json(read_json(file)) for name, file in files.items()}
    return {name: process for name, process in found.items() if process and process.is_alive()}


def limit_files(pids: Sequence[int], size: int) -> None:
    """Let no file of these processes grow over `size` bytes, as on a full disk; -1 ends that."""
    for pid in pids:
        try:
            process = psutil.Process(pid)
            process.rlimit(psutil.RLIMIT_FSIZE, (size, process.rlimit(psutil.RLIMIT_FSIZE)[1]))
        except psutil.NoSuchProcess:
            continue
