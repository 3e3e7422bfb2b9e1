"""The end of a connection is reported late after a click, and otherwise at once."""

import asyncio
import time

import pytest
from starlette.types import Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

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


def visit(*contents: bytes, patience_seconds: float) -> float:
    """The seconds between the last message and the end, as the application sees both."""
    messages = [*map(message, contents), {"type": "websocket.disconnect", "code": 1001}]
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
    asyncio.run(layer({"type": "websocket"}, receive, send))
    return times[-1] - times[-2]


def test_after_a_click_the_end_comes_late() -> None:
    assert visit(click(), patience_seconds=PATIENCE_SECONDS) >= 0.9 * PATIENCE_SECONDS
    assert visit(click(), edit(), patience_seconds=PATIENCE_SECONDS) >= 0.9 * PATIENCE_SECONDS


@pytest.mark.parametrize("content", [edit(), b"\xff no message", b""])
def test_without_a_click_the_end_comes_at_once(content: bytes) -> None:
    visit(content, patience_seconds=1e9)  # would never return


def test_what_cannot_be_sent_any_more_is_no_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(message(b"one"))

    async def send(message: Message) -> None:
        raise OSError("closed")

    async def receive() -> Message:
        return {"type": "websocket.disconnect"}

    asyncio.run(LateGoodbye(app)({"type": "websocket"}, receive, send))
