"""What is asked of Ray's dashboard, and what its answers mean; on a real one in `make check-slow`.

What jobs do alike everywhere is tested with jobs/machine.
"""

import json
import shlex
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from job_fixtures import queues, runs
from job_places import Place, job_of, ray_place
from job_runs import ended, finished, reaches
from slurm_cluster import free_ports
from tiny_runs import epoch_rows, make_city, timeless, tiny_config
from waiting import until

from cityseg.config import make_config
from cityseg.errors import PlaceError
from cityseg.jobs import machine_at, resume, start, state, stop, tail
from cityseg.jobs.placed import placement_of
from cityseg.places import RayEngine, Report, Work
from cityseg.places.ray_jobs import (
    TOKEN_PATH_VARIABLE,
    TOKEN_VARIABLE,
    Job,
    auth_token,
    ray_report,
    submission,
)
from cityseg.places.settings import RaySettings

__all__ = ["queues", "runs"]


@pytest.mark.parametrize(
    ("job", "report"),
    [
        (Job(status="PENDING", message="It waits"), Report("waiting", "PENDING")),
        (Job(status="RUNNING", message="It runs"), Report("running", "RUNNING")),
        (Job(status="SUCCEEDED"), Report("ended", "SUCCEEDED")),
        (Job(status="STOPPED"), Report("ended", "STOPPED", "It was cancelled", "cancelled")),
        (
            Job(status="FAILED", message="It failed with exit code 1, last logs:\nA line\n"),
            Report("ended", "FAILED", "It failed with exit code 1, last logs", "error"),
        ),
        (Job(status="FAILED"), Report("ended", "FAILED", "It failed", "error")),
        (
            Job(status="FAILED", error_type="JOB_SUPERVISOR_ACTOR_START_TIMEOUT"),
            Report("ended", "FAILED", "It waited longer than Ray lets jobs wait", "not_started"),
        ),
        (Job(status="NEW"), Report("ended", "NEW", "", "error")),
    ],
)
def test_each_status_has_a_meaning(job: Job, report: Report) -> None:
    assert ray_report(job) == report


def test_a_command_is_one_argument_list_for_the_shell_of_ray() -> None:
    command = ("/usr/bin/python3", "-m", "x", "--run", "/runs/it's $HOME; touch x", "a\nb", "")
    work = Work("a-run", command, Path("/runs/a-run/job"))
    settings = RaySettings(address="http://ray:8265", gpus=0.5, memory_gb=2)
    found = submission(settings, work, "a-run")
    assert tuple(shlex.split(found["entrypoint"])) == command
    assert found["submission_id"] == "a-run"
    assert (found["entrypoint_num_gpus"], found["entrypoint_num_cpus"]) == (0.5, 1)
    assert found["entrypoint_memory"] == 2_000_000_000
    assert list(found["runtime_env"]["env_vars"]) == ["PYTHONPATH"]
    without = submission(settings, replace(work, devices=0), "a-run")
    assert (without["entrypoint_num_gpus"], without["entrypoint_num_cpus"]) == (0, 1)
    other = settings.model_copy(update={"python": "/opt/python"})
    assert shlex.split(submission(other, work, "a")["entrypoint"])[:2] == ["/opt/python", "-m"]


def test_the_token_is_found_where_ray_looks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (TOKEN_VARIABLE, TOKEN_PATH_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert auth_token() == ""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("of the home folder\n")
    assert auth_token() == "of the home folder"
    monkeypatch.setenv(TOKEN_PATH_VARIABLE, str(tmp_path / "other"))
    with pytest.raises(PlaceError, match="RAY_AUTH_TOKEN_PATH names: correct the variable"):
        auth_token()
    (tmp_path / "other").write_text("of the other file")
    assert auth_token() == "of the other file"
    monkeypatch.setenv(TOKEN_VARIABLE, "of the variable")
    assert auth_token() == "of the variable"


# Against a server with answers of the test


@dataclass
class Dashboard:
    """A server that records requests, and answers each with what `answers` have for its path."""

    address: str = ""
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None, Any]] = field(default_factory=list)

    @property
    def engine(self) -> RayEngine:
        return RayEngine(RaySettings(address=self.address))


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    found = Dashboard()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            content = json.loads(body) if body else None
            token = self.headers.get("Authorization")
            found.requests.append((self.command, self.path, token, content))
            status, text = found.answers.get(self.path, (200, "{}"))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", text)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    found.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def listing(**statuses: str) -> tuple[int, str]:
    jobs = [
        {"submission_id": name, "status": status, "start_time": -number, "type": "SUBMISSION"}
        for number, (name, status) in enumerate(statuses.items())
    ]
    return 200, json.dumps([*jobs, {"submission_id": None, "status": "RUNNING", "type": "DRIVER"}])


WORK = Work("a run", ("true",), Path("/runs"))


def test_jobs_are_listed_with_their_positions(dashboard: Dashboard) -> None:
    dashboard.answers["/api/jobs/"] = listing(third="PENDING", second="PENDING", first="RUNNING")
    found = dashboard.engine.reports()
    assert {job: (each.stage, each.position) for job, each in found.items()} == {
        "first": ("running", None),
        "second": ("waiting", 1),
        "third": ("waiting", 2),
    }
    assert dashboard.requests == [("GET", "/api/jobs/", "Bearer secret", None)]


def test_a_job_is_submitted_under_the_name_of_the_work(dashboard: Dashboard) -> None:
    dashboard.answers["/api/jobs/"] = listing()
    assert dashboard.engine.submit(WORK) == "a run"
    method, path, token, content = dashboard.requests[-1]
    assert (method, path, token) == ("POST", "/api/jobs/", "Bearer secret")
    assert content["submission_id"] == "a run"


@pytest.mark.parametrize("status", ["PENDING", "STOPPED"])
def test_an_earlier_job_of_the_name_is_left_alone(dashboard: Dashboard, status: str) -> None:
    dashboard.answers["/api/jobs/"] = listing(**{"a run": status, "a run-2": status})
    assert dashboard.engine.submit(WORK) == "a run-3"
    assert [request[:2] for request in dashboard.requests] == [
        ("GET", "/api/jobs/"),
        ("POST", "/api/jobs/"),
    ]


def test_commands_are_submitted_one_after_the_other(dashboard: Dashboard) -> None:
    dashboard.answers["/api/jobs/"] = listing()
    works = [Work(name, ("true",), Path("/runs")) for name in ("first", "second")]
    jobs = dashboard.engine.submit_array("an array", works, 1)
    assert next(jobs) == "first"
    dashboard.answers["/api/jobs/"] = (500, "The disk is full")
    with pytest.raises(PlaceError, match="status 500: The disk is full"):
        next(jobs)


def test_jobs_that_have_not_ended_are_stopped(dashboard: Dashboard) -> None:
    dashboard.answers["/api/jobs/"] = listing(first="RUNNING", second="STOPPED", third="PENDING")
    dashboard.engine.cancel("first", "second", "third", "fourth")
    stopped = [path for method, path, _, _ in dashboard.requests if method == "POST"]
    assert stopped == ["/api/jobs/first/stop", "/api/jobs/third/stop"]


def test_a_token_is_not_sent_to_another_server(dashboard: Dashboard) -> None:
    dashboard.answers["/api/version"] = (302, f"{dashboard.address}/elsewhere")
    with pytest.raises(PlaceError, match="answers with status 302"):
        dashboard.engine.check()
    assert [path for _, path, _, _ in dashboard.requests] == ["/api/version"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((401, "no"), f"refuses the token: set {TOKEN_VARIABLE} to the token of that cluster"),
        ((403, "no"), "refuses the token"),
        ((500, "Traceback\n  File\nValueError: bad\n"), "answers with status 500: ValueError: bad"),
        ((404, "<!DOCTYPE HTML>\n<html>\n</html>\n"), r"is no dashboard of Ray \(status 404\)"),
        ((404, ""), "answers with status 404: it gave no reason"),
        ((200, "<html>"), "is no dashboard of Ray .*: check the address in places.toml"),
        ((200, '[{"status": 3}]'), "is no dashboard of Ray"),
    ],
)
def test_an_answer_that_is_an_error_says_what_to_do(
    dashboard: Dashboard, answer: tuple[int, str], expected: str
) -> None:
    dashboard.answers["/api/jobs/"] = answer
    with pytest.raises(PlaceError, match=expected) as raised:
        dashboard.engine.reports()
    assert "secret" not in str(raised.value)


def test_an_address_where_nothing_listens_is_an_error() -> None:
    (port,) = free_ports(1)
    engine = RayEngine(RaySettings(address=f"http://127.0.0.1:{port}/"))
    expected = rf"cannot be reached at http://127.0.0.1:{port} \(Connection refused\): check"
    with pytest.raises(PlaceError, match=expected):
        engine.check()


# On a real Ray


@pytest.fixture
def ray(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with ray_place(request, tmp_path) as place:
        yield place


@pytest.mark.soak
def test_a_wrong_token_is_refused(
    ray: Place, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(TOKEN_VARIABLE, "0" * 32)
        with pytest.raises(PlaceError, match="refuses the token"):
            start(make_config({"data": tmp_path}), runs, machine=ray.machine())
    assert not runs.exists()


@pytest.mark.soak
def test_a_run_is_a_job_of_its_id_and_a_later_attempt_has_a_number(ray: Place, runs: Path) -> None:
    run = ray.start(runs)
    reaches(run, "running")
    assert job_of(run) == run.id
    stop(run, machine=ray.machine())
    assert resume(run, machine=ray.machine())
    assert job_of(run) == f"{run.id}-2"
    reaches(run, "running")
    assert finished(run).phase == "done"


@pytest.mark.soak
def test_a_waiting_run_that_was_stopped_trains_nothing_and_can_be_resumed(
    ray: Place, runs: Path
) -> None:
    first, second = ray.start(runs), ray.start(runs)
    reaches(first, "running")
    reaches(second, "queued")
    stop(second, machine=ray.machine())
    assert state(second).phase == "stopped"
    assert resume(second, machine=ray.machine())
    assert job_of(second) == f"{second.id}-2"
    finished(first)
    reaches(second, "running")
    assert finished(second).phase == "done"
    assert len(second.metrics()) == 1
    assert ray.engine
    assert ray.engine.reports()[second.id].stage == "ended"


@pytest.mark.soak
def test_a_job_that_cannot_begin_is_a_failure_with_its_output(ray: Place, runs: Path) -> None:
    first, second = ray.start(runs), ray.start(runs)
    reaches(first, "running")
    reaches(second, "queued")
    second.config_file.rename(second.config_file.with_suffix(".away"))
    finished(first)
    until(lambda: ray.engine and ray.engine.reports()[job_of(second)].stage == "ended")
    second.config_file.with_suffix(".away").rename(second.config_file)
    found = ended(second)
    assert (found.phase, found.reason) == ("failed", "error")
    assert "failed with exit code 1" in found.detail
    assert f"cityseg: {second.path} is no run" in "\n".join(tail(second))


@pytest.mark.soak
def test_a_training_that_was_stopped_and_resumed_has_the_rows_of_one_that_was_not(
    ray: Place, runs: Path, tmp_path: Path
) -> None:
    config = tiny_config(make_city(tmp_path / "city"), epochs=60)
    alone = start(config, runs)
    assert ended(alone).phase == "done"
    run = start(config, runs, machine=machine_at("ray"))
    until(lambda: len(epoch_rows(run)) > 2)
    stop(run)
    assert state(run).phase == "stopped"
    assert 2 < len(epoch_rows(run)) < 60
    assert resume(run)
    assert placement_of(run)
    assert ended(run).phase == "done"
    # A stop adds a train row for the step at which it came.
    assert timeless(epoch_rows(run)) == timeless(epoch_rows(alone))
