"""The end of a connection is reported late after a click, and otherwise at once."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import REPOSITORY
from own_thread import in_own_thread
from starlette.types import Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from waiting import until
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from cityseg.ui.leaving import LateGoodbye

PATIENCE_SECONDS = 0.3


def message(content: bytes) -> Message:
    return {"type": "websocket.receive", "bytes": content}


def click() -> bytes:
    sent = BackMsg()
    sent.rerun_script.widget_states.widgets.add(id="button", trigger_value=True)
    return sent.SerializeToString()


def edit() -> bytes:
    sent = BackMsg()
    sent.rerun_script.widget_states.widgets.add(id="field", int_value=1)
    return sent.SerializeToString()


def visit(*contents: bytes, patience_seconds: float, code: int = 1001) -> float:
    """The seconds between the last message and the end, as the application sees both."""
    messages = [*map(message, contents), {"type": "websocket.disconnect", "code": code}]
    times: list[float] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "websocket.disconnect":
            times.append(time.monotonic())
        times.append(time.monotonic())
        await send(message(b"to nobody"))

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError("sent to a browser that has left")

    layer = LateGoodbye(app, patience_seconds)
    in_own_thread(asyncio.run, layer({"type": "websocket"}, receive, send))
    return times[-1] - times[-2]


def test_after_a_click_the_end_comes_late() -> None:
    assert visit(click(), patience_seconds=PATIENCE_SECONDS) >= 0.9 * PATIENCE_SECONDS
    assert visit(click(), edit(), patience_seconds=PATIENCE_SECONDS) >= 0.9 * PATIENCE_SECONDS


@pytest.mark.parametrize("content", [edit(), b"\xff no message", b""])
def test_without_a_click_the_end_comes_at_once(content: bytes) -> None:
    visit(content, patience_seconds=1e9)  # would never return


def test_a_server_that_ends_does_not_wait() -> None:
    visit(click(), patience_seconds=1e9, code=1012)  # would never return


def test_what_cannot_be_sent_any_more_is_no_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(message(b"one"))

    async def send(message: Message) -> None:
        raise OSError("closed")

    async def receive() -> Message:
        return {"type": "websocket.disconnect"}

    in_own_thread(asyncio.run, LateGoodbye(app)({"type": "websocket"}, receive, send))


APP = """
from pathlib import Path
import streamlit as st
from starlette.middleware import Middleware
from cityseg.ui.leaving import LateGoodbye

class Watch:
    def __init__(self, app):
        self.app = app
    async def __call__(self, scope, receive, send):
        async def watched():
            message = await receive()
            if message["type"] == "websocket.disconnect":
                Path(__file__).with_name("left").touch()
            return message
        await self.app(scope, watched, send)

app = st.App("page.py", middleware=[Middleware(Watch), Middleware(LateGoodbye)])
"""
#: A script that is busy, between two elements, until its page has been left.
PAGE = """
import time
from pathlib import Path
import streamlit as st
folder = Path(__file__).parent
st.button("Go", on_click=(folder / "clicked").touch)
while not (folder / "left").exists():
    time.sleep(0.01)
st.write("The end")
"""


def test_a_click_that_meets_a_busy_script_counts_though_its_page_is_left(
    tmp_path: Path, start_app: Callable[[Path], int]
) -> None:
    (tmp_path / "page.py").write_text(PAGE)
    (tmp_path / "app.py").write_text(APP)
    port = start_app(tmp_path / "app.py")
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    with connect(address, subprotocols=[Subprotocol("streamlit")]) as browser:
        browser.send(BackMsg(rerun_script={}).SerializeToString())
        button = ""
        while not button:
            drawn = ForwardMsg.FromString(browser.recv(timeout=60))
            button = drawn.delta.new_element.button.id
        sent = BackMsg()
        sent.rerun_script.widget_states.widgets.add(id=button, trigger_value=True)
        browser.send(sent.SerializeToString())
        browser.close(1001)
    until((tmp_path / "clicked").exists, "the click was lost")


@pytest.fixture
def start_app(tmp_path: Path) -> Iterator[Callable[[Path], int]]:
    """`start_app(file)`: the port of a new server of the application in `file`."""
    servers: list[subprocess.Popen[bytes]] = []

    def start(file: Path) -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        flags = (f"--server.port={port}", "--server.headless=true", "--server.address=127.0.0.1")
        with (tmp_path / "log").open("wb") as log:
            command = [sys.executable, "-m", "streamlit", "run", str(file), *flags]
            servers.append(
                subprocess.Popen(
                    command,
                    cwd=REPOSITORY,
                    env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )
        until(lambda: answers(port), f"no answer; its log is {tmp_path}/log")
        return port

    yield start
    for server in servers:
        server.kill()
        server.wait()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
