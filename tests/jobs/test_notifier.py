"""The notifier: most tests run it in this process with a clock of theirs, one as a job does.

Also tests: jobs/notifying.
"""

import json
import logging
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from job_runs import ended, start_stand_in, survivors
from waiting import until
from wandb_world import make_run, write_train_row
from webhook import Webhook

from cityseg.jobs import events
from cityseg.jobs.delivery import Answer, Message
from cityseg.jobs.notifier import END_SECONDS, PAUSE_SECONDS, Notifier
from cityseg.jobs.notifying import (
    NOTIFY_VARIABLE,
    mark,
    notified_urls,
    read_marks,
    start_notifier,
    write_marks,
)
from cityseg.runs import RunDir
from cityseg.system import write_json

SENT = Answer(True)


class World:
    """A run that has ended, a clock that moves when the notifier sleeps, and what it sent."""

    def __init__(self, folder: Path) -> None:
        self.run = make_run(folder)
        begin(self.run, "first")
        write_json(self.run.summary_file, {"status": "done", "epochs": 10})
        self.now = 0.0
        self.sleeps: list[float] = []
        self.sent: list[tuple[str, str]] = []
        self.answer: Callable[[], Answer] = lambda: SENT
        self.on_sleep: Callable[[], None] = lambda: None

    def notifier(self, *urls: str) -> Notifier:
        return Notifier(self.run, urls, clock=lambda: self.now, sleep=self._sleep, send=self._send)

    def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds
        self.on_sleep()

    def _send(self, url: str, message: Message) -> Answer:
        self.sent.append((url, message.event))
        return self.answer()


def begin(run: RunDir, token: str) -> None:
    run.begin_attempt()
    write_json(run.trainer_file, {"token": token})
    write_json(run.progress_file, {"stage": "training"})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# Each event at most once


def test_each_url_gets_the_end_once_whoever_follows(world: World) -> None:
    world.notifier("a:", "b:").follow()
    world.notifier("a:", "b:").follow()
    assert world.sent == [("a:", "end"), ("b:", "end")]
    world.notifier("a:", "c:").follow()
    assert world.sent[2:] == [("c:", "end")]
    begin(world.run, "second")  # resumed with more epochs
    write_json(world.run.summary_file, {"status": "stopped"})
    world.notifier("a:").follow()
    assert world.sent[3:] == [("a:", "end")]


def test_what_was_being_sent_by_a_killed_notifier_is_not_sent_again(world: World) -> None:
    def be_killed() -> Answer:
        raise KeyboardInterrupt

    world.answer = be_killed
    with pytest.raises(KeyboardInterrupt):
        world.notifier("a:", "b:").follow()
    world.answer = lambda: SENT
    world.notifier("a:", "b:").follow()
    assert world.sent == [("a:", "end"), ("b:", "end")]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"sent": 3}'])
def test_a_damaged_record_stops_nothing(world: World, content: bytes) -> None:
    world.run.notified_file.write_bytes(content)
    world.notifier("a:").follow()
    assert world.sent == [("a:", "end")]


def test_a_full_disk_stops_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cityseg.jobs.notifying.write_json", full)
    world.notifier("a:").follow()
    assert world.sent == [("a:", "end")]


def test_the_record_is_bounded(world: World) -> None:
    write_marks(world.run, [str(number) for number in range(1500)])
    assert read_marks(world.run) == [str(number) for number in range(500, 1500)]


# Trying again


def test_a_server_that_answers_500_is_tried_again_with_growing_pauses(
    world: World, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.statuses = [500, 503, 500]
    notifier = Notifier(world.run, [webhook.url], clock=lambda: world.now, sleep=world._sleep)
    notifier.follow()
    assert [post["event"] for post in webhook.posts] == ["end"] * 4
    assert len({post["id"] for post in webhook.posts}) == 1
    assert world.sleeps == [2.0, 4.0, 8.0]
    assert [record.getMessage() for record in caplog.records] == [
        "The notification end for URL 1 of CITYSEG_NOTIFY was not delivered: "
        "the server answered 500; it is tried again"
    ]
    world.notifier(webhook.url).follow()
    assert world.sent == []


def test_a_dead_server_is_given_up_after_an_hour_and_keeps_no_other_waiting(
    world: World, webhook: Webhook, closed_port: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    urls = [f"{closed_port}/secret", webhook.url]
    Notifier(world.run, urls, clock=lambda: world.now, sleep=world._sleep).follow()
    assert len(webhook.posts) == 1
    assert max(world.sleeps) == 300
    assert END_SECONDS - 300 < world.now <= END_SECONDS
    assert caplog.records[-1].getMessage() == "Notifications that could not be delivered: 1"
    assert "secret" not in caplog.text
    assert len(read_marks(world.run)) == 1  # the other one may be sent by a later notifier


def test_a_refused_message_is_not_repeated(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.answer = lambda: Answer(True, "the server answered 404")
    world.notifier("a:").follow()
    assert (world.sent, world.sleeps) == ([("a:", "end")], [])
    assert caplog.records[-1].getMessage().endswith("was not delivered: the server answered 404")


# While the run is live


def test_a_live_run_is_followed_and_messages_keep_a_distance(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10**9]
    monkeypatch.setattr(events, "free_bytes", lambda folder: free[0])
    begin(world.run, "second")
    lock = world.run.locked()
    write_train_row(world.run, 10)
    found: dict[str, float] = {}

    def play() -> None:
        for _, kind in world.sent:
            found.setdefault(kind, world.now)
        if "disk" not in found and world.now > 200:
            free[0] = 0
        if "stalled" in found:
            write_json(world.run.summary_file, {"status": "failed", "reason": "nan_loss"})
            lock.close()

    world.on_sleep = play
    world.notifier("a:").follow()
    assert [kind for _, kind in world.sent] == ["disk", "stalled", "nan"]
    # Stalled after 300 s, while the message on the disk was sent at 205 s.
    assert found["stalled"] - found["disk"] == PAUSE_SECONDS


def test_a_folder_that_cannot_be_read_for_a_while_ends_nothing(world: World) -> None:
    lock = world.run.locked()
    content = world.run.config_file.read_bytes()
    world.run.config_file.write_bytes(b"{")

    def mend() -> None:
        if world.now > 20 and lock.descriptor >= 0:
            world.run.config_file.write_bytes(content)
            lock.close()
            lock.descriptor = -1

    world.on_sleep = mend
    world.notifier("a:").follow()
    assert world.sent == [("a:", "end")]


# Starting it


def test_without_a_url_nothing_is_started_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)
    before = sorted(run.path.rglob("*"))
    monkeypatch.setattr("cityseg.jobs.notifying.spawn", lambda *a, **o: pytest.fail("started"))
    start_notifier(run)
    monkeypatch.setenv(NOTIFY_VARIABLE, "  ")
    start_notifier(run)
    assert sorted(run.path.rglob("*")) == before


def test_urls_are_separated_by_spaces_and_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NOTIFY_VARIABLE, " https://a/1  tgram://b/c\nhttps://a/1 ")
    assert notified_urls() == ["https://a/1", "tgram://b/c"]


def test_a_process_that_cannot_be_started_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(tmp_path)
    run.job.write_text("a file where the folder should be")
    monkeypatch.setenv(NOTIFY_VARIABLE, "https://a/secret")
    start_notifier(run)
    (record,) = caplog.records
    assert record.getMessage().startswith("There will be no notifications: ")
    assert "secret" not in caplog.text


def test_a_missing_apprise_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started: list[object] = []
    monkeypatch.setattr("cityseg.jobs.notifying.spawn", lambda *a, **o: started.append(a))
    monkeypatch.setattr("cityseg.jobs.notifying.reap", lambda process: None)
    monkeypatch.setattr("cityseg.jobs.notifying.find_spec", lambda name: None)
    monkeypatch.setenv(NOTIFY_VARIABLE, "https://a/secret tgram://secret")
    start_notifier(make_run(tmp_path))
    (record,) = caplog.records
    assert record.getMessage() == (
        "1 of the URLs in CITYSEG_NOTIFY get nothing: the package apprise is not installed: run "
        "`pip install 'cityseg[notify]'`"
    )
    assert len(started) == 1  # the others get theirs


def test_a_mark_has_no_part_of_the_url() -> None:
    assert re.fullmatch(r"t end [0-9a-f]{8}", mark("t end", "https://a/secret"))


def test_a_job_reports_its_crash_whatever_another_server_does(
    runs: Path, queues: Path, webhook: Webhook, closed_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = [f"{closed_port}/s3cret", webhook.url.replace("http://", "http://ann:s3cret@")]
    monkeypatch.setenv(NOTIFY_VARIABLE, " ".join(urls))
    run = start_stand_in(runs, "crash")
    assert ended(run).phase == "failed"  # nothing waits for the server that is dead
    until(lambda: webhook.posts and "tried again" in run.log_file.read_text())
    until(lambda: len(survivors(queues)) == 1)  # the job's own processes are ending
    (notifier,) = survivors(queues)
    assert "s3cret" not in " ".join(psutil.Process(notifier).cmdline())
    os.kill(notifier, signal.SIGKILL)
    (post,) = webhook.posts
    assert (post["event"], post["run"]) == ("crash", run.id)
    assert "The training ended with status 1" in post["text"]
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert run.notified_file in files
    assert [path for path in files if b"s3cret" in path.read_bytes()] == []
    assert len(json.loads(run.notified_file.read_text())["sent"]) >= 1
