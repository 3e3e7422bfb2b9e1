"""The process that starts torchrun and waits for it: with a stand-in, and once with torchrun."""

import sys
from pathlib import Path

import pytest
from job_runs import ended, survivors
from tiny_runs import make_city, tiny_config
from waiting import until

from cityseg import jobs
from cityseg.config import make_config
from cityseg.errors import TrainingError
from cityseg.jobs import ranks
from cityseg.jobs.ranks import train_in_processes
from cityseg.runs import RunDir
from cityseg.system import Process

#: Of the ranks of a run, that of the second has this in its environment.
_RANK = b"RANK=1"


@pytest.fixture
def run(runs: Path) -> RunDir:
    run = RunDir.create(runs, make_config({"device": "cpu", "devices": 2}))
    run.begin_attempt()
    return run


def stand_in(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let `code` run in place of torchrun, with the run's folder as `run`."""
    start = "import pathlib, sys, time; run = pathlib.Path(sys.argv[-1]);"
    monkeypatch.setattr(
        ranks,
        "torchrun_command",
        lambda processes, module, *arguments: [sys.executable, "-c", start + code, *arguments],
    )


def write_summary(text: str) -> str:
    return f"(run / 'summary.json').write_text({text!r})"


def test_the_summary_is_that_of_the_first_process(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, write_summary('{"status": "done", "epochs": 3}'))
    found = train_in_processes(run, run.config(), lambda: False)
    assert found == {"status": "done", "epochs": 3}


def test_a_stop_is_passed_on_through_the_folder(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(
        monkeypatch,
        "\nwhile not (run / 'job/stop.json').exists(): time.sleep(0.01)\n"
        + write_summary('{"status": "stopped"}'),
    )
    asked = []
    with run.locked():
        found = train_in_processes(run, run.config(), lambda: True, lambda: asked.append(1))
    assert found == {"status": "stopped"}
    assert asked


def test_the_reason_of_a_failure_is_raised(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = '{"status": "failed", "reason": "disk_full", "detail": "No space", "hint": "Free it"}'
    stand_in(monkeypatch, write_summary(failure))
    with pytest.raises(TrainingError) as caught:
        train_in_processes(run, run.config(), lambda: False)
    assert (caught.value.reason, caught.value.detail) == ("disk_full", "No space")


@pytest.mark.parametrize(("kills", "reason"), [((3, 3), "killed"), ((3, 4), "out_of_memory")])
def test_processes_that_leave_no_result_are_a_failure(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, kills: tuple[int, int], reason: str
) -> None:
    stand_in(monkeypatch, "sys.exit(1)")
    counts = iter(kills)
    monkeypatch.setattr(ranks, "oom_kills", lambda: next(counts))
    with pytest.raises(TrainingError) as caught:
        train_in_processes(run, run.config(), lambda: False)
    assert caught.value.reason == reason


def test_an_error_while_waiting_ends_torchrun(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "(run / 'begun').touch(); time.sleep(1000)")

    def raise_once_begun() -> None:
        if (run.path / "begun").exists():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train_in_processes(run, run.config(), lambda: False, raise_once_begun)


def rank_processes(run: RunDir) -> list[Process]:
    """The processes of the second rank of `run`."""
    token = f"CITYSEG_JOB={run.id}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = environ.read_bytes().split(b"\0")
        except OSError:
            continue
        if _RANK in variables and any(each.startswith(token) for each in variables):
            found += [Process.of(int(environ.parent.name))]
    return [process for process in found if process]


def test_a_job_on_two_devices_ends_with_a_reason_if_one_is_killed(runs: Path, queues: Path) -> None:
    config = tiny_config(make_city(runs.parent / "data"), devices=2, norm="group", epochs=10_000)
    run = jobs.start(config, runs)
    until(lambda: jobs.state(run).phase == "running" and len(run.metrics()) > 3)
    (second,) = rank_processes(run)
    second.send(9)
    found = ended(run)
    assert (found.phase, found.reason) == ("failed", "rank_lost")
    assert "Another of the 2 processes" in found.detail
    until(lambda: not survivors(queues))
    # Those of the first process are the only rows.
    steps = [row["step"] for row in run.metrics() if row["kind"] == "train"][:2]
    assert steps == [5, 5]
