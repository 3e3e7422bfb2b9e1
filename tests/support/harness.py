"""The app in a process of its own, and pages whose consoles are checked.

The console check exists to catch faults of this project that no assertion looks for: an exception
in our scripts, a picture or script of ours that does not load, a component that Streamlit cannot
run. What Streamlit's own scripts say and which requests fail while their server is away is no
fault: that depends on what they happened to be doing. So after a test has stopped a server, of the
pages on that server only what our own scripts log or throw still counts.
"""

import socket
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from pathlib import Path

import forks
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    ViewportSize,
)
from waiting import PATIENCE_SECONDS, until

REPOSITORY = Path(__file__).parents[2]
PATIENCE_MILLISECONDS = PATIENCE_SECONDS * 1000
VIEWPORT: ViewportSize = {"width": 1280, "height": 800}
#: Requests of Streamlit's that fail in normal operation: it looks for its server below the page's
#: address first.
STREAMLIT_PROBES = ("/_stcore/health", "/_stcore/host-config")
#: Where Streamlit's own scripts lie; ours come from other addresses.
STREAMLIT_SCRIPTS = "/static/"
#: What Chromium itself logs of failed requests and sockets, whoever made them.
FAILED_REQUEST = ("Failed to load resource", "WebSocket connection to")
#: The addresses of the servers that were stopped, one entry a stop, in their order.
_stops: list[str] = []
#: Run by a server first. An open form of a run has a training step measured for each of its
#: settings, in a process that imports torch: tests/estimates is about that.
_MEASURE_NOTHING = """
import cityseg.estimates as estimates
cost = estimates.StepCost(10**6, 10**7, 10**8, 10**9, 10**12)
estimates.measure_step = lambda config, **options: cost
"""


class Server:
    """The app in a process of its own, on a free port, with a queue of its own."""

    def __init__(
        self,
        data: Path,
        runs: Path,
        log: Path,
        app: Path,
        flags: Sequence[str] = (),
        given: Sequence[str] = (),
    ) -> None:
        """`flags` are Streamlit's, `given` are ours."""
        self.data, self.runs, self.log, self.app = data, runs, log, app
        self._flags, self._given = flags, given
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: forks.Fork | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {"port": self.port, "address": "127.0.0.1", "headless": "true"}
        flags = [f"--server.{name}={value}" for name, value in options.items()]
        given = ["--", "--data", self.data, "--runs", self.runs, *self._given]
        queue = self.runs.with_name(f"{self.runs.name}-queue")
        self._process = forks.fork(
            forks.SERVING,
            _MEASURE_NOTHING + forks.as_module("streamlit"),
            *("run", self.app, *flags, *self._flags, *given),
            output=self.log,
            variables={"CITYSEG_QUEUE": str(queue)},
        )
        until(self._answers, f"the server did not answer; its log is {self.log}")

    def stop(self) -> None:
        """End it as Ctrl-C would; what it started in sessions of their own continues."""
        self.begin_to_stop()
        if self._process:
            self._process.wait()
            self._process = None

    def begin_to_stop(self) -> None:
        """Ask it to end."""
        if self._process:
            _stops.append(self.url)
            self._process.terminate()

    def kill(self) -> None:
        """End it amid whatever it does."""
        if self._process:
            _stops.append(self.url)
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """A new process at the same address, with nothing remembered."""
        self.stop()
        self.start()

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.log.read_text()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", "/_stcore/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def folders_button(page: Page) -> Locator:
    """The button in the header that says which folders are open."""
    buttons = page.locator(".st-key-header").get_by_test_id("stPopoverButton")
    return buttons.filter(has_text=" · ")


def open_folder(page: Page, use: str, folder: Path | str) -> None:
    """Open a folder with the header's button; `use` is Dataset, Masks or Runs."""
    folders_button(page).click()
    popover = page.get_by_test_id("stPopoverBody")
    popover.get_by_role("radio", name=use, exact=True).click()
    popover.get_by_role("textbox", name="Path on this machine").fill(str(folder))
    popover.get_by_test_id("stFormSubmitButton").get_by_role("button").click()


def wait_for_script(page: Page, script: str, argument: object = None) -> None:
    """Wait until a script in the page returns true.

    Playwright's own `wait_for_function` evaluates a string in the page, which our
    Content-Security-Policy forbids: it passes only where the script is true at once. The page asks
    itself, as each question from here keeps four processes busy.
    """
    ask = f"""async (argument) => {{
      for (let turn = 0; turn < 100; turn++) {{
        const found = ({script});
        if (typeof found === "function" ? found(argument) : found) return true;
        await new Promise((done) => setTimeout(done, 50));
      }}
      return false;
    }}"""
    until(lambda: page.evaluate(ask, argument), f"never came true: {script}")


def visit(page: Page, address: str) -> None:
    """Open another address of the server in an open page, as Back and Forward do.

    Spares the browser to begin with Streamlit again; what the session remembers stays.
    """
    page.evaluate(
        """(address) => {
          history.pushState({}, "", address);
          dispatchEvent(new PopStateEvent("popstate", { state: {} }));
        }""",
        address,
    )


def patient(context: BrowserContext) -> BrowserContext:
    """The same, whose clicks and addresses may take as long as what is expected."""
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    return context


def _is_streamlits(text: str) -> bool:
    return STREAMLIT_SCRIPTS in text


class Pages:
    """Opens pages, each in a context of its own, and collects the errors in their consoles."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []
        #: Parts of console errors that a test provokes and so expects.
        self.expected: list[str] = [*STREAMLIT_PROBES]

    def open(self, url: str = "", width: int = 1280, height: int = 800, dark: bool = False) -> Page:
        """A page in a new context, as of another person, at `url` if one is given."""
        context = patient(
            self._browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
            )
        )
        self._contexts.append(context)
        page = context.new_page()
        self.listen(page)
        if url:
            page.goto(url)
        return page

    def listen(self, page: Page) -> Callable[[], None]:
        """Collect the errors in the console of `page`, too; the returned function ends that."""
        earlier = len(_stops)

        def lost_its_server() -> bool:
            return any(page.url.startswith(url) for url in _stops[earlier:])

        def on_console(message: ConsoleMessage) -> None:
            source = str(message.location.get("url"))
            not_ours = message.text.startswith(FAILED_REQUEST) or _is_streamlits(source)
            if message.type == "error" and not (not_ours and lost_its_server()):
                self.errors.append(f"{message.text} ({source})")

        def on_exception(error: Error) -> None:
            # The first line of a stack that names a script is where it was thrown.
            stack = (error.stack or "").splitlines()
            thrown_in = next((line for line in stack if "://" in line), "")
            if not (_is_streamlits(thrown_in) and lost_its_server()):
                self.errors.append(f"uncaught: {error}")

        def stop() -> None:
            page.remove_listener("console", on_console)
            page.remove_listener("pageerror", on_exception)

        page.on("console", on_console)
        page.on("pageerror", on_exception)
        return stop

    def close(self) -> None:
        """Close all; raises AssertionError on errors that were not expected."""
        for context in self._contexts:
            context.close()
        unexpected = [e for e in self.errors if not any(part in e for part in self.expected)]
        assert unexpected == [], unexpected
