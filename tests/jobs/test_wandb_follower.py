"""The process that follows a run's folder, with the genuine wandb, offline and against servers."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import until
from wandb_world import (
    KEY,
    FakeServer,
    Follower,
    losses,
    make_run,
    read_parts,
    recorded,
    sent,
    steps_given_to,
    until_recorded,
    words_of,
    write_epoch_row,
    write_panels,
    write_train_row,
)

from cityseg.errors import EXIT_ALL, EXIT_NOTHING, EXIT_SOME
from cityseg.jobs import find_tracked
from cityseg.runs import RunDir

pytestmark = pytest.mark.usefixtures("no_account")


# The end of a run


@pytest.mark.parametrize(
    ("status", "exit_code"), [("done", 0), ("stopped", 0), ("failed", 1), (None, 1)]
)
def test_a_run_ends_as_its_folder_says(
    tmp_path: Path, status: str | None, exit_code: int, stand_in: Path
) -> None:
    run = make_run(tmp_path)
    if status:
        run.write_summary({"status": status})
    sent(run)
    assert words_of(stand_in, "exit_codes") == [str(exit_code)]


# While a run is trained


def test_rows_are_sent_while_they_are_written_until_the_lock_is_free(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with run.locked():
        follower = Follower(run, "--follow")
        write_train_row(run, 10)
        until_recorded(run, 10)
        assert b"train_loss" in b"".join(
            each.read_bytes() for each in run.tracking.rglob("*.wandb")
        )
        write_train_row(run, 20)
        write_panels(run, 1)
        write_epoch_row(run)
        run.write_summary({"status": "done"})
    assert follower.ended() == (EXIT_ALL, "")
    (part,) = read_parts(run)
    assert losses([part]) == [(10, 0.5), (20, 0.5), (100, 0.5)]
    assert [row["step"] for row in part["rows"] if "predictions/captions" in row] == [100]
    assert part["exit_code"] == 0


TRAINER = """
import sys, time
from pathlib import Path
sys.path.append(sys.argv[2])
from wandb_world import write_train_row
from cityseg.runs import RunDir
run = RunDir(Path(sys.argv[1]))
with run.locked():
    print("locked", flush=True)
    for step in (10, 20, 30):
        write_train_row(run, step)
    sys.stdin.readline()
"""


def test_a_killed_trainer_loses_no_row_and_the_run_ends_as_failed(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    support = Path(__file__).parents[1] / "support"
    with subprocess.Popen(
        [sys.executable, "-c", TRAINER, run.path, support],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as trainer:
        assert trainer.stdout
        assert trainer.stdout.readline() == b"locked\n"
        follower = Follower(run, "--follow")
        until_recorded(run, 30)
        trainer.kill()
    assert follower.ended() == (EXIT_ALL, "")
    (part,) = read_parts(run)
    assert losses([part]) == [(10, 0.5), (20, 0.5), (30, 0.5)]
    assert part["exit_code"] == 1


def test_rows_that_a_resumed_run_repeats_are_not_sent_twice(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    write_train_row(run, 10)
    checkpoint = run.metrics_size()
    for step in (20, 30):
        write_train_row(run, step)
    sent(run)
    run.cut_metrics(checkpoint)
    for step in (20, 30, 40):
        write_train_row(run, step, loss=0.25)
    write_epoch_row(run, 1)
    sent(run)
    run.cut_metrics(0)
    write_train_row(run, 10, epoch=2, loss=0.125)
    sent(run)
    parts = read_parts(run)
    assert [part["id"] for part in parts] == [run.id] * 3
    assert losses(parts) == [
        *((10, 0.5), (20, 0.5), (30, 0.5)),
        *((40, 0.25), (100, 0.5)),
        (110, 0.125),
    ]


def test_predictions_are_sent_once_and_after_the_row_of_their_epoch(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    write_panels(run, 1)
    with run.locked():
        follower = Follower(run, "--follow")
        write_train_row(run, 10)
        until_recorded(run, 10)
        write_epoch_row(run, 1)
        until_recorded(run, 100)
        write_panels(run, 1)
        write_panels(run, 2)
        write_epoch_row(run, 2)
    assert follower.ended()[0] == EXIT_ALL
    (part,) = read_parts(run)
    assert [row["step"] for row in part["rows"] if "predictions/captions" in row] == [100, 200]


def test_damaged_predictions_are_reported_and_the_rest_is_sent(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for epoch in (1, 2):
        write_epoch_row(run, epoch)
        write_panels(run, epoch)
    run.panels_of_epoch(1).write_bytes(b"no picture")
    status, reported = Follower(run).ended()
    assert status == EXIT_SOME
    assert re.fullmatch("Weights & Biases did not take everything: .*epoch 1.*\n", reported)
    (part,) = read_parts(run)
    assert [row["step"] for row in part["rows"] if "predictions/captions" in row] == [200]


# Killed, started twice, started later


def test_after_a_kill_the_next_one_continues_and_catches_up(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with run.locked():
        first = Follower(run, "--follow")
        write_train_row(run, 10)
        write_train_row(run, 20)
        until_recorded(run, 20)
        first.process.kill()
        assert first.ended()[0] == -signal.SIGKILL
        assert not recorded(run).is_finished
        write_train_row(run, 30)
        second = Follower(run, "--follow")
        until_recorded(run, 30)
    assert second.ended()[0] == EXIT_ALL
    parts = read_parts(run)
    assert losses(parts) == [(10, 0.5), (20, 0.5), (30, 0.5)]
    assert [part["exit_code"] for part in parts] == [None, 1]
    folders = sorted(run.tracking.glob("offline-run-*"))
    tracked = find_tracked(run)
    assert tracked
    assert tracked.upload == shlex.join(["wandb", "sync", *map(str, folders)])


#: Before wandb has written the row to its file.
TELL_OF_ROWS = """
def log_row(opened, row, log=wandb_run.log_row):
    log(opened, row)
    open(os.path.join(sys.argv[-1], "row-was-logged"), "w").close()
wandb_run.log_row = log_row
"""


def test_a_row_counts_as_sent_only_when_wandb_has_it_on_disk(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with run.locked():
        write_train_row(run, 10)
        first = Follower(run, "--follow", code=TELL_OF_ROWS)
        until((run.path / "row-was-logged").exists)
        first.process.kill()
        first.ended()
    second = Follower(run)
    assert second.ended()[0] == EXIT_ALL
    assert set(losses(read_parts(run))) == {(10, 0.5)}


def test_a_run_has_one_follower_at_a_time(tmp_path: Path, stand_in: Path) -> None:
    run = make_run(tmp_path)
    with run.locked():
        first = Follower(run, "--follow")
        recorded(run)
        assert Follower(run).ended() == (
            EXIT_NOTHING,
            f"Weights & Biases tracks nothing: {run.path} is already being tracked by another "
            "process\n",
        )
    assert first.ended()[0] == EXIT_ALL
    assert words_of(stand_in, "modes") == ["offline"]


def test_a_finished_run_that_is_tracked_once_more_stays_as_it_is(
    tmp_path: Path, stand_in: Path
) -> None:
    run = make_run(tmp_path)
    write_train_row(run, 10)
    run.write_summary({"status": "done"})
    sent(run)
    before = recorded(run)
    sent(run)
    assert recorded(run) == before
    assert words_of(stand_in, "modes") == ["offline"]
    write_panels(run, 1)
    write_epoch_row(run)
    sent(run)
    assert steps_given_to(stand_in) == [10, 100, 100]


def test_a_follower_that_is_terminated_finishes_what_it_has(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with run.locked():
        follower = Follower(run, "--follow")
        write_train_row(run, 10)
        until_recorded(run, 10)
        follower.process.terminate()
        assert follower.ended() == (EXIT_ALL, "")
    (part,) = read_parts(run)
    assert (losses([part]), part["exit_code"]) == ([(10, 0.5)], 0)


def test_a_run_that_version_0_1_0_tracked_continues_behind_its_rows(
    tmp_path: Path, stand_in: Path
) -> None:
    run = make_run(tmp_path)
    write_train_row(run, 10)
    write_epoch_row(run)
    write_panels(run)
    folder = run.tracking / f"offline-run-20260101_120000-{run.id}"
    folder.mkdir(parents=True)
    run.tracking_file.write_text(json.dumps({"url": None, "folder": str(folder)}))
    sent(run)
    assert not (stand_in / "modes").exists()
    write_train_row(run, 10, epoch=2)
    sent(run)
    assert steps_given_to(stand_in) == [110]
    tracked = find_tracked(run)
    assert tracked
    assert tracked.upload == f"wandb sync {folder}"


def test_a_copy_of_a_run_is_tracked_as_a_run_of_its_own(tmp_path: Path, stand_in: Path) -> None:
    run = make_run(tmp_path)
    write_train_row(run, 10)
    sent(run)
    copy = RunDir(shutil.copytree(run.path, run.path.with_name("another-name")))
    assert find_tracked(copy) is None
    sent(copy)
    assert steps_given_to(stand_in) == [10, 10]


# A run whose folder is renamed


def test_a_run_that_is_renamed_while_it_trains_is_tracked_to_its_end(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with run.locked():
        follower = Follower(run, "--follow")
        write_train_row(run, 10)
        until_recorded(run, 10)
        renamed = RunDir(run.path.rename(run.path.with_name("My Run")))
        write_train_row(renamed, 20)
        write_panels(renamed, 1)
        write_epoch_row(renamed)
        renamed.write_summary({"status": "done"})
    assert follower.ended() == (EXIT_ALL, "")
    assert not run.path.exists()
    (part,) = read_parts(renamed, run.id)
    assert losses([part]) == [(10, 0.5), (20, 0.5), (100, 0.5)]
    assert part["exit_code"] == 0
    (file,) = renamed.tracking.glob("*run-*/*.wandb")
    tracked = find_tracked(renamed)
    assert tracked
    assert tracked.upload == f"wandb sync '{file.parent}'"
    sent(renamed)
    assert len(read_parts(renamed, run.id)) == 1  # nothing is new


# Online


def test_an_online_run_is_uploaded_and_has_a_page(tmp_path: Path, server: str) -> None:
    run = make_run(tmp_path, learning_rate=1e-4)
    write_train_row(run, 10)
    with run.locked():
        follower = Follower(run, "--follow", mode="online")
        until_recorded(run, 10)
        tracked = find_tracked(run)
        assert tracked
        assert tracked.url == f"{server}/someone/cityseg/runs/{run.id}"
        assert tracked.upload is None, "it is under way"
        run.write_summary({"status": "done"})
    assert follower.ended() == (EXIT_ALL, "")
    assert find_tracked(run) == tracked
    assert FakeServer.losses() == [(10, 0.5)]
    assert FakeServer.exit_codes == [0]
    upsert = FakeServer.upserts()[0]
    assert json.loads(upsert["config"])["learning_rate"] == {"value": 1e-4}
    assert not upsert["host"]
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_a_resumed_run_appends_to_the_same_page(tmp_path: Path, server: str) -> None:
    run = make_run(tmp_path)
    write_train_row(run, 10)
    sent(run, mode="online")
    write_train_row(run, 20)
    sent(run, mode="online")
    assert FakeServer.losses() == [(10, 0.5), (20, 0.5)]
    assert {each["name"] for each in FakeServer.upserts() if each.get("name")} == {run.id}


def test_what_was_kept_offline_is_uploaded_before_the_rest(tmp_path: Path, server: str) -> None:
    run = make_run(tmp_path)
    write_train_row(run, 10)
    sent(run)
    write_train_row(run, 20)
    sent(run)
    assert FakeServer.posts == []
    write_train_row(run, 30)
    sent(run, mode="online")
    assert FakeServer.losses() == [(10, 0.5), (20, 0.5), (30, 0.5)]
    tracked = find_tracked(run)
    assert tracked
    assert tracked.upload is None


def test_a_network_that_goes_midway_costs_no_row(tmp_path: Path, server: str) -> None:
    run = make_run(tmp_path)
    with run.locked():
        follower = Follower(run, "--follow", mode="online", code="wandb_follower.END_SECONDS = 1")
        until(lambda: recorded(run).url)
        FakeServer.is_reachable.clear()
        for step in range(1, 51):
            write_train_row(run, step)
        until_recorded(run, 50)
    status, reported = follower.ended()
    assert status == EXIT_SOME
    note = re.fullmatch(r".* was not done after 1 s: upload what it has with `(.+)`\n", reported)
    assert note
    tracked = find_tracked(run)
    assert tracked
    assert tracked.upload == note[1]

    FakeServer.is_reachable.set()
    command = [sys.executable, "-m", *shlex.split(note[1])]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert FakeServer.losses() == [(step, 0.5) for step in range(1, 51)]
    tracked = find_tracked(run)
    assert tracked
    assert tracked.upload is None


def test_an_earlier_part_that_cannot_be_uploaded_keeps_the_rest_offline(
    tmp_path: Path, closed_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", closed_port)
    run = make_run(tmp_path)
    write_train_row(run, 10)
    sent(run)
    write_train_row(run, 20)
    status, reported = Follower(
        run, mode="online", code="wandb_follower.UPLOAD_SECONDS = 1"
    ).ended()
    assert status == EXIT_SOME
    folders = sorted(run.tracking.glob("offline-run-*"))
    assert len(folders) == 2
    assert reported == (
        "Weights & Biases is not available (earlier parts of this run could not be uploaded), so "
        f"this run is tracked offline: upload it later with `wandb sync {folders[0]}`\n"
    )
    assert losses(read_parts(run)) == [(10, 0.5), (20, 0.5)]
    tracked = find_tracked(run)
    assert tracked
    assert tracked.upload == f"wandb sync {folders[0]} {folders[1]}"


# A wandb that is broken or stuck


def test_a_row_that_fails_is_reported_once_and_the_rest_is_sent(
    tmp_path: Path, stand_in: Path
) -> None:
    run = make_run(tmp_path)
    for step in (1, 666, 667, 700):
        write_train_row(run, step)
    assert Follower(run).ended() == (
        EXIT_SOME,
        "Weights & Biases did not take everything: no such step\n",
    )
    assert steps_given_to(stand_in) == [1, 666, 667, 700]


def test_rows_of_another_form_are_skipped(tmp_path: Path, stand_in: Path) -> None:
    run = make_run(tmp_path)
    run.append_metrics({"kind": "train", "epoch": 1})
    write_train_row(run, 20)
    assert Follower(run).ended()[0] == EXIT_SOME
    assert steps_given_to(stand_in) == [20]


def test_a_wandb_that_is_gone_is_reported_and_the_next_one_sends_what_it_lacks(
    tmp_path: Path, stand_in: Path
) -> None:
    run = make_run(tmp_path)
    write_train_row(run, 999)
    assert Follower(run).ended() == (
        EXIT_SOME,
        "Weights & Biases has stopped (its service is gone): send the rest later with "
        f"`python -m cityseg track {run.path}`\n",
    )
    package = stand_in / "wandb" / "__init__.py"
    # Of another length: Python knows changed modules by their size and second.
    package.write_text(package.read_text().replace("== 999", "== 9999"))
    sent(run)
    assert steps_given_to(stand_in) == [999, 999]


def test_a_wandb_that_cannot_start_offline_either_is_reported(
    tmp_path: Path, stand_in: Path
) -> None:
    (stand_in / "fail").touch()
    run = make_run(tmp_path)
    assert Follower(run, mode="online").ended() == (
        EXIT_NOTHING,
        "Weights & Biases cannot start, so nothing is tracked: cannot write\n",
    )
    assert words_of(stand_in, "modes") == ["online", "offline"]
    assert find_tracked(run) is None


def test_a_wandb_that_hangs_holds_no_process_after_the_end_of_the_run(
    tmp_path: Path, stand_in: Path
) -> None:
    run = make_run(tmp_path)
    write_train_row(run, 888)
    with run.locked():
        follower = Follower(run, "--follow", code="wandb_follower.END_SECONDS = 1")
        until((stand_in / "rows").exists)
        with pytest.raises(subprocess.TimeoutExpired):
            follower.process.wait(1.5)
    status, reported = follower.ended()
    assert status == EXIT_SOME
    assert "was not done after 1 s" in reported


def test_a_disk_without_room_ends_no_follower(tmp_path: Path, stand_in: Path) -> None:
    run = make_run(tmp_path)
    write_train_row(run, 10)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50, -1))"
    Follower(run, code=limit).ended()
    assert steps_given_to(stand_in) == [10]
    assert find_tracked(run) is None


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    status, reported = Follower(RunDir(tmp_path)).ended()
    assert status == EXIT_NOTHING
    assert reported.startswith(f"Weights & Biases tracks nothing: {tmp_path} is no run")
    assert os.listdir(tmp_path) == []
