"""Queues of devices: an order that holds, and places that end with the processes that hold them."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import forks
import pytest

from cityseg.errors import RunError
from cityseg.jobs.queue import DeviceQueue, Ticket, join_queues, position_in, queues_folder


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeviceQueue:
    monkeypatch.setenv("CITYSEG_QUEUE", str(tmp_path / "queues"))
    return DeviceQueue.of("cpu")


@pytest.fixture
def gpus(queue: DeviceQueue) -> list[DeviceQueue]:
    return [DeviceQueue.of(f"gpu-{number}") for number in range(3)]


def order(queue: DeviceQueue) -> list[tuple[str, bool]]:
    return [(place.run_id, place.is_running) for place in queue.places()]


def test_the_first_ticket_runs_first(queue: DeviceQueue) -> None:
    first, second, third = (queue.join(name, at_once=False) for name in "abc")
    assert not third.try_start()
    assert not second.try_start()
    assert first.try_start()
    assert first.try_start()  # it runs already
    assert not second.try_start()
    first.leave()
    assert not third.try_start()
    assert second.try_start()
    assert order(queue) == [("b", True), ("c", False)]
    second.leave()
    third.leave()
    assert order(queue) == []


def test_a_ticket_taken_at_once_runs_beside_others_and_before_those_that_wait(
    queue: DeviceQueue,
) -> None:
    first, waiting = (queue.join(name, at_once=False) for name in "ab")
    assert first.try_start()
    urgent = queue.join("c", at_once=True)
    first.leave()
    assert not waiting.try_start()
    urgent.leave()
    assert waiting.try_start()
    waiting.leave()


def test_a_place_ends_with_the_last_process_that_holds_it(queue: DeviceQueue) -> None:
    ticket = queue.join("a", at_once=True)
    with heir_of(ticket) as heir:
        waiting = queue.join("b", at_once=False)
        assert not waiting.try_start()
        heir.kill()
        heir.wait()
        assert waiting.try_start()
        waiting.leave()


def heir_of(ticket: Ticket) -> "subprocess.Popen[bytes]":
    """A process that alone holds the place of `ticket`, and does nothing."""
    command = [sys.executable, "-S", "-E", "-c", "input()"]
    heir = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=ticket.descriptors)
    ticket.close()
    return heir


def test_tickets_of_processes_that_have_ended_are_removed(queue: DeviceQueue) -> None:
    for name in ("000000000001-a.running", "000000000002-b.waiting", ".000000000003-c.waiting"):
        (queue.folder / name).touch()
    (queue.folder / "no ticket").touch()
    ticket = queue.join("d", at_once=False)
    assert ticket.try_start()
    assert sorted(os.listdir(queue.folder)) == [
        ".mutex",
        "000000000001-d.running",
        "no ticket",
    ]
    ticket.leave()


def test_a_ticket_can_be_kept_fresh(queue: DeviceQueue) -> None:
    ticket = queue.join("a", at_once=True)
    (path,) = queue.folder.glob("*.running")
    os.utime(path, (0, 0))
    ticket.keep_fresh()
    assert path.stat().st_mtime > 0
    ticket.leave()


# Trainings on several devices


def test_several_devices_are_taken_together_or_not_at_all(gpus: list[DeviceQueue]) -> None:
    busy = gpus[1].join("a", at_once=True)
    both = join_queues(gpus[:2], "b", at_once=False)
    behind = gpus[0].join("c", at_once=False)
    assert not both.try_start()
    assert order(gpus[0]) == [("b", False), ("c", False)]
    assert not behind.try_start()  # though the device is idle: else `both` might wait for ever
    busy.leave()
    assert both.try_start()
    assert [order(each) for each in gpus] == [[("b", True), ("c", False)], [("b", True)], []]
    assert not behind.try_start()
    both.leave()
    assert behind.try_start()
    behind.leave()


def test_trainings_on_several_devices_have_one_order_in_all_queues(
    gpus: list[DeviceQueue],
) -> None:
    first = join_queues(reversed(gpus[:2]), "c", at_once=False)
    remove_tickets(gpus[0], "*c.waiting")  # it comes back, before all that have come meanwhile
    second = join_queues(gpus, "a", at_once=False)
    third = join_queues(gpus[1:], "b", at_once=False)
    assert not third.try_start()
    assert not second.try_start()
    assert first.try_start()
    first.leave()
    assert not third.try_start()
    assert second.try_start()
    second.leave()
    assert third.try_start()
    third.leave()


def test_a_killed_holder_frees_all_devices(gpus: list[DeviceQueue]) -> None:
    with heir_of(join_queues(gpus, "a", at_once=True)) as heir:
        waiting = [each.join("b", at_once=False) for each in gpus]
        assert not any(ticket.try_start() for ticket in waiting)
        heir.kill()
        heir.wait()
        assert all(ticket.try_start() for ticket in waiting)
    for ticket in waiting:
        ticket.leave()


def test_a_place_that_cannot_be_taken_in_one_queue_is_kept_in_none(
    gpus: list[DeviceQueue],
) -> None:
    (gpus[2].folder / ".000000000001-a.waiting").mkdir()
    before = os.listdir("/proc/self/fd")
    with pytest.raises(RunError, match=r"cannot be kept in .*gpu-2"):
        join_queues(gpus, "a", at_once=False)
    assert os.listdir("/proc/self/fd") == before
    assert [order(each) for each in gpus] == [[], [], []]


def test_the_position_counts_all_that_wait_longer_for_one_of_the_devices(
    gpus: list[DeviceQueue],
) -> None:
    running = join_queues(gpus, "r", at_once=True)
    tickets = [gpus[0].join("a", at_once=False), gpus[1].join("b", at_once=False)]
    tickets += [join_queues(gpus[:2], "c", at_once=False), gpus[0].join("d", at_once=False)]
    tickets += [gpus[2].join("e", at_once=False)]
    wanted = {"a": gpus[:1], "b": gpus[1:2], "c": gpus[:2], "d": gpus[:1], "e": gpus[2:], "r": gpus}
    found = [position_in(queues, name) for name, queues in wanted.items()]
    assert found == [1, 1, 3, 3, 1, None]
    assert position_in([], "a") is None
    for ticket in (running, *tickets):
        ticket.leave()


_TAKE_TURNS = """
import sys, time
from pathlib import Path
from cityseg.jobs.queue import DeviceQueue, join_queues

folder, name, *devices = sys.argv[1:]
for number in range(5):
    ticket = join_queues(map(DeviceQueue.of, devices), f"{name}-{number}", at_once=False)
    while not ticket.try_start():
        time.sleep(0.001)
    for device in devices:
        Path(folder, device).touch(exist_ok=False)
    for device in devices:
        Path(folder, device).unlink()
    ticket.leave()
"""


def test_processes_that_want_overlapping_devices_all_have_their_turns(
    gpus: list[DeviceQueue], tmp_path: Path
) -> None:
    devices = [each.folder.name for each in gpus]
    started = [
        forks.fork("import cityseg.jobs.queue", _TAKE_TURNS, tmp_path, first, first, second)
        for first, second in zip(devices, devices[1:] + devices[:1], strict=True)
    ]
    assert [process.wait() for process in started] == [0, 0, 0], [
        process.errors.read_text() for process in started
    ]


# Files that are removed, as programs do that clean temporary folders


def remove_tickets(queue: DeviceQueue, pattern: str) -> None:
    for path in queue.folder.glob(pattern):
        path.unlink()


def test_a_waiting_ticket_whose_file_was_removed_starts_all_the_same(queue: DeviceQueue) -> None:
    ticket = queue.join("a", at_once=False)
    remove_tickets(queue, "*a.waiting")
    assert ticket.try_start()
    assert order(queue) == [("a", True)]
    ticket.leave()
    assert order(queue) == []


def test_a_waiting_ticket_whose_file_was_removed_keeps_its_place(queue: DeviceQueue) -> None:
    running = queue.join("a", at_once=True)
    first, second = (queue.join(name, at_once=False) for name in "bc")
    remove_tickets(queue, "*b.waiting")
    assert not first.try_start()
    running.leave()
    assert not second.try_start()
    assert first.try_start()
    first.leave()
    assert second.try_start()
    second.leave()


def test_a_running_ticket_whose_file_was_removed_is_put_back(queue: DeviceQueue) -> None:
    running, waiting = queue.join("a", at_once=True), queue.join("b", at_once=False)
    remove_tickets(queue, "*a.running")
    running.keep_fresh()
    assert order(queue) == [("a", True), ("b", False)]
    assert not waiting.try_start()
    running.leave()
    assert waiting.try_start()
    waiting.leave()


def test_a_ticket_whose_queue_was_removed_cannot_start_and_says_so(queue: DeviceQueue) -> None:
    ticket = queue.join("a", at_once=False)
    shutil.rmtree(queue.folder)
    with pytest.raises(RunError, match=r"cannot be kept in .*cpu \(No such file"):
        ticket.try_start()
    with pytest.raises(RunError, match="cannot be kept in"):
        ticket.keep_fresh()
    ticket.leave()


def test_a_place_that_cannot_be_taken_leaves_no_lock(
    queue: DeviceQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError("no rename")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(RunError):
        queue.join("a", at_once=False)
    assert os.listdir("/proc/self/fd") == before


def test_queues_are_temporary_files_that_only_their_user_can_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CITYSEG_QUEUE")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    DeviceQueue.of("cpu")
    assert queues_folder() == tmp_path / f"cityseg-{os.getuid()}"
    assert stat.S_IMODE(queues_folder().stat().st_mode) == 0o700


def test_a_link_or_a_file_in_place_of_the_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    monkeypatch.setenv("CITYSEG_QUEUE", str(tmp_path / "link"))
    with pytest.raises(RunError, match="is a link or belongs to another user"):
        DeviceQueue.of("cpu")
    monkeypatch.setenv("CITYSEG_QUEUE", str(tmp_path / "file"))
    with pytest.raises(RunError, match="cannot be kept in"):
        DeviceQueue.of("cpu")
    assert os.listdir(tmp_path / "elsewhere") == []


def test_the_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = Path("/etc")
    if os.getuid() == 0:  # whose that is
        foreign = tmp_path / "queues"
        foreign.mkdir()
        os.chown(foreign, 12345, -1)
    monkeypatch.setenv("CITYSEG_QUEUE", str(foreign))
    with pytest.raises(RunError, match="belongs to another user"):
        DeviceQueue.of("cpu")


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    (tmp_path / "queues").mkdir()
    (tmp_path / "queues").chmod(mode)
    monkeypatch.setenv("CITYSEG_QUEUE", str(tmp_path / "queues"))
    with pytest.raises(RunError, match=r"Other users may write to .* chmod go-w"):
        DeviceQueue.of("cpu")
    assert os.listdir(tmp_path / "queues") == []


def test_the_folder_of_a_device_is_not_followed_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "queues").mkdir(mode=0o700)
    (tmp_path / "queues" / "cpu").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "queues" / "gpu").symlink_to(tmp_path / "nowhere")
    monkeypatch.setenv("CITYSEG_QUEUE", str(tmp_path / "queues"))
    for device in ("cpu", "gpu"):
        with pytest.raises(RunError, match="is a link or belongs to another user"):
            DeviceQueue.of(device)
    assert os.listdir(tmp_path / "elsewhere") == []
    assert not (tmp_path / "nowhere").exists()


def test_what_has_the_name_of_a_ticket_and_is_no_file_is_ignored(
    queue: DeviceQueue, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (queue.folder / "000000000001-folder.running").mkdir()
    (queue.folder / "000000000002-link.running").symlink_to(tmp_path / "file")
    os.mkfifo(queue.folder / "000000000003-pipe.running")
    before = set(os.listdir(queue.folder))
    ticket = queue.join("a", at_once=False)
    assert ticket.try_start()
    assert order(queue) == [("a", True)]
    ticket.leave()
    assert set(os.listdir(queue.folder)) - {".mutex"} == before - {".mutex"}
