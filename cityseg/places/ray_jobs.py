"""Ray: jobs are submitted and looked at through the REST interface of its dashboard.

https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html

No package of Ray is needed here. The id of a job is the name of the work, and for a later attempt
with a number behind it. Ray mixes up jobs of one id: it keeps one that waits, and takes the end of
one that has just ended for that of the next.
"""

import http.client
import json
import os
import shlex
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote

from cityseg.errors import PlaceError
from cityseg.places.engine import Report, Stage, Work
from cityseg.places.settings import RaySettings
from cityseg.system import FileModel, JsonError, package_path, parse_as

Shape = TypeVar("Shape")

#: How long the dashboard may take to answer.
_SECONDS: Final = 30.0
_MOST_BYTES: Final = 1 << 26
_OUTPUT_CHARACTERS: Final = 1 << 16

#: The variables and the file in which Ray's own tools find the token of a cluster.
TOKEN_VARIABLE: Final = "RAY_AUTH_TOKEN"  # noqa: S105 - a name
TOKEN_PATH_VARIABLE: Final = "RAY_AUTH_TOKEN_PATH"  # noqa: S105 - a name
_TOKEN_FILE: Final = "~/.ray/auth_token"  # noqa: S105 - a name

#: The states of a job, all there are, by ray.job_submission.JobStatus.
_STAGES: Final[Mapping[str, Stage]] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "STOPPED": "ended",
    "SUCCEEDED": "ended",
    "FAILED": "ended",
}
#: The type of the error of a job that was not started in $RAY_JOB_START_TIMEOUT_SECONDS.
_WAITED_TOO_LONG: Final = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"


class Job(FileModel):
    """A job as the dashboard lists it."""

    submission_id: str | None = None
    status: str = ""
    message: str | None = None
    error_type: str | None = None
    start_time: int | None = None  # milliseconds, when it was submitted


class _Jobs(FileModel):
    jobs: list[Job]


class _Output(FileModel):
    logs: str = ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another server."""

    def redirect_request(self, *_: Any) -> None:
        """Do not follow: the redirect becomes an HTTPError."""


@dataclass(frozen=True, eq=False)
class RayEngine:
    """A Ray cluster, by the address of its dashboard."""

    settings: RaySettings
    name: str = "ray"
    has_arrays: bool = False

    def check(self) -> None:
        """Raise PlaceError if the dashboard cannot be reached or refuses the token."""
        self._ask("GET", "/api/version")

    def submit(self, work: Work) -> str:
        """Queue a command; returns the id of its job."""
        known = self.reports()
        ids = (f"{work.name}-{number}" if number > 1 else work.name for number in count(1))
        job = next(each for each in ids if each not in known)
        self._ask("POST", "/api/jobs/", submission(self.settings, work, job))
        return job

    def submit_array(self, name: str, works: Sequence[Work], at_once: int) -> Iterator[str]:
        """Queue each command as a job of its own, as Ray knows no arrays; gives their ids."""
        return map(self.submit, works)

    def reports(self) -> Mapping[str, Report]:
        """All jobs that were submitted to the cluster, of all users."""
        answer = self._ask("GET", "/api/jobs/")
        jobs = self._parsed(b'{"jobs":' + answer + b"}", _Jobs).jobs
        found: dict[str, Report] = {}
        waiting = 0
        for job in sorted(jobs, key=lambda job: job.start_time or 0):
            if job.submission_id:  # of no other program that uses the cluster
                waiting += job.status == "PENDING"
                position = waiting if job.status == "PENDING" else None
                found[job.submission_id] = ray_report(job, position)
        return found

    def past(self, job: str) -> Report | None:
        """None: Ray lists all jobs until it is restarted."""
        return None

    def cancel(self, *jobs: str) -> None:
        """Stop jobs: their processes get SIGTERM, and SIGKILL after $RAY_JOB_STOP_WAIT_TIME_S.

        One that waits is kept by Ray until it has its turn, and is stopped then.
        """
        known = self.reports()
        for job in jobs:
            if job in known and known[job].stage != "ended":
                self._ask("POST", f"{_path(job)}/stop")

    def output(self, job: str, folder: Path) -> str:
        """The end of what the job wrote before its command had a log of its own."""
        try:
            found = self._parsed(self._ask("GET", f"{_path(job)}/logs"), _Output)
        except PlaceError:
            return ""
        return found.logs[-_OUTPUT_CHARACTERS:]

    def _ask(self, method: str, path: str, content: object = None) -> bytes:
        """The body of the answer; raises PlaceError."""
        address = self.settings.address.rstrip("/")
        headers = {"User-Agent": "cityseg", "Content-Type": "application/json"}
        if token := auth_token():
            headers["Authorization"] = f"Bearer {token}"
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(  # noqa: S310 - settings allow http and https only
            address + path, body, headers, method=method
        )
        try:
            opener = urllib.request.build_opener(_NoRedirects)
            with opener.open(request, timeout=_SECONDS) as answer:
                found: bytes = answer.read(_MOST_BYTES)
                return found
        except HTTPError as error:
            with error:
                raise self._refused(error.code, error.read(_MOST_BYTES)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PlaceError(
                f"Ray cannot be reached at {address} ({_reason(error)}): check the address in "
                "places.toml and that the cluster is up"
            ) from error

    def _refused(self, status: int, body: bytes) -> PlaceError:
        if status in (401, 403):
            return PlaceError(
                f"Ray at {self.settings.address} refuses the token: set {TOKEN_VARIABLE} to the "
                f"token of that cluster, or {TOKEN_PATH_VARIABLE} to the file that has it"
            )
        if body.lstrip().startswith(b"<"):  # a page for people
            return self._no_dashboard(f"status {status}")
        lines = [line for line in body.decode(errors="replace").splitlines() if line.strip()]
        text = lines[-1].strip()[:300] if lines else "it gave no reason"
        return PlaceError(f"Ray at {self.settings.address} answers with status {status}: {text}")

    def _parsed(self, content: bytes, shape: type[Shape]) -> Shape:
        try:
            return parse_as(content, shape)
        except JsonError as error:
            raise self._no_dashboard(str(error)) from error

    def _no_dashboard(self, reason: str) -> PlaceError:
        return PlaceError(
            f"What answers at {self.settings.address} is no dashboard of Ray ({reason}): check the "
            "address in places.toml"
        )


def ray_report(job: Job, position: int | None = None) -> Report:
    """The report on `job`; `position` is its place among those that wait."""
    stage = _STAGES.get(job.status, "ended")
    if job.status == "STOPPED":
        return Report(stage, job.status, "It was cancelled", "cancelled")
    if job.error_type == _WAITED_TOO_LONG:
        return Report(stage, job.status, "It waited longer than Ray lets jobs wait", "not_started")
    if job.status == "FAILED":
        # The first line says what happened; the end of the output may follow.
        about = (job.message or "It failed").strip().partition("\n")[0]
        return Report(stage, job.status, about.rstrip(":,. ")[:300], "error")
    reason = "" if job.status in _STAGES else "error"
    return Report(stage, job.status, "", reason, position)  # the message repeats the status


def submission(settings: RaySettings, work: Work, job: str) -> dict[str, Any]:
    """The body of the request that submits `work` with the id `job`.

    The entrypoint is a line for a shell. The environment has no secrets: the dashboard shows it.
    """
    command = (settings.python or work.command[0], *work.command[1:])
    found: dict[str, Any] = {
        "submission_id": job,
        "entrypoint": shlex.join(command),
        "entrypoint_num_cpus": settings.cpus * max(work.devices, 1),
        "entrypoint_num_gpus": settings.gpus * work.devices,
        "metadata": {"program": "cityseg"},
        "runtime_env": {"env_vars": {"PYTHONPATH": package_path()}},
    }
    if settings.memory_gb:
        found["entrypoint_memory"] = round(settings.memory_gb * 1e9)
    return found


def auth_token() -> str:
    """The token, where Ray's own tools look for it; empty if there is none. Raises PlaceError."""
    if token := os.environ.get(TOKEN_VARIABLE, "").strip():
        return token
    named = os.environ.get(TOKEN_PATH_VARIABLE)
    path = Path(named or _TOKEN_FILE).expanduser()
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        if named:
            raise PlaceError(
                f"The token of Ray cannot be read from {path}, which {TOKEN_PATH_VARIABLE} names: "
                "correct the variable"
            ) from error
        return ""


def _path(job: str) -> str:
    return f"/api/jobs/{quote(job, safe='')}"


def _reason(error: BaseException) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
