"""A cluster without machines."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cityseg.places import Report, Work
from cityseg.places.slurm import slurm_report


class Cluster:
    """An engine whose answers are set by the test."""

    def __init__(self, *, name: str = "slurm", has_arrays: bool = True) -> None:
        self.name, self.has_arrays = name, has_arrays
        self.arrays: list[tuple[str, int, int]] = []  # names, numbers of jobs, and how many at once
        self.submitted: list[Work] = []
        self.cancelled: list[str] = []
        self.listed: dict[str, Report] = {}
        self.before_answer: Callable[[], object] = lambda: None

    def check(self) -> None: ...

    def submit(self, work: Work) -> str:
        self.submitted.append(work)
        job = str(len(self.submitted))
        self.listed[job] = slurm_report("PENDING", "Priority")
        return job

    def submit_array(self, name: str, works: Sequence[Work], at_once: int) -> Iterator[str]:
        self.arrays.append((name, len(works), at_once))
        return map(self.submit, works)

    def reports(self) -> Mapping[str, Report]:
        self.before_answer()
        return dict(self.listed)

    def past(self, job: str) -> Report | None:
        return None

    def cancel(self, *jobs: str) -> None:
        self.cancelled.extend(jobs)
        self.listed |= dict.fromkeys(jobs, slurm_report("CANCELLED"))

    def output(self, job: str, folder: Path) -> str:
        return f"the output of {job}\n"
