"""The app in a process of its own, and pages whose consoles are listened to."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

REPOSITORY = Path(__file__).parents[2]
#: What Streamlit itself complains of: it looks for its server below the page's address first.
STREAMLITS_OWN = ("/_stcore/health", "/_stcore/host-config")
#: Where pages ask whether their server is still the same one; there is no answer while it is down.
RESTARTS = "/server"


class Server:
    """The app in a process of its own, on a free port, with a queue of its own."""

    def __init__(self, data: Path, runs: Path, log: Path, app: Path) -> None:
        self.data, self.runs, self.log, self.app = data, runs, log, app
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {"port": self.port, "address": "127.0.0.1", "headless": "true"}
        flags = [f"--server.{name}={value}" for name, value in options.items()]
        given = ["--", "--data", self.data, "--runs", self.runs]
        command = [sys.executable, "-m", "streamlit", "run", self.app, *flags, *given]
        queue = self.runs.with_name(f"{self.runs.name}-queue")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                cwd=REPOSITORY,
                env=os.environ | {"CITYSEG_QUEUE": str(queue), "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, f"the server did not answer; its log is {self.log}")

    def stop(self) -> None:
        """End it as Ctrl-C would; what it started in sessions of their own goes on."""
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def restart(self) -> None:
        """A new process at the same address, with nothing remembered."""
        self.stop()
        self.start()

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.log.read_text()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/_stcore/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def wait_until(holds: Callable[[], object], otherwise: str, seconds: float = 60) -> None:
    """Wait for a condition outside the browser; inside it, Playwright's `expect` waits."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


class Pages:
    """Opens pages, each in a context of its own, and keeps what their consoles complain of."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []
        #: Parts of console errors that a test provokes and so expects.
        self.expected: list[str] = [*STREAMLITS_OWN, RESTARTS]

    def open(self, url: str = "", width: int = 1280, height: int = 800, dark: bool = False) -> Page:
        """A page in a new context, as of another person, at `url` if one is given."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        self._contexts.append(context)
        page = self.listen(context.new_page())
        if url:
            page.goto(url)
        return page

    def listen(self, page: Page) -> Page:
        """Keep what the console of `page` complains of, too."""
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url')})")

    def close(self) -> None:
        """Close all; raises AssertionError on complaints that were not expected."""
        for context in self._contexts:
            context.close()
        unexpected = [e for e in self.errors if not any(part in e for part in self.expected)]
        assert unexpected == [], unexpected
