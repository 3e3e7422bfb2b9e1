"""Connections whose client has fallen silent are ended; those between two requests last.

Uvicorn has a time limit between two requests only. A client that never completes a request, or
never reads an answer, would keep its connection, and the answer in memory, for ever. Streamlit
chooses Uvicorn's protocol class and has no setting for it, so the class is extended in place. The
websocket has limits of its own: pings.

Between two requests Uvicorn waits for 5 s, which is about the pause of a person who looks at a
picture. A busy server then closes many a connection on which the next request is on its way, and
the client sees an error. A browser closes it itself, later.
"""

from functools import wraps
from typing import Any, Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

#: For the head of a request; for the next piece of its body or of an answer that is sent.
_PATIENCE_SECONDS: Final = 20.0
_LOOKS: Final = 4  # in that time
#: Between two requests, as nginx has it.
_IDLE_SECONDS: Final = 75


def end_silent_connections(
    protocol: Any = AutoHTTPProtocol, patience_seconds: float = _PATIENCE_SECONDS
) -> None:
    """Extend the class `protocol`, once: its connections end after so long without progress."""
    if hasattr(protocol, "cityseg_watch"):
        return
    connection_made, data_received = protocol.connection_made, protocol.data_received

    @wraps(connection_made)
    def watched_connection_made(self: Any, transport: Any) -> None:
        connection_made(self, transport)
        self.timeout_keep_alive = _IDLE_SECONDS
        self.cityseg_watch = _Watch(self, patience_seconds)

    @wraps(data_received)
    def watched_data_received(self: Any, data: bytes) -> None:
        self.cityseg_watch.received += len(data)
        data_received(self, data)

    protocol.cityseg_watch = None
    protocol.connection_made = watched_connection_made
    protocol.data_received = watched_data_received


class _Watch:
    """Looks at one connection again and again until it has ended or become a websocket."""

    def __init__(self, protocol: Any, patience_seconds: float) -> None:
        self._protocol, self._patience_seconds = protocol, patience_seconds
        self.received = 0
        self._last: tuple[Any, int, int] = (None, 0, 0)
        self._since = protocol.loop.time()
        self._schedule()

    def _schedule(self) -> None:
        self._protocol.loop.call_later(self._patience_seconds / _LOOKS, self._look)

    def _look(self) -> None:
        transport = self._protocol.transport
        unsent = transport.get_write_buffer_size()
        if transport.get_protocol() is not self._protocol or (
            transport.is_closing() and not unsent
        ):
            return
        now, request = self._protocol.loop.time(), self._protocol.cycle
        is_open = request is not None and not request.response_complete
        # Bytes of an incomplete head are no progress: one a second would last for ever.
        state = (request, unsent, self.received if is_open else 0)
        waits_for_us = is_open and not request.more_body and not unsent
        # Uvicorn's own limit counts until the first byte of the next request.
        is_idle = self._protocol.timeout_keep_alive_task is not None and not unsent
        if waits_for_us or is_idle or state != self._last:
            self._last, self._since = state, now
        if now - self._since >= self._patience_seconds:
            transport.abort()
        else:
            self._schedule()
