"""The server as people start it: no address of Streamlit's or ours answers to a foreign name."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from harness import REPOSITORY
from waiting import PATIENCE_SECONDS, until

#: Streamlit's addresses and ours, each with a method.
ADDRESSES = (
    ("GET", "/"),
    ("GET", "/browse"),
    ("GET", "/_stcore/health"),
    ("GET", "/_stcore/host-config"),
    ("GET", "/_stcore/metrics"),
    ("GET", "/_stcore/script-health-check"),
    ("PUT", "/_stcore/upload_file/session/file"),
    ("OPTIONS", "/_stcore/upload_file/session/file"),
    ("POST", "/_stcore/agent/mcp"),
    ("GET", "/_stcore/bidi-components/any/any.js"),
    ("GET", "/media/0123.png"),
    ("GET", "/component/any/index.html"),
    ("GET", "/static/js/index.js"),
    ("GET", "/auth/login"),
    ("GET", "/favicon.png"),
    ("GET", "/frames/token/image?frame=x"),
    ("GET", "/published/token"),
    ("GET", "/promised/token"),
    ("POST", "/review/token"),
    ("GET", "/reviewed/token?frame=x"),
    ("GET", "/server"),
    ("GET", "/viewer/digest/main.js"),
    ("GET", "//evil.test/%2e%2e/etc/passwd"),
)
STREAMLIT = (sys.executable, "-m", "streamlit", "run", "app.py", "--server.port={port}", "--")
CITYSEG = (sys.executable, "-m", "cityseg", "app", "--port={port}", "--allow-host=lab.test")


@pytest.fixture(scope="module", params=[STREAMLIT, CITYSEG], ids=["streamlit", "cityseg"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that was started in one of the documented ways."""
    folder: Path = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [word.format(port=port) for word in request.param]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data", str(folder), "--runs", str(folder)],
            cwd=REPOSITORY,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: answers(port), f"it does not answer; its log is {folder}/log")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)


def answers(port: int) -> bool:
    try:
        return ask(port, "GET", "/_stcore/health").status == 200
    except OSError:
        return False


def ask(port: int, method: str, address: str, **headers: str) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request(method, address, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def open_websocket(port: int, **headers: str) -> int:
    """The status with which the websocket answers: 101 if it opens."""
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    return ask(port, "GET", "/_stcore/stream", **handshake, **headers).status


def test_no_address_answers_to_a_foreign_name_or_page(port: int) -> None:
    foreign = (
        {"Host": f"evil.test:{port}"},
        {"Host": f"127.0.0.1:{port + 1}"},
        {"Origin": "http://evil.test"},
        {"Origin": f"http://127.0.0.1:{port + 1}"},
        {"Origin": "null"},
    )
    for headers in foreign:
        refused = {each: ask(port, *each, **headers).status for each in ADDRESSES}
        assert set(refused.values()) == {403}, (headers, refused)
        assert open_websocket(port, **headers) == 403


def test_its_own_names_open_it_and_every_answer_has_the_headers(port: int) -> None:
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"):
        assert ask(port, "GET", "/", Host=host, Origin=f"http://{host}").status == 200
        assert open_websocket(port, Host=host, Origin=f"http://{host}") == 101
    for address in ADDRESSES:
        answer = ask(port, *address)
        assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"], address
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_name_that_was_allowed_opens_it(port: int, request: pytest.FixtureRequest) -> None:
    is_allowed = "cityseg" in request.node.name
    expected = (200, 101) if is_allowed else (403, 403)
    headers = {"Host": "lab.test", "Origin": "https://lab.test"}
    assert (ask(port, "GET", "/", **headers).status, open_websocket(port, **headers)) == expected
    # A proxy may ask under the server's own name and hand on the origin.
    origin = {"Origin": "https://lab.test"}
    assert (ask(port, "GET", "/", **origin).status, open_websocket(port, **origin)) == expected


def test_pandas_is_whole_and_threads_switch_often_before_the_first_session() -> None:
    code = """
import asyncio, sys
from cityseg.ui.application import settings
async def begin():
    async with settings()["lifespan"](None):
        print("pandas" in sys.modules, sys.getswitchinterval() < 0.002)
asyncio.run(begin())
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "True True\n"
