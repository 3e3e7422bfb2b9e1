"""What Weights & Biases is to a test: its files read back, a server, and a package in its place.

wandb runs for real, offline or against these servers. Where a test needs it to hang or to break, a
package of that name stands in for it.
"""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import forks
import numpy as np
import pytest
from waiting import until

from cityseg.config import make_config
from cityseg.errors import EXIT_ALL
from cityseg.jobs.tracking import TrackingState, is_followed
from cityseg.labels import CLASS_NAMES
from cityseg.runs import RunDir
from cityseg.runs.panels import Panel, keep_panels
from cityseg.system import pids_with_variable

KEY = "0123456789abcdef0123456789abcdef01234567"
#: In the environment of all that a test starts.
_MARK = "CITYSEG_TEST_OF_TRACKING"


# A run, and a follower for it


def make_run(folder: Path, **settings: Any) -> RunDir:
    """A run that nobody trains; tests write its rows."""
    values = {"data": folder / "city", "device": "cpu", "epochs": 10, "wandb": "offline"}
    return RunDir.create(folder / "runs", make_config(values | settings))


def write_train_row(run: RunDir, step: int, *, epoch: int = 1, loss: float = 0.5) -> None:
    """A row within an epoch of 100 steps."""
    row = {"kind": "train", "epoch": epoch, "step": step, "steps": 100, "loss": loss}
    run.append_metrics({**row, "learning_rate": 1e-4, "seconds": float(step)})


def write_epoch_row(run: RunDir, epoch: int = 1, **ious: float | None) -> None:
    """The row at the end of an epoch of 100 steps, with the IoU of some classes."""
    run.append_metrics(
        {
            "kind": "epoch",
            "epoch": epoch,
            "step": 100 * epoch,
            "train_loss": 0.5,
            "val_loss": None,
            "mean_iou": 0.25,
            "class_iou": dict.fromkeys(CLASS_NAMES) | ious,
            "learning_rate": 1e-4,
            "seconds": 100.0 * epoch,
        }
    )


def write_panels(run: RunDir, epoch: int = 1) -> None:
    """The predictions of an epoch for a frame of four rows: a car, and ignored pixels below."""
    ids = np.full((4, 6), 255, np.uint8)
    ids[0] = 13
    keep_panels(run, epoch, 10, [Panel("ulm_1", np.zeros((4, 6, 3), np.uint8), ids, ids)])


class Follower:
    """A follower, which looks at its folder more often than others, and what it reports."""

    started: ClassVar["list[Follower]"] = []
    #: What its process has imported: not wandb where `stand_in` is to be imported in its place.
    imports: ClassVar = forks.WANDB

    def __init__(self, run: RunDir, *options: str, mode: str = "offline", code: str = "") -> None:
        """Run `code` in its process before it begins."""
        begin = (
            "import os, sys; from cityseg.jobs import wandb_follower, wandb_run\n"
            "wandb_run.FLUSH_SECONDS, wandb_follower.POLL_SECONDS = 0.1, 0.2\n"
            f"{code}\nos._exit(wandb_follower.main(sys.argv[1:]))"
        )
        self.process = forks.fork(self.imports, begin, "--mode", mode, *options, run.path)
        self.started.append(self)

    def ended(self) -> tuple[int, str]:
        """Its exit status and what it reported, once it has ended."""
        return self.process.wait(), self.process.errors.read_text()


def sent(run: RunDir, *options: str, mode: str = "offline", code: str = "") -> str:
    """Track `run` to the end; what was reported."""
    status, reported = Follower(run, *options, mode=mode, code=code).ended()
    assert status == EXIT_ALL, reported
    return reported


def recorded(run: RunDir) -> TrackingState:
    """The state of the tracking of `run`, once there is one."""
    state = until(lambda: TrackingState.load(run))
    assert isinstance(state, TrackingState)
    return state


def until_recorded(run: RunDir, step: int) -> None:
    """Wait until the row at `step` of an epoch counts as sent."""
    until(lambda: (state := TrackingState.load(run)) and state.sent and state.sent[2] == step)


def until_finished(run: RunDir) -> None:
    """Wait until `run` is tracked to its end, and nobody follows it."""
    until(lambda: recorded(run).is_finished and not is_followed(run))


@pytest.fixture
def no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No key, no settings of a person's own, and no process of the test that stays."""
    for name in os.environ:
        if name.startswith("WANDB_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(_MARK, str(tmp_path))
    yield
    for follower in Follower.started:
        follower.process.kill()  # it runs only if the test has failed
        follower.process.wait()
    Follower.started.clear()
    try:
        until(lambda: not pids_with_variable(_MARK, str(tmp_path)))
    except AssertionError:
        for pid in pids_with_variable(_MARK, str(tmp_path)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise


# What wandb wrote

_READ = """
import json, sys
from wandb.proto.wandb_internal_pb2 import Record

def values(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}

content = open(sys.argv[1], "rb").read()
read = {"config": {}, "rows": [], "summary": {}, "step_metric": {}, "exit_code": None}
whole, at = b"", 7  # blocks of 32 kB, each record in one or more pieces: LevelDB's log format
while at + 7 <= len(content):
    if 32768 - at % 32768 < 7:
        at += 32768 - at % 32768
        continue
    length, piece = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
    whole += content[at + 7 : at + 7 + length]
    at += 7 + length
    if piece in (1, 4):
        record, whole = Record.FromString(whole), b""
        kind = record.WhichOneof("record_type")
        if kind == "run":
            read["id"] = record.run.run_id
            read["project"], read["host"] = record.run.project, record.run.host
            read["name"] = record.run.display_name
            read["config"].update(values(record.run.config.update))
        elif kind == "config":
            read["config"].update(values(record.config.update))
        elif kind == "history":
            read["rows"].append(values(record.history.item))
        elif kind == "summary":
            read["summary"].update(values(record.summary.update))
        elif kind == "metric":
            read["step_metric"][record.metric.glob_name] = record.metric.step_metric
        elif kind == "exit":
            read["exit_code"] = record.exit.exit_code
json.dump(read, sys.stdout)
"""


def read_parts(run: RunDir, run_id: str = "") -> list[dict[str, Any]]:
    """What wandb wrote for `run`, a part for each session, the oldest first.

    `run_id` is what it is called there, if that is not its present name.
    """
    parts = []
    for path in sorted(run.tracking.glob(f"*run-*/run-{run_id or run.id}.wandb"), key=_stamp):
        reader = forks.fork(forks.WANDB, _READ, path)
        assert reader.wait() == 0, reader.errors.read_text()
        parts.append(json.loads(reader.output.read_bytes()))
    return parts


def _stamp(path: Path) -> str:
    return path.parent.name.removeprefix("offline-")


def losses(parts: list[dict[str, Any]]) -> list[tuple[int, float]]:
    """Step and training loss of all rows that have one."""
    rows = [row for part in parts for row in part["rows"]]
    return [(row["step"], row["train_loss"]) for row in rows if "train_loss" in row]


# Servers


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed_port() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


class FakeServer(BaseHTTPRequestHandler):
    """Answers the little that a run without artifacts asks of Weights & Biases."""

    protocol_version = "HTTP/1.1"
    posts: ClassVar[list[tuple[str, Any]]] = []
    #: The lines of the run's history, by their places.
    history: ClassVar[dict[int, dict[str, Any]]] = {}
    exit_codes: ClassVar[list[int]] = []
    #: Set: answers. Not set: the network is gone.
    is_reachable: ClassVar = threading.Event()

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])) or "{}")
        if not self.is_reachable.is_set():
            self.is_reachable.wait()
            self.close_connection = True
            return
        self.posts.append((self.path, request))
        if self.path.endswith("/file_stream"):
            self._take(request)
        self._reply(json.dumps({"data": self._answer(request)}).encode())

    def _take(self, request: Any) -> None:
        part = request.get("files", {}).get("wandb-history.jsonl", {"offset": 0, "content": []})
        for place, line in enumerate(part["content"], part["offset"]):
            self.history[place] = json.loads(line)
        if request.get("complete"):
            self.exit_codes.append(request["exitcode"])

    def _answer(self, request: Any) -> dict[str, Any]:
        query, variables = request.get("query", ""), request.get("variables", {})
        project = {"id": "1", "name": "cityseg", "entity": {"id": "2", "name": "someone"}}
        name = variables.get("name", "")
        bucket = {"id": "3", "name": name, "displayName": name, "project": project}
        if "query RunResumeStatus" in query and self.history:
            newest = self.history[max(self.history)]
            tail = {"historyTail": json.dumps([json.dumps(newest)]), "eventsTail": "[]"}
            counts = {"historyLineCount": len(self.history), "eventsLineCount": 0}
            texts = {"summaryMetrics": json.dumps(newest), "config": "{}"}
            begun = {"wandbConfig": json.dumps({"t": 1}), "logLineCount": 0, "tags": []}
            found = {**bucket, **tail, **counts, **texts, **begun}
            return {"model": {"project": project, "bucket": found}}
        if "mutation UpsertBucket" in query:
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "mutation CreateRunFiles" in query:
            url = f"http://{self.headers['host']}/upload/"
            files = [{"name": name, "uploadUrl": url} for name in variables["files"]]
            return {"createRunFiles": {"runID": "3", "uploadHeaders": [], "files": files}}
        return {"model": None}

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._reply(b"")

    def _reply(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @classmethod
    def losses(cls) -> list[tuple[int, float]]:
        """Step and training loss of the history, in its order."""
        rows = [row for _, row in sorted(cls.history.items())]
        return [(row["step"], row["train_loss"]) for row in rows if "train_loss" in row]

    @classmethod
    def upserts(cls) -> list[Any]:
        """What was said of the run, each time."""
        return [each["variables"] for _, each in cls.posts if "Upsert" in each.get("query", "")]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that answers, for whose account there is a key."""
    monkeypatch.setattr(FakeServer, "posts", [])
    monkeypatch.setattr(FakeServer, "history", {})
    monkeypatch.setattr(FakeServer, "exit_codes", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeServer) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        FakeServer.is_reachable.set()
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_BASE_URL", url)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield url
        FakeServer.is_reachable.set()
        server.shutdown()
        thread.join()


# A package in wandb's place

_STAND_IN = """
import json, os, pathlib, time
folder = pathlib.Path(__file__).parents[1]

class Settings:
    model_fields = {"mode": 1, "run_id": 1}
    sync_dir = "somewhere"
    def __init__(self, mode="", run_id=""):
        self.mode, self.run_id = mode, run_id

class Image:
    def __init__(self, *args, **kwargs): pass

class Table:
    def __init__(self, *args, **kwargs): pass

class Run:
    url, settings, summary = None, Settings(), {}
    def define_metric(self, *args, **kwargs): pass
    def log(self, row):
        with (folder / "rows").open("a") as file: print(json.dumps(row, default=str), file=file)
        if row.get("step") in (666, 667): raise ValueError("no such step")
        if row.get("step") == 888: time.sleep(600)
        if row.get("step") == 999: raise ConnectionResetError("its service is gone")
    def finish(self, exit_code):
        with (folder / "exit_codes").open("a") as file: file.write(f"{exit_code} ")

def teardown(): pass

def init(config, settings):
    with (folder / "ids").open("a") as file: file.write(settings.run_id + " ")
    with (folder / "modes").open("a") as file: file.write(settings.mode + " ")
    while (folder / "hang").exists(): time.sleep(0.02)
    if (folder / "fail").exists(): raise OSError("cannot write\\nat all")
    return Run()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where a package `wandb` in place of the real one writes what it is given."""
    package = tmp_path / "stand-in" / "wandb"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(_STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setattr(Follower, "imports", forks.FOLLOWING)
    return package.parent


def steps_given_to(stand_in: Path) -> list[int]:
    """The steps of all rows that the stand-in was given."""
    return [row["step"] for row in rows_given_to(stand_in) if "class_iou_table" not in row]


def rows_given_to(stand_in: Path) -> list[dict[str, Any]]:
    """All that the stand-in was given, predictions and tables too."""
    return [json.loads(line) for line in (stand_in / "rows").read_text().splitlines()]


def words_of(stand_in: Path, name: str) -> list[str]:
    """What the stand-in noted in a file of its own: modes, ids, exit_codes."""
    return (stand_in / name).read_text().split()
