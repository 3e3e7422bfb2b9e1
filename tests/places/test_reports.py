"""How often a cluster is asked. Also tests: places/engine."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from cityseg.errors import PlaceError
from cityseg.places import Report, Reports, Work, reports


class Cluster:
    """Counts the questions."""

    name = "slurm"
    has_arrays = False

    def __init__(self) -> None:
        self.listed: dict[str, Report] = {}
        self.asked = self.asked_past = 0
        self.is_up = True

    def check(self) -> None: ...

    def submit(self, work: Work) -> str:
        return ""

    def submit_array(self, name: str, works: Sequence[Work], at_once: int) -> Iterator[str]:
        return iter(())

    def reports(self) -> Mapping[str, Report]:
        self.asked += 1
        if not self.is_up:
            raise PlaceError("Slurm does not answer")
        return dict(self.listed)

    def past(self, job: str) -> Report | None:
        self.asked_past += 1
        return Report("ended", "TIMEOUT") if job == "old" else None

    def cancel(self, *jobs: str) -> None: ...

    def output(self, job: str, folder: Path) -> str:
        return ""


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test sets."""
    clock = [1000.0]
    monkeypatch.setattr(reports.time, "monotonic", lambda: clock[0])
    return clock


def test_many_questions_become_one(now: list[float]) -> None:
    cluster = Cluster()
    cluster.listed["7"] = Report("running", "RUNNING")
    found = Reports(cluster)
    assert {found.of("7") for _ in range(9)} == {Report("running", "RUNNING")}
    assert cluster.asked == 1
    cluster.listed["7"] = Report("ended", "COMPLETED")
    assert found.of("7") == Report("running", "RUNNING")
    assert found.of("7", fresh=True) == Report("ended", "COMPLETED")
    cluster.listed["7"] = Report("waiting", "PENDING")
    now[0] += 3
    assert found.of("7") == Report("waiting", "PENDING")
    assert cluster.asked == 3


def test_a_job_of_another_process_is_found_at_once(now: list[float]) -> None:
    cluster = Cluster()
    found = Reports(cluster)
    assert found.of("7") is None
    cluster.listed["8"] = Report("waiting", "PENDING")
    assert found.of("8") == Report("waiting", "PENDING")


def test_a_job_that_is_not_listed_is_looked_up_once(now: list[float]) -> None:
    cluster = Cluster()
    found = Reports(cluster)
    for _ in range(5):
        assert found.of("old") == Report("ended", "TIMEOUT")
        assert found.of("older") is None
    assert cluster.asked_past == 2


def test_a_cluster_that_does_not_answer_is_asked_less_often(now: list[float]) -> None:
    cluster = Cluster()
    cluster.is_up = False
    found = Reports(cluster)
    for _ in range(5):
        with pytest.raises(PlaceError, match="does not answer"):
            found.of("7")
    assert cluster.asked == 1
    cluster.is_up = True
    cluster.listed["7"] = Report("running", "RUNNING")
    now[0] += 11
    assert found.of("7") == Report("running", "RUNNING")
    found.forget()
    assert found.of("7")
    assert cluster.asked == 3
