"""A Ray of one node on the loopback address, from an environment of its own."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from slurm_cluster import free_ports
from waiting import until

#: Names the folder of a virtual environment with ray[default].
VARIABLE = "CITYSEG_RAY_ENVIRONMENT"


@dataclass(frozen=True)
class Ray:
    """The address of a dashboard, and its token."""

    address: str
    token: str


def missing() -> str:
    """A sentence if Ray cannot run here; else empty."""
    if not (named := os.environ.get(VARIABLE)):
        return f"{VARIABLE} names no environment with ray[default]."
    return "" if _command().is_file() else f"There is no bin/ray in {named}, named by {VARIABLE}."


def _command() -> Path:
    return Path(os.environ[VARIABLE]) / "bin" / "ray"


_sessions = ExitStack()
_started: list[Ray] = []


def of_session(request: pytest.FixtureRequest) -> Ray:
    """One cluster for all tests of the session, which is started if need be."""
    if not _started:
        folder = Path(tempfile.mkdtemp(prefix="ray-"))  # a short path: it has sockets
        _sessions.callback(shutil.rmtree, folder, ignore_errors=True)
        _started.append(_sessions.enter_context(ray(folder)))
        request.session.addfinalizer(_sessions.close)
    return _started[0]


@contextmanager
def ray(folder: Path) -> Iterator[Ray]:
    """Run a head with room for one job for a block."""
    port, dashboard = free_ports(2)
    found = Ray(f"http://127.0.0.1:{dashboard}", secrets.token_hex(16))
    # The variables of a test would make the head look like a process of its jobs.
    own = {k: v for k, v in os.environ.items() if not k.startswith("CITYSEG_")}
    own |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": found.token,
        "RAY_JOB_STOP_WAIT_TIME_S": "5",
    }
    command = [
        *(str(_command()), "start", "--head", "--block", "--disable-usage-stats"),
        *("--node-ip-address=127.0.0.1", f"--port={port}"),
        *("--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"),
        *("--num-cpus=1", "--num-gpus=0", "--object-store-memory=100000000"),
        f"--temp-dir={folder / 'session'}",
    ]
    with (folder / "head.log").open("wb") as log:
        head = subprocess.Popen(command, env=own, stdout=log, stderr=log, start_new_session=True)
        try:
            until(lambda: _runs_jobs(found), f"Ray does not start: see {folder / 'head.log'}")
            yield found
        finally:
            _end(head)


def _runs_jobs(found: Ray) -> bool:
    """Whether a job has succeeded: the dashboard answers before its cluster runs any."""
    with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
        jobs = json.loads(_ask(found))
        if any(job["status"] == "SUCCEEDED" for job in jobs):
            return True
        if all(job["status"] == "FAILED" for job in jobs):
            _ask(found, json.dumps({"entrypoint": "true"}).encode())
    return False


def _ask(found: Ray, body: bytes | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {found.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{found.address}/api/jobs/", body, headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        content: bytes = answer.read()
        return content


def _end(head: subprocess.Popen[bytes]) -> None:
    """End the head and all that it has started; `ray stop` would end those of others as well."""
    started = psutil.Process(head.pid).children(recursive=True)
    head.terminate()
    _, alive = psutil.wait_procs(started, timeout=10)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    head.kill()  # it may wait for others that are dead
    head.wait()
    psutil.wait_procs(alive)
