"""The process that follows a run's folder and feeds Weights & Biases; see `tracking`.

It ends by itself once the run's lock is free and everything is sent, or after a bounded time
without progress. It may be killed at any moment: a row is recorded as sent only when wandb has
written it to its file, so that the next follower misses none, and repeats at most those of the
last second.
"""

import argparse
import logging
import os
import shlex
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

from cityseg.errors import EXIT_ALL, EXIT_NOTHING, EXIT_SOME, CitysegError, RunError
from cityseg.jobs import wandb_run
from cityseg.jobs.logs import log_to_errors
from cityseg.jobs.new_rows import NewRows
from cityseg.jobs.state import state_of
from cityseg.jobs.tracking import (
    BEFORE_ALL_ROWS,
    Mode,
    TrackingState,
    not_uploaded,
    row_key,
    tracking_outcome,
    upload_command,
)
from cityseg.runs import FollowedRun, MetricRow, RunDir, best_epoch, following, total_steps
from cityseg.runs.panels import load_panels, panel_epochs
from cityseg.system import Lock

#: Between two looks at the folder. Longer than wandb takes to write a row to its file.
POLL_SECONDS: Final = 2 * wandb_run.FLUSH_SECONDS
#: How long to try without any progress once the run has ended.
END_SECONDS: Final = 300.0
#: How long to try to upload what earlier followers have kept offline.
UPLOAD_SECONDS: Final = 600.0
#: How long to wait for an earlier follower to end.
_PREDECESSOR_SECONDS: Final = END_SECONDS + 15

#: What is wrong with a single row or picture: the others are sent.
_OF_ONE_ITEM: Final[tuple[type[Exception], ...]] = (CitysegError, KeyError, TypeError, ValueError)

_log = logging.getLogger("cityseg")  # this module is __main__


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow the run that is named; returns the exit status, which is that of `track`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--mode", choices=("offline", "online"), required=True)
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--background", action="store_true")
    options = parser.parse_args(arguments)
    # The supervisor that starts this blocks signals, and children inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    log_to_errors(is_log=options.background)
    try:
        run = RunDir.open(options.run)
        run.tracking.mkdir(exist_ok=True)
        lock = None
        with suppress(BlockingIOError):
            lock = Lock.take(run.tracking_lock)
        # In the background it is nobody's child: what ends a job ends the descendants of its
        # processes. The lock is taken before, so that whoever waits for this sees the run followed.
        if options.background and os.fork():
            return EXIT_ALL
        if lock is None and options.background:
            lock = Lock.take(run.tracking_lock, _PREDECESSOR_SECONDS)
        if lock is None:
            raise RunError(f"{run.path} is already being tracked by another process")
        with lock, following(run) as run:
            status = _Follower(run, options.mode, is_patient=options.follow).track()
            _log.info("%s", tracking_outcome(run))
    except Exception as error:
        _log.warning("Weights & Biases tracks nothing: %s", wandb_run.sentence(error))
        return EXIT_NOTHING
    return status


class _Deadline(threading.Thread):
    """Ends this process when `is_over` and nothing has moved for END_SECONDS.

    Any call into wandb may block for as long as it likes.
    """

    def __init__(self, is_over: Callable[[], bool], give_up: Callable[[], None]) -> None:
        super().__init__(name="cityseg-deadline", daemon=True)
        self._is_over, self._give_up = is_over, give_up
        self.moved()

    def moved(self) -> None:
        self._last = time.monotonic()

    def run(self) -> None:
        while time.monotonic() - self._last < END_SECONDS or not self._is_over():
            time.sleep(POLL_SECONDS)
        self._give_up()
        os._exit(EXIT_SOME)


class _Follower:
    """One session of tracking, by the holder of the run's tracking lock."""

    def __init__(self, run: FollowedRun, mode: Mode, *, is_patient: bool) -> None:
        self.run, self.mode, self.is_patient = run, mode, is_patient
        self.must_end = False
        self.earlier = _state_of_earlier_sessions(run)
        self.state = self.earlier or TrackingState(id=run.id, folder="", sent=BEFORE_ALL_ROWS)
        self.rows = NewRows(run)
        self.epochs: dict[int, MetricRow] = {}
        self.problem: str | None = None
        self.deadline = _Deadline(self.is_over, self.give_up)

    def is_over(self) -> bool:
        """Whether what is in the folder now is all that shall be sent."""
        return self.must_end or not self.is_patient or not self.run.is_locked()

    def track(self) -> int:
        """Send what is new until the run is over; returns the exit status."""
        signal.signal(signal.SIGTERM, self._end_soon)
        wandb_run.prepare_environment(self.run)
        self.deadline.start()
        wanted = self.mode
        self._upload_earlier_parts()
        if self.earlier and self.state.is_finished and self.is_over() and not self._has_news():
            return EXIT_ALL if self.mode == wanted else EXIT_SOME
        opened = self._open()
        if opened is None:
            return EXIT_NOTHING
        try:
            self._send_until_the_end(opened)
        except Exception as error:  # its own process is gone, or the disk is full
            _log.warning(
                "Weights & Biases has stopped (%s): send the rest later with `%s`",
                wandb_run.sentence(error),
                shlex.join(["python", "-m", "cityseg", "track", str(self.run.path)]),
            )
            return EXIT_SOME
        self._finish(opened)
        return EXIT_ALL if self.mode == wanted and not self.problem else EXIT_SOME

    def _end_soon(self, number: int, frame: FrameType | None) -> None:
        self.must_end = True

    def _upload_earlier_parts(self) -> None:
        """Go online only once everything before is uploaded: the server appends."""
        self.state.waiting = not_uploaded(self.state.waiting)
        if self.mode == "offline" or not self.state.waiting:
            return
        wandb_run.upload(self.state.waiting, UPLOAD_SECONDS, self.deadline.moved)
        self.state.waiting = not_uploaded(self.state.waiting)
        self.state.save(self.run)
        if self.state.waiting:
            self.mode = "offline"
            self._warn_of_offline("earlier parts of this run could not be uploaded")

    def _warn_of_offline(self, problem: str) -> None:
        _log.warning(
            "Weights & Biases is not available (%s), so this run is tracked offline: upload it "
            "later with `%s`",
            problem,
            upload_command(self.state.waiting),
        )

    def _has_news(self) -> bool:
        rows, newest = self.run.metrics(), max(panel_epochs(self.run), default=0)
        return newest > self.state.panels or any(self._is_new(row) for row in rows[-1:])

    def _is_new(self, row: MetricRow) -> bool:
        return row_key(row) > (self.state.sent or BEFORE_ALL_ROWS)

    def _open(self) -> Any:
        """The run on Weights & Biases; None if there is no way to track it."""
        config = self.run.config()
        opened, problem = wandb_run.open_run(
            self.run, self.state.id, config, self.mode, is_continued=self.earlier is not None
        )
        self.deadline.moved()
        if opened is None:
            _log.warning("Weights & Biases cannot start, so nothing is tracked: %s", problem)
            return None
        state = self.state
        folder = self.run.tracking.resolve() / Path(opened.settings.sync_dir).name
        state.folder, state.url = str(folder), opened.url or state.url
        state.waiting.append(state.folder)  # until it is uploaded to its end
        state.is_finished = False
        if problem:
            self.mode = "offline"
            self._warn_of_offline(problem)
        state.mode = self.mode
        state.save(self.run)
        return opened

    def _send_until_the_end(self, opened: Any) -> None:
        while True:
            is_over = self.is_over()  # asked before looking: an ended run has written everything
            is_news = self._send_news(opened)
            if is_over:
                return
            time.sleep(POLL_SECONDS)
            if is_news:
                self.state.save(self.run)

    def _send_news(self, opened: Any) -> bool:
        before = self.state.sent, self.state.panels
        for row in self.rows.read():
            self._try(partial(self._send_row, opened, row))
        self.problem = self.problem or self.rows.problem or None
        for epoch in panel_epochs(self.run):
            # Its row comes first; a resumed run makes the pictures of some epochs once more.
            if epoch > self.state.panels and epoch in self.epochs:
                self._try(partial(self._send_panels, opened, epoch))
                self.state.panels = epoch
        return before != (self.state.sent, self.state.panels)

    def _try(
        self, send: Callable[[], None], expected: tuple[type[Exception], ...] = _OF_ONE_ITEM
    ) -> bool:
        """Send something, or keep the problem; an error that is not expected ends the session."""
        problem = None
        try:
            send()
        except expected as error:
            problem = wandb_run.sentence(error)
        self.problem = self.problem or problem
        self.deadline.moved()
        return problem is None

    def _send_row(self, opened: Any, row: MetricRow) -> None:
        if row["kind"] == "epoch":
            self.epochs[row["epoch"]] = row
        # A run that is resumed after a crash repeats the steps since its checkpoint.
        if self._is_new(row):
            self.state.sent = row_key(row)
            wandb_run.log_row(opened, row)

    def _send_panels(self, opened: Any, epoch: int) -> None:
        panels = load_panels(self.run, epoch)
        wandb_run.log_panels(opened, panels, total_steps(self.epochs[epoch]))

    def _finish(self, opened: Any) -> None:
        best = best_epoch(list(self.epochs.values()))
        if best:
            self._try(lambda: wandb_run.log_table(opened, best["class_iou"]), (Exception,))
        summary = wandb_run.card_summary(self.run, best)
        has_failed = _has_failed(self.run)
        finish = partial(wandb_run.finish, opened, summary, has_failed=has_failed)
        if self._try(finish, (Exception,)) and self.mode == "online":
            self.state.waiting.remove(self.state.folder)
        self.state.is_finished = True
        self.state.save(self.run)
        if self.problem:
            _log.warning("Weights & Biases did not take everything: %s", self.problem)

    def give_up(self) -> None:
        """Leave what could not be done in time."""
        kept = "nothing is kept"
        if self.state.waiting:
            kept = f"upload what it has with `{upload_command(self.state.waiting)}`"
        _log.warning("Weights & Biases was not done after %g s: %s", END_SECONDS, kept)


def _state_of_earlier_sessions(run: RunDir) -> TrackingState | None:
    state = TrackingState.load(run)
    if state and state.sent is None:
        rows = run.metrics()
        state.sent = row_key(rows[-1]) if rows else BEFORE_ALL_ROWS
        state.panels = max(panel_epochs(run), default=0)
        state.save(run)
    return state


def _has_failed(run: RunDir) -> bool:
    try:
        return state_of(run).phase in ("failed", "lost")
    except CitysegError:
        return True


if __name__ == "__main__":
    # Without the hooks that wandb leaves behind, which wait for uploads.
    os._exit(main())
