"""The command `cityseg` and the app as `pip install` leaves them, used from an empty folder.

No module of the package is tested here: it is about what is packed with them.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from harness import REPOSITORY
from playwright.sync_api import Page, expect
from waiting import PATIENCE_SECONDS, until

PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the package is installed, from a wheel, without what it depends on."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "cityseg", source / "cityseg", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    offline = ("--no-deps", "--no-index", "--no-build-isolation")
    subprocess.run([*PIP, "wheel", *offline, "-w", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*PIP, "install", *offline, "--target", folder / "site", wheel], check=True)
    return folder / "site"


@pytest.fixture(scope="module")
def environment(installed: Path) -> dict[str, str]:
    """That of a person who has other settings for Streamlit."""
    mine = {"PYTHONPATH": str(installed), "STREAMLIT_SERVER_ADDRESS": "0.0.0.0"}  # noqa: S104
    return os.environ | mine


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answer(port: int, host: str = "127.0.0.1") -> int | None:
    """The status of the first page; None without a server."""
    connection = HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@pytest.fixture
def served(
    installed: Path, environment: dict[str, str], port: int, app_city: Path, tmp_path: Path
) -> Iterator["subprocess.Popen[str]"]:
    """`cityseg app` on the sample city, once it answers, started in an empty folder."""
    (empty := tmp_path / "empty").mkdir()
    options = [f"--port={port}", f"--data={app_city}", f"--runs={tmp_path / 'runs'}"]
    command = [installed / "bin" / "cityseg", "app", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=empty, env=environment, stdout=pipe, stderr=pipe, text=True
    ) as server:
        try:
            until(lambda: answer(port) or server.poll() is not None, "no answer")
            yield server
        finally:
            server.kill()


def files_in(folder: Path) -> set[str]:
    """The files of the package, apart from its modules."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in found if path.suffix not in (".py", ".pyc")}


def test_all_that_is_no_module_is_packed_too(installed: Path) -> None:
    packed = files_in(installed / "cityseg")
    assert packed == files_in(REPOSITORY / "cityseg")
    assert {"ui/config.toml", "ui/viewer/js/main.js", "ui/viewer/viewer.css"} <= packed


@pytest.mark.parametrize("command", ["", "convert", "jobs list"])
def test_usage_says_what_was_typed(
    installed: Path, environment: dict[str, str], command: str, tmp_path: Path
) -> None:
    script = installed / "bin" / "cityseg"
    for start, name in (([script], "cityseg"), ([sys.executable, "-m", "cityseg"], "python -m")):
        done = subprocess.run(
            [*start, *command.split(), "--help"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith(f"usage: {name} ")


def test_the_app_is_served_with_its_viewer_to_this_machine_until_ctrl_c(
    served: "subprocess.Popen[str]", port: int, page: Page
) -> None:
    assert answer(port) == 200
    assert answer(port, "127.0.0.2") is None  # so not on every address
    page.goto(f"http://127.0.0.1:{port}/browse")
    expect(page.locator(".viewer")).to_be_visible()
    page.goto("about:blank")  # a page that loses its server complains
    served.send_signal(signal.SIGINT)
    output, complaints = served.communicate(timeout=PATIENCE_SECONDS)
    assert served.returncode == 0
    assert f"http://127.0.0.1:{port}" in output
    assert complaints.strip() == ""
