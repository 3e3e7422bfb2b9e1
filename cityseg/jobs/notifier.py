"""The process that follows a run's folder and sends notifications; see `notifying`.

It ends by itself once the run's lock is free and everything is sent, or after a bounded time of
trying. It may be killed at any moment: a message is recorded as sent before it is, and the record
is taken back if it certainly did not arrive. So none is sent twice, and one may be missed.
"""

import argparse
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from cityseg.errors import EXIT_ALL, EXIT_NOTHING, CitysegError
from cityseg.jobs.delivery import Answer, Message, deliver
from cityseg.jobs.events import Event, end_event, live_events, run_name
from cityseg.jobs.logs import log_to_errors
from cityseg.jobs.notifying import mark, notified_urls, read_marks, write_marks
from cityseg.jobs.state import state_of
from cityseg.runs import RunDir, following
from cityseg.system import Lock

#: Between two looks at the folder.
POLL_SECONDS: Final = 5.0
#: The least time between two messages on a run; that on its end is sent at once.
PAUSE_SECONDS: Final = 600.0
#: How long to wait after the first failed delivery; doubled after each further one, up to this.
FIRST_RETRY_SECONDS: Final = 2.0
LAST_RETRY_SECONDS: Final = 300.0
#: How long to try once the run has ended.
END_SECONDS: Final = 3600.0

_log = logging.getLogger("cityseg")  # this module is __main__


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow the run that is named; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    options = parser.parse_args(arguments)
    # The supervisor that starts this blocks signals, and children inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    log_to_errors(is_log=True)
    # It is nobody's child: what ends a job ends the descendants of its processes.
    if os.fork():
        return EXIT_ALL
    try:
        run = RunDir.open(options.run)
        # One of an earlier attempt may still be trying to send how that ended.
        patience, pause = END_SECONDS + LAST_RETRY_SECONDS, partial(time.sleep, POLL_SECONDS)
        with Lock.take(run.notifier_lock, patience, pause), following(run) as run:
            Notifier(run, notified_urls()).follow()
    except Exception as error:
        # Its text may quote a URL.
        _log.warning("Notifications have stopped: %s", type(error).__name__)
        return EXIT_NOTHING
    return EXIT_ALL


@dataclass
class _Delivery:
    """A message that waits for its URL."""

    url: str
    mark: str
    message: Message
    due: float = 0.0
    tries: int = 0


class Notifier:
    """Finds the events of one run and delivers each at most once, for the holder of the lock."""

    def __init__(
        self,
        run: RunDir,
        urls: Sequence[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        send: Callable[[str, Message], Answer] = deliver,
    ) -> None:
        """Deliver to `urls`. No clock that can be set is involved, nor time asleep as a laptop."""
        self.run, self.urls = run, urls
        self._clock, self._sleep, self._send = clock, sleep, send
        self.waiting: list[_Delivery] = []
        self._marks = read_marks(run)
        self._found: set[str] = set()
        self._last_found = -PAUSE_SECONDS + clock()
        self._rows_seen: tuple[int, int] | None = None
        self._rows_came = clock()

    def follow(self) -> None:
        """Report until the run has ended and all is sent, or END_SECONDS have passed since."""
        while self.run.is_locked():
            self.look()
            self.send_due()
            self._sleep(POLL_SECONDS)
        self.look_at_the_end()
        last = self._clock() + END_SECONDS
        while True:
            self.send_due()
            if not self.waiting:
                return
            due = min(each.due for each in self.waiting)
            if due > last:
                break
            self._sleep(max(due - self._clock(), 0.0))
        _log.warning("Notifications that could not be delivered: %d", len(self.waiting))

    def look(self) -> None:
        """Find what is wrong with the live run."""
        with _problems_of_the_run():
            idle_seconds = self._idle_seconds()
            state = state_of(self.run)
            if state.is_live:
                for event in live_events(self.run, state, idle_seconds):
                    self._take(event)

    def look_at_the_end(self) -> None:
        """Find how the run ended."""
        with _problems_of_the_run():
            state = state_of(self.run)
            if not state.is_live:
                self._take(end_event(self.run, state))

    def _idle_seconds(self) -> float:
        """How long no row has come."""
        seen = None
        with suppress(FileNotFoundError):
            found = self.run.metrics_file.stat()
            seen = found.st_mtime_ns, found.st_size
        if seen != self._rows_seen:
            self._rows_seen, self._rows_came = seen, self._clock()
        return self._clock() - self._rows_came

    def _take(self, event: Event) -> None:
        """Queue the messages on an event, unless that is done or another one was just sent."""
        is_due = event.is_final or self._clock() - self._last_found >= PAUSE_SECONDS
        if event.key in self._found or not is_due:
            return
        self._found.add(event.key)
        message = Message(
            id=f"{self.run.id} {event.key}",
            event=event.kind,
            run=self.run.id,
            title=f"cityseg: {run_name(self.run)}",
            text=event.text,
            host=socket.gethostname(),
            time=datetime.now().astimezone().isoformat(timespec="seconds"),
        )
        new = [_Delivery(url, mark(event.key, url), message) for url in self.urls]
        self.waiting += [each for each in new if each.mark not in self._marks]
        self._last_found = self._clock()

    def send_due(self) -> None:
        """Try each delivery whose time has come."""
        for each in [each for each in self.waiting if each.due <= self._clock()]:
            self._try(each)

    def _try(self, delivery: _Delivery) -> None:
        self._marks.append(delivery.mark)
        write_marks(self.run, self._marks)
        answer = self._send(delivery.url, delivery.message)
        if answer.is_final:
            self.waiting.remove(delivery)
        else:
            self._marks.remove(delivery.mark)
            write_marks(self.run, self._marks)
            wait = min(FIRST_RETRY_SECONDS * 2.0**delivery.tries, LAST_RETRY_SECONDS)
            delivery.due, delivery.tries = self._clock() + wait, delivery.tries + 1
        if answer.problem and (answer.is_final or delivery.tries == 1):
            outlook = "" if answer.is_final else "; it is tried again"
            place = self.urls.index(delivery.url) + 1
            _log.warning(
                "The notification %s for URL %d of CITYSEG_NOTIFY was not delivered: %s%s",
                delivery.message.event,
                place,
                answer.problem,
                outlook,
            )


@contextmanager
def _problems_of_the_run() -> Iterator[None]:
    """A folder that cannot be read now may be readable at the next look."""
    with suppress(CitysegError, OSError):
        yield


if __name__ == "__main__":
    # Without waiting for a delivery that hangs.
    os._exit(main())
