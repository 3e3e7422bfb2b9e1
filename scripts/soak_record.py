"""What a soak saw: how long requests took, what a person saw go wrong, and what the server held."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

#: After a fault, what follows from it is still seen for so long.
AFTERMATH_SECONDS = 15.0
_WANTED: Final = {"a picture, without a training": "< 500", "a picture, with a training": "< 1000"}


class Fault(NamedTuple):
    """A fault that the soak caused, from `start` to `end` seconds.

    `excuses` are kinds of problems, of which it explains those that contain one of `words`.
    """

    name: str
    start: float
    end: float
    excuses: tuple[str, ...]
    words: tuple[str, ...] = ("",)


class Problem(NamedTuple):
    """What a person saw: `kind` is exception, alert, status, console, connection or timeout."""

    start: float
    end: float
    kind: str
    text: str


class Sample(NamedTuple):
    """The server at a time: its process, memory, file descriptors and threads."""

    at: float
    pid: int
    rss_mib: float
    fds: int
    threads: int


@dataclass
class Record:
    """Everything in seconds since the start; `load` describes the visitors."""

    load: str = ""
    started: float = field(default_factory=time.monotonic)
    trained_since: float = float("inf")
    requests: list[tuple[str, float, float]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        """Keep how long the block took, unless it fails."""
        start = self.now()
        yield
        self.requests.append((kind, start, self.now() - start))

    @contextmanager
    def fault(self, name: str, *excuses: str, words: tuple[str, ...] = ("",)) -> Iterator[None]:
        """For the block, and a while after it, problems as `Fault` describes are expected."""
        fault, place = Fault(name, self.now(), float("inf"), excuses, words), len(self.faults)
        self.faults.append(fault)
        yield
        self.faults[place] = fault._replace(end=self.now())

    def saw(self, kind: str, text: str, since: float | None = None) -> None:
        """Keep a problem; `since` is the start of the act that met it."""
        now = self.now()
        self.problems.append(Problem(now if since is None else since, now, kind, text[:500]))

    def visible_errors(self) -> list[Problem]:
        """The problems that no fault excuses."""
        return [each for each in self.problems if not self._excuse(each)]

    def _excuse(self, problem: Problem) -> str:
        for fault in self.faults:
            meets = fault.start <= problem.end and problem.start <= fault.end + AFTERMATH_SECONDS
            explains = any(each in problem.text for each in fault.words)
            if meets and problem.kind in fault.excuses and explains:
                return fault.name
        return ""


def slope_per_minute(times: Sequence[float], values: Sequence[float]) -> float:
    """By least squares, of values at times in seconds; 0 for fewer than two."""
    return float(np.polyfit(times, values, 1)[0]) * 60 if len(times) > 1 else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    return sorted(values)[round(share * (len(values) - 1))]


def settled_samples(record: Record) -> list[Sample]:
    """Those of the last server in the second half of its life: its caches are full by then."""
    last = [each for each in record.samples if each.pid == record.samples[-1].pid]
    return last[len(last) // 2 :]


def summary(record: Record) -> dict[str, Any]:
    """The report as JSON."""
    settled = settled_samples(record)
    times = [each.at for each in settled]
    errors = record.visible_errors()
    return {
        "load": record.load,
        "minutes": round(record.now() / 60, 2),
        "requests": {
            f"{kind}, {when}": {
                "count": len(seconds),
                "p50_ms": round(statistics.median(seconds) * 1000),
                "p95_ms": round(percentile(seconds, 0.95) * 1000),
            }
            for (kind, when), seconds in sorted(_by_kind(record).items())
        },
        "faults": [each._asdict() for each in record.faults],
        "visible_errors": [each._asdict() for each in errors],
        "explained": [each._asdict() for each in record.problems if each not in errors],
        "losses": record.losses,
        "rss_mib": {"first": record.samples[0].rss_mib, "last": record.samples[-1].rss_mib},
        "rss_mib_per_minute": round(slope_per_minute(times, [s.rss_mib for s in settled]), 2),
        "fds_per_minute": round(slope_per_minute(times, [s.fds for s in settled]), 2),
        "most_fds": max(each.fds for each in record.samples),
        "most_threads": max(each.threads for each in record.samples),
        "settled_minutes": round((times[-1] - times[0]) / 60, 2) if times else 0,
        "samples": [each._asdict() for each in record.samples[::5]],
    }


def _by_kind(record: Record) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {}
    for kind, start, seconds in record.requests:
        when = "with a training" if start >= record.trained_since else "without a training"
        found.setdefault((kind, when), []).append(seconds)
    return found


def as_markdown(report: dict[str, Any]) -> str:
    """The report as tables to read."""
    lines = [report["load"], ""]
    lines += ["| request | count | p50, ms | p95, ms | wanted |", f"| --- |{' ---: |' * 4}"]
    lines += [
        f"| {kind} | {each['count']} | {each['p50_ms']} | {each['p95_ms']} "
        f"| {_WANTED.get(kind, '')} |"
        for kind, each in report["requests"].items()
    ]
    lines += ["", "| what | found | wanted |", "| --- | ---: | ---: |"]
    faults: dict[str, int] = {}
    for fault in report["faults"]:
        faults[fault["name"]] = faults.get(fault["name"], 0) + 1
    rss = report["rss_mib"]
    lines += [
        f"| Minutes | {report['minutes']} | |",
        f"| Faults | {', '.join(f'{n} × {name}' for name, n in faults.items()) or 'none'} | |",
        f"| Errors that a person sees | {len(report['visible_errors'])} | 0 |",
        f"| The same, explained by a fault just before | {len(report['explained'])} | |",
        f"| Lost rows, weights, masks or verdicts | {len(report['losses'])} | 0 |",
        f"| Memory of the server, first and last, MiB | {rss['first']:.0f}, {rss['last']:.0f} | |",
        f"| Slope of the memory over the last {report['settled_minutes']} minutes, MiB a minute "
        f"| {report['rss_mib_per_minute']} | < 1 |",
        f"| Slope of the file descriptors, a minute | {report['fds_per_minute']} | 0 |",
        f"| Most file descriptors, threads | {report['most_fds']}, {report['most_threads']} | |",
    ]
    for title, key in (("Errors that a person sees", "visible_errors"), ("Losses", "losses")):
        if report[key]:
            lines += ["", f"{title}:", *(f"- {each}" for each in report[key])]
    return "\n".join(lines)
