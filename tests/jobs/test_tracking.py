"""wandb runs for real here, offline or against servers that this file plays.

Where a test needs wandb to hang or to break, a package of that name stands in for it.
"""

import json
import logging
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil
import pytest

from cityseg.jobs import tracking
from cityseg.jobs.tracking import Tracker, find_tracked, start_tracking
from cityseg.jobs.wandb_process import INIT_TIMEOUT_SECONDS
from cityseg.runs.panels import Panel

KEY = "0123456789abcdef0123456789abcdef01234567"
OFFLINE_NOTE = r"tracked offline: upload it later with `wandb sync (\S+/offline-run-\S+)`"


@pytest.fixture(autouse=True)
def _no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("WANDB_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def start(folder: Path, mode: tracking.Mode = "offline") -> Tracker:
    config = {"lr": 1e-4, "data": Path("/data"), "classes": ("road", "sky")}
    return start_tracking(mode, run_id="run-7", name="seven", folder=folder, config=config)


def until(condition: Callable[[], Any], timeout_seconds: float = 30) -> Any:
    end = time.monotonic() + timeout_seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


READ = """
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


def read_run(folder: Path) -> dict[str, Any]:
    """What wandb wrote for the only run below `folder`/wandb."""
    (path,) = (folder / "wandb").glob("*run-*/run-run-7.wandb")
    output = subprocess.check_output([sys.executable, "-W", "ignore", "-c", READ, path])
    read: dict[str, Any] = json.loads(output)
    return read


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"{}", b'{"folder": 3}'])
def test_a_run_that_is_not_tracked_is_found_nowhere(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "wandb").mkdir()
    if content:
        (tmp_path / "wandb" / "opened.json").write_bytes(content)
    assert find_tracked(tmp_path) is None


# Off


def test_off_imports_and_starts_nothing(tmp_path: Path) -> None:
    script = f"""
import sys, threading
from pathlib import Path
from cityseg.jobs.tracking import start_tracking
tracker = start_tracking("off", run_id="r", name="n", folder=Path({str(tmp_path)!r}), config={{}})
tracker.log({{"loss": 1.0}}, 1)
tracker.log_class_iou({{"road": 1.0}}, 1)
tracker.log_predictions([], 1)
tracker.finish({{}})
assert tracker.url is None
assert "wandb" not in sys.modules and "torch" not in sys.modules
assert threading.active_count() == 1
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert not (tmp_path / "wandb").exists()


# Offline, with the genuine wandb


def test_an_offline_run_holds_all_that_was_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = start(tmp_path)
    tracker.log({"loss": 0.5, "val_loss": float("nan"), "lr": 1e-4}, 3, fine=True)
    tracker.log({"mean_iou": 0.25, "epoch": 1}, 4)
    tracker.log_class_iou({"road": 0.75, "train": float("nan")}, 4)
    ids = np.full((4, 6), 255, np.uint8)
    ids[0] = 13
    tracker.log_predictions([Panel("ulm_1", np.zeros((4, 6, 3), np.uint8), ids, ids)], 4)
    tracker.finish({"mean_iou": 0.3, "category_iou": float("nan")})

    tracked = find_tracked(tmp_path)
    assert tracked
    assert tracked.url is None
    assert [path.parent for path in (tmp_path / "wandb").rglob("*.wandb")] == [Path(tracked.folder)]
    read = read_run(tmp_path)
    assert (read["id"], read["name"], read["project"]) == ("run-7", "seven", "cityseg")
    assert (
        read["config"].items()
        >= {
            "lr": 1e-4,
            "data": "/data",
            "classes": ["road", "sky"],
        }.items()
    )
    rows = [
        {key: value for key, value in row.items() if key[0] != "_" and "/_" not in key}
        for row in read["rows"]
    ]
    assert rows[:3] == [
        {"step": 3, "loss": 0.5, "lr": 1e-4},
        {"step": 4, "mean_iou": 0.25, "epoch": 1},
        {"step": 4, "class_iou/road": 0.75},
    ]
    assert rows[3]["predictions/captions"] == ["ulm_1"]
    assert rows[3]["predictions/all_masks"][0].keys() == {"truth", "prediction"}
    assert read["summary"]["mean_iou"] == 0.3
    assert "category_iou" not in read["summary"]
    assert (read["step_metric"], read["exit_code"]) == ({"*": "step"}, 0)

    (run_folder,) = (tmp_path / "wandb").glob("offline-run-*")
    table = run_folder / "files" / rows[4]["class_iou_table/path"]
    assert json.loads(table.read_text())["data"] == [["road", 0.75], ["train", None]]
    labels = read["config"]["_wandb"]["mask/class_labels"]
    assert {kind["value"]["13"] for kind in labels.values()} == {"car"}
    assert {kind["value"]["255"] for kind in labels.values()} == {"ignored"}
    assert len(labels) == 2, "of the truth and of the prediction"
    assert caplog.records == []
    assert tracker.url is None


def test_nothing_is_written_elsewhere_or_told_about_this_machine(tmp_path: Path) -> None:
    tracker = start(tmp_path / "run")
    tracker.log_class_iou({"road": 0.5}, 1)
    tracker.finish({})
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["wandb"]
    assert read_run(tmp_path / "run")["host"] == ""
    written = {path.name for path in tmp_path.rglob("*")}
    assert not written & {"wandb-metadata.json", "requirements.txt", "output.log", "diff.patch"}


def test_the_environment_names_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_SERVICE", "3-1-unix-/nowhere/socket")
    start(tmp_path).finish({})
    assert read_run(tmp_path)["project"] == "mine"


def test_a_resumed_run_repeats_steps_under_the_same_id(tmp_path: Path) -> None:
    for session, steps in (("first", (1, 2, 3)), ("second", (2, 3))):
        tracker = start(tmp_path / session)
        for step in steps:
            tracker.log({"loss": 1.0}, step)
        tracker.finish({}, exit_code=1)
        read = read_run(tmp_path / session)
        assert (read["id"], read["exit_code"]) == ("run-7", 1)
        assert [row["step"] for row in read["rows"]] == list(steps)


# A trainer that goes without a word

TRAINER = """
import logging, os, signal, sys, time
from pathlib import Path
from cityseg.jobs.tracking import start_tracking
logging.basicConfig(format="%(message)s")
tracker = start_tracking(
    sys.argv[1], run_id="run-7", name="seven", folder=Path(sys.argv[2]), config={}
)
tracker.log({"loss": 0.5}, 1)
"""
FINISH = """
started = time.monotonic()
tracker.finish({"mean_iou": 0.3}, timeout_seconds=float(sys.argv[3]))
print("finish", time.monotonic() - started)
"""


@pytest.mark.parametrize("end", ["sys.exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
@pytest.mark.parametrize("moment", ["at once", "tracking"])
def test_the_run_is_closed_after_a_trainer_that_vanished(
    tmp_path: Path, end: str, moment: str
) -> None:
    wait = 'print("ready", flush=True); sys.stdin.readline()\n' if moment == "tracking" else ""
    with subprocess.Popen(
        [sys.executable, "-c", TRAINER + wait + end, "offline", tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as trainer:
        assert trainer.stdin is not None
        assert trainer.stdout is not None
        children = []
        if moment == "tracking":
            assert trainer.stdout.readline() == b"ready\n"
            until(lambda: any(b"loss" in path.read_bytes() for path in tmp_path.rglob("*.wandb")))
            children = psutil.Process(trainer.pid).children(recursive=True)
            assert children
        started = time.monotonic()
        trainer.stdin.close()
        trainer.wait(timeout=30)
        assert time.monotonic() - started < 10
        assert trainer.returncode in (3, -signal.SIGKILL)
    if moment == "tracking":
        _, alive = psutil.wait_procs(children, timeout=30)
        assert alive == []
        read = read_run(tmp_path)
        assert [row["loss"] for row in read["rows"]] == [0.5]
        assert read["exit_code"] == 1


# Online, without a server, without a key, and with a server of our own


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_key_and_no_network_falls_back_to_offline(
    tmp_path: Path, black_hole: str, closed_port: str
) -> None:
    started = time.monotonic()
    trainers = [
        subprocess.Popen(
            [sys.executable, "-c", TRAINER + FINISH, "online", tmp_path / str(number), "30"],
            env=os.environ | {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, url in enumerate((black_hole, closed_port))
    ]
    for trainer in trainers:
        output, errors = trainer.communicate(timeout=60)
        assert trainer.returncode == 0
        assert float(output.split()[1]) < INIT_TIMEOUT_SECONDS + 10
        assert len(errors.splitlines()) == 1, "one warning, and nothing of wandb's own"
        note = re.search(OFFLINE_NOTE, errors)
        assert note
        (path,) = Path(note[1]).glob("run-run-7.wandb")
        assert b"mean_iou" in path.read_bytes()
    assert time.monotonic() - started < INIT_TIMEOUT_SECONDS + 20


def test_finish_and_the_exit_do_not_wait_for_a_server_that_hangs(
    tmp_path: Path, black_hole: str
) -> None:
    started = time.monotonic()
    trainer = subprocess.run(
        [sys.executable, "-c", TRAINER + FINISH, "online", tmp_path, "1"],
        env=os.environ | {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": black_hole},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert trainer.returncode == 0
    assert 1 <= float(trainer.stdout.split()[1]) < 4
    assert time.monotonic() - started < 9
    assert trainer.stderr == (
        "Weights & Biases was not done after 1 s and was left: "
        "it had not started, so nothing is kept\n"
    )


def test_without_a_key_nobody_is_asked_for_one(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", TRAINER + FINISH, "online", tmp_path, "30"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as trainer:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 1000):
                shown += piece
        except OSError:  # Linux's way of saying that the other end is closed
            pass
    os.close(ours)
    lines = shown.decode().splitlines()
    assert trainer.returncode == 0
    assert "(No API key configured." in lines[0]
    assert re.search(OFFLINE_NOTE, lines[0])
    assert [line.split()[0] for line in lines[1:]] == ["finish"]


class FakeServer(BaseHTTPRequestHandler):
    """Answers the little that a run without artifacts asks of Weights & Biases."""

    protocol_version = "HTTP/1.1"
    posts: ClassVar[list[tuple[str, Any]]] = []
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
        project = {"id": "1", "name": "cityseg", "entity": {"id": "2", "name": "someone"}}
        bucket = {"id": "3", "name": "run-7", "displayName": "seven", "project": project}
        answer: dict[str, Any] = {"model": None}
        if "mutation UpsertBucket" in request.get("query", ""):
            answer = {"upsertBucket": {"bucket": bucket, "inserted": True}}
        elif "mutation CreateRunFiles" in request.get("query", ""):
            url = f"http://{self.headers['host']}/upload/"
            files = [{"name": name, "uploadUrl": url} for name in request["variables"]["files"]]
            answer = {"createRunFiles": {"runID": "3", "uploadHeaders": [], "files": files}}
        self._reply(json.dumps({"data": answer}).encode())

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
    def rows(cls) -> list[dict[str, Any]]:
        """The history rows that were uploaded."""
        return [
            json.loads(line)
            for path, request in cls.posts
            if path.endswith("/file_stream")
            for line in request["files"].get("wandb-history.jsonl", {}).get("content", ())
        ]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that answers."""
    monkeypatch.setattr(FakeServer, "posts", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeServer) as server:
        FakeServer.is_reachable.set()
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        FakeServer.is_reachable.set()
        server.shutdown()
        thread.join()


def test_an_online_run_is_uploaded_and_has_a_page(
    tmp_path: Path, server: str, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = start(tmp_path, "online")
    tracker.log({"loss": 0.5}, 1)
    tracker.finish({"mean_iou": 0.3})
    assert tracker.url == f"{server}/someone/cityseg/runs/run-7"
    tracked = find_tracked(tmp_path)
    assert tracked
    assert tracked.url == tracker.url
    assert [(row["step"], row["loss"]) for row in FakeServer.rows()] == [(1, 0.5)]
    upserts = [
        request["variables"]
        for _, request in FakeServer.posts
        if "Upsert" in request.get("query", "")
    ]
    assert json.loads(upserts[0]["config"])["lr"] == {"value": 1e-4}
    assert not upserts[0]["host"]
    assert caplog.records == []


def test_a_network_that_goes_midway_costs_no_row(
    tmp_path: Path, server: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = psutil.Process().children(recursive=True)  # of other tests
    tracker = start(tmp_path, "online")
    until(lambda: tracker.url)
    FakeServer.is_reachable.clear()
    for step in range(50):
        tracker.log({"loss": 0.5}, step)
    children = [each for each in psutil.Process().children(recursive=True) if each not in before]
    started = time.monotonic()
    tracker.finish({"mean_iou": 0.3}, timeout_seconds=4)
    assert time.monotonic() - started < 6
    (message,) = (record.getMessage() for record in caplog.records)
    note = re.fullmatch(r".*was left: upload what it has with `wandb (sync .+)`", message)
    assert note
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    assert [row["step"] for row in read_run(tmp_path)["rows"]] == list(range(50))

    FakeServer.is_reachable.set()
    command = [sys.executable, "-m", "wandb", *shlex.split(note[1])]
    environment = os.environ | {"WANDB_ERROR_REPORTING": "false"}
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)
    assert [row["step"] for row in FakeServer.rows()] == list(range(50))


# A wandb that is missing, broken or stuck


def test_without_wandb_there_is_a_warning_and_no_tracking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    start(tmp_path, "online").finish({})
    assert [record.getMessage() for record in caplog.records] == [
        "wandb is not installed, so nothing is tracked: pip install wandb"
    ]
    assert list(tmp_path.iterdir()) == []


STAND_IN = """
import json, os, pathlib, time
folder = pathlib.Path(__file__).parents[1]

class Settings:
    model_fields = {"mode": 1}
    sync_dir = "somewhere"
    def __init__(self, **settings):
        self.mode = settings["mode"]

class Image:
    def __init__(self, *args, **kwargs): pass

class Run:
    url, settings, summary = None, Settings(mode=""), {}
    def define_metric(self, *args, **kwargs): pass
    def log(self, row):
        row["predictions"] = len(row.get("predictions", ()))
        with (folder / "rows").open("a") as file: print(json.dumps(row), file=file)
        if row["step"] in (666, 667): raise ValueError("no such step")
        if row["step"] == 999: os._exit(1)
    def finish(self, exit_code): pass

def teardown(): pass

def init(config, settings):
    (folder / "modes").open("a").write(settings.mode + " ")
    while not (folder / "go").exists(): time.sleep(0.02)
    if (folder / "fail").exists(): raise OSError("cannot write\\nat all")
    return Run()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder: its `wandb` waits for a file `go` there and writes what it is given to `rows`."""
    package = tmp_path / "stand-in" / "wandb"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    return package.parent


def rows_of(stand_in: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (stand_in / "rows").read_text().splitlines()]


def test_calls_return_at_once_and_fine_rows_go_first(tmp_path: Path, stand_in: Path) -> None:
    tracker = start(tmp_path)
    until((stand_in / "modes").exists)
    frame = np.zeros((256, 512, 3), np.uint8)
    panels = [Panel("ulm", frame, frame[..., 0], frame[..., 0])] * 8
    started = time.monotonic()
    for step in range(3000):
        tracker.log({"loss": 1.0}, step, fine=True)
        if step % 1000 == 0:
            tracker.log({"mean_iou": 0.5}, step)
            tracker.log_predictions(panels, step)
    assert time.monotonic() - started < 5, "no call waited for the child, which is stuck"
    (stand_in / "go").touch()
    tracker.finish({})
    rows = rows_of(stand_in)
    assert [row["step"] for row in rows if "loss" in row] == list(range(2000, 3000))
    assert [row["step"] for row in rows if "mean_iou" in row] == [0, 1000, 2000]
    assert [row["step"] for row in rows if row["predictions"]] == [1000, 2000]


def test_what_is_logged_is_a_copy(tmp_path: Path, stand_in: Path) -> None:
    tracker = start(tmp_path)
    row = {"loss": 1.0}
    tracker.log(row, 1)
    row["loss"] = 2.0
    (stand_in / "go").touch()
    tracker.finish({})
    assert rows_of(stand_in)[0]["loss"] == 1.0


def test_a_row_that_fails_is_told_once_and_the_rest_goes_on(
    tmp_path: Path, stand_in: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (stand_in / "go").touch()
    tracker = start(tmp_path)
    for step in (1, 666, 667, 2):
        tracker.log({"loss": 1.0}, step)
    tracker.finish({})
    assert [row["step"] for row in rows_of(stand_in)] == [1, 666, 667, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "Weights & Biases did not take everything: row: no such step"
    ]


def test_a_child_that_dies_is_told_once_and_the_trainer_goes_on(
    tmp_path: Path, stand_in: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (stand_in / "go").touch()
    tracker = start(tmp_path)
    tracker.log({"loss": 1.0}, 999)
    until((stand_in / "rows").exists)
    for step in range(3):
        tracker.log({"loss": 1.0}, step)
    tracker.finish({})
    tracker.finish({})
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("cityseg.jobs.tracking", logging.WARNING)
    assert "stopped, so nothing more is tracked" in record.getMessage()


def test_a_wandb_that_cannot_go_offline_either_is_a_warning(
    tmp_path: Path, stand_in: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (stand_in / "go").touch()
    (stand_in / "fail").touch()
    tracker = start(tmp_path, "online")
    tracker.finish({})
    assert (stand_in / "modes").read_text().split() == ["online", "offline"]
    assert [record.getMessage() for record in caplog.records] == [
        "nothing is tracked: wandb cannot start (cannot write)"
    ]
