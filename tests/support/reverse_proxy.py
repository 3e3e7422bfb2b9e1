"""A reverse proxy that serves an app below a path, as nginx does with `location /seg/app/`."""

import socket
import socketserver
import threading
from contextlib import suppress
from typing import Any


class ReverseProxy(socketserver.ThreadingTCPServer):
    """Hands on what is asked for below `prefix`, with or without the prefix; the rest is a 404."""

    def __init__(self, prefix: str, *, strips: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.prefix, self.strips = prefix.encode(), strips
        self.app_port = 0
        #: What was asked for outside of the prefix.
        self.refused: list[str] = []
        self._open: set[socket.socket] = set()
        self.host = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever).start()

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        for connection in tuple(self._open):
            _shut(connection)
        super().__exit__(*error)  # waits for the threads of all connections

    def finish_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self._open.discard(request)


class _Connection(socketserver.StreamRequestHandler):
    server: ReverseProxy

    def handle(self) -> None:
        line, *headers = self._read_head()
        if not line:
            return
        method, path, version = line.split(b" ")
        if not path.startswith(self.server.prefix):
            self.server.refused.append(path.decode())
            self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        if self.server.strips:
            path = b"/" + path.removeprefix(self.server.prefix).lstrip(b"/")
        if b"Upgrade: websocket" not in headers:
            headers = [each for each in headers if not each.startswith(b"Connection:")]
            headers.append(b"Connection: close")
        head = [b" ".join((method, path, version)), *headers, b"", b""]
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self.server.app_port)) as app,
        ):
            app.sendall(b"\r\n".join(head))
            asking = threading.Thread(target=self._send_on, args=(app,))
            asking.start()
            _relay(app, self.connection)
            asking.join()

    def _read_head(self) -> list[bytes]:
        lines = []
        while line := self.rfile.readline().rstrip(b"\r\n"):
            lines.append(line)
        return lines or [b""]

    def _send_on(self, app: socket.socket) -> None:
        with suppress(OSError):
            while piece := self.rfile.read1(1 << 16):
                app.sendall(piece)
        _shut(app)


def _relay(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    _shut(target)


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
