"""A click counts, also if its page is closed or loaded again at once.

Streamlit ends the script of a session together with its connection, and with it a click that has
arrived while the script was busy: the rerun that would have handled it never begins. So Streamlit
learns of the end of a connection only some seconds after the last click.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

#: From the click: busy cores let the script take so long to its next element, which it may leave.
_PATIENCE_SECONDS: Final = 10.0
#: The code of a connection that ends with the server, which would wait.
_SERVER_ENDS: Final = 1012


class LateGoodbye:
    """A layer around the application that reports the end of a websocket late after a click."""

    def __init__(self, app: ASGIApp, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Put the layer around `app`."""
        self._app, self._patience_seconds = app, patience_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request or websocket."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        connection = _Connection(receive, send, self._patience_seconds)
        await self._app(scope, connection.receive, connection.send)


class _Connection:
    """One websocket, as the application sees it."""

    def __init__(self, receive: Receive, send: Send, patience_seconds: float) -> None:
        self._receive, self._send, self._patience_seconds = receive, send, patience_seconds
        self._clicked = float("-inf")
        self._is_closed = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._is_closed = True
            if message.get("code") != _SERVER_ENDS:
                left = self._clicked + self._patience_seconds - time.monotonic()
                await asyncio.sleep(max(left, 0))
        elif _is_click(message.get("bytes")):
            self._clicked = time.monotonic()
        return message

    async def send(self, message: Message) -> None:
        """Send it, unless nobody is there any more: an error would end the session at once."""
        if not self._is_closed:
            with suppress(OSError):  # closed since; `receive` reports it
                await self._send(message)


def _is_click(content: bytes | None) -> bool:
    """Whether a message of the browser says that a button was clicked."""
    try:
        widgets = BackMsg.FromString(content or b"").rerun_script.widget_states.widgets
    except DecodeError:  # Streamlit refuses it
        return False
    return any(widget.trigger_value for widget in widgets)
